//! Ends the process that it thinks it is.

use skillhost_sdk::prelude::*;

/// Exits with that code instead of answering.
#[tool]
fn exit(code: i32) -> Result<String> {
    std::process::exit(code)
}

skillhost_sdk::export!(exit);
