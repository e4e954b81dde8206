//! Arguments without their lists and long strings.
//!
//! `rmcp` compares some of a call's arguments with HTTP headers (`Mcp-Param-*`):
//! strings, numbers and booleans that stand in objects. It needs no others, and
//! what it reads takes a hundred times the room of the text.

use std::borrow::Cow;

use serde_json::{Map, Value};

use crate::invocation::Input;
use crate::strict::OBJECT;

/// Texts up to that length are passed on as they are, in bytes.
const SHORT: usize = 4096;

/// The longest string that a header could hold, in bytes.
const MAX_STRING: usize = 16 * 1024;

/// The most values that an outline holds, of which an object counts as
/// [`OBJECT`].
const MAX_VALUES: u64 = 20_000;

/// The outline as JSON; none if there is too much in it.
pub(super) fn of(input: &Input) -> Option<Cow<'_, str>> {
    if input.text().len() <= SHORT {
        return Some(Cow::Borrowed(input.text()));
    }
    let outline = value(input.value(), &mut { MAX_VALUES })?;
    Some(Cow::Owned(outline.to_string()))
}

fn value(full: &Value, room: &mut u64) -> Option<Value> {
    *room = room.checked_sub(1)?;
    match full {
        Value::Array(_) => Some(Value::Array(Vec::new())),
        Value::String(text) if text.len() > MAX_STRING => Some(Value::from("")),
        Value::Object(members) => object(members, room),
        short => Some(short.clone()),
    }
}

fn object(members: &Map<String, Value>, room: &mut u64) -> Option<Value> {
    *room = room.checked_sub(OBJECT - 1)?;
    let mut outline = Map::new();
    for (key, member) in members {
        outline.insert(key.clone(), value(member, room)?);
    }
    Some(Value::Object(outline))
}
