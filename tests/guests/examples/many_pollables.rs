//! R19 and R20: has the host wait for more, and more often, than anyone needs.
#![cfg(target_family = "wasm")]

use skillhost_sdk::prelude::*;
use wasip2::clocks::monotonic_clock::subscribe_duration;
use wasip2::io::poll::{Pollable, poll};

/// Makes that many timers, one after the other.
#[tool]
fn timers_in_turn(count: usize) -> Result<usize> {
    (0..count).for_each(|_| drop(subscribe_duration(u64::MAX)));
    Ok(count)
}

/// Waits so often for a list in which one timer stands so many times.
#[tool]
fn long_lists(length: usize, turns: u64) -> Result<u64> {
    let timer = subscribe_duration(0);
    let list: Vec<&Pollable> = vec![&timer; length];
    Ok((0..turns).map(|_| poll(&list).len() as u64).sum())
}

/// Waits without end for as many timers as it may have.
#[tool]
fn forever(timers: u64) -> Result<String> {
    let timers: Vec<Pollable> = (0..timers).map(|_| subscribe_duration(u64::MAX)).collect();
    poll(&timers.iter().collect::<Vec<_>>());
    Ok("awake".to_owned())
}

/// Waits without end for a moment that has come, again and again.
#[tool]
fn at_once() -> Result<String> {
    loop {
        subscribe_duration(0).block();
    }
}

skillhost_sdk::export!(timers_in_turn, long_lists, forever, at_once);
