//! Reaches for what this host does not offer, and for its own settings.

use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::Value;
use skillhost_sdk::{config, secrets, state};

/// What came of each attempt.
#[tool]
fn reach() -> Result<Vec<String>> {
    Ok(vec![
        format!("{:?}", state::get("key")),
        format!("{:?}", state::set("key", b"value")),
        format!("{:?}", state::delete("key")),
        format!("{:?}", state::keys("", None, 10)),
        format!("{:?}", secrets::reveal("token")),
    ])
}

/// Fails because a secret is not granted.
#[tool]
fn need_secret() -> Result<String> {
    Ok(secrets::reveal("token")?)
}

/// One setting as JSON.
#[tool]
fn setting(key: String) -> Result<String> {
    Ok(config::get::<Value>(&key)?.unwrap_or_default().to_string())
}

skillhost_sdk::export!(reach, need_secret, setting);
