//! Fails in each way that a tool can say.

use std::time::Duration;

use skillhost_sdk::prelude::*;

/// Fails in the named way.
#[tool]
fn fail(way: String) -> Result<String> {
    Err(match way.as_str() {
        "invalid-arguments" => Error::invalid_arguments("Send something else."),
        "denied" => Error::denied("Somebody has to allow it."),
        "not-found" => Error::not_found("There is no such thing."),
        "unavailable" => Error::unavailable("Not now."),
        "unavailable-for" => {
            Error::unavailable("Not now.").retry_after(Duration::from_millis(2500))
        }
        "cancelled" => Error::cancelled(),
        "forged" => Error::failed("one\ntwo \u{1b}[31m\u{202e}three"),
        "long" => Error::failed("x".repeat(100_000)),
        _ => Error::failed("It cannot be done.").code("impossible"),
    })
}

skillhost_sdk::export!(fail);
