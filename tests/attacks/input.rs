//! I01 to I05: arguments.

use serde_json::json;
use skillhost::Kind::{InputTooLarge, InvalidInput, UnknownTool};
use skillhost::invocation::{Input, Invocation};
use skillhost_tests::Bench;
use skillhost_tests::bench::invocation;

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_is_not_there_is_named() {
    let bench = Bench::new();
    for tool in ["shout", "", "ECHO", "echo ", "echo\n{}", "../echo"] {
        let called = bench.call("echo", tool, json!({"text": "a"})).await;
        called.expect(UnknownTool, &[]);
        assert_eq!(called.hint(), "Its tools are: echo, count.");
        assert_eq!(called.usage().attempts, 0);
    }
    let called = bench.invoke(invocation("missing", "echo", json!({}))).await;
    called.expect(UnknownTool, &[]);
    assert_eq!(called.error().message(), "There is no skill `missing`.");
}

#[tokio::test(flavor = "multi_thread")]
async fn i05_arguments_fit_the_schema_or_do_not_reach_the_guest() {
    let bench = Bench::new();
    for input in [
        json!({}),
        json!([]),
        json!(null),
        json!("text"),
        json!({"text": 7}),
        json!({"text": null}),
        json!({"Text": "a"}),
        json!({"text": "a", "extra": 1}),
        json!({"text": ["a"]}),
    ] {
        let called = bench.call("echo", "echo", input.clone()).await;
        called.expect(InvalidInput, &[]);
        assert_eq!(called.usage().attempts, 0, "{input}");
    }
    for numbers in [
        json!([-1]),
        json!([4_294_967_296_u64]),
        json!([1.5]),
        json!(["1"]),
        json!([1e300]),
    ] {
        let called = bench
            .call("echo", "count", json!({"numbers": numbers}))
            .await;
        called.expect(InvalidInput, &[]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn i04_arguments_over_their_limit_do_not_reach_the_guest() {
    let bench = Bench::new();
    let called = bench
        .call("echo", "echo", json!({"text": "x".repeat(17 << 20)}))
        .await;
    called.expect(InputTooLarge, &[]);
    assert_eq!(called.usage().attempts, 0);
}

/// On half of the stack that a thread of the runtime has.
#[test]
fn i02_depth_is_an_error_and_no_overflow() {
    let parse = || Input::parse("[".repeat(100_000)).unwrap_err().kind();
    let thread = std::thread::Builder::new()
        .stack_size(1 << 20)
        .spawn(parse)
        .unwrap();
    assert_eq!(thread.join().unwrap(), InvalidInput);
}

/// Whether a number fits is decided on the text that the guest reads.
#[tokio::test(flavor = "multi_thread")]
async fn i03_numbers_are_exact_or_refused() {
    let bench = Bench::new();
    bench.ensure_loaded("echo").await;
    for (number, taken) in [
        ("4294967295", true),
        ("4294967296", false),
        ("18446744073709551616", false),
        ("123456789012345678901234567890", false),
        ("1e2", false),
        ("0.5", false),
    ] {
        let input = Input::parse(format!("{{\"numbers\": [{number}]}}")).unwrap();
        let call = Invocation::local("echo".parse().unwrap(), "count", input).unwrap();
        let called = bench.invoke(call).await;
        assert_eq!(
            called.answer.outcome.is_ok(),
            taken,
            "{number}: {:?}",
            called.answer
        );
        if !taken {
            assert_eq!(called.kind(), InvalidInput, "{number}");
        }
    }
}
