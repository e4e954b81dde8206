//! Many clients for a while: every call is answered, and the server does not
//! grow.

use std::time::{Duration, Instant};

use super::client::MAX_CLIENTS;
use super::server::Server;

/// What a server may take more at the end than after the first sixth, in KiB:
/// much more than allocators keep, and much less than a leak of a few hundred
/// bytes for each call would be.
const MAX_GROWTH: i64 = 64 * 1024;

/// How long, in all: 6 s, or as many as the variable `SOAK` says.
pub(crate) fn length() -> Duration {
    let seconds = std::env::var("SOAK").ok();
    Duration::from_secs(seconds.map_or(6, |it| it.parse().unwrap()))
}

pub(crate) fn soak(mut server: Server, length: Duration) {
    let start = Instant::now();
    // Panics at the first call that fails.
    let mut calls = server.clients.call(MAX_CLIENTS, length / 6).len();
    let early = server.memory();
    calls += server.clients.call(MAX_CLIENTS, length / 6 * 5).len();
    let late = server.memory();
    let took = start.elapsed().as_secs_f64();
    println!(
        "{MAX_CLIENTS} clients over HTTP for {took:.0} s: {calls} calls, none failed, {:.0} in a second; memory after a sixth of it {early} KiB, at the end {late} KiB, growth {} KiB",
        calls as f64 / took,
        late - early,
    );
    assert!(late - early < MAX_GROWTH, "the server grew");
}
