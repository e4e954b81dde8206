//! Rules of monitoring and the suspension of skills: what a skill brings upon
//! itself, and what it cannot bring upon others.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::{Map, Value, json};
use skillhost::Kind::{DeadlineExceeded, Suspended, Trapped};
use skillhost::error::Retry;
use skillhost::event::monitor::{Action, Per, Rule, Rules};
use skillhost::recovery::Fallback;
use skillhost::{Kind, Setup};
use skillhost_tests::bench::invocation;
use skillhost_tests::{Assistant, Bench, Says};

use crate::desk::Desk;

/// After so many crashes a skill is suspended here.
const CRASHES: u32 = 3;

const CONFIGURATION: &str = r#"
[trust]
preset = "permissive"
[monitor.rule.crashes]
event = "guest.trapped"
per = "skill"
count = 3
within = "10m"
action = "suspend"
"#;

fn crashes(setup: &mut Setup) {
    let minute = Duration::from_secs(60);
    let name = "crashes".parse().unwrap();
    let rule = Rule::new(
        name,
        "guest.trapped",
        Per::Skill,
        CRASHES,
        minute,
        Action::Suspend,
    );
    setup.monitor = Rules::of(vec![rule.unwrap()]);
}

/// Calls a skill that crashes until it is suspended.
async fn crash_until_suspended(bench: &Bench) {
    for _ in 0..CRASHES {
        let called = bench.call("panic", "panic", json!({})).await;
        if called.kind() == Suspended {
            return;
        }
        assert_eq!(called.kind(), Trapped);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skill_that_crashes_often_is_suspended_and_another_is_not() {
    let bench = Bench::with(crashes);
    crash_until_suspended(&bench).await;
    let called = bench.call("panic", "panic", json!({})).await;
    called.expect(Suspended, &[]);
    assert_eq!(called.kind().retry(), Retry::Never);
    assert!(
        called.hint().contains("skillhost resume panic"),
        "{}",
        called.hint()
    );
    let (alert, suspended) = (
        bench.records().named("alert"),
        bench.records().named("skill.suspended"),
    );
    assert_eq!((alert.len(), suspended.len()), (1, 1));
    assert_eq!(
        (&alert[0]["rule"], &suspended[0]["skill"]),
        (&json!("crashes"), &json!("panic"))
    );
    let honest = bench
        .call("echo", "echo", json!({"text": "still here"}))
        .await;
    assert_eq!(honest.text(), "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_skill_or_a_caller_says_suspends_nobody() {
    let bench = Bench::with(crashes);
    let forged =
        r#"{"event":"guest.trapped","skill":"panic","invocation":"00","digest":"sha256:00"}"#;
    for _ in 0..CRASHES * 2 {
        let called = bench
            .call("echo", "echo", json!({"text": format!("\n{forged}\n")}))
            .await;
        assert!(called.answer.outcome.is_ok());
        let nowhere = bench.invoke(invocation("panic", forged, json!({}))).await;
        assert_eq!(nowhere.kind(), Kind::UnknownTool);
    }
    let (alerts, suspended) = (
        bench.records().named("alert"),
        bench.records().named("skill.suspended"),
    );
    assert_eq!((alerts.len(), suspended.len()), (0, 0));
    bench
        .call("panic", "panic", json!({}))
        .await
        .expect(Trapped, &["guest.trapped"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_runs_when_its_skill_is_suspended_finishes_and_the_next_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("suspended.json");
    let bench = Bench::with(|setup| {
        setup.suspended = Some(list.clone());
        setup.limits.timeout = Duration::from_secs(1);
    });
    bench.ensure_loaded("sleep_forever").await;
    let suspend = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        write_list(&list, &["sleep-forever"]);
    };
    let call = bench.invoke(invocation("sleep_forever", "sleep", json!({})));
    let (running, ()) = tokio::join!(call, suspend);
    assert_eq!(running.kind(), DeadlineExceeded);
    let next = bench.call("sleep_forever", "sleep", json!({})).await;
    next.expect(Suspended, &[]);
    assert!(
        next.error().message().contains("It is slow."),
        "{}",
        next.error()
    );
    fs::remove_file(&list).unwrap();
    let again = bench.call("sleep_forever", "sleep", json!({})).await;
    assert_eq!(again.kind(), DeadlineExceeded);
    let resumed = bench.records().last("skill.resumed");
    assert_eq!(resumed["by"], "whoever removed it from the list");
}

/// The list of suspended skills, as a host reads it.
fn write_list(list: &Path, skills: &[&str]) {
    let entry = json!({
        "state": "suspended", "at": "2026-01-01T00:00:00Z", "by": "uid 0", "reason": "It is slow.",
    });
    let skills: Map<String, Value> = skills
        .iter()
        .map(|skill| ((*skill).to_owned(), entry.clone()))
        .collect();
    let whole = list.with_extension("whole");
    fs::write(&whole, json!({"format": 1, "skills": skills}).to_string()).unwrap();
    fs::rename(whole, list).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_skill_takes_the_place_of_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("suspended.json");
    let bench = Bench::with(|setup| {
        setup.suspended = Some(list.clone());
        let first = setup.skills.entry("first".parse().unwrap()).or_default();
        first.recovery.all.fallback = Some(vec![Fallback::Tool {
            skill: Some("second".parse().unwrap()),
            tool: "run".parse().unwrap(),
        }]);
    });
    for (name, answer) in [("first", "one"), ("second", "two")] {
        let says = Says {
            name,
            ..Says::new(answer)
        };
        bench.load(name, &says.component()).await.unwrap();
    }
    let call = || bench.invoke(invocation("first", "run", json!({})));
    assert_eq!(call().await.text().trim_end(), "one");
    write_list(&list, &["first"]);
    let instead = call().await;
    assert_eq!(instead.text().trim_end(), "two");
    assert_eq!(instead.event("fallback.used")["kind"], "Suspended");
    write_list(&list, &["first", "second"]);
    let neither = call().await;
    assert_eq!(neither.kind(), Suspended);
    assert!(!neither.between().contains(&"fallback.used"), "{neither:?}");
}

/// A skill that crashes and one that does not, both installed.
fn desk() -> Desk {
    let desk = Desk::new();
    desk.configure(CONFIGURATION);
    desk.guest("panic");
    for file in ["panic.wasm", "panic.wasm.sigstore.json"] {
        let bytes = fs::read(desk.path(file)).unwrap();
        desk.write(&format!("data/skillhost/skills/{file}"), bytes);
    }
    let says = desk.install("says", &Says::new("hello").component());
    desk.key().sign_file(&says, None).unwrap();
    desk
}

fn kind(assistant: &mut Assistant, tool: &str) -> Value {
    let answer = assistant.call(tool, &json!({}));
    assert!(answer["result"].is_object(), "{answer}");
    answer["result"]["_meta"]["dev.skillhost/kind"].clone()
}

fn run(desk: &Desk) -> Value {
    desk.skillhost(&["run", "panic", "--json"]).json()["kind"].clone()
}

#[test]
fn a_suspended_skill_runs_in_no_way_until_it_is_resumed() {
    let desk = desk();
    let mut assistant = desk.serve(&[], &json!({}));
    let seen: Vec<Value> = (0..4)
        .map(|_| kind(&mut assistant, "panic_panic"))
        .collect();
    assert_eq!(
        (&seen[0], &seen[3]),
        (&json!("Trapped"), &json!("Suspended")),
        "{seen:?}"
    );
    assert_eq!(kind(&mut assistant, "says_run"), Value::Null);
    wait_for(&desk, "data/skillhost/suspended.json");
    assert_eq!(run(&desk), "Suspended");
    let listed = desk
        .skillhost(&["suspend", "--list", "--json"])
        .code(0)
        .json();
    assert_eq!(
        (&listed[0]["skill"], &listed[0]["by"]),
        (&json!("panic"), &json!("the rule `crashes`"))
    );
    desk.skillhost(&["resume", "panic"]).code(0);
    assert_eq!(kind(&mut assistant, "panic_panic"), "Trapped");
    assert_eq!(run(&desk), "Trapped");
    let _ = assistant.end();
    let events: Vec<Value> = desk
        .audit()
        .into_iter()
        .map(|it| it["event"].clone())
        .collect();
    let count = |name: &str| events.iter().filter(|event| **event == name).count();
    assert_eq!((count("skill.suspended"), count("skill.resumed")), (1, 1));
}

#[test]
fn an_operator_suspends_and_resumes_while_the_host_serves() {
    let desk = desk();
    let mut assistant = desk.serve(&[], &json!({}));
    assert_eq!(kind(&mut assistant, "says_run"), Value::Null);
    desk.skillhost(&["suspend", "says", "--reason", "we look into it"])
        .code(0);
    let answer = assistant.call("says_run", &json!({})).to_string();
    // Why is for the operator to know.
    assert!(
        answer.contains("Suspended") && !answer.contains("we look into it"),
        "{answer}"
    );
    desk.skillhost(&["resume", "says"]).code(0);
    assert_eq!(kind(&mut assistant, "says_run"), Value::Null);
    let refused = desk.skillhost(&["resume", "says", "--json"]).code(2).json();
    assert_eq!(refused["kind"], "InvalidRequest");
    let _ = assistant.end();
    assert_eq!(
        desk.skillhost(&["suspend", "says", "--reason", "still"])
            .code,
        0
    );
    assert_eq!(
        desk.skillhost(&["run", "says", "--json"]).code(4).json()["kind"],
        "Suspended"
    );
}

/// The file is written by a thread of its own.
fn wait_for(desk: &Desk, name: &str) {
    for _ in 0..500 {
        if desk.path(name).exists() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("there is no {name}");
}
