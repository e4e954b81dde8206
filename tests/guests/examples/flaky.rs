//! Fails as often as it is told, and then answers how often it was tried; or the
//! other way round.

use std::time::Duration;

use skillhost_sdk::prelude::*;
use skillhost_sdk::state;

/// Fails so often in one way; it may have had effects.
#[tool]
fn once(fails: u64, how: String, after_ms: Option<u64>) -> Result<u64> {
    fail(fails, &how, after_ms)
}

/// The same, of which a second call changes nothing more.
#[tool(idempotent)]
fn again(fails: u64, how: String, after_ms: Option<u64>) -> Result<u64> {
    fail(fails, &how, after_ms)
}

fn fail(fails: u64, how: &str, after_ms: Option<u64>) -> Result<u64> {
    let tried = count()?;
    // `later` is the other way round: it answers so often, and then fails.
    if (tried > fails) != (how == "later") {
        return Ok(tried);
    }
    match how {
        "trap" => std::process::abort(),
        "burn" => burn(),
        "sleep" => std::thread::sleep(Duration::from_secs(3600)),
        "failed" => return Err(Error::failed("It cannot be done.")),
        _ => {}
    }
    let error = Error::unavailable("Not now.");
    Err(match after_ms {
        Some(after) => error.retry_after(Duration::from_millis(after)),
        None => error,
    })
}

/// Computes for a while, and crashes.
fn burn() {
    for turn in 0..20_000_000_u64 {
        std::hint::black_box(turn);
    }
    std::process::abort();
}

fn count() -> Result<u64> {
    let entry = state::get("tried")?;
    let tried = entry.map_or(0, |entry| entry.value.len() as u64) + 1;
    state::set("tried", &vec![b'x'; usize::try_from(tried)?])?;
    Ok(tried)
}

skillhost_sdk::export!(once, again);
