//! One query from its arguments to its answer.

use crate::answer::{Answer, Style};
use crate::document;
use crate::program::Program;
use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::{Value, json};
use std::fmt::Display;

/// How much of a message is passed on, in characters: jaq puts the whole value
/// into `cannot index {...} with "a"`.
const MESSAGE: usize = 400;

/// Runs an expression over the one document that is given.
pub(crate) fn answer(
    expression: &str,
    data: Option<String>,
    value: Option<Value>,
    limit: u32,
    style: Style,
) -> Result<Answer> {
    let program = Program::compile(expression).map_err(|error| {
        let place = json!({ "line": error.line, "column": error.column, "found": error.found });
        invalid(
            "syntax",
            &format!("syntax error in the expression: {error}"),
        )
        .details(&place)
    })?;
    let text = only(data, value)?;
    let input = document::read(&text).map_err(|error| invalid(error.code(), &error))?;
    drop(text);
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let results = program
        .run(input, limit)
        .map_err(|error| invalid("runtime", &error))?;
    Answer::new(results, style).map_err(|error| invalid("result-not-json", &error))
}

/// The text of the one that is there.
fn only(data: Option<String>, value: Option<Value>) -> Result<String> {
    match (data, value) {
        (Some(data), None) => Ok(data),
        (None, Some(value)) => Ok(value.to_string()),
        (Some(_), Some(_)) => Err(invalid("two-inputs", &"pass `data` or `value`, not both")),
        (None, None) => {
            let message = "pass the JSON as `data` or `value`; for null, pass `data`: \"null\"";
            Err(invalid("no-input", &message))
        }
    }
}

fn invalid(code: &str, message: &dyn Display) -> Error {
    let mut message = message.to_string();
    if let Some((end, _)) = message.char_indices().nth(MESSAGE) {
        message.truncate(end);
        message.push('…');
    }
    Error::invalid_arguments(message).code(code)
}
