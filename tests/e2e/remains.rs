//! What is left of a host when it is gone, and when what is trusted has changed
//! many times. No other test of this binary has a host in its own process.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use skillhost_tests::bench::invocation;
use skillhost_tests::operator::AUTHOR;
use skillhost_tests::{Operator, Says};

use crate::desk::Desk;

/// How soon everything is gone.
const SOON: Duration = Duration::from_secs(2);

/// What a host holds on to: threads by name, and notices of the kernel.
fn held() -> (usize, usize, usize) {
    let threads: Vec<String> = entries("/proc/self/task")
        .iter()
        .filter_map(|task| fs::read_to_string(task.join("comm")).ok())
        .collect();
    let named = |name: &str| threads.iter().filter(|it| it.trim_end() == name).count();
    (
        named("epoch"),
        named("skillhost-trust"),
        links("self", "inotify"),
    )
}

/// Open files of a process whose name contains `part`.
fn links(process: &str, part: &str) -> usize {
    let files = entries(format!("/proc/{process}/fd"));
    let names = files.iter().filter_map(|file| fs::read_link(file).ok());
    names
        .filter(|name| name.to_string_lossy().contains(part))
        .count()
}

fn entries(folder: impl AsRef<Path>) -> Vec<std::path::PathBuf> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[expect(clippy::disallowed_methods, reason = "measures the host from outside")]
fn now() -> Instant {
    Instant::now()
}

#[tokio::test(flavor = "multi_thread")]
async fn o4_a_host_that_is_dropped_leaves_no_thread_and_no_file() {
    let operator = Operator::denying();
    assert_eq!(held(), (0, 0, 0));
    let bench = operator.bench();
    let loaded = bench.load("says", &Says::new("one").component()).await;
    let folder = bench.folder().to_str().unwrap().to_owned();
    drop(loaded.unwrap());
    let called = bench.invoke(invocation("says", "run", json!({}))).await;
    assert_eq!(called.text().trim_end(), "one");
    assert_eq!(held(), (1, 1, 2));
    drop(bench);
    let end = now() + SOON;
    while held() != (0, 0, 0) {
        assert!(now() < end, "{:?}", held());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(links("self", &folder), 0);
    let own = operator.path("");
    assert_eq!(links("self", own.to_str().unwrap()), 0);
}

#[test]
fn o4_a_thousand_changes_of_trust_leave_nothing_behind() {
    let desk = Desk::new();
    let skill = desk.install("says", &Says::new("one").component());
    desk.key().sign_file(&skill, None).unwrap();
    desk.skillhost(&["keygen", "--out", "bob"]).code(0);
    let bob = "signers.bob.keys = [\"../../bob.pub\"]\nthreshold = 1\n";
    let local = AUTHOR.replace("author.pub", "../../data/skillhost/keys/local.pub");
    let configure = |lines: &str| {
        let text = format!("[trust]\npreset = \"permissive\"\n{local}{lines}");
        let staged = desk.write("config/skillhost/staged", text);
        fs::rename(staged, desk.path("config/skillhost/skillhost.toml")).unwrap();
    };
    configure("");
    let mut assistant = desk.serve(&[], &json!({}));
    let process = assistant.process();
    let mut change = |times: usize| {
        for _ in 0..times {
            for lines in [bob, ""] {
                configure(lines);
                let answer = assistant.call("says_run", &json!({}));
                assert_ne!(answer["result"]["isError"], true, "{answer}");
            }
        }
    };
    let held = || {
        let threads = entries(format!("/proc/{process}/task")).len();
        (threads, links(&process.to_string(), ""))
    };
    change(50);
    let before = held();
    change(500);
    // A thread that had nothing to do may have ended meanwhile.
    let after = held();
    assert!(
        after.0 <= before.0 && after.1 <= before.1,
        "{after:?}, {before:?} before"
    );
    drop(assistant.end());
    let audit = desk.audit();
    let changes = audit.iter().filter(|it| it["event"] == "trust.changed");
    assert_eq!(changes.count(), 1100);
}
