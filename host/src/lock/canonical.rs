//! The one way in which JSON is written to be pinned.

use serde_json::{Map, Value};

use crate::artifact::Digest;

/// The digest of a JSON value, as [`canonical`] writes it.
pub(super) fn digest_of(value: &Value) -> Digest {
    Digest::of(canonical(value).as_bytes())
}

/// The digest of a JSON object; see [`digest_of`].
pub(super) fn digest_of_object(object: &Map<String, Value>) -> Digest {
    let mut text = String::new();
    write_object(object, &mut text);
    Digest::of(text.as_bytes())
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
    fn the_order_of_names_is_no_part_of_canonical_json_and_that_of_values_is() {
        let one = json!({"b": [1, {"d": null, "c": "x\n\""}], "a": {}});
        let other = json!({"a": {}, "b": [1, {"c": "x\n\"", "d": null}]});
        assert_eq!(
            canonical(&one),
            r#"{"a":{},"b":[1,{"c":"x\n\"","d":null}]}"#
        );
        assert_eq!(digest_of(&one), digest_of(&other));
        assert_ne!(digest_of(&json!([1, 2])), digest_of(&json!([2, 1])));
    }
}
