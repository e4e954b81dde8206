//! C01, C02, C06, C07, C09, R30, R35 and S29: what follows a failure. A tool is
//! tried again, left alone or replaced within one deadline and one budget, and
//! nothing runs that way that would not run by itself.

use std::collections::BTreeMap;
use std::fs;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use skillhost::Kind::{
    self, BreakerOpen, Cancelled, ConfigInvalid, DeadlineExceeded, Denied, Forbidden,
    FuelExhausted, GuestFailed, InvalidInput, Trapped,
};
use skillhost::admission::rules::PrincipalRules;
use skillhost::error::Again;
use skillhost::invocation::{Invocation, Principal};
use skillhost::recovery::{Backoff, Breaking, RecoveryChange, SkillRecovery};
use skillhost::sign::{PrivateKey, approval_path};
use skillhost::{Host, Setup};
use skillhost_tests::alone::tasks;
use skillhost_tests::bench::{compilation, given_back, invocation, trust};
use skillhost_tests::{Bench, Called, Records, Says, grant, guests, pack};

/// Short pauses: nothing here measures how long something takes.
const SHORT: Backoff = Backoff {
    first: Duration::from_millis(2),
    factor: 2.0,
    max: Duration::from_millis(20),
    jitter: true,
};

/// Attempts that are allowed after any failure that allows them.
fn tries(attempts: u8) -> RecoveryChange {
    RecoveryChange {
        attempts: NonZeroU8::new(attempts),
        retry_on: Some(skillhost::recovery::RETRYABLE.to_vec()),
        backoff: Some(SHORT),
        ..RecoveryChange::default()
    }
}

fn instead(fallbacks: &[&str]) -> RecoveryChange {
    RecoveryChange {
        fallback: Some(fallbacks.iter().map(|it| it.parse().unwrap()).collect()),
        ..tries(1)
    }
}

fn breaker(failures: u8, open: Duration) -> Option<Breaking> {
    Some(Breaking::After {
        failures: NonZeroU8::new(failures).unwrap(),
        window: Duration::from_secs(60),
        open,
    })
}

fn set(setup: &mut Setup, skill: &str, all: RecoveryChange) {
    let policy = setup.skills.entry(skill.parse().unwrap()).or_default();
    policy.grant.state = true;
    policy.recovery = SkillRecovery {
        all,
        ..SkillRecovery::default()
    };
}

/// A host with the guest `flaky` and these rules.
async fn flaky_with(all: RecoveryChange) -> Bench {
    let bench = Bench::with(|setup| set(setup, "flaky", all));
    bench.ensure_loaded("flaky").await;
    bench
}

async fn call(bench: &Bench, tool: &str, input: Value) -> Called {
    bench.invoke(invocation("flaky", tool, input)).await
}

fn fails(times: u64, how: &str) -> Value {
    json!({"fails": times, "how": how})
}

/// The attempts of the answer: what was tried, how it ended, what came next.
fn attempts(called: &Called) -> Vec<(String, Option<Kind>, &'static str)> {
    let attempts = called.answer.attempts.iter();
    attempts
        .map(|it| (it.tool.clone(), it.kind, it.next))
        .collect()
}

/// The guest `flaky` as another skill.
fn flaky_named(name: &str) -> Vec<u8> {
    let source = skillhost::manifest::Source {
        name: Some(name.parse().unwrap()),
        version: Some("1.0.0".parse().unwrap()),
        ..pack::source("flaky")
    };
    pack::with_manifest(&guests::rust("flaky"), source)
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn flaky() {
    let bench = flaky_with(tries(3)).await;
    let called = call(&bench, "once", fails(2, "unavailable")).await;
    assert_eq!(called.structured(), 3);
    let failed = || ("flaky/once".to_owned(), Some(GuestFailed), "retry");
    let answered = ("flaky/once".to_owned(), None, "done");
    assert_eq!(attempts(&called), [failed(), failed(), answered]);
    assert_eq!(called.usage().attempts, 3);
    let named = |name| {
        called
            .events
            .iter()
            .filter(|it| it["event"] == name)
            .count()
    };
    assert_eq!(named("invocation.attempted"), 3);
    let json = called.json();
    assert_eq!(json["attempts"][0]["kind"], "GuestFailed", "{json}");
    assert_eq!(json["attempts"][0]["reason"], "Not now.", "{json}");
    let fuel = called.events.iter().filter_map(|it| it["fuel"].as_u64());
    let of_attempts: u64 = fuel.take(3).sum();
    assert_eq!(called.usage().fuel, of_attempts);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_at_once_says_nothing_of_attempts() {
    let bench = flaky_with(tries(3)).await;
    let called = call(&bench, "once", fails(0, "")).await;
    assert_eq!(attempts(&called), []);
    assert_eq!(called.json().get("attempts"), None);
    assert_eq!(called.events.len(), 2, "{:?}", called.events);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_have_had_effects_is_not_tried_again() {
    for (how, kind, event) in [
        ("trap", Trapped, "guest.trapped"),
        ("sleep", DeadlineExceeded, "limit.exceeded"),
    ] {
        let rules = RecoveryChange {
            attempt_timeout: Some(Duration::from_millis(300)),
            ..tries(3)
        };
        let bench = flaky_with(rules.clone()).await;
        let called = call(&bench, "once", fails(1, how)).await;
        called.expect(kind, &[event, "retry.refused"]);
        assert_eq!(called.usage().attempts, 1);
        assert_eq!(called.error().again(), Some(Again::MakeSure));
        let bench = flaky_with(rules.clone()).await;
        let called = call(&bench, "again", fails(1, how)).await;
        assert_eq!(called.structured(), 2, "{how}");
        // An operator may know better than the author, either way.
        for (tool, idempotent, runs) in [("once", true, 2), ("again", false, 1)] {
            let bench = flaky_with(RecoveryChange {
                idempotent: Some(idempotent),
                ..rules.clone()
            })
            .await;
            let called = call(&bench, tool, fails(1, how)).await;
            assert_eq!(called.usage().attempts, runs, "{how} {tool}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_only_what_is_idempotent_is_tried_again_and_once() {
    let bench = Bench::with(|setup| {
        setup.recovery = RecoveryChange::default();
        grant(setup, "flaky").state = true;
    });
    bench.ensure_loaded("flaky").await;
    let called = call(&bench, "once", fails(1, "unavailable")).await;
    called.expect(GuestFailed, &[]);
    assert_eq!(called.usage().attempts, 1);
    let called = call(&bench, "again", fails(2, "unavailable")).await;
    assert_eq!(called.structured(), 3);
    assert_eq!(called.usage().attempts, 2);
    let called = call(&bench, "again", fails(9, "trap")).await;
    assert_eq!(called.usage().attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crash_is_tried_again_once() {
    let bench = flaky_with(tries(5)).await;
    let called = call(&bench, "again", fails(9, "trap")).await;
    called.expect(Trapped, &["guest.trapped", "guest.trapped"]);
    assert_eq!(called.usage().attempts, 2);
    assert_eq!(called.error().again(), Some(Again::NotAtOnce));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_time_that_a_tool_names_is_waited_for_if_it_fits() {
    let bench = flaky_with(tries(2)).await;
    let input = |after: u64| json!({"fails": 1, "how": "", "after_ms": after});
    let called = call(&bench, "once", input(300)).await;
    assert_eq!(called.structured(), 2);
    assert!(called.answer.attempts[0].wait_ms >= 300);
    for after in [60_000, u64::MAX] {
        let bench = flaky_with(tries(2)).await;
        let called = call(&bench, "once", input(after)).await;
        called.expect(GuestFailed, &["retry.refused"]);
        assert_eq!(called.usage().attempts, 1);
        let told = called.error().retry_after().unwrap();
        assert_eq!(told, Duration::from_millis(after));
    }
}

/// It spends what it has and nothing of others.
#[tokio::test(flavor = "multi_thread")]
async fn a_tool_that_says_later_for_ever_ends() {
    let bench = flaky_with(tries(10)).await;
    let called = call(&bench, "once", fails(1000, "unavailable")).await;
    called.expect(GuestFailed, &[]);
    assert_eq!(called.usage().attempts, 10);
    let last = called.answer.attempts.last().unwrap();
    assert_eq!(last.next, "give-up");
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c09_all_calls_of_a_skill_share_one_budget() {
    let rules = RecoveryChange {
        budget: Some(skillhost::recovery::Budgeting {
            percent: 1,
            per_second: 0,
        }),
        ..tries(3)
    };
    let bench = Arc::new(flaky_with(rules).await);
    let calls = (0..100).map(|_| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move { call(&bench, "once", fails(1_000_000, "")).await })
    });
    let (mut runs, mut refused) = (0, 0);
    for called in calls.collect::<Vec<_>>() {
        let called = called.await.unwrap();
        runs += called.usage().attempts;
        refused += called.between().len();
        if called.usage().attempts == 1 {
            assert_eq!(called.error().again(), Some(Again::NotSoon));
        }
    }
    assert!((101..=111).contains(&runs), "{runs}");
    assert!(refused >= 89, "{refused}");
}

/// R35: three tools with three attempts each, each the fallback of the one
/// before, are no twenty-seven attempts.
#[tokio::test(flavor = "multi_thread")]
async fn r35_attempts_and_fallbacks_add_up_and_do_not_multiply() {
    let bench = Bench::with(|setup| {
        for (skill, next) in [
            ("flaky", &["flaky-b/again", "flaky-c/again"][..]),
            ("flaky-b", &["flaky-c/again"]),
            ("flaky-c", &[]),
        ] {
            let rules = instead(next);
            let attempts = NonZeroU8::new(3);
            set(setup, skill, RecoveryChange { attempts, ..rules });
        }
    });
    bench.ensure_loaded("flaky").await;
    for name in ["flaky-b", "flaky-c"] {
        bench.load(name, &flaky_named(name)).await.unwrap();
    }
    let called = call(&bench, "again", fails(100, "")).await;
    let ended: Vec<_> = called.events.iter().map(|it| &it["event"]).collect();
    assert_eq!(called.kind(), GuestFailed);
    assert_eq!(called.usage().attempts, 5, "{ended:?}");
    let tried: Vec<_> = attempts(&called).into_iter().map(|it| it.0).collect();
    let [a, b, c] = ["flaky/again", "flaky-b/again", "flaky-c/again"];
    assert_eq!(tried, [a, a, a, b, c]);
}

#[tokio::test(flavor = "multi_thread")]
async fn r35_all_attempts_have_one_deadline() {
    let short = |rules: RecoveryChange| {
        let bench = Bench::with(|setup| {
            setup.limits.timeout = Duration::from_millis(1500);
            set(setup, "flaky", rules);
            set(setup, "flaky-b", RecoveryChange::default());
        });
        async move {
            bench.ensure_loaded("flaky").await;
            let other = flaky_named("flaky-b");
            bench.load("flaky-b", &other).await.unwrap();
            bench
        }
    };
    // The bench sees that no call takes longer than its one deadline.
    let bench = short(instead(&["flaky-b/again"])).await;
    let called = call(&bench, "again", fails(9, "sleep")).await;
    called.expect(DeadlineExceeded, &["limit.exceeded"]);
    assert_eq!(called.usage().attempts, 1);
    let rules = RecoveryChange {
        attempt_timeout: Some(Duration::from_millis(400)),
        attempts: NonZeroU8::new(2),
        ..instead(&["flaky-b/once"])
    };
    let bench = short(rules).await;
    let called = call(&bench, "again", fails(9, "sleep")).await;
    let kinds: Vec<_> = attempts(&called).into_iter().map(|it| it.1).collect();
    assert_eq!(kinds, [Some(DeadlineExceeded); 3]);
}

/// R30, R35: a crash costs what it took, also where the engine has lost count.
#[tokio::test(flavor = "multi_thread")]
async fn r30_r35_all_attempts_have_one_budget_of_fuel() {
    let bench = Bench::with(|setup| {
        setup.limits.fuel = 500_000_000;
        set(setup, "flaky", tries(5));
    });
    bench.ensure_loaded("flaky").await;
    let called = call(&bench, "again", fails(9, "burn")).await;
    assert!(called.usage().fuel <= 500_000_000, "{:?}", called.usage());
    assert!(called.usage().attempts < 5, "{:?}", called.usage());
    // How far a burning attempt gets is counted by time, if that is more.
    if called.kind() != FuelExhausted {
        let refused = called.event("retry.refused");
        assert_eq!(refused["reason"], "The call has no fuel left.", "{refused}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn r30_a_tool_that_keeps_failing_is_left_alone() {
    let rules = RecoveryChange {
        breaker: breaker(3, Duration::from_millis(700)),
        ..tries(1)
    };
    let bench = flaky_with(rules).await;
    // What the caller did wrong is not the tool's failure.
    for _ in 0..5 {
        let called = call(&bench, "once", json!({"fails": "many"})).await;
        called.expect(InvalidInput, &[]);
        call(&bench, "once", fails(1000, "failed"))
            .await
            .expect(GuestFailed, &[]);
    }
    for opens in [false, false, true] {
        let called = call(&bench, "once", fails(1000, "trap")).await;
        let events = ["breaker.changed", "guest.trapped"];
        called.expect(Trapped, &events[usize::from(!opens)..]);
    }
    let called = call(&bench, "once", fails(1000, "trap")).await;
    called.expect(BreakerOpen, &[]);
    assert_eq!(called.usage().attempts, 0);
    assert!(called.error().retry_after().unwrap() <= Duration::from_millis(700));
    assert!(called.json()["retry_after_ms"].is_u64());
    // Another tool, and another caller, are not the same.
    call(&bench, "again", fails(1000, "trap"))
        .await
        .expect(Trapped, &["guest.trapped"]);
    let mut other = invocation("flaky", "once", fails(0, ""));
    other.principal = Principal::Stdio;
    assert!(bench.invoke(other).await.answer.outcome.is_ok());
    tokio::time::sleep(Duration::from_millis(750)).await;
    let called = call(&bench, "once", fails(0, "")).await;
    assert!(called.answer.outcome.is_ok());
    let states = bench.records().named("breaker.changed");
    let states: Vec<_> = states.iter().map(|it| it["state"].clone()).collect();
    assert_eq!(states, ["open", "half-open", "closed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tool_takes_the_place_of_one_that_is_left_alone() {
    let rules = RecoveryChange {
        breaker: breaker(1, Duration::from_secs(60)),
        ..instead(&["again"])
    };
    let bench = flaky_with(RecoveryChange {
        fallback: None,
        ..rules.clone()
    })
    .await;
    call(&bench, "once", fails(1, "trap"))
        .await
        .expect(Trapped, &["breaker.changed", "guest.trapped"]);
    let bench = flaky_with(rules).await;
    let called = call(&bench, "once", fails(1, "trap")).await;
    assert_eq!(called.structured(), 2);
    let called = call(&bench, "once", fails(1, "trap")).await;
    assert_eq!(called.structured(), 3);
    let expected = [
        ("flaky/once".to_owned(), Some(BreakerOpen), "fallback"),
        ("flaky/again".to_owned(), None, "done"),
    ];
    assert_eq!(attempts(&called), expected);
    let used = called.event("fallback.used");
    assert_eq!(used["from"], "flaky/once", "{used}");
    assert_eq!(used["to"], "flaky/again", "{used}");
    assert_eq!(used["kind"], "BreakerOpen", "{used}");
}

#[tokio::test(flavor = "multi_thread")]
async fn trust_denial_and_wrong_arguments_have_no_fallback() {
    let bench = Bench::with(|setup| set(setup, "guest-errors", instead(&["flaky/again"])));
    bench.ensure_loaded("guest_errors").await;
    let denied = invocation("guest_errors", "fail", json!({"way": "denied"}));
    bench.invoke(denied).await.expect(Denied, &[]);
    let wrong = invocation("guest_errors", "fail", json!({"way": "invalid-arguments"}));
    bench.invoke(wrong).await.expect(InvalidInput, &[]);
    let path = bench.path("guest_errors");
    fs::remove_file(approval_path(&path, None)).unwrap();
    let unsigned = invocation("guest_errors", "fail", json!({"way": "failed"}));
    let called = bench.invoke(unsigned).await;
    assert_eq!(called.kind(), Kind::SignatureMissing);
    assert_eq!(attempts(&called), []);
}

/// S29: a fallback is verified and granted on its own, at that moment.
#[tokio::test(flavor = "multi_thread")]
async fn s29_a_fallback_that_may_not_run_does_not() {
    let rules = || {
        instead(&[
            "says/run",
            "wants-filesystem/run",
            "nobody/knows",
            "guest-errors/fail",
        ])
    };
    let bench = Bench::with(|setup| set(setup, "flaky", rules()));
    bench.ensure_loaded("flaky").await;
    bench.ensure_loaded("wants_filesystem").await;
    bench.ensure_loaded("guest_errors").await;
    bench
        .load("says", &Says::new("a").component())
        .await
        .unwrap();
    fs::remove_file(approval_path(&bench.path("says"), None)).unwrap();
    let called = call(&bench, "once", fails(9, "")).await;
    assert_eq!(called.kind(), GuestFailed);
    assert_eq!(called.error().message(), "Not now.");
    let tried = attempts(&called);
    let expected = [
        ("flaky/once", GuestFailed, "fallback"),
        ("says/run", Kind::SignatureMissing, "fallback"),
        ("wants-filesystem/run", Denied, "fallback"),
        ("nobody/knows", Kind::UnknownTool, "fallback"),
        ("guest-errors/fail", InvalidInput, "give-up"),
    ];
    let expected = expected.map(|(tool, kind, next)| (tool.to_owned(), Some(kind), next));
    assert_eq!(tried, expected);
    assert_eq!(called.usage().attempts, 1);
    assert!(!called.between().contains(&"fallback.used"));
}

/// S29: whoever may not call a tool does not reach it by way of another's failure.
#[tokio::test(flavor = "multi_thread")]
async fn s29_a_fallback_that_the_caller_may_not_call_is_not_used() {
    let caller = Principal::Named("ci".parse().unwrap());
    let rules = PrincipalRules {
        deny: vec!["says/*".parse().unwrap()],
        ..PrincipalRules::default()
    };
    let bench = Bench::with(|setup| {
        setup.admission.principals = BTreeMap::from([(caller.clone(), rules)]);
        set(setup, "flaky", instead(&["says/run"]));
    });
    bench.ensure_loaded("flaky").await;
    bench
        .load("says", &Says::new("a").component())
        .await
        .unwrap();
    let run = invocation("says", "run", json!({}));
    assert!(bench.invoke(run).await.answer.outcome.is_ok());
    let mut asked = invocation("flaky", "once", fails(9, ""));
    asked.principal = caller;
    let called = bench.invoke(asked).await;
    // No `fallback.used`.
    called.expect(GuestFailed, &["request.rejected"]);
    assert_eq!(called.error().message(), "Not now.");
    let expected = [
        ("flaky/once", GuestFailed, "fallback"),
        ("says/run", Forbidden, "give-up"),
    ];
    let expected = expected.map(|(tool, kind, next)| (tool.to_owned(), Some(kind), next));
    assert_eq!(attempts(&called), expected);
    assert_eq!(called.usage().attempts, 1);
    let rejected = called.event("request.rejected");
    assert_eq!(rejected["skill"], "says", "{rejected}");
    assert_eq!(rejected["principal"], "ci", "{rejected}");
    assert_eq!(rejected["kind"], "Forbidden", "{rejected}");
    let rule = "`tools.deny = [\"says/*\"]` under `[principal.ci]`";
    assert_eq!(rejected["rule"], rule, "{rejected}");
}

/// S02: what was removed between two attempts is missed by the second.
#[tokio::test(flavor = "multi_thread")]
async fn s29_a_further_attempt_asks_for_the_signature() {
    let bench = flaky_with(tries(3)).await;
    let input = json!({"fails": 1, "how": "", "after_ms": 400});
    let bundle = approval_path(&bench.path("flaky"), None);
    let offence = async {
        tokio::time::sleep(Duration::from_millis(150)).await;
        fs::remove_file(bundle).unwrap();
    };
    let (called, ()) = tokio::join!(call(&bench, "once", input), offence);
    assert_eq!(called.kind(), Kind::SignatureMissing);
    assert_eq!(called.usage().attempts, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_answer_is_given_while_it_is_young_and_to_its_own_caller() {
    let bench = flaky_with(instead(&["last-good(4s)"])).await;
    let input = || fails(1, "later");
    assert_eq!(call(&bench, "again", input()).await.structured(), 1);
    let called = call(&bench, "again", input()).await;
    assert_eq!(called.structured(), 1);
    assert!(called.answer.stale.unwrap() < Duration::from_secs(4));
    assert!(called.json()["stale_ms"].is_u64());
    assert_eq!(called.event("fallback.used")["to"], "last-good");
    assert_eq!(attempts(&called).len(), 1);
    let mut other = invocation("flaky", "again", input());
    other.principal = Principal::Stdio;
    bench.invoke(other).await.expect(GuestFailed, &[]);
    call(&bench, "again", fails(2, "later"))
        .await
        .expect(GuestFailed, &[]);
    // A list for the whole skill is not for a tool whose calls have effects.
    call(&bench, "once", input()).await.expect(GuestFailed, &[]);
    tokio::time::sleep(Duration::from_millis(4100)).await;
    call(&bench, "again", input())
        .await
        .expect(GuestFailed, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_gives_up_ends_the_wait_for_another_attempt() {
    let bench = flaky_with(tries(3)).await;
    let call = invocation(
        "flaky",
        "once",
        json!({"fails": 9, "how": "", "after_ms": 20_000}),
    );
    let cancelled = call.cancelled.clone();
    let later = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        cancelled.cancel();
    };
    let (called, ()) = tokio::join!(bench.invoke(call), later);
    called.expect(Cancelled, &[]);
    assert_eq!(called.usage().attempts, 1);
}

#[test]
fn c06_fallbacks_in_a_circle_are_refused() {
    let records = Records::default();
    let key = PrivateKey::generate().unwrap();
    let mut setup = Setup::new(trust(&key), Box::new(records));
    set(&mut setup, "a", instead(&["b/y"]));
    set(&mut setup, "b", instead(&["a/x"]));
    let error = Host::new(setup).unwrap_err();
    assert_eq!(error.kind(), ConfigInvalid);
    assert!(error.message().contains("b/y → a/x → b/y"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fallback_that_does_not_exist_is_named() {
    let bench = Bench::with(|setup| set(setup, "flaky", instead(&["missing"])));
    let error = bench.load("flaky", &pack::rust("flaky")).await.unwrap_err();
    assert_eq!(error.kind(), ConfigInvalid);
    assert!(error.message().contains("`missing`"), "{error}");
    let bench = flaky_with(instead(&["other/tool"])).await;
    let unknown = bench.host().unknown_fallbacks();
    assert!(unknown[0].contains("other/tool"), "{unknown:?}");
}

/// C02: a call that is dropped at any point leaves nothing behind: neither its
/// seat nor the turn to try whether the tool works, and its end is on record.
#[tokio::test(flavor = "multi_thread")]
async fn c02_a_call_that_is_dropped_anywhere_leaves_nothing() {
    let rules = RecoveryChange {
        breaker: breaker(1, Duration::from_millis(1)),
        ..instead(&["again"])
    };
    let bench = Bench::with(|setup| {
        setup.capacity.calls = 1;
        setup.capacity.queue = 0;
        set(setup, "flaky", rules);
    });
    bench.ensure_loaded("flaky").await;
    bench.assert_serving().await;
    let before = tasks();
    let mut polls = 0;
    let ended = loop {
        polls += 1;
        let call = invocation("flaky", "once", fails(1000, ""));
        let id = call.id.to_string();
        let ended = dropped_after(polls, bench.host(), call).await;
        let events = bench.records().of(&id);
        let ends = events
            .iter()
            .filter(|it| it["event"] == "invocation.finished");
        assert_eq!(ends.count(), 1, "{polls}: {events:?}");
        bench.assert_serving().await;
        if ended {
            break polls;
        }
    };
    assert!(ended > 2, "{ended}");
    tokio::time::sleep(Duration::from_millis(5)).await;
    let called = call(&bench, "once", fails(0, "")).await;
    assert!(called.answer.outcome.is_ok(), "{:?}", called.answer);
    given_back(before).await;
}

/// Polls a call so often, each time when it wants to be, and drops it then;
/// whether it ended before.
async fn dropped_after(polls: u32, host: &Host, call: Invocation) -> bool {
    let mut left = polls;
    let mut invoked = Box::pin(host.invoke(call));
    std::future::poll_fn(|context| {
        left -= 1;
        match invoked.poll_unpin(context) {
            Poll::Ready(_answer) => Poll::Ready(true),
            Poll::Pending if left == 0 => Poll::Ready(false),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// C01, C07: whoever hears of progress panics within the call.
#[tokio::test(flavor = "multi_thread")]
async fn c01_c07_a_panic_ends_one_call_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (records, key) = (Records::default(), PrivateKey::generate().unwrap());
    let mut setup = Setup::new(trust(&key), Box::new(records.clone()));
    setup.compile = compilation();
    let host = Host::new(setup).unwrap();
    for guest in ["progress_and_remaining", "echo"] {
        let name = pack::skill_name(guest);
        let path = pack::write_signed(folder.path(), &name, &pack::rust(guest), &key);
        host.load(&path).await.unwrap();
    }
    let mut call = invocation("progress_and_remaining", "work", json!({"steps": [1]}));
    call.progress = Some(Arc::new(|_| panic!("on purpose")));
    let answer = host.invoke(call).await;
    assert_eq!(answer.outcome.unwrap_err().kind(), Kind::Internal);
    let events = records.of(&answer.invocation);
    let named = |name: &str| events.iter().filter(|it| it["event"] == name).count();
    assert_eq!(
        (named("host.panicked"), named("invocation.finished")),
        (1, 1)
    );
    for (guest, tool, input) in [
        ("progress_and_remaining", "work", json!({"steps": [1]})),
        ("echo", "echo", json!({"text": "a"})),
    ] {
        let answer = host.invoke(invocation(guest, tool, input)).await;
        assert!(answer.outcome.is_ok(), "{answer:?}");
    }
}
