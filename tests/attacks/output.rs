//! R14, R16, R17, I10 and I12: what a guest says.

use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{DeadlineExceeded, HostcallLimit, InvalidOutput, OutputLimit, Trapped};
use skillhost_tests::Bench;

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn print_forever() {
    let bench = Bench::new();
    let called = bench
        .call("print_forever", "print", json!({"lines": 20_000}))
        .await;
    assert_eq!(called.text(), "still here");
    assert_eq!(called.between(), ["output.truncated", "output.truncated"]);
    for (event, stream) in called.events[1..].iter().zip(["stdout", "stderr"]) {
        assert_eq!(event["stream"], stream);
        // 20,000 lines of four bytes, the number and the line's end.
        assert_eq!(event["dropped"], 20_000 * 5 + 88_890 - 64 * 1024);
    }
    assert_eq!(
        called.answer.diagnostics.lines.first().unwrap(),
        "stdout: out 0"
    );

    let bench = Bench::with(|setup| {
        setup.limits.timeout = Duration::from_millis(500);
        setup.limits.fuel = u64::MAX;
    });
    let called = bench
        .call("print_forever", "print", json!({"lines": u64::MAX}))
        .await;
    assert_eq!(called.kind(), DeadlineExceeded);
    assert_eq!(
        called.between(),
        ["output.truncated", "output.truncated", "limit.exceeded"]
    );
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn log_forever() {
    let bench = Bench::new();
    let called = bench
        .call("log_forever", "log-lines", json!({"lines": 10_000}))
        .await;
    assert_eq!(called.text(), "still here");
    assert_eq!(called.between(), ["output.truncated"]);
    assert_eq!(called.event("output.truncated")["stream"], "log");
    assert_eq!(called.answer.diagnostics.lines.len(), 200);
    assert_eq!(called.answer.diagnostics.lines[199], "info: line 199");

    let called = bench.call("log_forever", "forge", json!({})).await;
    let forged = r#"error: first\nsecond \u{1b}[2J\r{"event":"skill.loaded"}"#;
    assert_eq!(called.answer.diagnostics.lines, [forged]);

    let called = bench
        .call("log_forever", "log-long", json!({"bytes": 70_000}))
        .await;
    assert_eq!(called.event("output.truncated")["dropped"], 70_000);
    let called = bench
        .call("log_forever", "log-long", json!({"bytes": 10_000_000}))
        .await;
    called.expect(HostcallLimit, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn big_output() {
    let bench = Bench::new();
    let called = bench
        .call("big_output", "answer", json!({"bytes": 1 << 20}))
        .await;
    assert_eq!(called.text().len(), 1 << 20);
    let called = bench
        .call("big_output", "answer", json!({"bytes": (1 << 20) + 1}))
        .await;
    called.expect(OutputLimit, &["limit.exceeded"]);
    assert_eq!(
        called.error().message(),
        "The skill's answer is 1048577 bytes; at most 1048576 are allowed."
    );
    let called = bench
        .call("big_output", "blocks", json!({"count": 1_000_000}))
        .await;
    called.expect(HostcallLimit, &["limit.exceeded"]);
    let called = bench.call("big_output", "control", json!({})).await;
    assert_eq!(called.text(), "\u{1b}[2J\u{202e}\n{\"jsonrpc\":\"2.0\"}");
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn huge_output() {
    let bench = Bench::with(|setup| setup.limits.memory = 512 << 20);
    let called = bench.call("huge_output", "answer", json!({})).await;
    called.expect(HostcallLimit, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn bad_output() {
    let called = Bench::new().call("bad_output", "count", json!({})).await;
    called.expect(InvalidOutput, &[]);
    assert!(
        called.error().message().contains("`n`"),
        "{}",
        called.error()
    );
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn realloc_outside() {
    Bench::new()
        .call_text("realloc_outside")
        .await
        .expect(Trapped, &["guest.trapped"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn result_outside() {
    Bench::new()
        .call_text("result_outside")
        .await
        .expect(Trapped, &["guest.trapped"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn result_discriminant() {
    Bench::new()
        .call_text("result_discriminant")
        .await
        .expect(Trapped, &["guest.trapped"]);
}

/// Refused before anything is allocated for it.
#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn result_endless() {
    let called = Bench::new().call_text("result_endless").await;
    called.expect(Trapped, &["guest.trapped"]);
}
