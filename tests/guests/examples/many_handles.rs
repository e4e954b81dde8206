//! R19 and R24: keeps handles and never closes one.
#![cfg(target_family = "wasm")]

use std::fs::File;

use skillhost_sdk::prelude::*;
use wasip2::clocks::monotonic_clock::subscribe_duration;

/// Holds that many timers.
#[tool]
fn timers(count: usize) -> Result<usize> {
    let held: Vec<_> = (0..count).map(|_| subscribe_duration(u64::MAX)).collect();
    Ok(held.len())
}

/// Holds that many open files.
#[tool]
fn files(path: String, count: usize) -> Result<usize> {
    let held: Vec<File> = (0..count)
        .map(|_| File::open(&path))
        .collect::<Result<_, _>>()?;
    Ok(held.len())
}

skillhost_sdk::export!(timers, files);
