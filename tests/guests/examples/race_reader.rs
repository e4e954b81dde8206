//! F08 and R22: reads one path again and again while others change what it
//! means.

use std::collections::BTreeSet;
use std::fs;
use std::time::{Duration, Instant};

use skillhost_sdk::prelude::*;

/// What it saw.
#[derive(Serialize, Schema)]
struct Seen {
    /// How often it read.
    reads: u64,
    /// Each text and each kind of error, once.
    different: BTreeSet<String>,
}

/// Reads `path`, and writes to `changed` if it is not empty, for so long.
#[expect(
    clippy::disallowed_methods,
    reason = "a guest has no clock but the host's"
)]
#[tool(destructive)]
fn race(path: String, changed: String, for_ms: u64) -> Result<Seen> {
    let start = Instant::now();
    let (mut reads, mut different) = (0, BTreeSet::new());
    while start.elapsed() < Duration::from_millis(for_ms) {
        reads += 1;
        different.insert(match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) => format!("{:?}", error.kind()),
        });
        if !changed.is_empty() {
            // What comes of it is seen from outside.
            let _ = fs::write(&changed, "overwritten");
            let _ = fs::remove_file(&changed);
        }
    }
    Ok(Seen { reads, different })
}

skillhost_sdk::export!(race);
