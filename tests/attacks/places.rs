//! X07: where the host keeps things, who runs it, and what else it serves. (F17,
//! paths that a file system tells, stands with the files.)

use serde_json::json;
use skillhost::Kind::{Denied, UnknownTool};
use skillhost_tests::Bench;
use skillhost_tests::bench::{SECRET, invocation};

/// What a caller is told when things go wrong names no file, no user and no
/// program that the host is made of.
#[tokio::test(flavor = "multi_thread")]
async fn x07_failures_name_nothing_of_the_host() {
    let bench = Bench::new();
    bench.ensure_loaded("wants_filesystem").await;
    for (skill, tool, kind) in [
        ("wants_filesystem", "none", UnknownTool),
        ("none", "run", UnknownTool),
        ("wants_filesystem", "run", Denied),
    ] {
        let called = bench.invoke(invocation(skill, tool, json!({}))).await;
        assert_eq!(called.kind(), kind);
        let told = called.json().to_string();
        for part in [
            SECRET, "/tmp", "/home", "/root", "wasmtime", "tokio", ".rs:",
        ] {
            assert!(!told.contains(part), "{part}: {told}");
        }
    }
}
