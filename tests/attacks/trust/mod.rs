//! S01, S02, S12, S13, S17, S21, S30, S31, I09 and P03: what is trusted decides
//! at the moment of each call, and whatever happens to the files that say so,
//! nothing unverified is compiled or run.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use skillhost::Invocation;
use skillhost::Kind::{self, UnknownTool};
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, Called, Says, pack};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

// What is done to the files of a skill.
mod bundles;
mod swapped;

// What is done to the files of its operator.
mod deny_list;
mod policy;
mod root;

// What is no longer wanted.
mod locked;
mod revoked;
mod rolled_back;

// What time it is, and what is recorded.
mod clock;
mod recorded;

/// How soon a call ends of a skill that may no longer run.
const PROMPT: Duration = Duration::from_millis(250);

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn says() {
    let bench = Bench::new();
    bench.load("says", &says_so("one")).await.unwrap();
    assert_says(&bench, "one").await;
    assert_eq!(Says::new("one").component(), Says::new("one").component());
    let other = bench.invoke(invocation("says", "other", json!({}))).await;
    assert_eq!(other.kind(), UnknownTool);
}

/// The skill `says` 1.0.0 with that answer, unsigned.
fn says_so(answer: &'static str) -> Vec<u8> {
    Says::new(answer).component()
}

/// The same skill, later.
fn says_in(version: &'static str, answer: &'static str) -> Vec<u8> {
    let says = Says::new(answer);
    Says { version, ..says }.component()
}

fn run() -> Invocation {
    invocation("says", "run", json!({}))
}

/// The skill answers with that, and there is nothing to tell.
async fn assert_says(bench: &Bench, answer: &str) {
    assert_says_after(bench, answer, &[]).await;
}

/// The skill answers with that, after these events.
async fn assert_says_after(bench: &Bench, answer: &str, events: &[&str]) {
    let called = bench.invoke(run()).await;
    assert_eq!(called.text().trim_end(), answer);
    assert_eq!(called.between(), events, "{:#?}", called.events);
}

/// The skill is refused in this way, and nothing was compiled for it.
async fn assert_refused(bench: &Bench, kind: Kind, events: &[&str]) -> Called {
    let before = bench.codes();
    let called = bench.invoke(run()).await;
    expect_refused(&called, kind, events);
    assert_eq!(bench.codes(), before);
    called
}

/// These events, or these several times: what was in memory is refused, and so
/// is what lies on disk.
#[track_caller]
fn expect_refused(called: &Called, kind: Kind, events: &[&str]) {
    assert_eq!(called.kind(), kind, "{:#?}", called.answer);
    let between = called.between();
    let mut times = between.chunks(events.len());
    let told = times.len() > 0 && times.all(|part| part == events);
    assert!(told, "{between:?} for {events:?}");
}

/// The first event of that name.
fn first<'a>(called: &'a Called, event: &str) -> &'a Value {
    let mut events = called.events.iter();
    events.find(|record| record["event"] == event).unwrap()
}

/// Where the approval of a component lies.
fn bundle_of(component: &Path) -> PathBuf {
    skillhost::sign::approval_path(component, None)
}

/// Writes a component that these have signed, each under its own name.
fn write_signed_by(
    bench: &Bench,
    component: &[u8],
    signers: &[(&str, &skillhost::sign::PrivateKey)],
) -> PathBuf {
    let path = bench.path("says");
    fs::write(&path, component).unwrap();
    for (name, key) in signers {
        key.sign_file(&path, Some(name)).unwrap();
    }
    path
}

/// What an event says, for each time that it was recorded.
fn told(bench: &Bench, event: &str, field: &str) -> Vec<Value> {
    let records = bench.records().named(event);
    records.iter().map(|record| record[field].clone()).collect()
}

/// A call that goes on while a test does something else.
struct Running {
    task: JoinHandle<(Called, Instant)>,
    cancelled: CancellationToken,
}

impl Running {
    /// Calls a Rust guest that does not answer by itself.
    async fn start(bench: &Arc<Bench>, guest: &str, tool: &str) -> Self {
        bench.ensure_loaded(guest).await;
        let invocation = invocation(guest, tool, json!({}));
        let (id, cancelled) = (invocation.id.to_string(), invocation.cancelled.clone());
        let caller = Arc::clone(bench);
        let task = tokio::spawn(async move { (caller.invoke(invocation).await, now()) });
        eventually("the call began", || !bench.records().of(&id).is_empty()).await;
        // It has left the host's hands by then.
        tokio::time::sleep(Duration::from_millis(100)).await;
        Self { task, cancelled }
    }

    fn is_running(&self) -> bool {
        !self.task.is_finished()
    }

    /// What came of it, soon after `since`.
    async fn stopped_after(self, since: Instant) -> Called {
        let (called, end) = self.task.await.unwrap();
        let took = end.saturating_duration_since(since);
        assert!(took <= PROMPT, "it took {took:?}");
        called
    }

    async fn cancel(self) -> Called {
        self.cancelled.cancel();
        self.task.await.unwrap().0
    }
}

/// Waits until it holds; nothing that is waited for takes ten seconds.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let end = now() + Duration::from_secs(10);
    while !holds() {
        assert!(now() < end, "not so: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// The digest of a guest as the bench loads it.
fn digest_of(guest: &str) -> skillhost::artifact::Digest {
    skillhost::artifact::Digest::of(&pack::rust(guest))
}

#[expect(clippy::disallowed_methods, reason = "measures the host from outside")]
fn now() -> Instant {
    Instant::now()
}
