//! R01: computes without end.

use skillhost_sdk::prelude::*;

/// Never answers.
#[tool]
fn spin() -> Result<String> {
    let mut turns = 0_u64;
    loop {
        turns = std::hint::black_box(turns.wrapping_add(1));
    }
}

skillhost_sdk::export!(spin);
