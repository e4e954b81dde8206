//! `tools/call` of an echo over standard input and output and over HTTP, with
//! one client and with 64, beside the same protocol server with an echo of its
//! own: what lies between them is the host. Then an honest client while wrong keys
//! are tried, and 64 clients for a while, whose server must neither fail nor grow.
//!
//! A call of the host is measured with each durability of the audit log: with
//! `flush` its two lines are with the system when it is answered, with `fsync`,
//! which is what `serve` does unless it is configured otherwise, they are on the
//! disk, and a single client waits twice for that disk.
//!
//! Each server is a process, and gets its turn in every round, so that whatever
//! else the machine does meets all of them alike.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench that cannot be set up fails, reads the clock, starts programs, and prints what it found"
)]

mod client;
mod flood;
mod native;
mod server;
mod soak;

use std::time::Duration;

use client::MAX_CLIENTS;
use server::{Server, Wire};

const CLIENTS: [usize; 2] = [1, MAX_CLIENTS];

/// What is compared, the one without a host first.
const SERVERS: [&str; 3] = ["native echo", "skillhost, flush", "skillhost, fsync"];

/// How often each server gets its turn, and for how long.
struct Plan {
    rounds: usize,
    turn: Duration,
    soak: Duration,
    wrong_keys: u64,
}

fn main() {
    if let Some(wire) = native::wanted() {
        return native::serve(wire);
    }
    // Under `cargo test` each is done once, to see that it works.
    let plan = if std::env::args().any(|it| it == "--bench") {
        Plan {
            rounds: 9,
            turn: Duration::from_millis(200),
            soak: soak::length(),
            wrong_keys: 10_000,
        }
    } else {
        Plan {
            rounds: 1,
            turn: Duration::from_millis(1),
            soak: Duration::from_millis(100),
            wrong_keys: 100,
        }
    };
    for wire in [Wire::Stdio, Wire::Http] {
        let mut servers = [
            Server::native(wire),
            Server::host(wire, Some("flush")),
            Server::host(wire, Some("fsync")),
        ];
        for clients in CLIENTS {
            compare(&mut servers, wire, clients, &plan);
        }
    }
    flood::flood(Server::guarded(), plan.wrong_keys, plan.turn * 5);
    soak::soak(Server::host(Wire::Http, None), plan.soak);
}

/// Medians over all rounds of one server, in microseconds.
#[derive(Clone, Copy)]
struct Figures {
    p50: f64,
    p99: f64,
}

fn compare(servers: &mut [Server; 3], wire: Wire, clients: usize, plan: &Plan) {
    for server in &mut *servers {
        server.clients.call(clients, plan.turn);
    }
    let mut rounds: [Vec<Figures>; 3] = Default::default();
    for round in 0..plan.rounds {
        for turn in 0..servers.len() {
            let which = (round + turn) % servers.len();
            let took = servers[which].clients.call(clients, plan.turn);
            rounds[which].push(figures(took));
        }
    }
    let found = rounds.map(|rounds| middle(&rounds));
    for (server, figures) in SERVERS.into_iter().zip(found) {
        tell(wire, clients, server, figures, found[0]);
    }
}

fn figures(mut took: Vec<Duration>) -> Figures {
    took.sort_unstable();
    let percentile = |of: usize| took[took.len() * of / 100].as_secs_f64() * 1e6;
    Figures {
        p50: percentile(50),
        p99: percentile(99),
    }
}

fn middle(rounds: &[Figures]) -> Figures {
    let median = |figure: fn(&Figures) -> f64| {
        let mut all: Vec<f64> = rounds.iter().map(figure).collect();
        all.sort_unstable_by(f64::total_cmp);
        all[all.len() / 2]
    };
    Figures {
        p50: median(|it| it.p50),
        p99: median(|it| it.p99),
    }
}

fn tell(wire: Wire, clients: usize, server: &str, found: Figures, native: Figures) {
    println!(
        "{:<5} {clients:>2} clients, {server:<16}: p50 {:7.1} us, p99 {:7.1} us, over the native echo {:7.1} us, ratio {:5.2}",
        wire.name(),
        found.p50,
        found.p99,
        found.p50 - native.p50,
        found.p50 / native.p50,
    );
}
