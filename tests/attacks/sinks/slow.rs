//! Sinks that are slow or dead.

use std::num::NonZeroU32;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use skillhost::event::sink::{
    Address, Destination, Facility, OtlpSettings, SinkSettings, SyslogSettings, Target,
    WebhookSettings,
};
use skillhost_tests::{Reply, Server};
use tokio::net::TcpListener;
use tokio::time::Instant;

use super::{bench, call, close, number, recorded, sink, told};

/// Calls, each of which has more than one event.
const CALLS: u64 = 30;

/// What all of them take at most, on a machine that others use as well. One sink
/// that is waited for takes longer than that alone: it is never done.
const PATIENCE: Duration = Duration::from_secs(5);

fn small(mut sink: SinkSettings) -> SinkSettings {
    sink.queue.events = NonZeroU32::new(4).unwrap();
    sink
}

fn target(address: impl std::fmt::Display) -> Target {
    Target::parse(&format!("http://{address}"), true).unwrap()
}

/// Where somebody listened, and nobody does.
async fn nobody() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_a_slow_or_dead_sink_slows_no_call_and_what_is_lost_is_counted() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let silent = Server::start(Reply::Silence).await;
    let sinks = [
        sink("pipe", Destination::File(pipe)),
        sink("full", Destination::File("/dev/full".into())),
        sink(
            "silent",
            Destination::Webhook(WebhookSettings {
                target: target(silent.address()),
                secret: None,
                credential: None,
            }),
        ),
        sink(
            "dead",
            Destination::Syslog(SyslogSettings {
                address: Address::parse(&format!("tcp://{}", nobody().await), true).unwrap(),
                facility: Facility::default(),
            }),
        ),
        sink(
            "collector",
            Destination::Otlp(OtlpSettings {
                target: target(silent.address()),
                credential: None,
                traces: true,
                logs: true,
                metrics: None,
            }),
        ),
    ];
    let names = ["pipe", "full", "silent", "dead", "collector"];
    let bench = bench(sinks.map(small).to_vec(), |_| {}).await;
    let start = Instant::now();
    for _ in 0..CALLS {
        call(&bench).await;
    }
    let took = start.elapsed();
    assert!(took < PATIENCE, "{CALLS} calls took {took:?}");
    for name in names {
        let told = bench.records().named("sink.dropped");
        let of = told.iter().filter(|record| record["sink"] == name);
        assert!(of.count() <= 1, "{name} is told of too often: {told:?}");
    }
    close(&bench);
    let lost = recorded(&bench).len() as u64;
    for name in names {
        assert!(
            told(&bench, name) >= lost,
            "{name}: {} of {lost}",
            told(&bench, name)
        );
        let dropped = number(
            &bench,
            &format!("skillhost_sink_dropped_total{{sink=\"{name}\"}}"),
        );
        assert!(dropped >= told(&bench, name), "{name}: {dropped}");
        let delivered = format!("skillhost_sink_delivered_total{{sink=\"{name}\"}}");
        assert_eq!(number(&bench, &delivered), 0, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d09_a_file_has_every_line_even_if_it_is_renamed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.jsonl");
    let bench = bench(vec![sink("file", Destination::File(path.clone()))], |_| {}).await;
    call(&bench).await;
    while !path.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let moved = folder.path().join("events.1");
    std::fs::rename(&path, &moved).unwrap();
    call(&bench).await;
    close(&bench);
    let text = [&moved, &path].map(|path| std::fs::read_to_string(path).unwrap_or_default());
    let lines: Vec<serde_json::Value> = text
        .concat()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, recorded(&bench));
    assert!(path.exists(), "it was not begun anew");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sink_gets_the_events_that_it_is_for() {
    let folder = tempfile::tempdir().unwrap();
    let paths = ["warning", "verify"].map(|name| folder.path().join(name));
    let [mut warning, mut verify] =
        ["warning", "verify"].map(|name| sink(name, Destination::File(folder.path().join(name))));
    warning.at_least = skillhost::event::Severity::Warning;
    verify.events = vec!["verify.*".parse().unwrap()];
    let bench = bench(vec![warning, verify], |_| {}).await;
    call(&bench).await;
    close(&bench);
    assert!(!paths[0].exists(), "there was no warning");
    let text = std::fs::read_to_string(&paths[1]).unwrap();
    assert!(!text.is_empty());
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            event["event"].as_str().unwrap().starts_with("verify."),
            "{line}"
        );
    }
}
