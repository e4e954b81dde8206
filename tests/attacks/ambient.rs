//! X01: what a guest sees of the host, of its settings and of its call.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use skillhost::Kind::{Cancelled, Denied};
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, pack};

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn list_env() {
    let called = Bench::new().call("list_env", "look", json!({})).await;
    let mut seen = called.structured();
    assert!(seen["now"].take().as_u64() > Some(1_700_000_000));
    assert_eq!(
        seen,
        json!({
            "variables": [], "arguments": [], "folder": "/", "root": null, "stdin": "",
            "clock_is_coarse": true, "day_is_coarse": true, "now": null,
        })
    );
}

/// What the operator writes down for this skill, and no more.
#[tokio::test(flavor = "multi_thread")]
async fn x01_only_variables_that_were_granted_are_seen() {
    let bench = Bench::with(|setup| {
        let name = pack::skill_name("list_env").parse().unwrap();
        let skill = setup.skills.entry(name).or_default();
        let granted = [("LANG", "en"), ("EMPTY", "")];
        skill.environment = granted
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    });
    let called = bench.call("list_env", "look", json!({})).await;
    assert_eq!(
        called.structured()["variables"],
        json!(["EMPTY=", "LANG=en"])
    );
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn state_and_secrets() {
    let bench = Bench::with(|setup| {
        let name = pack::skill_name("state_and_secrets").parse().unwrap();
        setup
            .skills
            .entry(name)
            .or_default()
            .settings
            .insert("lang".to_owned(), json!(["de"]));
    });
    let called = bench.call("state_and_secrets", "reach", json!({})).await;
    assert_eq!(called.structured(), json!(vec!["Err(NotGranted)"; 5]));
    let targets: Vec<(&Value, &Value)> = called.events[1..5]
        .iter()
        .map(|event| (&event["capability"], &event["target"]))
        .collect();
    let (state, secrets) = (json!("state"), json!("secrets"));
    let (key, empty, token) = (json!("key"), json!(""), json!("token"));
    let denied = "capability.denied";
    assert_eq!(
        called.between(),
        [denied, denied, denied, "denials.repeated"]
    );
    assert_eq!(called.event("denials.repeated")["repeated"], 2);
    assert_eq!(
        targets[..3],
        [(&state, &key), (&state, &empty), (&secrets, &token)]
    );

    let called = bench
        .call("state_and_secrets", "need-secret", json!({}))
        .await;
    called.expect(Denied, &["capability.denied"]);
    assert!(called.hint().contains("secrets"), "{}", called.hint());

    // The setting `token` is another skill's.
    for (key, value) in [("lang", "[\"de\"]"), ("token", "null"), ("missing", "null")] {
        let called = bench
            .call("state_and_secrets", "setting", json!({"key": key}))
            .await;
        assert_eq!(called.text(), value, "{key}");
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn progress_and_remaining() {
    let bench = Bench::new();
    bench.ensure_loaded("progress_and_remaining").await;
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let mut call = invocation(
        "progress_and_remaining",
        "work",
        json!({"steps": [1, 5, 3, 5, 9]}),
    );
    call.progress = Some(Arc::new(move |progress| {
        sink.lock().unwrap().push(progress)
    }));
    let called = bench.invoke(call).await;
    let told = called.structured();
    assert_eq!(told["id"], called.answer.invocation);
    assert_eq!(told["cancelled"], false);
    assert!(told["remaining_ms"].as_u64().unwrap() <= 30_000, "{told}");
    let heard = heard.lock().unwrap();
    let done: Vec<f64> = heard.iter().map(|progress| progress.done).collect();
    assert_eq!(done, [1.0, 5.0, 9.0]);
    assert_eq!(heard[0].message.as_deref(), Some(r"line one\nline two"));
}

/// A guest that asks, one that computes, and one that waits in the host.
#[tokio::test(flavor = "multi_thread")]
async fn m12_a_cancelled_call_ends() {
    let bench = Bench::new();
    bench.ensure_loaded("progress_and_remaining").await;
    for tool in ["until-cancelled", "until-stopped", "until-awake"] {
        let mut call = invocation("progress_and_remaining", tool, json!({}));
        let token = call.cancelled.clone();
        call.progress = Some(Arc::new(move |_| token.cancel()));
        let called = bench.invoke(call).await;
        called.expect(Cancelled, &[]);
        assert!(
            called.usage().wall_ms < 5_000,
            "{tool}: {:?}",
            called.usage()
        );
        bench.assert_serving().await;
    }
}
