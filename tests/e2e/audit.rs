//! The audit log of the command: several at once, and one that is killed.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use skillhost::event::audit::{LOST, Lines, runs_folder};
use skillhost_tests::Says;
use skillhost_tests::operator::AUTHOR;

use crate::desk::{AUDIT, Desk};

/// Until something stands in the log, at most 20 s.
fn wait_for(desk: &Desk, event: &str) -> Value {
    for _ in 0..1_000 {
        std::thread::sleep(Duration::from_millis(20));
        let Ok(lines) = Lines::open(&desk.path(AUDIT)) else {
            continue;
        };
        let mut records = lines.filter_map(|line| line.unwrap().value());
        if let Some(record) = records.find(|record| record["event"] == event) {
            return record;
        }
    }
    panic!("no {event}");
}

#[test]
fn c05_run_and_serve_share_one_log() {
    let desk = Desk::new();
    let skill = desk.install("says", &Says::new("one").component());
    desk.key().sign_file(&skill, None).unwrap();
    let echo = desk.guest("echo");
    let local = AUTHOR.replace("author.pub", "../../data/skillhost/keys/local.pub");
    desk.configure(&format!("[trust]\npreset = \"permissive\"\n{local}"));
    let mut assistant = desk.serve(&[], &json!({}));
    for _ in 0..3 {
        let answer = assistant.call("says_run", &json!({}));
        assert_ne!(answer["result"]["isError"], true, "{answer}");
        desk.skillhost(&["run", &echo, "echo", "--input", r#"{"text": "a"}"#])
            .code(0);
    }
    drop(assistant.end());
    let report = desk.verify_audit();
    assert!(report.is_intact() && report.gaps == 0, "{report:#?}");
    assert_eq!((report.unsigned, report.unsealed), (0, 0));
    let audit = desk.audit();
    let runs: BTreeSet<_> = audit.iter().map(|it| it["run"].to_string()).collect();
    assert_eq!(runs.len(), 4);
    let ends = audit
        .iter()
        .filter(|it| it["event"] == "invocation.finished");
    assert_eq!(ends.count(), 6);
}

/// What is not signed could be cut off by whoever comes next.
#[test]
fn each_run_leaves_its_log_signed_and_nothing_open() {
    let desk = Desk::new();
    let echo = desk.guest("echo");
    for _ in 0..10 {
        desk.skillhost(&["run", &echo, "echo", "--input", r#"{"text": "a"}"#])
            .code(0);
        let report = desk.verify_audit();
        assert_eq!((report.unsigned, report.unsealed), (0, 0), "{report:#?}");
        let open = runs_folder(&desk.path(AUDIT)).read_dir().unwrap();
        assert_eq!(open.count(), 0);
    }
}

#[test]
fn d08_the_call_of_a_killed_host_is_closed_at_the_next_start() {
    let desk = Desk::new();
    let sleeper = desk.guest("sleep_forever");
    let mut child = desk.start(&["run", &sleeper, "sleep"]);
    let started = wait_for(&desk, "invocation.started");
    child.kill().unwrap();
    child.wait().unwrap();
    let echo = desk.guest("echo");
    desk.skillhost(&["run", &echo, "echo", "--input", r#"{"text": "a"}"#])
        .code(0);
    let audit = desk.audit();
    let ends: Vec<_> = audit
        .iter()
        .filter(|it| it["invocation"] == started["invocation"] && *it != &started)
        .collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["event"], "invocation.finished");
    assert_eq!(
        (&ends[0]["kind"], &ends[0]["reason"]),
        (&json!("Internal"), &json!(LOST))
    );
    assert_ne!(ends[0]["run"], started["run"]);
}
