//! Reads its settings.

use skillhost_sdk::config;
use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::Value;

/// One setting as JSON.
#[tool]
fn setting(key: String) -> Result<String> {
    Ok(config::get::<Value>(&key)?.unwrap_or_default().to_string())
}

skillhost_sdk::export!(setting);
