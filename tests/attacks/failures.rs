//! How a guest fails, and how one does not.

use serde_json::json;
use skillhost::Kind::{self, Denied, GuestFailed, InvalidInput, Trapped};
use skillhost_tests::Bench;

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn echo() {
    let bench = Bench::new();
    let called = bench
        .call("echo", "echo", json!({"text": "a\u{0}ü\u{1f980}"}))
        .await;
    assert_eq!(called.text(), "a\u{0}ü\u{1f980}");
    assert_eq!(called.between(), Vec::<&str>::new());
    assert_eq!(called.signers(), ["author"]);
    assert_eq!(&*called.answer.skill.unwrap().name, "echo");
    assert_eq!(called.answer.usage.attempts, 1);
    let called = bench
        .call("echo", "count", json!({"numbers": [1, 2, 3]}))
        .await;
    assert_eq!(called.structured(), 3);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn panic() {
    let called = Bench::new().call("panic", "panic", json!({})).await;
    called.expect(Trapped, &["guest.trapped"]);
    assert_eq!(
        called.error().message(),
        "The skill crashed: the guest panics on purpose."
    );
    assert_eq!(
        called.hint(),
        "This is a defect of the skill; tell its author."
    );
    assert_eq!(called.event("guest.trapped")["severity"], "warning");
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn exit() {
    for code in [0, 1, 255] {
        let called = Bench::new()
            .call("exit", "exit", json!({"code": code}))
            .await;
        called.expect(Trapped, &["guest.trapped"]);
        assert_eq!(
            called.error().message(),
            "The skill ended itself instead of answering."
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn guest_errors() {
    let bench = Bench::new();
    for (way, kind, message, hint) in [
        (
            "invalid-arguments",
            InvalidInput,
            "Send something else.",
            "Correct the arguments and call again.",
        ),
        (
            "denied",
            Denied,
            "Somebody has to allow it.",
            "The operator has to grant it.",
        ),
        (
            "not-found",
            GuestFailed,
            "There is no such thing.",
            "What was asked for does not exist; ask for something else.",
        ),
        ("unavailable", GuestFailed, "Not now.", "Try again later."),
        (
            "unavailable-for",
            GuestFailed,
            "Not now.",
            "Try again in 3 seconds.",
        ),
        (
            "failed",
            GuestFailed,
            "It cannot be done.",
            "The same call would fail again.",
        ),
        (
            "forged",
            GuestFailed,
            r"one\ntwo \u{1b}[31m\u{202e}three",
            "The same call would fail again.",
        ),
    ] {
        let called = bench
            .call("guest_errors", "fail", json!({"way": way}))
            .await;
        called.expect(kind, &[]);
        assert_eq!(
            (called.error().message(), called.hint()),
            (message, hint),
            "{way}"
        );
    }
    let called = bench
        .call("guest_errors", "fail", json!({"way": "cancelled"}))
        .await;
    called.expect(Kind::Cancelled, &[]);
    let called = bench
        .call("guest_errors", "fail", json!({"way": "long"}))
        .await;
    assert!(
        called.error().message().chars().count() <= 2001,
        "{}",
        called.error().message().len()
    );
}
