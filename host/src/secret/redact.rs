//! Taking known secrets out of texts that people read: logs, events, errors.
//!
//! This catches accidents: a skill that logs the request it was about to send,
//! a server that repeats a token in its error. It is no wall. Who may see a
//! value can write it in a way that nobody knows; that is what not showing it
//! is for.

use std::borrow::Cow;
use std::fmt;
use std::fmt::Write;
use std::sync::Arc;

use aho_corasick::{AhoCorasick, MatchKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};
use serde_json::Value;
use zeroize::Zeroizing;

use super::Secret;

/// Stands in the place of a secret.
const REDACTED: &str = "[redacted]";

/// The shortest beginning of a secret that is taken from the end of a text
/// that was cut off there, in bytes.
const MIN_TAIL: usize = 4;

/// Finds every known secret in one pass: as it is, in base64 at any offset, in
/// hexadecimal, percent-encoded, and as it stands in JSON.
///
/// Without secrets it costs one comparison.
#[derive(Clone, Default)]
pub(crate) struct Redactor(Option<Arc<Patterns>>);

struct Patterns {
    automaton: AhoCorasick,
    texts: Vec<Zeroizing<String>>,
}

impl Redactor {
    pub(super) fn new<'a>(secrets: impl Iterator<Item = &'a Secret>) -> Self {
        let mut texts: Vec<Zeroizing<String>> = secrets.flat_map(|it| forms(it.expose())).collect();
        texts.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        texts.dedup();
        if texts.is_empty() {
            return Self(None);
        }
        let automaton = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostLongest)
            .build(texts.iter().map(|text| text.as_bytes()));
        // Values of 64 KiB at most cannot make an automaton that is too large.
        Self(
            automaton
                .ok()
                .map(|automaton| Arc::new(Patterns { automaton, texts })),
        )
    }

    /// Whether there is nothing to look for.
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// `text` without secrets, and how many there were.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> (Cow<'a, str>, u64) {
        let Some(patterns) = &self.0 else {
            return (Cow::Borrowed(text), 0);
        };
        let (mut clean, mut count, mut end) = (String::new(), 0_u64, 0);
        for found in patterns.automaton.find_iter(text) {
            clean.push_str(text.get(end..found.start()).unwrap_or_default());
            clean.push_str(REDACTED);
            end = found.end();
            count += 1;
        }
        if count == 0 {
            return (Cow::Borrowed(text), 0);
        }
        clean.push_str(text.get(end..).unwrap_or_default());
        (Cow::Owned(clean), count)
    }

    /// Likewise for a text whose end was cut off, maybe within a secret.
    pub(crate) fn redact_cut<'a>(&self, text: &'a str) -> (Cow<'a, str>, u64) {
        let (clean, count) = self.redact(text);
        match self.tail(&clean) {
            None => (clean, count),
            Some(kept) => (
                Cow::Owned(format!(
                    "{}{REDACTED}",
                    clean.get(..kept).unwrap_or_default()
                )),
                count + 1,
            ),
        }
    }

    /// Every text of a JSON value without secrets; names are left as they are.
    pub(crate) fn redact_json(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let (Cow::Owned(clean), _) = self.redact(text) {
                    *text = clean;
                }
            }
            Value::Array(values) => values.iter_mut().for_each(|value| self.redact_json(value)),
            Value::Object(object) => object
                .values_mut()
                .for_each(|value| self.redact_json(value)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Where the beginning of a secret starts with which `text` ends.
    fn tail(&self, text: &str) -> Option<usize> {
        let patterns = self.0.as_ref()?;
        let starts = patterns.texts.iter().filter_map(|pattern| {
            let begins = |at: &usize| {
                let end = text.get(*at..);
                end.is_some_and(|end| pattern.starts_with(end))
            };
            let longest = pattern.len().min(text.len());
            (MIN_TAIL..=longest)
                .rev()
                .map(|size| text.len() - size)
                .find(begins)
        });
        starts.min()
    }
}

impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Redactor({})",
            if self.is_empty() { "none" } else { "some" }
        )
    }
}

/// The ways in which a value is written by accident.
fn forms(value: &str) -> Vec<Zeroizing<String>> {
    let mut forms = vec![value.to_owned(), json(value)];
    for offset in 0..3 {
        forms.push(base64(&STANDARD_NO_PAD, value, offset));
        forms.push(base64(&URL_SAFE_NO_PAD, value, offset));
    }
    let hex = hex(value);
    forms.push(hex.to_ascii_uppercase());
    forms.push(hex);
    for space in ["%20", "+"] {
        let percent = percent(value, space);
        forms.push(lower_escapes(&percent));
        forms.push(percent);
    }
    forms.into_iter().map(Zeroizing::new).collect()
}

fn json(value: &str) -> String {
    let quoted = Value::from(value).to_string();
    let inner = quoted.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
    inner.unwrap_or(value).to_owned()
}

/// The characters that depend on `value` alone when `offset` other bytes stand
/// before it, as in `user:token`, and any behind it.
fn base64(alphabet: &impl Engine, value: &str, offset: usize) -> String {
    let mut bytes = Zeroizing::new(vec![0; offset]);
    bytes.extend_from_slice(value.as_bytes());
    let text = Zeroizing::new(alphabet.encode(&*bytes));
    let start = (offset * 8).div_ceil(6);
    let end = bytes.len() * 8 / 6;
    text.get(start..end).unwrap_or_default().to_owned()
}

fn hex(value: &str) -> String {
    let mut text = String::with_capacity(value.len() * 2);
    for byte in value.bytes() {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// RFC 3986, section 2.1: all but the unreserved characters are escaped.
fn percent(value: &str, space: &str) -> String {
    let mut text = String::new();
    for byte in value.bytes() {
        match byte {
            b' ' => text.push_str(space),
            b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            _ if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            // Writing to a string does not fail.
            _ => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

/// `%2f` for `%2F`.
fn lower_escapes(text: &str) -> String {
    let mut parts = text.split('%');
    let mut lower = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (escape, rest) = part.split_at_checked(2).unwrap_or((part, ""));
        lower.push('%');
        lower.push_str(&escape.to_ascii_lowercase());
        lower.push_str(rest);
    }
    lower
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::{STANDARD, URL_SAFE};
    use serde_json::json;

    use super::*;

    const VALUE: &str = "SKH_CANARY_/+ \"k?>~e1\"";

    fn redactor(values: &[&str]) -> Redactor {
        let secrets: Vec<Secret> = values
            .iter()
            .map(|value| Secret::new((*value).to_owned()).unwrap())
            .collect();
        Redactor::new(secrets.iter())
    }

    #[test]
    fn x05_a_value_is_found_in_every_form_in_which_it_is_written() {
        let redactor = redactor(&[VALUE]);
        let encoded = |before: &str| STANDARD.encode(format!("{before}{VALUE} and more"));
        for (text, expected) in [
            (format!("a {VALUE} b"), "a [redacted] b".to_owned()),
            (
                json!({"key": VALUE}).to_string(),
                r#"{"key":"[redacted]"}"#.to_owned(),
            ),
            (format!("{VALUE}{VALUE}"), "[redacted][redacted]".to_owned()),
            (hex(VALUE), REDACTED.to_owned()),
            (hex(VALUE).to_uppercase(), REDACTED.to_owned()),
            (
                format!("?k={}&", percent(VALUE, "+")),
                "?k=[redacted]&".to_owned(),
            ),
            (lower_escapes(&percent(VALUE, "%20")), REDACTED.to_owned()),
        ] {
            let (clean, count) = redactor.redact(&text);
            assert_eq!(clean, expected, "{text}");
            assert!(count > 0);
        }
        for before in ["", "u", "us", "use", "user:"] {
            for text in [
                encoded(before),
                URL_SAFE.encode(format!("{before}{VALUE}!")),
            ] {
                assert!(
                    redactor.redact(&text).0.contains(REDACTED),
                    "{before}: {text}"
                );
            }
        }
    }

    #[test]
    fn other_texts_stay_as_they_are() {
        for redactor in [redactor(&[VALUE]), redactor(&[]), Redactor::default()] {
            let (clean, count) = redactor.redact("SKH_CANARY, and nothing else");
            assert!(matches!(clean, Cow::Borrowed(_)) && count == 0);
        }
        assert!(redactor(&[]).is_empty() && !redactor(&[VALUE]).is_empty());
    }

    #[test]
    fn of_two_values_the_longer_one_is_taken_out() {
        let redactor = redactor(&["password", "password-and-more"]);
        assert_eq!(redactor.redact("a password-and-more b").0, "a [redacted] b");
        assert_eq!(redactor.redact("a password-and b").0, "a [redacted]-and b");
    }

    #[test]
    fn a_value_that_is_cut_off_is_taken_out_as_well() {
        let redactor = redactor(&["password-of-mine", "other-secret"]);
        for (text, expected) in [
            ("a password-of", "a [redacted]"),
            ("a pass", "a [redacted]"),
            ("a pas", "a pas"),
            ("password-of-mine othe", "[redacted] [redacted]"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(redactor.redact_cut(text).0, expected);
        }
    }

    #[test]
    fn texts_in_json_are_cleaned_wherever_they_stand() {
        let mut value = json!({"a": [{"b": "x password y"}], "n": 7, "password": true});
        redactor(&["password"]).redact_json(&mut value);
        assert_eq!(
            value,
            json!({"a": [{"b": "x [redacted] y"}], "n": 7, "password": true})
        );
    }
}
