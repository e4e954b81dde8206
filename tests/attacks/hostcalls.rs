//! R18, R19 and R24: what a guest takes from the host.

use serde_json::json;
use skillhost::Kind::{GuestFailed, HostcallLimit, ResourceLimit};
use skillhost_tests::{Bench, grant};

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn many_handles() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("file"), "").unwrap();
    let directory = folder.path().to_str().unwrap().parse().unwrap();
    let bench = Bench::with(|setup| grant(setup, "many_handles").directories.push(directory));

    let called = bench
        .call("many_handles", "timers", json!({"count": 100}))
        .await;
    assert_eq!(called.structured(), 100);
    let called = bench
        .call("many_handles", "timers", json!({"count": 5_000}))
        .await;
    called.expect(ResourceLimit, &["limit.exceeded"]);

    let called = bench
        .call(
            "many_handles",
            "files",
            json!({"path": "/file", "count": 60}),
        )
        .await;
    assert_eq!(called.structured(), 60);
    let called = bench
        .call(
            "many_handles",
            "files",
            json!({"path": "/file", "count": 5_000}),
        )
        .await;
    called.expect(GuestFailed, &["limit.exceeded"]);
    assert!(open_files() < 200, "{} files are still open", open_files());
}

fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn random_much() {
    let bench = Bench::new();
    for tool in ["random", "insecure-random"] {
        let called = bench
            .call("random_much", tool, json!({"bytes": 64 << 10}))
            .await;
        assert_eq!(called.structured(), 64 << 10);
        for bytes in [(64 << 10) + 1, 1_u64 << 40] {
            let called = bench
                .call("random_much", tool, json!({"bytes": bytes}))
                .await;
            called.expect(HostcallLimit, &["limit.exceeded"]);
        }
    }
}
