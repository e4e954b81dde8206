//! What a skill keeps, how much, for whom, and what it sees of its settings.

use std::fs;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use skillhost::Kind::{ConfigInvalid, DeadlineExceeded, Denied};
use skillhost::Setup;
use skillhost::sign::PrivateKey;
use skillhost::state::Files;
use skillhost::verify::{Signer, TrustPolicy};
use skillhost_tests::stage::SetClock;
use skillhost_tests::{Bench, Called, grant, guests, pack};

use crate::desk::Desk;

const GUEST: &str = "keep_state";

fn granted() -> Bench {
    Bench::with(|setup| grant(setup, GUEST).state = true)
}

async fn call(bench: &Bench, tool: &str, input: Value) -> Called {
    bench.call(GUEST, tool, input).await
}

async fn said(bench: &Bench, tool: &str, input: Value) -> String {
    call(bench, tool, input).await.text()
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn keep_state() {
    let bench = granted();
    assert_eq!(said(&bench, "get", json!({"key": "a"})).await, "nothing");
    assert_eq!(
        said(&bench, "set", json!({"key": "a", "value": "x"})).await,
        "Ok(1)"
    );
    assert_eq!(said(&bench, "get", json!({"key": "a"})).await, "x 1");
    let conflict = json!({"key": "a", "value": "y", "expect": 0});
    assert_eq!(said(&bench, "set", conflict).await, "Err(Conflict)");
    let fits = json!({"key": "a", "value": "y", "expect": 1});
    assert_eq!(said(&bench, "set", fits).await, "Ok(2)");
    assert_eq!(said(&bench, "delete", json!({"key": "a"})).await, "Ok(())");
    assert_eq!(said(&bench, "delete", json!({"key": "a"})).await, "Ok(())");
    let again = json!({"key": "a", "value": "z", "expect": 0});
    assert_eq!(said(&bench, "set", again).await, "Ok(3)");
    said(&bench, "set", json!({"key": "b", "value": ""})).await;
    for (input, expected) in [
        (json!({"prefix": "", "limit": 10}), json!(["a", "b"])),
        (
            json!({"prefix": "", "after": "a", "limit": 10}),
            json!(["b"]),
        ),
        (json!({"prefix": "b", "limit": 10}), json!(["b"])),
        (json!({"prefix": "", "limit": 1}), json!(["a"])),
    ] {
        assert_eq!(call(&bench, "keys", input).await.structured(), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn state_that_is_not_granted_is_denied_with_the_grant() {
    let bench = Bench::new();
    for input in [
        json!({"key": "a", "value": "x"}),
        json!({"key": "b", "value": "x"}),
    ] {
        let called = call(&bench, "set", input.clone()).await;
        assert_eq!(called.text(), "Err(NotGranted)");
        let denied = called.event("capability.denied");
        assert_eq!(
            (&denied["capability"], &denied["target"]),
            (&json!("state"), &input["key"])
        );
        let allowed = denied["grant"].as_str().unwrap();
        assert!(allowed.contains("--allow-state"), "{allowed}");
        assert!(
            allowed.contains("`state = true` under `[skill.keep-state]`"),
            "{allowed}"
        );
    }
    // A skill that cannot do without is not started.
    let needs = pack::source(GUEST);
    let needs = skillhost::manifest::Source {
        name: Some("needs".parse().unwrap()),
        capabilities: serde_json::from_value(json!({"state": {"reason": "To remember."}})).unwrap(),
        ..needs
    };
    let component = pack::with_manifest(&guests::rust(GUEST), needs);
    bench.load("needs", &component).await.unwrap();
    let called = bench
        .invoke(skillhost_tests::bench::invocation(
            "needs",
            "get",
            json!({"key": "a"}),
        ))
        .await;
    called.expect(Denied, &["policy.denied"]);
    assert!(called.hint().contains("--allow-state"), "{}", called.hint());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skill_that_keeps_too_much_is_told_so_and_recorded_once() {
    let bench = Bench::with(|setup| {
        grant(setup, GUEST).state = true;
        grant(setup, GUEST).limits.state_bytes = Some(1000);
    });
    let called = call(&bench, "fill", json!({"size": 99})).await;
    assert_eq!(called.text(), "10 QuotaExceeded");
    assert_eq!(called.between(), ["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], "state-bytes");
    assert_eq!(called.usage().spent.state_bytes, 1000);
    let long = json!({"key": "k".repeat(513), "value": ""});
    assert_eq!(said(&bench, "set", long).await, "Err(QuotaExceeded)");
    assert_eq!(
        said(&bench, "get", json!({"key": "9"})).await,
        format!("{} 10", "x".repeat(99))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_for_a_time_is_gone_after_it() {
    let clock = SetClock::at(Timestamp::now().as_second());
    let bench = Bench::with(|setup| {
        grant(setup, GUEST).state = true;
        setup.clock = Arc::new(clock.clone());
    });
    said(
        &bench,
        "set",
        json!({"key": "a", "value": "x", "seconds": 60}),
    )
    .await;
    assert_eq!(said(&bench, "get", json!({"key": "a"})).await, "x 1");
    clock.turn(SignedDuration::from_secs(60));
    assert_eq!(said(&bench, "get", json!({"key": "a"})).await, "nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_at_once_lose_no_change() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::with(|setup| {
        grant(setup, GUEST).state = true;
        setup.states = Arc::new(Files::new(folder.path().join("state")));
    });
    bench.ensure_loaded(GUEST).await;
    let one = || {
        bench.invoke(skillhost_tests::bench::invocation(
            GUEST,
            "count",
            json!({"key": "n"}),
        ))
    };
    let (a, b, c, d) = tokio::join!(one(), one(), one(), one());
    let mut numbers: Vec<u64> = [a, b, c, d]
        .iter()
        .map(|called| called.structured().as_u64().unwrap())
        .collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skill_that_keeps_on_keeping_ends_at_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench::with(|setup| {
        grant(setup, GUEST).state = true;
        setup.states = Arc::new(Files::new(folder.path().join("state")));
        setup.limits.timeout = Duration::from_millis(300);
    });
    call(&bench, "keep-on", json!({}))
        .await
        .expect(DeadlineExceeded, &["limit.exceeded"]);
    let called = said(&bench, "get", json!({"key": "a"})).await;
    assert!(called.starts_with("1 "), "{called}");
}

/// Trust in two people, either of whom may sign.
fn either(setup: &mut Setup, alice: &PrivateKey, bob: &PrivateKey) {
    let signer = |name, key: &PrivateKey| Signer::with_keys(name, [key.public().clone()]);
    let signers = vec![signer("alice", alice), signer("bob", bob)];
    setup.trust = TrustPolicy::new(signers, NonZeroU8::MIN).unwrap().into();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skill_of_the_same_name_by_another_signer_does_not_read_it() {
    let folder = tempfile::tempdir().unwrap();
    let key = |name: &str| PrivateKey::load_or_create(&folder.path().join(name)).unwrap();
    let host = |name: &str| {
        Bench::with_key(key(name), |setup| {
            either(setup, &key("alice"), &key("bob"));
            grant(setup, GUEST).state = true;
            setup.states = Arc::new(Files::new(folder.path().join("state")));
        })
    };
    let first = host("alice");
    said(&first, "set", json!({"key": "a", "value": "private"})).await;
    drop(first);
    let second = host("bob");
    let error = second.refused("keep-state", &pack::rust(GUEST)).await;
    assert_eq!(error.kind(), Denied);
    assert!(
        error
            .hint()
            .unwrap()
            .contains("skillhost state hand-over keep-state")
    );
    drop(second);
    let third = host("alice");
    assert_eq!(said(&third, "get", json!({"key": "a"})).await, "private 1");
}

/// What `serve` has answered is there after it was killed.
#[test]
fn what_was_kept_outlives_a_host_that_is_killed() {
    let desk = Desk::new();
    desk.configure("[trust]\npreset = \"permissive\"\n[skill.keep-state]\nstate = true\n");
    let skill = desk.install("keep-state", &pack::rust(GUEST));
    desk.key().sign_file(&skill, None).unwrap();
    for round in 0..5 {
        let mut assistant = desk.serve(&[], &json!({}));
        let mut version = 0;
        for number in 0..=round {
            let input = json!({"key": "a", "value": format!("{round}.{number}")});
            let answer = assistant.call("keep-state_set", &input);
            let text = answer["result"]["content"][0]["text"].as_str().unwrap();
            version = text
                .trim_matches(|it: char| !it.is_ascii_digit())
                .parse()
                .unwrap();
        }
        // Kills it.
        drop(assistant);
        let mut assistant = desk.serve(&[], &json!({}));
        let answer = assistant.call("keep-state_get", &json!({"key": "a"}));
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(text, format!("{round}.{round} {version}"), "{answer}");
        let _ = assistant.end();
    }
}

/// What `run` keeps is not what `serve` keeps, and an operator sees and clears
/// both.
#[test]
fn an_operator_sees_and_clears_what_is_kept() {
    let desk = Desk::new();
    let skill = desk.guest(GUEST);
    let run = |arguments: &[&str]| {
        let fixed = ["run", &skill, "--allow-state"];
        desk.skillhost(&[&fixed, arguments].concat()).code(0).stdout
    };
    run(&["set", "--input", r#"{"key": "a", "value": "x"}"#]);
    assert!(run(&["get", "--input", r#"{"key": "a"}"#]).contains("x 1"));
    let kept = desk
        .skillhost(&["state", "list", "--run", "--json"])
        .code(0);
    assert_eq!(
        kept.json(),
        json!([{"skill": "keep-state", "entries": 1, "bytes": 2, "owners": ["local"]}])
    );
    assert_eq!(
        desk.skillhost(&["state", "list", "--json"]).code(0).json(),
        json!([])
    );
    desk.skillhost(&["state", "clear", "keep-state"]).code(2);
    desk.skillhost(&["state", "clear", "keep-state", "--run"])
        .code(0);
    assert!(run(&["get", "--input", r#"{"key": "a"}"#]).contains("nothing"));
    let file = desk.path("data/skillhost/state/run/keep-state.redb");
    fs::write(&file, "torn").unwrap();
    let refused = desk.skillhost(&["run", &skill, "--allow-state"]).code(2);
    assert!(refused.stderr.contains("is broken"), "{}", refused.stderr);
    assert!(
        refused.stderr.contains("skillhost state clear keep-state"),
        "{}",
        refused.stderr
    );
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn read_settings() {
    let with = |settings: Value| {
        Bench::with(|setup| {
            let name = pack::skill_name("read_settings").parse().unwrap();
            let policy = setup.skills.entry(name).or_default();
            policy.settings = settings.as_object().unwrap().clone();
        })
    };
    let bench = with(json!({"most": 3, "rules": {"a": [1, null]}}));
    for (key, expected) in [
        ("lang", "\"en\""),
        ("most", "3"),
        ("rules", r#"{"a":[1,null]}"#),
        ("token", "null"),
    ] {
        let called = bench
            .call("read_settings", "setting", json!({"key": key}))
            .await;
        assert_eq!(called.text(), expected, "{key}");
    }
    for (settings, key, rule) in [
        (json!({"most": 11}), "`most`", "rule `maximum`"),
        (json!({"lang": 1}), "`lang`", "rule `type`"),
        (json!({"long": "en"}), "`long`", "has no setting"),
    ] {
        let bench = with(settings);
        let error = bench
            .refused("read-settings", &pack::rust("read_settings"))
            .await;
        assert_eq!(error.kind(), ConfigInvalid);
        assert!(
            error.message().contains(key) && error.message().contains(rule),
            "{error}"
        );
    }
}

/// Reading is a matter of microseconds, writing one of the disk.
#[test]
fn reading_what_is_kept_takes_microseconds() {
    let folder = tempfile::tempdir().unwrap();
    let files = Files::new(folder.path().join("state"));
    let name = "a".parse().unwrap();
    let store = skillhost::state::States::open(&files, &name, &[]).unwrap();
    let change = skillhost::state::Change {
        key: "a",
        value: b"1",
        expect: None,
        ttl_ms: None,
    };
    let quota = skillhost::state::Quota::bytes(1000);
    let now = Timestamp::now();
    store.set(&change, &quota, now).unwrap();
    let start = moment();
    for _ in 0..1000 {
        assert!(store.get("a", now).unwrap().is_some());
    }
    let each = start.elapsed() / 1000;
    assert!(each < Duration::from_micros(200), "{each:?}");
}

#[expect(clippy::disallowed_methods, reason = "measures the host from outside")]
fn moment() -> Instant {
    Instant::now()
}
