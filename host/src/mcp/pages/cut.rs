//! Documents in pages.

/// The longest characters as JSON has them.
const MIN_PAGE: usize = 8;

/// A part of an answer that is kept, and where its pages begin.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Document {
    /// Of which tool, as it is listed.
    pub(super) tool: String,
    /// Its media type.
    pub(super) mime_type: Option<String>,
    body: Body,
    starts: Vec<usize>,
}

/// What a document holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Body {
    /// Text.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// What one page holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Whole characters.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
}

impl Document {
    /// A document in pages that are at most `page` bytes in JSON.
    pub(super) fn new(tool: String, mime_type: Option<String>, body: Body, page: usize) -> Self {
        let page = page.max(MIN_PAGE);
        let starts = match &body {
            Body::Text(text) => starts_of_text(text, page),
            // In base64, three bytes are four.
            Body::Bytes(bytes) => (0..bytes.len().max(1)).step_by(page / 4 * 3).collect(),
        };
        Self {
            tool,
            mime_type,
            body,
            starts,
        }
    }

    /// In bytes.
    pub(super) const fn size(&self) -> usize {
        match &self.body {
            Body::Text(text) => text.len(),
            Body::Bytes(bytes) => bytes.len(),
        }
    }

    /// How many pages there are: at least one.
    pub(super) const fn pages(&self) -> usize {
        self.starts.len()
    }

    /// A page, counted from 1.
    pub(super) fn part(&self, number: usize) -> Option<Part<'_>> {
        let index = number.checked_sub(1)?;
        let start = *self.starts.get(index)?;
        let end = self.starts.get(number).copied();
        Some(match &self.body {
            Body::Text(text) => Part::Text(text.get(start..end.unwrap_or(text.len()))?),
            Body::Bytes(bytes) => Part::Bytes(bytes.get(start..end.unwrap_or(bytes.len()))?),
        })
    }
}

/// Where pages begin, between characters and never within one.
pub(super) fn starts_of_text(text: &str, page: usize) -> Vec<usize> {
    let mut starts = vec![0];
    let mut filled = 0;
    for (place, character) in text.char_indices() {
        let length = escaped(character);
        if filled + length > page {
            starts.push(place);
            filled = 0;
        }
        filled += length;
    }
    starts
}

/// The bytes of a text within JSON, without its quotation marks.
pub(super) fn escaped_length(text: &str) -> usize {
    text.chars().map(escaped).sum()
}

const fn escaped(character: char) -> usize {
    match character {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..='\u{1f}' => 6,
        other => other.len_utf8(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str, page: usize) -> Vec<String> {
        let document = Document::new(String::new(), None, Body::Text(text.to_owned()), page);
        let page = |number| match document.part(number) {
            Some(Part::Text(text)) => text.to_owned(),
            other => panic!("{other:?}"),
        };
        assert_eq!(document.part(0), None);
        assert_eq!(document.part(document.pages() + 1), None);
        assert_eq!(document.part(usize::MAX), None);
        (1..=document.pages()).map(page).collect()
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(texts("abcdefghij", 8), ["abcdefgh", "ij"]);
        assert_eq!(texts("äöüäö", 8), ["äöüä", "ö"]);
        assert_eq!(texts("a🎉🎉🎉", 8), ["a🎉", "🎉🎉"]);
        assert_eq!(texts("", 8), [""]);
    }

    #[test]
    fn i10_a_page_of_what_grows_in_json_is_no_larger() {
        let text = "\u{1b}\0\"\\\n🎉x".repeat(1000);
        let pages = texts(&text, 64);
        assert_eq!(pages.concat(), text);
        for page in &pages {
            let json = serde_json::to_string(page).unwrap();
            assert!(json.len() <= 64 + 2, "{json}");
            assert_eq!(escaped_length(page), json.len() - 2);
        }
    }

    #[test]
    fn bytes_are_cut_so_that_base64_is_no_larger() {
        let bytes: Vec<u8> = (0..=255).collect();
        let document = Document::new(String::new(), None, Body::Bytes(bytes.clone()), 64);
        assert_eq!(document.pages(), 6);
        let mut read = Vec::new();
        for number in 1..=document.pages() {
            match document.part(number) {
                Some(Part::Bytes(part)) => {
                    assert!(part.len() <= 48);
                    read.extend_from_slice(part);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(read, bytes);
        let empty = Document::new(String::new(), None, Body::Bytes(Vec::new()), 64);
        assert_eq!(empty.part(1), Some(Part::Bytes(&[])));
    }
}
