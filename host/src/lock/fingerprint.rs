//! SHA-256 of what is pinned, and the one way in which JSON is written for it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::artifact::Digest;

/// What stands before the digits.
const PREFIX: &str = "sha256:";

/// SHA-256 of a component, of a schema or of a definition: `sha256:` and 64
/// hexadecimal digits in lower case.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a JSON value, as [`canonical`] writes it.
    pub(super) fn of_json(value: &Value) -> Self {
        Digest::of(canonical(value).as_bytes()).into()
    }

    /// Of a JSON object; see [`Self::of_json`].
    pub(super) fn of_object(object: &Map<String, Value>) -> Self {
        let mut text = String::new();
        write_object(object, &mut text);
        Digest::of(text.as_bytes()).into()
    }
}

impl From<Digest> for Fingerprint {
    fn from(digest: Digest) -> Self {
        Self(*digest.as_bytes())
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = text.strip_prefix(PREFIX).and_then(bytes);
        bytes.map(Self).ok_or_else(|| {
            format!("{text:?} is no digest: write `{PREFIX}` and 64 of `0-9` and `a-f`")
        })
    }
}

fn bytes(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    if pairs.len() != bytes.len() || !rest.is_empty() {
        return None;
    }
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(bytes)
}

/// One way to write each digest: upper case is refused.
const fn digit(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// JSON without spaces and with the names of each object in order, so that an
/// author who only moves things changes nothing.
///
/// Like RFC 8785, but names are ordered by code point, and numbers stay as they
/// were written: rounded to doubles, two large bounds could look the same.
pub(super) fn canonical(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, text: &mut String) {
    match value {
        Value::Array(values) => {
            text.push('[');
            for (index, value) in values.iter().enumerate() {
                separate(index, text);
                write(value, text);
            }
            text.push(']');
        }
        Value::Object(object) => write_object(object, text),
        plain => *text += &plain.to_string(),
    }
}

fn write_object(object: &Map<String, Value>, text: &mut String) {
    let mut members: Vec<(&String, &Value)> = object.iter().collect();
    members.sort_unstable_by_key(|(name, _)| *name);
    text.push('{');
    for (index, (name, value)) in members.into_iter().enumerate() {
        separate(index, text);
        *text += &Value::from(name.as_str()).to_string();
        text.push(':');
        write(value, text);
    }
    text.push('}');
}

fn separate(index: usize, text: &mut String) {
    if index > 0 {
        text.push(',');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_digest_is_written_in_one_way() {
        let good = Fingerprint::from(Digest::of(b"a"));
        assert_eq!(good.to_string().parse(), Ok(good));
        assert_eq!(good.to_string(), Digest::of(b"a").to_string());
        let digits = "0".repeat(64);
        for bad in [
            String::new(),
            digits.clone(),
            format!("sha512:{digits}"),
            format!("sha256:{}", &digits[1..]),
            format!("sha256:{digits}0"),
            format!("sha256:{}A", &digits[1..]),
            format!("sha256:{}é", &digits[2..]),
        ] {
            assert!(bad.parse::<Fingerprint>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_order_of_names_is_no_part_of_canonical_json_and_that_of_values_is() {
        let one = json!({"b": [1, {"d": null, "c": "x\n\""}], "a": {}});
        let other = json!({"a": {}, "b": [1, {"c": "x\n\"", "d": null}]});
        assert_eq!(
            canonical(&one),
            r#"{"a":{},"b":[1,{"c":"x\n\"","d":null}]}"#
        );
        assert_eq!(Fingerprint::of_json(&one), Fingerprint::of_json(&other));
        assert_ne!(
            Fingerprint::of_json(&json!([1, 2])),
            Fingerprint::of_json(&json!([2, 1]))
        );
    }
}
