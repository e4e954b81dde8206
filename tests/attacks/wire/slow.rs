//! Clients that take their time, and clients that go.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skillhost::mcp::NoAuthentication;
use skillhost_tests::Bench;

use super::Wire;
use super::client::{HEAD, calling, request};

/// Short for a limit, and long for a test that has nothing else to do.
const SHORT: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread")]
async fn m10_a_head_that_does_not_come_ends_its_connection() {
    let wire = Wire::open(|settings| settings.limits.header_timeout = SHORT).await;
    let mut silent = wire.connect().await;
    silent.closed().await;
    let mut slow = wire.connect().await;
    slow.send("POST /mcp HTTP/1.1\r\nhost: 127").await;
    slow.closed().await;
    assert_eq!(wire.event("wire.rejected").await["limit"], "header-timeout");
    wire.assert_serving().await;
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_a_body_that_does_not_come_ends_its_connection() {
    let wire = Wire::open(|settings| settings.limits.body_timeout = SHORT).await;
    for length in ["content-length: 100", "transfer-encoding: chunked"] {
        let mut slow = wire.connect().await;
        let late = slow.ask(format!("{HEAD}{length}\r\n\r\n")).await;
        assert_eq!(
            (late.status, late.header("connection")),
            (408, Some("close")),
            "{length}"
        );
        slow.closed().await;
    }
    assert_eq!(wire.event("wire.rejected").await["limit"], "body-timeout");
    wire.assert_untouched();
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_a_connection_that_is_not_used_ends_in_silence() {
    let wire = Wire::open(|settings| settings.limits.idle_timeout = SHORT).await;
    let mut idle = wire.connect().await;
    let answer = idle.call("echo_echo", &json!({"text": "x"})).await;
    assert_eq!(answer.status, 200);
    idle.closed().await;
    assert!(wire.bench.records().named("wire.rejected").is_empty());
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_a_client_that_never_reads_is_not_waited_for() {
    let bench = Bench::with(|setup| {
        setup.limits.output = 32 << 20;
        setup.limits.input = 32 << 20;
        setup.limits.hostcall = 64 << 20;
        setup.paging.inline = 64 << 20;
    });
    let wire = Wire::start(bench, Arc::new(NoAuthentication), |settings| {
        settings.limits.body = 32 << 20;
        settings.limits.write_timeout = SHORT;
        settings.limits.requests_per_source = 1.try_into().unwrap();
    })
    .await;
    let mut deaf = wire.connect().await;
    // More than the kernel takes for a client that does not read.
    let much = json!({"text": "x".repeat(12 << 20)});
    deaf.send(request("", &calling("echo_echo", &much))).await;
    assert_eq!(wire.event("wire.rejected").await["limit"], "write-timeout");
    // Its place is free again.
    let mut another = wire.connect().await;
    let answer = another.call("echo_echo", &json!({"text": "x"})).await;
    assert_eq!(answer.status, 200);
    drop(deaf);
    wire.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m10_m12_a_client_that_goes_ends_its_call() {
    let wire = Wire::open(|_| {}).await;
    for (guest, tool) in [
        ("sleep_forever", "sleep-forever_sleep"),
        ("loop_forever", "loop-forever_spin"),
    ] {
        wire.bench.ensure_loaded(guest).await;
        let before = wire.bench.records().named("invocation.finished").len();
        let mut client = wire.connect().await;
        client.send(request("", &calling(tool, &json!({})))).await;
        while wire.bench.records().named("invocation.started").len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(client);
        while wire.bench.records().named("invocation.finished").len() == before {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let finished = wire.bench.records().last("invocation.finished");
        assert_eq!(finished["kind"], "Cancelled", "{tool}: {finished}");
        assert!(finished["wall_ms"].as_u64().unwrap() < 20_000, "{finished}");
    }
    wire.end().await;
}
