//! Keeps things from call to call, as it is told.

use std::time::Duration;

use skillhost_sdk::prelude::*;
use skillhost_sdk::state::{self, Entry};

/// Value and version, if there is such an entry.
#[tool]
fn get(key: String) -> Result<String> {
    Ok(match state::get(&key)? {
        Some(Entry { value, version }) => {
            format!("{} {version}", String::from_utf8_lossy(&value))
        }
        None => "nothing".to_owned(),
    })
}

/// Keeps a value; its version, or why not.
#[tool]
fn set(key: String, value: String, expect: Option<u64>, seconds: Option<u64>) -> Result<String> {
    let value = value.as_bytes();
    let set = match (expect, seconds) {
        (Some(expect), _) => state::set_if(&key, value, expect),
        (None, Some(seconds)) => state::set_for(&key, value, Duration::from_secs(seconds)),
        (None, None) => state::set(&key, value),
    };
    Ok(format!("{set:?}"))
}

/// Removes an entry.
#[tool]
fn delete(key: String) -> Result<String> {
    Ok(format!("{:?}", state::delete(&key)))
}

/// Keys in order.
#[tool]
fn keys(prefix: String, after: Option<String>, limit: u32) -> Result<Vec<String>> {
    Ok(state::keys(&prefix, after.as_deref(), limit)?)
}

/// Adds one to a number, again and again until nobody was faster.
#[tool]
fn count(key: String) -> Result<u64> {
    loop {
        let entry = state::get(&key)?;
        let (number, version) = entry.map_or((0, 0), |entry| {
            let text = String::from_utf8_lossy(&entry.value).into_owned();
            (text.parse().unwrap_or(0), entry.version)
        });
        match state::set_if(&key, (number + 1).to_string().as_bytes(), version) {
            Err(state::Error::Conflict) => {}
            set => return Ok(set.map(|_| number + 1)?),
        }
    }
}

/// Fills what it may keep: how many values of that size it could keep, and why
/// no more.
#[tool]
fn fill(size: usize) -> Result<String> {
    let value = vec![b'x'; size];
    for number in 0.. {
        if let Err(error) = state::set(&number.to_string(), &value) {
            return Ok(format!("{number} {error:?}"));
        }
    }
    Ok("no end".to_owned())
}

/// Keeps something for ever.
#[tool]
fn keep_on() -> Result<String> {
    loop {
        state::set("a", b"1")?;
    }
}

skillhost_sdk::export!(get, set, delete, keys, count, fill, keep_on);
