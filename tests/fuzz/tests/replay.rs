//! Each way in over its corpus, and over mutants of that for a while.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot be set up fails"
)]

use std::fs;
use std::panic::catch_unwind;
use std::path::Path;
use std::time::{Duration, Instant};

use fastrand::Rng;
use skillhost_fuzz::mutate::mutant;
use skillhost_fuzz::{TARGETS, Target};

/// For how long mutants of one corpus are tried.
const WHILE: Duration = Duration::from_secs(2);

/// As many are tried at the least.
const AT_LEAST: u32 = 50;

#[test]
fn what_is_known_and_what_is_near_it_breaks_no_promise() {
    for (name, target) in TARGETS {
        let known = corpus(name);
        assert!(!known.is_empty(), "{name} has no corpus");
        for bytes in &known {
            run(name, target, bytes);
        }
        let mut random = Rng::with_seed(16);
        let start = now();
        let mut tried = 0;
        while tried < AT_LEAST || start.elapsed() < WHILE {
            run(name, target, &mutant(&known, &mut random));
            tried += 1;
        }
    }
}

fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut paths: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Shows what broke a promise, so that it can become part of the corpus.
fn run(name: &str, target: Target, bytes: &[u8]) {
    assert!(
        catch_unwind(|| target(bytes)).is_ok(),
        "{name} breaks on {:?}",
        String::from_utf8_lossy(bytes)
    );
}

#[expect(clippy::disallowed_methods, reason = "bounds the test itself")]
fn now() -> Instant {
    Instant::now()
}
