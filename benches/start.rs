//! What a start costs: machine code from the cache and from a compiler, and
//! `skillhost run` from the start of its process to its end.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a bench that cannot be set up fails, starts programs, and prints what it measured"
)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use skillhost::artifact::Artifact;
use skillhost::compile::{Compilation, CompileLimits, Compiler, Worker};
use skillhost::event::audit::Durability;
use skillhost::event::{Events, Subject};
use skillhost::sign::PrivateKey;
use skillhost::time::system;
use skillhost::verify::{Signer, Trust, TrustPolicy, Verified, Verifier};
use skillhost_tests::pack;
use skillhost_tests::{audit_log, bench::cache_in};
use tokio::runtime::Runtime;

const PROGRAM: &str = env!("CARGO_BIN_EXE_skillhost-under-bench");

fn main() {
    // Under `cargo test` each is done once, to see that it works.
    let rounds = if std::env::args().any(|it| it == "--bench") {
        51
    } else {
        1
    };
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data/skillhost");
    let key = PrivateKey::load_or_create(&data.join("keys/local")).unwrap();
    let path = pack::write_signed(folder.path(), "echo", &pack::rust("echo"), &key);
    codes(folder.path(), &path, &key, rounds);
    processes(folder.path(), rounds);
}

fn codes(folder: &Path, path: &Path, key: &PrivateKey, rounds: usize) {
    let verified = verified(path, key);
    let component = verified.inner().bytes().len() / 1024;
    let compiled = times(rounds.div_ceil(5), || once(folder, &verified, false));
    let cached = times(rounds, || once(folder, &verified, true));
    let code = std::fs::read_dir(folder.join("cache")).unwrap().next();
    let code = code.unwrap().unwrap().metadata().unwrap().len() / 1024;
    println!(
        "{component} KiB of component, {code} KiB of code: compiled {:.0} ms, from the cache {:.2} ms, ratio {:.0}",
        milliseconds(compiled),
        milliseconds(cached),
        milliseconds(compiled) / milliseconds(cached),
    );
}

/// How long a host that has nothing yet waits for the code.
fn once(folder: &Path, verified: &Verified<Artifact>, cached: bool) -> Duration {
    let settings = Compilation {
        worker: Worker::Program(PROGRAM.into()),
        limits: CompileLimits::default(),
        cache: cached.then(|| cache_in(folder)),
    };
    let audit = audit_log(folder, Durability::Flush);
    let events = Events::new(audit, Vec::new(), system()).unwrap();
    let compiler = Compiler::new(8, settings, Arc::new(events), system()).unwrap();
    let runtime = Runtime::new().unwrap();
    let subject = Subject::default();
    let start = Instant::now();
    let compiled = runtime.block_on(compiler.compile(verified.clone(), &subject));
    let took = start.elapsed();
    drop(compiled.unwrap());
    took
}

fn verified(path: &Path, key: &PrivateKey) -> Verified<Artifact> {
    let signer = Signer::with_keys("bench", [key.public().clone()]);
    let trust = Trust::new(TrustPolicy::one(signer).unwrap()).unwrap();
    let verifier = Verifier::new(trust, system());
    verifier.verify(Artifact::open(path).unwrap()).unwrap()
}

fn processes(folder: &Path, rounds: usize) {
    let call = ["run", "echo.wasm", "echo", "--input", r#"{"text":"hello"}"#];
    let first = run(folder, PROGRAM, &call);
    let later = times(rounds, || run(folder, PROGRAM, &call));
    let version = times(rounds, || run(folder, PROGRAM, &["--version"]));
    let nothing = times(rounds, || run(folder, "true", &[]));
    println!(
        "skillhost run, start to end: first {:.0} ms, then {:.1} ms; --version {:.1} ms; a program that does nothing {:.1} ms",
        milliseconds(first),
        milliseconds(later),
        milliseconds(version),
        milliseconds(nothing),
    );
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> Duration {
    let mut command = Command::new(program);
    command
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .env("HOME", folder)
        .env("XDG_DATA_HOME", folder.join("data"))
        .env("PATH", "/usr/bin:/bin")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let start = Instant::now();
    let status = command.status().unwrap();
    let took = start.elapsed();
    assert!(status.success());
    took
}

/// The median, after one round that does not count.
fn times(rounds: usize, once: impl Fn() -> Duration) -> Duration {
    once();
    let mut times: Vec<Duration> = (0..rounds).map(|_| once()).collect();
    times.sort_unstable();
    times.get(rounds / 2).copied().unwrap_or_default()
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
