//! A jq expression over JSON, as a skill.

pub mod answer;
mod builtins;
pub mod document;
mod evaluation;
pub mod program;

pub mod syntax;

use answer::{Answer, Style};
use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::Value;

/// Runs a jq expression over JSON and gives all of its results, for example
/// `.items[] | select(.price < 10) | .name`.
///
/// Pass the JSON either as text (`data`) or as it is (`value`). The language is
/// that of jq 1.7 without `$ENV`, `input` and modules.
#[tool(title = "Query JSON", read_only, idempotent, open_world = false)]
fn query(
    /// The jq expression
    #[schema(min_length = 1, max_length = 4096)]
    expression: String,
    /// The JSON to look at, as text; preferable for more than a few kilobytes
    data: Option<String>,
    /// The JSON to look at, as it is
    value: Option<Value>,
    /// Prints results that are strings without quotes, like `jq -r`
    #[schema(default = false)]
    raw: bool,
    /// Prints each result on one line, like `jq -c`
    #[schema(default = true)]
    compact: bool,
    /// At most so many results; an expression may have infinitely many
    #[schema(minimum = 1, maximum = 100_000, default = 1000)]
    limit: u32,
) -> Result<Answer> {
    evaluation::answer(&expression, data, value, limit, Style { raw, compact })
}

skillhost_sdk::export!(query);
