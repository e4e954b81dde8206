//! C08 and what belongs to it: who may call what, how often, and how much, and
//! arguments that look like an attack.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};
use skillhost::Kind::{Cancelled, Forbidden, InvalidInput, RateLimited, UnknownTool};
use skillhost::admission::rules::{PrincipalRules, SkillRules, ToolRules};
use skillhost::admission::screening::{Action, Kind, Place, ScreeningRule, Shipped};
use skillhost::invocation::{Invocation, Principal};
use skillhost::manifest::section;
use skillhost::{Capacity, Setup};
use skillhost_tests::bench::invocation;
use skillhost_tests::stage::SetClock;
use skillhost_tests::{Bench, Called, guests, pack};
use tokio::sync::Semaphore;

/// A caller by name.
fn named(name: &str) -> Principal {
    Principal::Named(name.parse().unwrap())
}

/// A call of the honest skill.
fn echo(principal: Principal) -> Invocation {
    let mut call = invocation("echo", "echo", json!({"text": "a"}));
    call.principal = principal;
    call
}

/// A skill that answers with nothing, and has tools of these names and schemas.
fn skill(tools: &[(&str, Value)]) -> Vec<u8> {
    let tool = |(name, schema): &(&str, Value)| json!({"name": name, "description": "", "input_schema": schema});
    let tools: Vec<Value> = tools.iter().map(tool).collect();
    let manifest = json!({"format": 1, "name": "honest", "version": "1.0.0", "tools": tools});
    section::append(&guests::text("honest"), manifest.to_string().as_bytes())
}

fn rules_of<'a>(setup: &'a mut Setup, skill: &str) -> &'a mut SkillRules {
    let policy = setup.skills.entry(skill.parse().unwrap()).or_default();
    &mut policy.admission
}

fn tool_rules<'a>(setup: &'a mut Setup, skill: &str, tool: &str) -> &'a mut ToolRules {
    let rules = rules_of(setup, skill);
    rules.tools.entry(tool.parse().unwrap()).or_default()
}

fn count(number: u32) -> Option<NonZeroU32> {
    NonZeroU32::new(number)
}

#[track_caller]
fn assert_rejected(called: &Called, kind: skillhost::Kind, rule: &str) {
    called.expect(kind, &["request.rejected"]);
    let event = called.event("request.rejected");
    assert_eq!(event["kind"], json!(kind), "{event}");
    assert_eq!(event["rule"], rule, "{event}");
}

/// A host that runs one call at a time, and one that runs until it is cancelled.
struct Busy {
    bench: Arc<Bench>,
    running: Arc<Semaphore>,
    holder: Invocation,
}

impl Busy {
    async fn new(change: impl FnOnce(&mut Setup)) -> Self {
        let bench = Bench::with(|setup| {
            setup.limits.timeout = Duration::from_secs(60);
            setup.capacity = Capacity {
                calls: 1,
                wait: Duration::from_secs(60),
                ..Capacity::default()
            };
            change(setup);
        });
        bench.ensure_loaded("progress_and_remaining").await;
        bench.ensure_loaded("echo").await;
        let mut holder = invocation("progress_and_remaining", "until-awake", json!({}));
        let running = Arc::new(Semaphore::new(0));
        let seen = Arc::clone(&running);
        holder.progress = Some(Arc::new(move |_| seen.add_permits(1)));
        Self {
            bench: Arc::new(bench),
            running,
            holder,
        }
    }

    /// Waits until so many calls began.
    async fn began(&self, calls: usize) {
        while self.bench.records().named("invocation.started").len() < calls {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // The last of them is on its way into the queue.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// C08: a thousand calls of one caller wait, and the call of another has its turn
/// among the first.
#[tokio::test(flavor = "multi_thread")]
async fn c08_a_flood_of_calls_keeps_another_caller_waiting_for_a_turn() {
    let busy = Busy::new(|setup| {
        setup.capacity.queue = 2000;
        setup.admission.everyone.queue = Some(1000);
    })
    .await;
    let (bench, token) = (Arc::clone(&busy.bench), busy.holder.cancelled.clone());
    let before = bench.records().named("invocation.started").len();
    let holder = busy.holder.clone();
    let holding = tokio::spawn(async move { bench.invoke(holder).await });
    let _runs = busy.running.acquire().await.unwrap();
    let mut calls = Vec::new();
    for number in 0..1001 {
        let bench = Arc::clone(&busy.bench);
        let call = echo(named(if number < 1000 { "flood" } else { "canary" }));
        if number == 1000 {
            busy.began(before + 1001).await;
        }
        calls.push(tokio::spawn(async move { bench.invoke(call).await }));
    }
    busy.began(before + 1002).await;
    token.cancel();
    holding.await.unwrap().expect(Cancelled, &[]);
    for call in calls {
        assert!(call.await.unwrap().answer.outcome.is_ok());
    }
    let finished = busy.bench.records().named("invocation.finished");
    let order = finished.iter().filter_map(|it| it["principal"].as_str());
    let order: Vec<&str> = order
        .filter(|it| *it != "local" && *it != "stdio")
        .collect();
    let turn = order.iter().position(|it| *it == "canary").unwrap();
    assert!(turn <= 4, "it had turn {turn}");
}

/// C08: who has a share of the queue fills no more than that.
#[tokio::test(flavor = "multi_thread")]
async fn c08_one_caller_fills_its_share_of_the_queue_and_no_more() {
    let busy = Busy::new(|setup| setup.capacity.queue = 40).await;
    let (bench, token) = (Arc::clone(&busy.bench), busy.holder.cancelled.clone());
    let holder = busy.holder.clone();
    let holding = tokio::spawn(async move { bench.invoke(holder).await });
    let _runs = busy.running.acquire().await.unwrap();
    let call = |who: &str| {
        let (bench, call) = (Arc::clone(&busy.bench), echo(named(who)));
        tokio::spawn(async move { bench.invoke(call).await })
    };
    let flood: Vec<_> = (0..60).map(|_| call("flood")).collect();
    let canary = call("canary");
    busy.began(62).await;
    token.cancel();
    holding.await.unwrap().expect(Cancelled, &[]);
    assert!(canary.await.unwrap().answer.outcome.is_ok());
    let mut served = 0;
    for call in flood {
        let called = call.await.unwrap();
        if called.answer.outcome.is_ok() {
            served += 1;
        } else {
            assert_rejected(
                &called,
                RateLimited,
                "`queue = 10` under `[principal.default]`",
            );
            assert!(called.error().retry_after().is_some());
        }
    }
    assert_eq!(served, 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_calls_what_it_may_and_nothing_else() {
    let bench = Bench::with(|setup| {
        let allow = vec!["echo/*".parse().unwrap()];
        let deny = vec!["honest/run".parse().unwrap()];
        let rules = |allow, deny| PrincipalRules {
            allow,
            deny,
            ..PrincipalRules::default()
        };
        setup.admission.principals = BTreeMap::from([
            (named("ci"), rules(Some(allow), Vec::new())),
            (named("none"), rules(Some(Vec::new()), Vec::new())),
            (named("most"), rules(None, deny)),
        ]);
    });
    bench.ensure_loaded("echo").await;
    bench
        .load("honest", &skill(&[("run", json!({"type": "object"}))]))
        .await
        .unwrap();
    let run = |who: &str, tool: &str| {
        let mut call = invocation("honest", tool, json!({}));
        call.principal = named(who);
        call
    };
    assert!(bench.invoke(echo(named("ci"))).await.answer.outcome.is_ok());
    assert!(
        bench
            .invoke(run("other", "run"))
            .await
            .answer
            .outcome
            .is_ok()
    );
    assert!(
        bench
            .invoke(echo(named("most")))
            .await
            .answer
            .outcome
            .is_ok()
    );
    let called = bench.invoke(run("ci", "run")).await;
    assert_rejected(&called, Forbidden, "`tools.allow` under `[principal.ci]`");
    assert!(
        called
            .hint()
            .contains("Add \"honest/run\" to `tools.allow` under `[principal.ci]`")
    );
    let called = bench.invoke(echo(named("none"))).await;
    assert_rejected(&called, Forbidden, "`tools.allow` under `[principal.none]`");
    let called = bench.invoke(run("most", "run")).await;
    assert_rejected(
        &called,
        Forbidden,
        "`tools.deny = [\"honest/run\"]` under `[principal.most]`",
    );
    // Who may not call a skill does not learn which tools it has.
    let called = bench.invoke(run("ci", "no-such-tool")).await;
    called.expect(Forbidden, &["request.rejected"]);
    let called = bench.invoke(run("other", "no-such-tool")).await;
    called.expect(UnknownTool, &[]);
    let loaded = bench.host().skills();
    let honest = loaded
        .iter()
        .find(|it| it.manifest().name.as_str() == "honest")
        .unwrap();
    let tool = "run".parse().unwrap();
    assert!(bench.host().offers(&named("other"), None, honest, &tool));
    assert!(!bench.host().offers(&named("most"), None, honest, &tool));
}

#[tokio::test(flavor = "multi_thread")]
async fn tools_that_are_called_like_interpreters_are_blocked_until_they_are_listed() {
    let schema = json!({"type": "object"});
    let tools = [
        ("run", schema.clone()),
        ("exec", schema.clone()),
        ("run-shell", schema),
    ];
    for listed in [false, true] {
        let bench = Bench::with(|setup| {
            if listed {
                let tool = "exec".parse().unwrap();
                rules_of(setup, "honest").interpreters.insert(tool);
            }
        });
        let loaded = bench.load("honest", &skill(&tools)).await.unwrap();
        let blocked: Vec<&str> = loaded.blocked_tools().map(|it| it.as_str()).collect();
        let expected = if listed {
            vec!["run-shell"]
        } else {
            vec!["exec", "run-shell"]
        };
        assert_eq!(blocked, expected);
        for (tool, _) in &tools {
            let called = bench.invoke(invocation("honest", tool, json!({}))).await;
            if !blocked.contains(tool) {
                assert!(called.answer.outcome.is_ok(), "{tool}");
                continue;
            }
            let line = format!("`interpreters = [\"{tool}\"]` under `[skill.honest]`");
            assert_rejected(&called, Forbidden, &format!("{line} is missing"));
            assert!(called.hint().contains(&line), "{}", called.hint());
        }
    }
}

/// What we ship, and what our own tests call, is called like no interpreter.
#[tokio::test(flavor = "multi_thread")]
async fn no_tool_of_ours_is_called_like_an_interpreter() {
    let bench = Bench::new();
    for guest in [
        "echo",
        "follow_plan",
        "file_operations",
        "progress_and_remaining",
        "keep_state",
    ] {
        bench.ensure_loaded(guest).await;
    }
    for loaded in bench.host().skills() {
        assert_eq!(
            loaded.blocked_tools().count(),
            0,
            "{}",
            loaded.manifest().name
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_is_each_callers_own_and_that_of_a_tool_is_everybodys() {
    let bench = Bench::with(|setup| {
        setup.admission.everyone.traffic.rate = Some("2/day".parse().unwrap());
        tool_rules(setup, "echo", "echo").rate = Some("3/day".parse().unwrap());
    });
    bench.ensure_loaded("echo").await;
    let rule = "`rate = \"2/day\"` under `[principal.default]`";
    for _ in 0..2 {
        assert!(bench.invoke(echo(named("a"))).await.answer.outcome.is_ok());
    }
    let called = bench.invoke(echo(named("a"))).await;
    assert_rejected(&called, RateLimited, rule);
    let wait = called.error().retry_after().unwrap();
    assert!(wait > Duration::from_secs(11 * 3600), "{wait:?}");
    assert!(called.hint().contains("12 hours"), "{}", called.hint());
    assert!(bench.invoke(echo(named("b"))).await.answer.outcome.is_ok());
    let called = bench.invoke(echo(named("b"))).await;
    assert_rejected(
        &called,
        RateLimited,
        "`rate = \"3/day\"` under `[skill.echo.tool.echo]`",
    );
    let called = bench.invoke(echo(named("b"))).await;
    assert_rejected(&called, RateLimited, rule);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tool_runs_as_often_at_once_as_it_may_and_keeps_no_other() {
    let busy = Busy::new(|setup| {
        setup.capacity.calls = 8;
        setup.capacity.wait = Duration::from_millis(100);
        rules_of(setup, "progress-and-remaining")
            .traffic
            .concurrency = count(1);
    })
    .await;
    let (bench, token) = (Arc::clone(&busy.bench), busy.holder.cancelled.clone());
    let holder = busy.holder.clone();
    let holding = tokio::spawn(async move { bench.invoke(holder).await });
    let _runs = busy.running.acquire().await.unwrap();
    let mut second = busy.holder.clone();
    second.id = skillhost::invocation::InvocationId::random().unwrap();
    let called = busy.bench.invoke(second).await;
    assert_rejected(
        &called,
        RateLimited,
        "`concurrency = 1` under `[skill.progress-and-remaining]`",
    );
    busy.bench.assert_serving().await;
    token.cancel();
    holding.await.unwrap().expect(Cancelled, &[]);
}

/// Many calls begin at once on a budget that is enough for some.
#[tokio::test(flavor = "multi_thread")]
async fn a_daily_budget_is_overspent_by_less_than_one_call() {
    let fuel = Bench::new()
        .call("echo", "echo", json!({"text": "a"}))
        .await
        .usage()
        .fuel;
    let (limit, budget) = (fuel * 4, fuel * 20);
    let folder = tempfile::tempdir().unwrap();
    let clock = SetClock::at(1_790_000_000);
    let set_up = |setup: &mut Setup| {
        setup.clock = Arc::new(clock.clone());
        setup.limits.fuel = limit;
        setup.admission.ledger = Some(folder.path().join("budgets.json"));
        let rules = PrincipalRules {
            queue: Some(1000),
            ..PrincipalRules::default()
        };
        let rules = setup
            .admission
            .principals
            .entry(named("ci"))
            .or_insert(rules);
        rules.traffic.budget.fuel = Some(budget);
    };
    let spend = async |bench: &Arc<Bench>| {
        let mut calls = Vec::new();
        for _ in 0..60 {
            let (bench, call) = (Arc::clone(bench), echo(named("ci")));
            calls.push(tokio::spawn(async move { bench.invoke(call).await }));
        }
        let (mut spent, mut refused) = (0, 0);
        for call in calls {
            let called = call.await.unwrap();
            spent += called.usage().fuel;
            if called.answer.outcome.is_err() {
                let rule = format!("`budget.fuel-per-day = {budget}` under `[principal.ci]`");
                assert_rejected(&called, RateLimited, &rule);
                refused += 1;
            }
        }
        (spent, refused)
    };
    let bench = Arc::new(Bench::with(set_up));
    bench.ensure_loaded("echo").await;
    let (mut spent, mut refused) = (0, 0);
    while refused < 60 {
        let (more, turned_away) = spend(&bench).await;
        spent += more;
        refused = turned_away;
    }
    assert!(
        spent >= budget && spent < budget + limit,
        "{spent} of {budget}"
    );
    bench.assert_serving().await;
    drop(bench);
    // A restart gives nothing back, nor does a clock that goes back.
    clock.turn(SignedDuration::from_secs(-100));
    let bench = Arc::new(Bench::with(set_up));
    bench.ensure_loaded("echo").await;
    let called = bench.invoke(echo(named("ci"))).await;
    called.expect(RateLimited, &["request.rejected"]);
    // The next day does.
    clock.turn(SignedDuration::from_hours(24));
    assert!(bench.invoke(echo(named("ci"))).await.answer.outcome.is_ok());
}

fn screened() -> Vec<u8> {
    skill(&[(
        "run",
        json!({"type": "object", "properties": {
            "command": {"type": "string", "x-skillhost-kind": "command"},
            "file": {"type": "string", "x-skillhost-kind": "path"},
            "link": {"type": "string", "format": "uri"},
            "text": {"type": "string"},
        }}),
    )])
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_look_like_an_attack_are_flagged_and_the_call_goes_on() {
    let bench = Bench::new();
    bench.load("honest", &screened()).await.unwrap();
    for (arguments, field, rule) in [
        (
            json!({"command": "ls; cat hunter2"}),
            "command",
            "shell-metacharacters",
        ),
        (json!({"file": "../hunter2"}), "file", "path-traversal"),
        (
            json!({"link": "http://0x7f.1/hunter2"}),
            "link",
            "private-address",
        ),
    ] {
        let called = bench.invoke(invocation("honest", "run", arguments)).await;
        assert!(called.answer.outcome.is_ok());
        let event = called.event("input.flagged");
        assert_eq!(
            (&event["field"], &event["rule"]),
            (&json!(field), &json!(rule))
        );
        assert_eq!(event["action"], "flag");
        assert!(!format!("{:?}", called.events).contains("hunter2"));
    }
    let harmless = json!({"command": "ls -l", "file": "a/b", "link": "https://example.com", "text": "../; http://127.0.0.1"});
    let called = bench.invoke(invocation("honest", "run", harmless)).await;
    assert!(called.answer.outcome.is_ok() && called.between().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn arguments_that_a_rule_refuses_are_refused_with_field_and_rule() {
    let bench = Bench::with(|setup| {
        let screening = &mut setup.admission.screening;
        screening
            .shipped
            .insert(Shipped::PathTraversal, Some(Action::Refuse));
        screening.shipped.insert(Shipped::PrivateAddress, None);
        let rule = ScreeningRule::new("no-secrets", "(?i)password", Place::Any, Action::Refuse);
        screening.rules.push(rule.unwrap());
        let fields = &mut tool_rules(setup, "honest", "run").fields;
        fields.insert("text".to_owned(), Kind::Command);
    });
    bench.load("honest", &screened()).await.unwrap();
    let run = async |arguments| bench.invoke(invocation("honest", "run", arguments)).await;
    for (arguments, field, rule) in [
        (json!({"file": "a/../../hunter2"}), "file", "path-traversal"),
        (json!({"text": "PassWord hunter2"}), "text", "no-secrets"),
    ] {
        let called = run(arguments).await;
        called.expect(InvalidInput, &["input.flagged"]);
        assert_eq!(called.event("input.flagged")["action"], "refuse");
        let message = called.error().message();
        assert!(
            message.contains(field) && message.contains(rule),
            "{message}"
        );
        assert!(!format!("{:?}{:?}", called.answer, called.events).contains("hunter2"));
    }
    let called = run(json!({"link": "http://127.0.0.1"})).await;
    assert!(called.answer.outcome.is_ok() && called.between().is_empty());
    let called = run(json!({"text": "a; b"})).await;
    assert!(called.answer.outcome.is_ok());
    assert_eq!(called.between(), ["input.flagged"]);
}

/// A hundred thousand names cost a bounded amount of memory, and none of them gets
/// around a rate.
#[tokio::test(flavor = "multi_thread")]
async fn names_without_end_cost_no_more_than_some() {
    let bench = Bench::with(|setup| {
        setup.admission.everyone.traffic.rate = Some("1/day".parse().unwrap());
        let free = PrincipalRules::default();
        setup.admission.principals.insert(
            Principal::Stdio,
            PrincipalRules {
                traffic: skillhost::admission::rules::Traffic {
                    rate: Some("1000000/s".parse().unwrap()),
                    ..free.traffic.clone()
                },
                ..free
            },
        );
    });
    bench.load("honest", &pack::text("honest")).await.unwrap();
    let (mut passed, mut refused) = (0, 0);
    for number in 0..10_100 {
        let mut call = invocation("honest", "no-such-tool", json!({}));
        call.principal = named(&format!("caller-{number}"));
        match bench.host().invoke(call).await.outcome.unwrap_err().kind() {
            UnknownTool => passed += 1,
            RateLimited => refused += 1,
            other => panic!("{other}"),
        }
    }
    assert_eq!((passed, refused), (10_001, 99));
    bench.assert_serving().await;
}
