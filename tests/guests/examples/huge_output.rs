//! R14: answers with 100 MB, more than crosses into the host at once.

use skillhost_sdk::prelude::*;

/// Answers with 100 MB.
#[tool]
fn answer() -> Result<String> {
    Ok("x".repeat(100_000_000))
}

skillhost_sdk::export!(answer);
