//! R20: waits in a host call.

use std::time::Duration;

use skillhost_sdk::prelude::*;

/// Answers after a day.
#[tool]
fn sleep() -> Result<String> {
    std::thread::sleep(Duration::from_secs(86_400));
    Ok("slept".to_owned())
}

skillhost_sdk::export!(sleep);
