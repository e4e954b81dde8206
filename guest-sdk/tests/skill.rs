//! A skill of several tools, called through JSON as the host does.

#![deny(
    unsafe_code,
    missing_docs,
    missing_debug_implementations,
    unused_qualifications,
    warnings
)]

use std::collections::{BTreeMap, BTreeSet};

use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::{Value, json};
use skillhost_sdk::{ErrorKind, testing};

/// What a text is made of.
#[derive(Debug, Serialize, Schema)]
struct Stats {
    /// Words, as UAX #29 finds them
    words: u32,
    unit: Unit,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    top: Vec<(String, u32)>,
}

#[derive(Debug, Default, Serialize, Deserialize, Schema)]
#[serde(rename_all = "kebab-case")]
enum Unit {
    #[default]
    Metric,
    /// Only for the US
    UsCustomary,
}

/// Counts the words of a "text".
///
/// Twice.
#[tool(
    title = "Analyse text",
    read_only,
    idempotent = true,
    open_world = false
)]
fn analyze(
    /// The text to look at
    #[schema(max_length = 1_000_000)]
    text: String,
    /// How many of the most frequent words to list
    #[schema(minimum = 0, maximum = 100, default = 10)]
    top: u32,
    unit: Option<Unit>,
) -> Result<Stats> {
    let words = u32::try_from(text.split_whitespace().count())?;
    Ok(Stats {
        words,
        unit: unit.unwrap_or_default(),
        note: None,
        top: vec![(text, top)],
    })
}

/// Adds numbers.
#[tool]
fn add_all(
    numbers: Vec<i64>,
    #[schema(default = [1, 2])] more: BTreeSet<i64>,
    r#type: Option<char>,
) -> Result<i64> {
    let _ = r#type;
    Ok(numbers.iter().chain(&more).sum())
}

/// Says hello.
#[tool(name = "say-hello")]
fn hello(#[schema(default = "world")] mut name: String) -> Result<String, Error> {
    if name.is_empty() {
        return Err(Error::not_found("nobody"));
    }
    name.insert_str(0, "hello ");
    Ok(name)
}

/// Takes nothing, gives a map.
#[tool]
fn nothing() -> Result<BTreeMap<String, Value>> {
    Ok(BTreeMap::new())
}

skillhost_sdk::export!(analyze, add_all, hello, nothing);

#[test]
fn a_struct_is_answered_structured() {
    let output = testing::call(&SKILL, "analyze", json!({"text": "a b"})).unwrap();
    assert_eq!(output.content(), []);
    let expected = json!({"words": 2, "unit": "metric", "top": [["a b", 10]]});
    assert_eq!(output.structured_value(), Some(expected));
}

#[test]
fn a_number_is_wrapped() {
    let output = testing::call(&SKILL, "add-all", json!({"numbers": [4]})).unwrap();
    assert_eq!(output.structured_json(), Some(r#"{"result":7}"#));
}

#[test]
fn a_string_is_text() {
    let output = testing::call(&SKILL, "say-hello", json!({})).unwrap();
    assert_eq!(
        (output.to_text(), output.structured_json()),
        ("hello world".to_owned(), None)
    );
}

#[test]
fn unknown_arguments_and_tools_are_refused() {
    let error = testing::call(&SKILL, "say-hello", json!({"nmae": "x"})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    let error = testing::call(&SKILL, "hello", json!({})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[test]
fn a_mismatch_names_the_argument() {
    let error = testing::call(&SKILL, "analyze", json!({"text": "a", "top": "many"})).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArguments);
    assert_eq!(error.message(), "`top`: expected u32, found a string");
}

#[test]
fn the_manifest_states_what_the_source_says() {
    let manifest = testing::manifest(&SKILL);
    assert_eq!(manifest["format"], 1);
    assert_eq!(manifest["name"], env!("CARGO_PKG_NAME"));
    assert_eq!(manifest["version"], env!("CARGO_PKG_VERSION"));
    let analyze = &manifest["tools"][0];
    assert_eq!(analyze["title"], "Analyse text");
    assert_eq!(
        analyze["description"],
        "Counts the words of a \"text\".\n\nTwice."
    );
    let stated = json!({"read_only": true, "idempotent": true, "open_world": false});
    assert_eq!(analyze["annotations"], stated);
    assert_eq!(
        analyze["input_schema"],
        json!({
            "type": "object",
            "properties": {
                "text": {"description": "The text to look at", "maxLength": 1_000_000, "type": "string"},
                "top": {
                    "description": "How many of the most frequent words to list",
                    "minimum": 0, "maximum": 100, "default": 10, "type": "integer",
                },
                "unit": {"type": ["string", "null"], "oneOf": [
                    {"const": "metric"},
                    {"description": "Only for the US", "const": "us-customary"},
                    {"type": "null"},
                ]},
            },
            "required": ["text"],
            "additionalProperties": false,
        })
    );
    assert_eq!(
        analyze["output_schema"]["required"],
        json!(["words", "unit", "top"])
    );
    assert_eq!(manifest["tools"][1]["name"], "add-all");
    assert_eq!(
        manifest["tools"][1]["output_schema"]["properties"],
        json!({"result": {"type": "integer"}})
    );
    assert_eq!(manifest["tools"][2]["annotations"], json!({}));
    assert_eq!(manifest["tools"][2]["output_schema"], Value::Null);
}
