//! R01 to R06, R20, R21, R30 and R35: time and stack.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{
    Cancelled, DeadlineExceeded, FuelExhausted, HostcallLimit, ResourceLimit, StackExhausted,
    Trapped,
};
use skillhost_tests::bench::invocation;
use skillhost_tests::guests::Core;
use skillhost_tests::{Bench, Scale, alone, grant};
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

/// A start function, `cabi_realloc` and post-return are called by the host,
/// above frames of its own.
#[tokio::test(flavor = "multi_thread")]
async fn r06_recursion_ends_wherever_it_begins() {
    let honest = Core {
        parts: "(func $down (param i64) (result i64)
            (i64.add (call $down (i64.add (local.get 0) (i64.const 1))) (local.get 0)))",
        ..Core::default()
    };
    let down = "(drop (call $down (i64.const 0)))";
    let bench = Bench::new();
    for core in [
        Core {
            start: down,
            ..honest
        },
        Core {
            realloc: down,
            ..honest
        },
        Core {
            call: down,
            ..honest
        },
        Core {
            post: down,
            ..honest
        },
    ] {
        let called = bench.call_component(&core.component()).await;
        called.expect(StackExhausted, &["limit.exceeded"]);
    }
}

/// Whatever else it does, a call ends at the first limit that it reaches.
#[tokio::test(flavor = "multi_thread")]
async fn r01_the_limit_that_is_reached_first_counts() {
    let spin = Core {
        call: "(loop br 0)",
        ..Core::default()
    };
    for (fuel, milliseconds, kind) in [
        (1_000_000, 20_000, FuelExhausted),
        (u64::MAX, 200, DeadlineExceeded),
        (1, 20_000, FuelExhausted),
        (u64::MAX, 1, DeadlineExceeded),
    ] {
        let bench = Bench::with(|setup| {
            let limits = &mut grant(setup, "component").limits;
            limits.fuel = Some(fuel);
            limits.timeout = Some(Duration::from_millis(milliseconds));
        });
        let called = bench.call_component(&spin.component()).await;
        called.expect(kind, &["limit.exceeded"]);
        assert!(called.usage().wall_ms < 5_000, "{:?}", called.usage());
    }
}

/// The engine looks at the clock before such an instruction, not within it, so
/// that the memory limit bounds how long one takes.
#[test]
fn r05_one_instruction_over_all_memory_is_soon_over() {
    alone(
        "compute::r05_one_instruction_over_all_memory_is_soon_over",
        || async {
            let fill =
                "(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 0x10000000)) br 0)";
            let copy =
                "(loop (memory.copy (i32.const 0) (i32.const 8) (i32.const 0x0ffffff0)) br 0)";
            let bench = Bench::with(|setup| {
                let limits = &mut grant(setup, "component").limits;
                limits.fuel = Some(u64::MAX);
                limits.timeout = Some(SHORT);
            });
            bench.assert_serving().await;
            for call in [fill, copy] {
                let core = Core {
                    call,
                    pages: 4094,
                    ..Core::default()
                };
                let scale = Scale::begin();
                let called = bench.call_component(&core.component()).await;
                called.expect(DeadlineExceeded, &["limit.exceeded"]);
                scale.end(300 << 20, SHORT * 6).await;
            }
        },
    );
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn many_pollables() {
    let bench = Bench::with(|setup| setup.limits.timeout = SHORT * 20);
    let called = bench
        .call(
            "many_pollables",
            "timers-in-turn",
            json!({"count": 1_000_000}),
        )
        .await;
    assert_eq!(called.structured(), 1_000_000);
    assert_eq!(called.usage().spent.timers, 1);

    let called = bench
        .call(
            "many_pollables",
            "long-lists",
            json!({"length": 1_000_000, "turns": 1}),
        )
        .await;
    called.expect(HostcallLimit, &["limit.exceeded"]);

    let called = bench
        .call("many_pollables", "forever", json!({"timers": 129}))
        .await;
    called.expect(ResourceLimit, &["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], "timers");
}

/// The host does as much for a list as the list is long, and the guest pays for
/// one call: the deadline is what ends it.
#[tokio::test(flavor = "multi_thread")]
async fn r19_r20_who_waits_without_end_is_stopped() {
    let bench = impatient();
    for (tool, input) in [
        ("forever", json!({"timers": 100})),
        ("at-once", json!({})),
        (
            "long-lists",
            json!({"length": 1_000, "turns": 1_000_000_000_u64}),
        ),
    ] {
        let called = bench.call("many_pollables", tool, input).await;
        called.expect(DeadlineExceeded, &["limit.exceeded"]);
    }
}

/// Nothing of a call goes on behind its answer.
#[test]
fn r20_a_call_that_waits_leaves_nothing_behind() {
    alone(
        "compute::r20_a_call_that_waits_leaves_nothing_behind",
        || async {
            let bench = impatient();
            let warm = json!({"count": 1});
            bench.call("many_pollables", "timers-in-turn", warm).await;
            let scale = Scale::begin();
            for (tool, input) in [("forever", json!({"timers": 100})), ("at-once", json!({}))] {
                let called = bench.call("many_pollables", tool, input).await;
                called.expect(DeadlineExceeded, &["limit.exceeded"]);
            }
            tokio::time::sleep(SHORT).await;
            scale.end(16 << 20, SHORT * 6).await;
        },
    );
}

/// Every failure is tried once: nothing gets a second attempt for free.
#[tokio::test(flavor = "multi_thread")]
async fn r30_r35_a_failure_is_not_tried_again() {
    let half = "(local $i i32) (loop (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $i) (i32.const 1000000))))";
    let spend = format!("{half} unreachable");
    let bench = thrifty();
    for (call, kind, event) in [
        (spend.as_str(), Trapped, "guest.trapped"),
        ("unreachable", Trapped, "guest.trapped"),
        ("(loop br 0)", FuelExhausted, "limit.exceeded"),
    ] {
        let core = Core {
            call,
            ..Core::default()
        };
        for _ in 0..10 {
            let called = bench.call_component(&core.component()).await;
            called.expect(kind, &[event]);
            assert_eq!(called.usage().attempts, 1);
            assert!(called.usage().fuel <= 50_000_000, "{:?}", called.usage());
        }
    }
}

/// Each call is dropped at another moment: while it is instantiated, computes,
/// waits, or writes.
#[tokio::test(flavor = "multi_thread")]
async fn r33_a_call_may_be_dropped_at_any_moment() {
    let bench = Bench::new();
    for (guest, tool, input) in [
        ("loop_forever", "spin", json!({})),
        ("sleep_forever", "sleep", json!({})),
        ("many_pollables", "at-once", json!({})),
        ("print_forever", "print", json!({"lines": u64::MAX})),
        ("log_forever", "log-lines", json!({"lines": u64::MAX})),
    ] {
        bench.ensure_loaded(guest).await;
        for polls in 0..24 {
            let call = invocation(guest, tool, input.clone());
            let id = call.id.to_string();
            give_up_after(polls, bench.host().invoke(call)).await;
            let ends = bench.records().of(&id);
            let ends = ends
                .iter()
                .filter(|it| it["event"] == "invocation.finished");
            assert_eq!(ends.count(), usize::from(polls > 0), "{guest} {polls}");
        }
        bench.assert_serving().await;
    }
}

/// Polls a future so often, and drops it.
async fn give_up_after(polls: u32, future: impl Future) {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(|context| {
        if left == 0 {
            return std::task::Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        future.as_mut().poll(context).map(drop)
    })
    .await;
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
