//! A defect: the guest panics.

use skillhost_sdk::prelude::*;

/// Panics.
#[tool]
fn panic() -> Result<String> {
    panic!("the guest panics on purpose")
}

skillhost_sdk::export!(panic);
