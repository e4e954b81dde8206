//! R01 to R06, R20 and R21: time and stack.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{Cancelled, DeadlineExceeded, FuelExhausted, StackExhausted, Trapped};
use skillhost_tests::Bench;
use skillhost_tests::bench::invocation;
use tokio_util::sync::CancellationToken;

const SHORT: Duration = Duration::from_millis(500);

fn impatient() -> Bench {
    Bench::with(|setup| {
        setup.limits.timeout = SHORT;
        setup.limits.fuel = u64::MAX;
    })
}

fn thrifty() -> Bench {
    Bench::with(|setup| setup.limits.fuel = 50_000_000)
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn loop_forever() {
    let called = thrifty().call("loop_forever", "spin", json!({})).await;
    called.expect(FuelExhausted, &["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["kind"], "FuelExhausted");
    assert_eq!(
        called.error().message(),
        "The skill used all of its 50000000 units of fuel."
    );
    assert!(called.hint().contains("`--fuel`"), "{}", called.hint());
    assert!(
        (49_000_000..=50_000_000).contains(&called.usage().fuel),
        "{:?}",
        called.usage()
    );

    let called = impatient().call("loop_forever", "spin", json!({})).await;
    called.expect(DeadlineExceeded, &["limit.exceeded"]);
    assert_eq!(
        called.error().message(),
        "The skill did not finish within 500 ms."
    );
    assert!(called.hint().contains("`--timeout`"), "{}", called.hint());
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn fill_memory() {
    let called = impatient().call("fill_memory", "fill", json!({})).await;
    called.expect(DeadlineExceeded, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn sleep_forever() {
    let called = impatient().call("sleep_forever", "sleep", json!({})).await;
    called.expect(DeadlineExceeded, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn recurse() {
    let called = Bench::new().call("recurse", "recurse", json!({})).await;
    called.expect(StackExhausted, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn start_loop() {
    thrifty()
        .call_text("start_loop")
        .await
        .expect(FuelExhausted, &["limit.exceeded"]);
    impatient()
        .call_text("start_loop")
        .await
        .expect(DeadlineExceeded, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn realloc_loop() {
    thrifty()
        .call_text("realloc_loop")
        .await
        .expect(FuelExhausted, &["limit.exceeded"]);
    impatient()
        .call_text("realloc_loop")
        .await
        .expect(DeadlineExceeded, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn post_loop() {
    thrifty()
        .call_text("post_loop")
        .await
        .expect(FuelExhausted, &["limit.exceeded"]);
    impatient()
        .call_text("post_loop")
        .await
        .expect(DeadlineExceeded, &["limit.exceeded"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn post_trap() {
    Bench::new()
        .call_text("post_trap")
        .await
        .expect(Trapped, &["guest.trapped"]);
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn honest() {
    let called = Bench::new().call_text("honest").await;
    assert_eq!(called.json()["content"], json!([]));
    assert_eq!(called.between(), Vec::<&str>::new());
}

/// More spinning guests than threads, and the canary is served in between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_busy_guests_starve_nobody() {
    let bench = Arc::new(Bench::with(|setup| setup.limits.fuel = u64::MAX));
    bench.ensure_loaded("loop_forever").await;
    bench.assert_serving().await;
    let spinners: Vec<_> = (0..4)
        .map(|_| invocation("loop_forever", "spin", json!({})))
        .collect();
    let tokens: Vec<_> = spinners
        .iter()
        .map(|spinner| spinner.cancelled.clone())
        .collect();
    let spinning: Vec<_> = spinners
        .into_iter()
        .map(|spinner| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.invoke(spinner).await })
        })
        .collect();
    for _ in 0..20 {
        bench.assert_serving().await;
    }
    assert!(spinning.iter().all(|spinner| !spinner.is_finished()));
    tokens.iter().for_each(CancellationToken::cancel);
    for spinner in spinning {
        spinner.await.unwrap().expect(Cancelled, &[]);
    }
}
