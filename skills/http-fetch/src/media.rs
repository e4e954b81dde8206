//! What kind of document a response is, and its text.

use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};

/// How far a document may declare its own encoding: in bytes (HTML Standard,
/// section 4.2.5.4).
const PRESCAN: usize = 1024;

/// What can be done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// HTML or XHTML.
    Html,
    /// Any other text.
    Text,
    /// Images, archives and the like.
    Binary,
}

/// A media type as a `content-type` header states it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct MediaType {
    /// Type and subtype, in lower case; empty if there is no header.
    pub(crate) essence: String,
    /// The parameter `charset`.
    pub(crate) charset: Option<String>,
}

impl MediaType {
    /// Reads a `content-type` header.
    pub(crate) fn parse(header: &str) -> Self {
        let mut parts = header.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let charset = parts
            .filter_map(|part| part.split_once('='))
            .find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        Self {
            essence,
            charset: charset.map(|(_, value)| value.trim().trim_matches('"').to_owned()),
        }
    }

    /// What can be done with such a `body`, which is looked at only if nothing
    /// was declared.
    pub(crate) fn kind(&self, body: &[u8]) -> Kind {
        match self.essence.as_str() {
            "" if body.contains(&0) => Kind::Binary,
            "" if body.trim_ascii_start().starts_with(b"<") => Kind::Html,
            "" => Kind::Text,
            "text/html" | "application/xhtml+xml" => Kind::Html,
            essence if is_textual(essence) => Kind::Text,
            _ => Kind::Binary,
        }
    }

    /// The text of `body`: by its byte order mark, this header, its own
    /// `meta` element, or else as UTF-8 or (when it is none) windows-1252.
    pub(crate) fn decode(&self, body: &[u8]) -> String {
        let declared = self
            .charset
            .as_deref()
            .and_then(|label| Encoding::for_label(label.as_bytes()));
        let own = || {
            if self.kind(body) == Kind::Html {
                declared_inside(body)
            } else {
                None
            }
        };
        let guess = || {
            if std::str::from_utf8(body).is_ok() {
                UTF_8
            } else {
                WINDOWS_1252
            }
        };
        let encoding = declared.or_else(own).unwrap_or_else(guess);
        let (text, _, _) = encoding.decode(body);
        text.into_owned()
    }
}

fn is_textual(essence: &str) -> bool {
    const OTHERS: [&str; 8] = [
        "application/json",
        "application/xml",
        "application/javascript",
        "application/ecmascript",
        "application/yaml",
        "application/toml",
        "application/x-ndjson",
        "image/svg+xml",
    ];
    essence.starts_with("text/")
        || OTHERS.contains(&essence)
        || (essence.starts_with("application/")
            && (essence.ends_with("+json") || essence.ends_with("+xml")))
}

/// The encoding that `<meta charset>` or `<meta http-equiv>` states.
fn declared_inside(body: &[u8]) -> Option<&'static Encoding> {
    const KEY: &str = "charset=";
    let head = String::from_utf8_lossy(body.get(..PRESCAN).unwrap_or(body)).to_ascii_lowercase();
    let meta = head.get(head.find("<meta")?..)?;
    let value = meta
        .get(meta.find(KEY)? + KEY.len()..)?
        .trim_start_matches(['"', '\'', ' ']);
    let label = value.split(['"', '\'', ' ', ';', '/', '>']).next()?;
    let encoding = Encoding::for_label(label.as_bytes())?;
    // A document that could be read so far is not encoded in UTF-16.
    Some(encoding.output_encoding())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(header: &str, body: &[u8]) -> String {
        MediaType::parse(header).decode(body)
    }

    #[test]
    fn reads_the_header() {
        let parsed = MediaType::parse("Text/HTML; a=b; Charset=\"ISO-8859-1\"");
        assert_eq!(
            parsed,
            MediaType {
                essence: "text/html".to_owned(),
                charset: Some("ISO-8859-1".to_owned())
            }
        );
        assert_eq!(MediaType::parse(""), MediaType::default());
    }

    #[test]
    fn knows_text_from_the_rest() {
        let kind = |header: &str| MediaType::parse(header).kind(b"");
        assert_eq!(kind("text/html;charset=x"), Kind::Html);
        assert_eq!(kind("application/xhtml+xml"), Kind::Html);
        for text in [
            "text/plain",
            "application/json",
            "application/ld+json",
            "application/atom+xml",
            "image/svg+xml",
        ] {
            assert_eq!(kind(text), Kind::Text, "{text}");
        }
        for binary in [
            "image/png",
            "application/pdf",
            "application/octet-stream",
            "application/zip",
        ] {
            assert_eq!(kind(binary), Kind::Binary, "{binary}");
        }
    }

    #[test]
    fn looks_inside_when_nothing_is_declared() {
        let kind = |body: &[u8]| MediaType::default().kind(body);
        assert_eq!(kind(b"\n <!doctype html>"), Kind::Html);
        assert_eq!(kind(b"a < b"), Kind::Text);
        assert_eq!(kind(b"\x89PNG\0"), Kind::Binary);
    }

    #[test]
    fn the_header_names_the_encoding() {
        assert_eq!(
            decode("text/plain; charset=iso-8859-1", b"caf\xe9 \x80"),
            "café €"
        );
        assert_eq!(
            decode("text/plain; charset=utf-8", b"caf\xc3\xa9 \xff"),
            "café \u{fffd}"
        );
        assert_eq!(
            decode("text/plain; charset=Shift_JIS", b"\x93\xfa\x96\x7b"),
            "日本"
        );
    }

    #[test]
    fn a_byte_order_mark_wins() {
        assert_eq!(
            decode("text/plain; charset=iso-8859-1", b"\xef\xbb\xbf\xc3\xa9"),
            "é"
        );
        assert_eq!(decode("", b"\xff\xfea\0"), "a");
    }

    #[test]
    fn an_html_document_names_its_own_encoding() {
        assert_eq!(
            decode("text/html", b"<meta charset='windows-1251'>\xcf"),
            "<meta charset='windows-1251'>П"
        );
        let old = b"<META http-equiv=Content-Type content=\"text/html; charset=koi8-r\">\xf0";
        assert!(decode("text/html", old).ends_with('П'));
        assert!(decode("text/html", b"<meta charset=utf-16>\xc3\xa9").ends_with('é'));
        assert_eq!(
            decode("text/plain", b"<meta charset=koi8-r>\xe9"),
            "<meta charset=koi8-r>é"
        );
    }

    #[test]
    fn else_it_is_utf_8_or_windows_1252() {
        assert_eq!(decode("text/html", "é".as_bytes()), "é");
        assert_eq!(decode("text/html", b"\xe9\x93"), "é“");
        assert_eq!(decode("text/html; charset=unheard-of", b"\xe9"), "é");
    }
}
