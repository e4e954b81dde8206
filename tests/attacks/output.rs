//! R07, R14, R16, R17, I10 and I12: what a guest says.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{DeadlineExceeded, HostcallLimit, InvalidOutput, OutputLimit, Trapped};
use skillhost_tests::bench::invocation;
use skillhost_tests::guests::Core;
use skillhost_tests::{Bench, Scale, alone};

const MIB: u64 = 1 << 20;

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

/// Whom the operator gives no leave hears nothing.
#[tokio::test(flavor = "multi_thread")]
async fn r17_no_more_is_heard_of_a_log_than_is_kept() {
    for (is_let, log_lines, expected) in [(true, 200, 200), (true, 5000, 1000), (false, 200, 0)] {
        let bench = Bench::with(|setup| {
            let policy = setup.skills.entry("log-forever".parse().unwrap());
            policy.or_default().log_to_client = is_let;
            setup.limits.log_lines = log_lines;
        });
        bench.ensure_loaded("log_forever").await;
        let heard = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&heard);
        let mut call = invocation("log_forever", "log-lines", json!({"lines": 10_000}));
        call.log = Some(Arc::new(move |message| {
            sink.lock().unwrap().push(message.text)
        }));
        let called = bench.invoke(call).await;
        assert_eq!(called.between(), ["output.truncated"]);
        let lines: Vec<_> = (0..expected).map(|line| format!("line {line}")).collect();
        assert_eq!(*heard.lock().unwrap(), lines);
    }
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

/// Two gibibytes are written, and what is kept of them is what may be.
#[test]
fn r16_a_flood_is_counted_and_not_kept() {
    alone("output::r16_a_flood_is_counted_and_not_kept", || async {
        let bench = Bench::new();
        bench
            .call("print_forever", "flood", json!({"mebibytes": 0}))
            .await;
        let scale = Scale::begin();
        let called = bench
            .call("print_forever", "flood", json!({"mebibytes": 1024}))
            .await;
        assert_eq!(called.text(), "still here");
        assert_eq!(called.between(), ["output.truncated", "output.truncated"]);
        for event in &called.events[1..3] {
            assert_eq!(event["dropped"], (1024 * MIB) - (64 << 10));
        }
        assert_eq!(called.usage().spent.stdout_bytes, 1024 * MIB);
        scale.end(16 * MIB, Duration::from_secs(30)).await;
    });
}

/// A million lines are logged; the record of the call stays as small as any.
#[test]
fn r17_a_million_lines_leave_a_small_record() {
    alone(
        "output::r17_a_million_lines_leave_a_small_record",
        || async {
            let bench = Bench::new();
            bench
                .call("log_forever", "log-lines", json!({"lines": 0}))
                .await;
            let scale = Scale::begin();
            let called = bench
                .call("log_forever", "log-lines", json!({"lines": 1_000_000}))
                .await;
            assert_eq!(called.between(), ["output.truncated"]);
            assert_eq!(called.answer.diagnostics.lines.len(), 200);
            let recorded: usize = called
                .events
                .iter()
                .map(|event| event.to_string().len())
                .sum();
            assert!(recorded < 8 << 10, "{recorded}");
            scale.end(16 * MIB, Duration::from_secs(30)).await;
        },
    );
}

/// An answer in which one text of the guest's memory stands a thousand times:
/// the host would have to copy each.
#[test]
fn r14_a_text_that_is_named_often_is_counted_each_time() {
    alone(
        "output::r14_a_text_that_is_named_often_is_counted_each_time",
        || async {
            let bench = Bench::new();
            bench.assert_serving().await;
            for (blocks, text) in [(1000, 1 << 20), (5_000_000, 0), (3, 1 << 20)] {
                let component = repeating(blocks, text);
                let scale = Scale::begin();
                let called = bench.call_component(&component).await;
                called.expect(HostcallLimit, &["limit.exceeded"]);
                let guest = called.usage().memory_bytes;
                scale.end(guest + 16 * MIB, Duration::from_secs(20)).await;
            }
        },
    );
}

/// Answers with so many blocks, each of which is the same text of that length.
/// A block takes 44 bytes of memory: which kind, where, and how long.
fn repeating(blocks: u32, text: u32) -> Vec<u8> {
    let place = 1 << 21;
    let write = format!(
        "(local $block i32) (local $left i32)
        (i32.store (i32.const 1036) (i32.const {place})) (i32.store (i32.const 1040) (i32.const {blocks}))
        (local.set $block (i32.const {place})) (local.set $left (i32.const {blocks}))
        (loop
          (i32.store offset=4 (local.get $block) (i32.const 65536))
          (i32.store offset=8 (local.get $block) (i32.const {text}))
          (local.set $block (i32.add (local.get $block) (i32.const 44)))
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br_if 0 (local.get $left)))"
    );
    let memory = place + blocks * 44;
    Core {
        call: &write,
        pages: memory.div_ceil(64 << 10),
        ..Core::default()
    }
    .component()
}

/// What a tool answers as JSON is read with bounds: depth, size, one meaning.
#[tokio::test(flavor = "multi_thread")]
async fn r07_json_of_a_guest_cannot_bring_the_host_down() {
    let bench = Bench::new();
    let deep = ("[".repeat(100_000), InvalidOutput);
    let closed = ("[".repeat(200) + &"]".repeat(200), InvalidOutput);
    let twice = (r#"{"a":1,"a":2}"#.to_owned(), InvalidOutput);
    let number = ("1e999".to_owned(), InvalidOutput);
    let long = (
        format!("{{\"a\":{}}}", "9".repeat(1_000_000)),
        InvalidOutput,
    );
    for (json, kind) in [deep, closed, twice, number, long] {
        let called = bench.call_component(&structured(&json)).await;
        called.expect(kind, &[]);
        assert!(called.error().message().len() < 200, "{}", called.error());
    }
    let wide = |values| "[".to_owned() + &"[],".repeat(values) + "0]";
    let called = bench.call_component(&structured(&wide(150_000))).await;
    assert!(called.answer.outcome.is_ok(), "{:?}", called.answer.outcome);
    let called = bench.call_component(&structured(&wide(300_000))).await;
    called.expect(OutputLimit, &["limit.exceeded"]);
}

/// Answers with that text as its structured part: whether there is one at 1044,
/// and then where and how long.
pub(crate) fn structured(json: &str) -> Vec<u8> {
    let text = json.replace('"', "\\22");
    let call = format!(
        "(i32.store (i32.const 1044) (i32.const 1)) (i32.store (i32.const 1048) (i32.const 65536))
        (i32.store (i32.const 1052) (i32.const {}))",
        json.len()
    );
    Core {
        call: &call,
        parts: &format!("(data (i32.const 65536) \"{text}\")"),
        pages: 32,
        ..Core::default()
    }
    .component()
}
