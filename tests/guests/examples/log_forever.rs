//! R17: floods the log.

use skillhost_sdk::log;
use skillhost_sdk::prelude::*;

/// Logs that many lines, and then answers.
#[tool]
fn log_lines(lines: u64) -> Result<String> {
    for number in 0..lines {
        log::info(format!("line {number}"));
    }
    Ok("still here".to_owned())
}

/// Logs one line that tries to look like two, and like another's.
#[tool]
fn forge() -> Result<String> {
    log::error("first\nsecond \u{1b}[2J\r{\"event\":\"skill.loaded\"}");
    Ok("forged".to_owned())
}

/// Logs one line of that many bytes.
#[tool]
fn log_long(bytes: usize) -> Result<String> {
    log::info("x".repeat(bytes));
    Ok("still here".to_owned())
}

skillhost_sdk::export!(log_lines, forge, log_long);
