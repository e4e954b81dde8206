//! How late a call is stopped, how many calls an honest skill answers beside
//! two that compute without end, and how much memory a call takes that waits.
//!
//! Measured and printed, never asserted: a busy machine proves nothing.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench that cannot be set up fails, reads the clock, and prints what it found"
)]

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skillhost::{Answer, Capacity, Kind};
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, grant};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

/// The deadline of calls that never end by themselves.
const DEADLINE: Duration = Duration::from_millis(20);

/// Calls of each such guest.
const CALLS: usize = 200;

/// How long the honest caller calls.
const HONEST: Duration = Duration::from_secs(3);

/// Calls that wait in the host at once.
const SUSPENDED: u32 = 10_000;

fn main() {
    // `cargo test --benches` runs each once.
    if std::env::args().any(|argument| argument == "--test") {
        return;
    }
    let runtime = runtime();
    runtime.block_on(lateness());
    runtime.block_on(beside_spinners());
    runtime.block_on(suspended());
}

fn runtime() -> Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
}

async fn lateness() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", silent.local_addr().unwrap());
    let bench = Bench::with(|setup| {
        setup.limits.timeout = DEADLINE;
        setup.limits.fuel = u64::MAX;
        let rule = origin.parse().unwrap();
        grant(setup, "http_get").http.push(rule);
    });
    for (what, guest, tool, input) in [
        ("computing", "loop_forever", "spin", json!({})),
        ("sleeping", "sleep_forever", "sleep", json!({})),
        (
            "waiting for a server",
            "http_get",
            "send",
            json!({"url": format!("{origin}/")}),
        ),
        ("memory.fill of 64 MiB", "fill_memory", "fill", json!({})),
    ] {
        bench.ensure_loaded(guest).await;
        let mut late = Vec::with_capacity(CALLS);
        for _ in 0..CALLS {
            late.push(late_by(&bench, guest, tool, input.clone()).await);
        }
        late.sort();
        let percentile =
            |percent: usize| late.get(CALLS * percent / 100 - 1).unwrap().as_secs_f64();
        println!(
            "stopped after the deadline of 20 ms, {what}: p50 {:.2} ms, p99 {:.2} ms",
            percentile(50) * 1000.0,
            percentile(99) * 1000.0
        );
    }
}

async fn late_by(bench: &Bench, guest: &str, tool: &str, input: Value) -> Duration {
    let call = invocation(guest, tool, input);
    let start = Instant::now();
    let answer = bench.host().invoke(call).await;
    let took = start.elapsed();
    assert_eq!(failure(&answer), Some(Kind::DeadlineExceeded));
    took.saturating_sub(DEADLINE)
}

fn failure(answer: &Answer) -> Option<Kind> {
    answer.outcome.as_ref().err().map(skillhost::Error::kind)
}

async fn beside_spinners() {
    let bench = Arc::new(Bench::with(|setup| setup.limits.fuel = u64::MAX));
    bench.ensure_loaded("loop_forever").await;
    bench.assert_serving().await;
    let spinners: Vec<_> = (0..2)
        .map(|_| invocation("loop_forever", "spin", json!({})))
        .collect();
    let tokens: Vec<_> = spinners.iter().map(|it| it.cancelled.clone()).collect();
    let spinning: Vec<_> = spinners
        .into_iter()
        .map(|spinner| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.host().invoke(spinner).await })
        })
        .collect();
    let honest = Arc::clone(&bench);
    let answered = tokio::spawn(async move { answered_in(&honest, HONEST).await });
    let rate = f64::from(answered.await.unwrap()) / HONEST.as_secs_f64();
    println!(
        "beside two skills that compute without end, on two threads: {rate:.0} calls per second"
    );
    tokens.iter().for_each(|token| token.cancel());
    for spinner in spinning {
        assert_eq!(failure(&spinner.await.unwrap()), Some(Kind::Cancelled));
    }
}

async fn answered_in(bench: &Bench, time: Duration) -> u32 {
    let start = Instant::now();
    let mut answered = 0;
    while start.elapsed() < time {
        let call = invocation("echo", "echo", json!({"text": "hello"}));
        assert_eq!(failure(&bench.host().invoke(call).await), None);
        answered += 1;
    }
    answered
}

async fn suspended() {
    let bench = Arc::new(Bench::with(|setup| {
        setup.limits.memory = 2 << 20;
        setup.limits.timeout = Duration::from_mins(10);
        setup.capacity = Capacity {
            calls: SUSPENDED,
            memory: u64::MAX,
            ..Capacity::default()
        };
    }));
    bench.ensure_loaded("progress_and_remaining").await;
    let running = Arc::new(AtomicU32::new(0));
    let before = resident();
    let mut tokens = Vec::new();
    let mut calls = Vec::new();
    for _ in 0..SUSPENDED {
        let mut call = invocation("progress_and_remaining", "until-awake", json!({}));
        let counted = Arc::clone(&running);
        call.progress = Some(Arc::new(move |_| {
            counted.fetch_add(1, Ordering::Relaxed);
        }));
        tokens.push(call.cancelled.clone());
        let bench = Arc::clone(&bench);
        calls.push(tokio::spawn(async move { bench.host().invoke(call).await }));
    }
    while running.load(Ordering::Relaxed) < SUSPENDED {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let each = resident().saturating_sub(before) / u64::from(SUSPENDED);
    println!(
        "{SUSPENDED} calls that wait in the host: {} KiB of memory each",
        each >> 10
    );
    tokens.iter().for_each(|token| token.cancel());
    for call in calls {
        assert_eq!(failure(&call.await.unwrap()), Some(Kind::Cancelled));
    }
}

/// Bytes of this process that are in memory (`proc_pid_status(5)`).
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: u64 = line
        .and_then(|line| line.trim().strip_suffix("kB"))
        .and_then(|number| number.trim().parse().ok())
        .unwrap();
    kib << 10
}
