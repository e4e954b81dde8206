//! `slow_compute`, as the conformance suite of MCP calls it: what looks like the name
//! of another skill's tool cannot be given to a tool.

use std::thread::sleep;
use std::time::Duration;

use skillhost_sdk::prelude::*;

/// Answers after some seconds.
#[tool(read_only)]
fn compute(seconds: u32, label: Option<String>) -> Result<String> {
    sleep(Duration::from_secs(seconds.into()));
    let label = label.unwrap_or_else(|| "It".to_owned());
    Ok(format!("{label} is computed."))
}

skillhost_sdk::export!(compute);
