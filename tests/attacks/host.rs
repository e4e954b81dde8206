//! R31, D02 and R36: the host itself under pressure.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{AuditUnavailable, Cancelled, Overloaded};
use skillhost::compile::MAX_CONCURRENT;
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, guests, pack};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

#[tokio::test(flavor = "multi_thread")]
async fn r31_more_calls_than_the_host_takes_are_refused_at_once() {
    let bench = Arc::new(Bench::with(|setup| {
        setup.limits.timeout = Duration::from_secs(60);
    }));
    bench.ensure_loaded("progress_and_remaining").await;
    let running = Arc::new(Semaphore::new(0));
    let waiting = || {
        let mut call = invocation("progress_and_remaining", "until-awake", json!({}));
        let running = Arc::clone(&running);
        call.progress = Some(Arc::new(move |_| running.add_permits(1)));
        call
    };
    let mut calls = Vec::new();
    let mut tokens = Vec::new();
    for _ in 0..MAX_CONCURRENT {
        let (bench, call) = (Arc::clone(&bench), waiting());
        tokens.push(call.cancelled.clone());
        calls.push(tokio::spawn(async move { bench.invoke(call).await }));
    }
    let all = running.acquire_many(MAX_CONCURRENT).await.unwrap();
    bench.invoke(waiting()).await.expect(Overloaded, &[]);
    drop(all);
    tokens.iter().for_each(CancellationToken::cancel);
    for call in calls {
        call.await.unwrap().expect(Cancelled, &[]);
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
    let source = pack::plain_source("honest");
    bench.replace(
        "honest",
        &pack::with_manifest(&guests::text("says"), source),
    );
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

/// Whoever called has gone without a word; the record says so all the same.
#[tokio::test(flavor = "multi_thread")]
async fn c02_a_call_that_is_dropped_has_its_end_recorded() {
    let bench = Bench::new();
    bench.ensure_loaded("sleep_forever").await;
    let call = invocation("sleep_forever", "sleep", json!({}));
    let id = call.id.to_string();
    let dropped = tokio::time::timeout(Duration::from_millis(50), bench.host().invoke(call)).await;
    assert!(dropped.is_err(), "{dropped:?}");
    let ends: Vec<_> = bench
        .records()
        .of(&id)
        .into_iter()
        .filter(|record| record["event"] == "invocation.finished")
        .collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["kind"], "Cancelled");
    bench.assert_serving().await;
}
