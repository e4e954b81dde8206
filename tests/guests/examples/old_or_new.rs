//! C03: tells everything that an operator decides about it and that it can see.

use std::env;
use std::fs;

use skillhost_sdk::config;
use skillhost_sdk::prelude::*;

/// The side on which its setting, its variable and its directory are, each twice.
#[tool(read_only)]
#[expect(clippy::disallowed_methods, reason = "that is what this guest is for")]
fn sides() -> Result<String> {
    let mut sides = Vec::new();
    for _ in 0..2 {
        sides.push(config::get::<String>("side")?.unwrap_or_default());
        sides.push(env::var("SIDE").unwrap_or_default());
        sides.push(fs::read_to_string("/side.txt")?);
    }
    Ok(sides.join(" "))
}

skillhost_sdk::export!(sides);
