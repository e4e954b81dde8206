//! R14: answers with more than an answer may hold.

use skillhost_sdk::prelude::*;

/// Answers with that many bytes.
#[tool]
fn answer(bytes: usize) -> Result<String> {
    Ok("x".repeat(bytes))
}

/// Answers with that many empty blocks.
#[tool]
fn blocks(count: usize) -> Result<Output> {
    Ok((0..count).fold(Output::new(), |output, _| output.and_text("")))
}

/// Answers with text that would steer a terminal or a reader.
#[tool]
fn control() -> Result<String> {
    Ok("\u{1b}[2J\u{202e}\n{\"jsonrpc\":\"2.0\"}".to_owned())
}

skillhost_sdk::export!(answer, blocks, control);
