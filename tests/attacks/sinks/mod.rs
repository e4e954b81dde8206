//! Where events go besides the audit log: what is there is what was recorded,
//! nobody waits for it, and what is lost is counted.

mod collector;
mod numbers;
mod slow;
mod syslog;
mod webhook;

use std::sync::Arc;

use serde_json::{Value, json};
use skillhost::Setup;
use skillhost::event::Severity;
use skillhost::event::sink::{Destination, SinkSettings};
use skillhost_tests::bench::{SECRET, invocation};
use skillhost_tests::{Bench, Says};

/// A sink for all events.
fn sink(name: &str, to: Destination) -> SinkSettings {
    SinkSettings::new(name.parse().unwrap(), Severity::Info, to)
}

/// A host with a secret, whose events go to these sinks.
async fn bench(sinks: Vec<SinkSettings>, change: impl FnOnce(&mut Setup)) -> Bench {
    let bench = Bench::with(|setup| {
        setup.secrets = secrets();
        setup.queued_sinks = sinks;
        change(setup);
    });
    let says = Says::new("hello").component();
    bench.load("says", &says).await.unwrap();
    bench
}

fn secrets() -> skillhost::secret::Secrets {
    let secret = |text: &str| skillhost::secret::Secret::new(text.to_owned()).unwrap();
    skillhost::secret::Secrets::new([
        ("canary".parse().unwrap(), secret(SECRET)),
        ("signing".parse().unwrap(), secret(SIGNING)),
    ])
}

/// How long sinks have at the end.
const FLUSH: std::time::Duration = std::time::Duration::from_secs(2);

/// What signs; the key is what stands behind `whsec_`, decoded.
const SIGNING: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A call that works.
async fn call(bench: &Bench) {
    let called = bench.invoke(invocation("says", "run", json!({}))).await;
    assert!(called.answer.outcome.is_ok(), "{called:?}");
}

/// A call of a tool that is not there, and whose name is a secret.
async fn call_secretly(bench: &Bench) {
    let called = bench.invoke(invocation("says", SECRET, json!({}))).await;
    assert_eq!(called.kind(), skillhost::Kind::UnknownTool);
}

/// Has the sinks send what waits.
fn close(bench: &Bench) {
    tokio::task::block_in_place(|| bench.host().close(FLUSH));
}

/// How many events of a sink the audit log says are lost.
fn told(bench: &Bench, sink: &str) -> u64 {
    let dropped = bench.records().named("sink.dropped");
    let of = dropped.iter().filter(|record| record["sink"] == sink);
    of.filter_map(|record| record["count"].as_u64()).sum()
}

/// A number among a host's metrics, by how its line begins.
fn number(bench: &Bench, start: &str) -> u64 {
    let text = bench.host().metrics();
    let line = text.lines().find(|line| line.starts_with(start));
    let line = line.unwrap_or_else(|| panic!("no {start} in {text}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

/// Records without those of the sinks themselves.
fn recorded(bench: &Bench) -> Vec<Value> {
    let mut all = bench.records().all();
    all.retain(|record| record["event"] != "sink.dropped");
    all
}

/// No part of anything that was sent is a secret.
fn assert_no_secret(text: &[u8]) {
    for secret in [SECRET, SIGNING] {
        let mut windows = text.windows(secret.len());
        assert!(
            windows.all(|window| window != secret.as_bytes()),
            "{secret}"
        );
    }
}

/// A network that a test brings.
fn over(network: &Arc<skillhost_tests::FakeNetwork>) -> impl FnOnce(&mut Setup) + use<> {
    let network = Arc::clone(network);
    move |setup| setup.network = network
}
