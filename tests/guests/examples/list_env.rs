//! X01 and X09: everything about the host that a program usually sees.

use std::io::Read;
use std::time::{Instant, SystemTime};

use skillhost_sdk::prelude::*;

/// What there is to see.
#[derive(Serialize, Schema)]
struct Seen {
    variables: Vec<String>,
    arguments: Vec<String>,
    folder: Option<String>,
    root: Option<Vec<String>>,
    stdin: String,
    /// Whether two readings of the monotonic clock differ by whole milliseconds.
    clock_is_coarse: bool,
    /// Whether the time of day is one of whole milliseconds.
    day_is_coarse: bool,
    /// Seconds since 1970.
    now: u64,
}

#[expect(
    clippy::disallowed_methods,
    reason = "looks for what it should not find"
)]
/// Looks around.
#[tool(read_only)]
fn look() -> Result<Seen> {
    let mut stdin = String::new();
    std::io::stdin().read_to_string(&mut stdin)?;
    let start = Instant::now();
    let mut next = Instant::now();
    while next == start {
        next = Instant::now();
    }
    Ok(Seen {
        variables: std::env::vars()
            .map(|(key, value)| format!("{key}={value}"))
            .collect(),
        arguments: std::env::args().collect(),
        folder: std::env::current_dir()
            .ok()
            .map(|path| path.display().to_string()),
        root: std::fs::read_dir("/").ok().map(|entries| {
            entries
                .flatten()
                .map(|entry| entry.path().display().to_string())
                .collect()
        }),
        stdin,
        clock_is_coarse: (next - start).subsec_nanos().is_multiple_of(1_000_000),
        day_is_coarse: SystemTime::UNIX_EPOCH
            .elapsed()?
            .subsec_nanos()
            .is_multiple_of(1_000_000),
        now: SystemTime::UNIX_EPOCH.elapsed()?.as_secs(),
    })
}

skillhost_sdk::export!(look);
