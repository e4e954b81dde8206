//! Cannot work without a directory.

use skillhost_sdk::prelude::*;

/// Answers if it is started at all.
#[tool]
fn run() -> Result<String> {
    Ok("started".to_owned())
}

skillhost_sdk::export!(run);
