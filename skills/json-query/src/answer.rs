//! What a query gave, as JSON and as the text that jq would print.

use crate::program::Results;
use jaq_json::{Num, Val};
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};
use serde_json::value::RawValue;
use skillhost_sdk::schema::Node;
use skillhost_sdk::{IntoOutput, Output, Schema, serde_json as json};
use std::fmt;

/// How deep a result may be nested: readers of JSON commonly stop at 128.
const MAX_DEPTH: usize = 100;

/// How to print results.
#[derive(Clone, Copy, Debug)]
pub struct Style {
    /// Strings as they are, not as JSON.
    pub raw: bool,
    /// Each result on one line.
    pub compact: bool,
}

/// The answer of a query: what programs get, and the text beside it.
#[derive(Debug)]
pub struct Answer {
    text: String,
    found: Found,
}

/// What programs get.
#[derive(Debug, skillhost_sdk::Serialize, Schema)]
struct Found {
    /// The results, in the order in which jq gives them
    results: Vec<Json>,
    /// Whether there are more results than `limit`
    truncated: bool,
}

/// A value that JSON can hold.
#[derive(Debug)]
struct Json(Val);

/// A result that JSON cannot hold.
#[derive(Debug, PartialEq, Eq)]
pub enum NotJson {
    /// An object has a key that is no string.
    Key(String),
    /// A string of bytes, from `tobytes`.
    Bytes,
    /// Nested deeper than readers of JSON take.
    TooDeep,
}

impl Answer {
    /// Puts results into words.
    ///
    /// # Errors
    /// If one of them is no JSON.
    pub fn new(results: Results, style: Style) -> Result<Self, NotJson> {
        let truncated = results.truncated;
        let results = results
            .values
            .into_iter()
            .map(Json::new)
            .collect::<Result<Vec<_>, _>>()?;
        let lines: Vec<String> = results.iter().map(|result| result.print(style)).collect();
        Ok(Self {
            text: lines.join("\n"),
            found: Found { results, truncated },
        })
    }
}

impl IntoOutput for Answer {
    const SCHEMA: Option<&'static Node> = <Found as IntoOutput>::SCHEMA;

    fn into_output(self) -> skillhost_sdk::Result<Output> {
        let output = match self.found.results.len() {
            0 => Output::text("(no results)"),
            _ => Output::text(self.text),
        };
        let output = match self.found.truncated {
            true => output.and_text("(There are more results: raise `limit`, or ask for less.)"),
            false => output,
        };
        output.structured(&self.found).into_output()
    }
}

impl Schema for Json {
    const NODE: Node = json::Value::NODE;
}

impl Json {
    fn new(value: Val) -> Result<Self, NotJson> {
        check(&value, 0)?;
        Ok(Self(value))
    }

    fn print(&self, style: Style) -> String {
        match &self.0 {
            Val::TStr(text) if style.raw => String::from_utf8_lossy(text).into_owned(),
            _ if style.compact => json::to_string(self).unwrap_or_default(),
            _ => json::to_string_pretty(self).unwrap_or_default(),
        }
    }
}

fn check(value: &Val, depth: usize) -> Result<(), NotJson> {
    match value {
        Val::Arr(_) | Val::Obj(_) if depth == MAX_DEPTH => Err(NotJson::TooDeep),
        Val::Arr(items) => items.iter().try_for_each(|item| check(item, depth + 1)),
        Val::Obj(members) => members.iter().try_for_each(|(key, member)| match key {
            Val::TStr(_) => check(member, depth + 1),
            other => Err(NotJson::Key(quoted(other))),
        }),
        Val::BStr(_) => Err(NotJson::Bytes),
        Val::Null | Val::Bool(_) | Val::Num(_) | Val::TStr(_) => Ok(()),
    }
}

/// A key for a message; one that is an array or object itself can be large.
fn quoted(key: &Val) -> String {
    match key {
        Val::Arr(_) => "an array".into(),
        Val::Obj(_) => "an object".into(),
        other => other.to_string(),
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Borrowed(&self.0).serialize(serializer)
    }
}

/// A checked value, or a part of one.
struct Borrowed<'a>(&'a Val);

impl Serialize for Borrowed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Val::Null => serializer.serialize_unit(),
            Val::Bool(value) => serializer.serialize_bool(*value),
            Val::Num(number) => serialize_number(number, serializer),
            Val::TStr(text) | Val::BStr(text) => {
                serializer.serialize_str(&String::from_utf8_lossy(text))
            }
            Val::Arr(items) => {
                let mut sequence = serializer.serialize_seq(Some(items.len()))?;
                for item in items.iter() {
                    sequence.serialize_element(&Borrowed(item))?;
                }
                sequence.end()
            }
            Val::Obj(members) => {
                let mut map = serializer.serialize_map(Some(members.len()))?;
                for (key, member) in members.iter() {
                    map.serialize_entry(&Borrowed(key), &Borrowed(member))?;
                }
                map.end()
            }
        }
    }
}

/// With all digits that the number has, as jq does. What is no number in JSON
/// becomes what jq makes of it: the largest number for infinity, else null.
fn serialize_number<S: Serializer>(number: &Num, serializer: S) -> Result<S::Ok, S::Error> {
    match number {
        Num::Float(float) if float.is_nan() => serializer.serialize_unit(),
        Num::Float(float) => serializer.serialize_f64(float.clamp(f64::MIN, f64::MAX)),
        Num::Int(_) | Num::BigInt(_) | Num::Dec(_) => {
            match RawValue::from_string(number.to_string()) {
                Ok(digits) => digits.serialize(serializer),
                // jq takes `007` as a number and JSON does not.
                Err(_) => serialize_number(&Num::from_dec_str(&number.to_string()), serializer),
            }
        }
    }
}

impl fmt::Display for NotJson {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => write!(
                formatter,
                "a result has the key {key}, which is no string; use `tostring` on keys",
            ),
            Self::Bytes => formatter.write_str("a result is a string of bytes; use `@base64`"),
            Self::TooDeep => write!(
                formatter,
                "a result is nested deeper than {MAX_DEPTH} levels; use `tojson` to get it as text",
            ),
        }
    }
}

impl std::error::Error for NotJson {}
