//! The canary: honest, and called after every attack.

use skillhost_sdk::prelude::*;

/// Gives back its text.
#[tool(read_only, idempotent, open_world = false)]
fn echo(text: String) -> Result<String> {
    Ok(text)
}

/// Gives back whatever it gets.
#[tool(read_only, idempotent, open_world = false)]
fn count(numbers: Vec<u32>) -> Result<usize> {
    Ok(numbers.len())
}

skillhost_sdk::export!(echo, count);
