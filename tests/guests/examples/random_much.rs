//! R18: asks for more randomness than anyone needs.
#![cfg(target_family = "wasm")]

use skillhost_sdk::prelude::*;
use wasip2::random::insecure::get_insecure_random_bytes;
use wasip2::random::random::{get_random_bytes, get_random_u64};

/// Asks for that many random bytes at once.
#[tool]
fn random(bytes: u64) -> Result<usize> {
    Ok(get_random_bytes(bytes).len())
}

/// Asks for that many bytes of the other kind at once.
#[tool]
fn insecure_random(bytes: u64) -> Result<usize> {
    Ok(get_insecure_random_bytes(bytes).len())
}

/// Asks for one small number so many times.
#[tool]
fn numbers(count: u64) -> Result<u64> {
    Ok((0..count).fold(0, |sum: u64, _| sum.wrapping_add(get_random_u64() & 1)))
}

skillhost_sdk::export!(random, insecure_random, numbers);
