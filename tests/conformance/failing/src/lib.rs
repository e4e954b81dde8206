//! `failing_job`, as the conformance suite of MCP calls it: what looks like the name
//! of another skill's tool cannot be given to a tool.

use std::thread::sleep;
use std::time::Duration;

use skillhost_sdk::prelude::*;

/// Fails after a while.
#[tool(read_only)]
fn job() -> Result<String> {
    sleep(Duration::from_secs(1));
    Err(Error::failed("This job always fails."))
}

skillhost_sdk::export!(job);
