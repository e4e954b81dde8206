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
pub struct Stats {
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
pub fn hello(#[schema(default = "world")] mut name: String) -> Result<String, Error> {
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
fn manifest() {
    const LENGTH: usize = SKILL.manifest_length();
    let manifest: Value = serde_json::from_slice(&SKILL.manifest::<LENGTH>()).unwrap();
    println!("{manifest:#}");
}
