//! C01, C02, D02, D05, R31 and R36: the host itself under pressure.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use skillhost::Kind::{
    AuditUnavailable, Cancelled, ConfigInvalid, DeadlineExceeded, FuelExhausted, Internal,
    Overloaded,
};
use skillhost::event::monitor::Rules;
use skillhost::event::{Event, Record, Sink};
use skillhost::invocation::Invocation;
use skillhost::policy::ceiling::LevelCeiling;
use skillhost::policy::limits::LimitsChange;
use skillhost::sign::PrivateKey;
use skillhost::verify::TrustLevel;
use skillhost::{Capacity, Error, Host, Result, Setup};
use skillhost_tests::bench::{compilation, invocation, trust};
use skillhost_tests::stage::SetClock;
use skillhost_tests::{Bench, Called, Records, grant, guests, pack};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Calls that run at once in the tests of the queue.
const CALLS: u32 = 6;

/// A host that takes `CALLS` calls, of which each may have 64 MiB.
fn small_host(queue: u32) -> Arc<Bench> {
    Arc::new(Bench::with(|setup| {
        setup.limits.timeout = Duration::from_secs(60);
        setup.limits.memory = 64 << 20;
        setup.capacity = Capacity {
            calls: 1000,
            memory: u64::from(CALLS) * (120 << 20),
            queue,
            ..Capacity::default()
        };
    }))
}

/// A call that reports that it runs, and ends when it is cancelled.
fn until_cancelled(running: &Arc<Semaphore>) -> Invocation {
    let mut call = invocation("progress_and_remaining", "until-awake", json!({}));
    let running = Arc::clone(running);
    call.progress = Some(Arc::new(move |_| running.add_permits(1)));
    call
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_calls_for_which_there_is_no_memory_are_turned_away_with_a_time() {
    let bench = small_host(0);
    bench.ensure_loaded("progress_and_remaining").await;
    let running = Arc::new(Semaphore::new(0));
    let mut calls = Vec::new();
    let mut tokens = Vec::new();
    for _ in 0..CALLS {
        let (bench, call) = (Arc::clone(&bench), until_cancelled(&running));
        tokens.push(call.cancelled.clone());
        calls.push(tokio::spawn(async move { bench.invoke(call).await }));
    }
    let all = running.acquire_many(CALLS).await.unwrap();
    let called = bench.invoke(until_cancelled(&running)).await;
    called.expect(Overloaded, &["host.overloaded"]);
    let event = called.event("host.overloaded");
    assert_eq!(event["running"], u64::from(CALLS), "{event}");
    assert!(called.error().retry_after().is_some());
    assert!(called.json()["retry_after_ms"].is_u64());
    drop(all);
    tokens.iter().for_each(CancellationToken::cancel);
    for call in calls {
        call.await.unwrap().expect(Cancelled, &[]);
    }
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_calls_wait_for_memory_and_are_then_answered() {
    let bench = small_host(1000);
    bench.ensure_loaded("echo").await;
    let calls: Vec<_> = (0..64)
        .map(|_| {
            let bench = Arc::clone(&bench);
            tokio::spawn(async move { bench.assert_serving().await })
        })
        .collect();
    for call in calls {
        call.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r31_a_skill_that_can_never_run_is_refused_when_it_is_loaded() {
    let bench = Bench::with(|setup| {
        setup.capacity.memory = 200 << 20;
        setup.limits.memory = 64 << 20;
        grant(setup, "loop_forever").limits.memory = Some(300 << 20);
    });
    let error = bench
        .load("loop-forever", &pack::rust("loop_forever"))
        .await;
    assert_eq!(error.unwrap_err().kind(), ConfigInvalid);
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_a_tool_and_for_a_level_of_trust() {
    let only_fuel = |fuel| LimitsChange {
        fuel: Some(fuel),
        ..LimitsChange::default()
    };
    let ceiling = |fuel| LevelCeiling {
        limits: only_fuel(fuel),
        capabilities: None,
    };
    let bench = Bench::with(|setup| {
        setup.limits.fuel = 1_000_000_000;
        let tool = "spin".parse().unwrap();
        grant(setup, "loop_forever")
            .tools
            .insert(tool, only_fuel(2_000));
        setup
            .ceilings
            .insert(TrustLevel::Permissive, ceiling(700_000_000));
        setup.ceilings.insert(TrustLevel::Enterprise, ceiling(1));
    });
    let called = bench.call("loop_forever", "spin", json!({})).await;
    called.expect(FuelExhausted, &["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], "fuel");
    assert!(called.usage().fuel <= 2_000, "{:?}", called.usage());
    let called = bench.call_text("start_loop").await;
    called.expect(FuelExhausted, &["limit.exceeded"]);
    assert!(called.usage().fuel > 600_000_000, "{:?}", called.usage());
    assert!(called.usage().fuel <= 700_000_000, "{:?}", called.usage());
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

/// Loses what was denied, as a disk does that is full for a moment.
#[derive(Debug)]
struct Forgetful;

impl Sink for Forgetful {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        match record.event {
            Event::CapabilityDenied { .. } => {
                Err(Error::new(AuditUnavailable, "The disk is full."))
            }
            _ => Ok(()),
        }
    }
}

/// A skill could fill the disk while it does what nobody is to see.
#[tokio::test(flavor = "multi_thread")]
async fn d02_a_call_of_which_something_is_not_recorded_has_no_answer() {
    let records = Records::default();
    let others = records.clone();
    let bench = Bench::with(|setup| {
        setup.audit = Box::new(Forgetful);
        setup.sinks.push(Box::new(others));
    });
    bench
        .load("state-and-secrets", &pack::rust("state_and_secrets"))
        .await
        .unwrap();
    let call = invocation("state_and_secrets", "reach", json!({}));
    let answer = bench.host().invoke(call).await;
    assert_eq!(answer.outcome.unwrap_err().kind(), AuditUnavailable);
    assert!(records.last("capability.denied").is_object());
    assert_eq!(
        records.last("invocation.finished")["kind"],
        "AuditUnavailable"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn r36_a_changed_skill_is_compiled_once_for_all_who_wait() {
    let bench = Arc::new(Bench::new());
    bench.load("honest", &pack::text("honest")).await.unwrap();
    let before = bench.codes();
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
    assert_eq!(bench.codes(), before + 1);
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

/// Panics once over an event, while the record is locked.
#[derive(Debug)]
struct Fragile {
    records: Records,
    over: &'static str,
    broke: AtomicBool,
}

impl Fragile {
    fn new(records: &Records, over: &'static str) -> Self {
        Self {
            records: records.clone(),
            over,
            broke: AtomicBool::new(false),
        }
    }
}

impl Sink for Fragile {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        let event = serde_json::to_value(record).unwrap();
        let breaks = event["event"] == self.over && !self.broke.swap(true, Ordering::SeqCst);
        assert!(!breaks, "on purpose");
        self.records.write(record)
    }
}

/// Calls a host whose record panics over that event: what came of the call, none
/// if the panic reached whoever called, and what was recorded of it. An honest
/// call works afterwards.
async fn called_while_the_record_panics(over: &'static str) -> (Option<Error>, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let (records, key) = (Records::default(), PrivateKey::generate().unwrap());
    let mut setup = Setup::new(trust(&key), Box::new(Fragile::new(&records, over)));
    setup.compile = compilation();
    setup.monitor = Rules::none();
    let host = Arc::new(Host::new(setup).unwrap());
    for guest in ["state_and_secrets", "echo"] {
        let name = pack::skill_name(guest);
        let path = pack::write_signed(folder.path(), &name, &pack::rust(guest), &key);
        host.load(&path).await.unwrap();
    }
    let reach = || invocation("state_and_secrets", "reach", json!({}));
    let call = reach();
    let id = call.id.to_string();
    let caller = Arc::clone(&host);
    let ended = tokio::spawn(async move { caller.invoke(call).await }).await;
    let failure = match ended {
        Ok(answer) => Some(answer.outcome.unwrap_err()),
        Err(error) => {
            assert!(error.is_panic(), "{error}");
            None
        }
    };
    let echo = invocation("echo", "echo", json!({"text": "a"}));
    for honest in [echo, reach()] {
        let answer = host.invoke(honest).await;
        assert!(answer.outcome.is_ok(), "{over}: {answer:?}");
        let events = records.of(&answer.invocation);
        let end = events.last().unwrap();
        assert_eq!(end["event"], "invocation.finished", "{over}: {events:?}");
    }
    // One number is missing, and is seen to be.
    let numbers = records.sequence();
    assert_eq!(
        numbers.last().copied(),
        Some(numbers.len() as u64),
        "{over}"
    );
    (failure, records.of(&id))
}

/// Within a call the panic ends that call. Over its start or its end it goes on
/// to whoever called: there is nobody else left to tell.
#[tokio::test(flavor = "multi_thread")]
async fn c01_a_panic_under_the_lock_of_the_record_poisons_nothing() {
    let named = |events: &[Value], name: &str| -> Vec<Value> {
        let mut events = events.to_vec();
        events.retain(|it| it["event"] == name);
        events
    };
    let (failure, events) = called_while_the_record_panics("capability.denied").await;
    assert_eq!(failure.unwrap().kind(), Internal);
    assert_eq!(named(&events, "host.panicked").len(), 1, "{events:?}");
    let ends = named(&events, "invocation.finished");
    assert_eq!(ends.len(), 1, "{events:?}");
    assert_eq!(ends[0]["kind"], "Internal");

    let (failure, events) = called_while_the_record_panics("invocation.started").await;
    assert!(failure.is_none(), "{failure:?}");
    assert!(events.is_empty(), "it did not begin: {events:?}");

    let (failure, events) = called_while_the_record_panics("invocation.finished").await;
    assert!(failure.is_none(), "{failure:?}");
    let ends = named(&events, "invocation.finished");
    assert_eq!(ends.len(), 1, "{events:?}");
    assert_eq!(ends[0]["kind"], "Internal");
}

const YEAR: SignedDuration = SignedDuration::from_hours(365 * 24);

/// What calls may take in the test of the clock.
const SECOND: Duration = Duration::from_secs(1);

/// By how much time of day and running time differ from start to end of a call.
fn apart(called: &Called) -> (SignedDuration, Duration) {
    let (start, end) = (
        called.event("invocation.started"),
        called.event("invocation.finished"),
    );
    let wall = |it: &Value| it["time"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let running = |it: &Value| Duration::from_millis(it["monotonic_ms"].as_u64().unwrap());
    (
        wall(end).duration_since(wall(start)),
        running(end) - running(start),
    )
}

/// Time of day decides what may begin, and running time what must end: no
/// verdict here has an end.
#[tokio::test(flavor = "multi_thread")]
async fn d05_a_clock_that_jumps_during_a_call_moves_no_deadline() {
    for jump in [YEAR, -YEAR] {
        let clock = SetClock::at(Timestamp::now().as_second());
        let own = clock.clone();
        let bench = Bench::with(|setup| {
            setup.limits.timeout = SECOND;
            setup.clock = Arc::new(own);
        });
        for guest in ["sleep_forever", "progress_and_remaining", "echo"] {
            bench.ensure_loaded(guest).await;
        }

        // One that waits ends at its deadline, neither sooner nor later.
        let start = Instant::now();
        let turned = async {
            tokio::time::sleep(SECOND / 2).await;
            clock.turn(jump);
        };
        let call = invocation("sleep_forever", "sleep", json!({}));
        let (called, ()) = tokio::join!(bench.invoke(call), turned);
        assert!(start.elapsed() >= SECOND, "{:?}", start.elapsed());
        called.expect(DeadlineExceeded, &["limit.exceeded"]);
        let (wall, running) = apart(&called);
        assert_eq!(wall, jump);
        assert!(running >= SECOND && running < SECOND * 2, "{running:?}");
        clock.turn(-jump);
        bench.assert_serving().await;

        // One that answers has as much time left as it had.
        let turns = Mutex::new([jump, jump * -2, jump * 2].into_iter());
        let turned = clock.clone();
        let mut call = invocation(
            "progress_and_remaining",
            "work",
            json!({"steps": [1, 2, 3]}),
        );
        call.progress = Some(Arc::new(move |_| {
            let next = turns.lock().unwrap().next();
            turned.turn(next.unwrap_or_default());
        }));
        let called = bench.invoke(call).await;
        assert!(called.answer.outcome.is_ok(), "{:?}", called.answer);
        let left = called.structured()["remaining_ms"].as_u64().unwrap();
        assert!((1..=1000).contains(&left), "{left}");
        let (wall, running) = apart(&called);
        assert_eq!(wall, jump);
        assert!(running < SECOND, "{running:?}");
        clock.turn(-jump);
        bench.assert_serving().await;
    }
}
