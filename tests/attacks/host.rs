//! R31, D02 and R36: the host itself under pressure.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{AuditUnavailable, Cancelled, Overloaded};
use skillhost::compile::MAX_CONCURRENT;
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, pack};

#[tokio::test(flavor = "multi_thread")]
async fn r31_more_calls_than_the_host_takes_are_refused_at_once() {
    let bench = Arc::new(Bench::with(|setup| {
        setup.limits.timeout = Duration::from_secs(60)
    }));
    bench.ensure_loaded("sleep_forever").await;
    let mut calls = Vec::new();
    let mut tokens = Vec::new();
    for _ in 0..MAX_CONCURRENT {
        let call = invocation("sleep_forever", "sleep", json!({}));
        tokens.push(call.cancelled.clone());
        let bench = Arc::clone(&bench);
        calls.push(tokio::spawn(async move { bench.host().invoke(call).await }));
    }
    while bench.records().named("invocation.started").len() < MAX_CONCURRENT as usize {
        tokio::task::yield_now().await;
    }
    let called = bench
        .invoke(invocation("sleep_forever", "sleep", json!({})))
        .await;
    called.expect(Overloaded, &[]);
    tokens
        .iter()
        .for_each(tokio_util::sync::CancellationToken::cancel);
    for call in calls {
        assert_eq!(call.await.unwrap().outcome.unwrap_err().kind(), Cancelled);
    }
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d02_without_an_audit_log_nothing_runs() {
    let bench = Bench::new();
    bench.assert_serving().await;
    bench.records().set_full(true);
    let answer = bench
        .host()
        .invoke(invocation("echo", "echo", json!({"text": "a"})))
        .await;
    assert_eq!(answer.outcome.unwrap_err().kind(), AuditUnavailable);
    assert_eq!(answer.usage.attempts, 0);
    let path = pack::write_signed(bench.folder(), "honest", &pack::text("honest"), bench.key());
    assert_eq!(
        bench.host().load(&path).await.unwrap_err().kind(),
        AuditUnavailable
    );
    bench.records().set_full(false);
    let answer = bench
        .host()
        .invoke(invocation("echo", "echo", json!({"text": "a"})))
        .await;
    assert!(answer.outcome.is_ok());
}

/// The log fills up while a call runs: its answer is not given out.
#[tokio::test(flavor = "multi_thread")]
async fn d02_a_call_whose_end_cannot_be_written_has_no_answer() {
    let bench = Bench::new();
    bench.ensure_loaded("progress_and_remaining").await;
    let mut call = invocation("progress_and_remaining", "work", json!({"steps": [1]}));
    let records = bench.records().clone();
    call.progress = Some(Arc::new(move |_| records.set_full(true)));
    let answer = bench.host().invoke(call).await;
    assert_eq!(answer.outcome.unwrap_err().kind(), AuditUnavailable);
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_a_changed_skill_is_compiled_once_for_all_who_wait() {
    let bench = Arc::new(Bench::new());
    bench.load("honest", &pack::text("honest")).await.unwrap();
    let before = bench.host().compilations();
    bench.replace("honest", &pack::text("honest"));
    let calls: Vec<_> = (0..50)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.invoke(invocation("honest", "run", json!({}))).await })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap().answer.outcome.is_ok());
    }
    assert_eq!(bench.host().compilations(), before + 1);
}
