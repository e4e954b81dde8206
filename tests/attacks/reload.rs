//! C03 and C04: what an operator changes while calls are made. A call sees one
//! state of everything from its beginning to its end, and what is wrong changes
//! nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use serde_json::json;
use skillhost::Kind::{self, ConfigInvalid, Denied, RateLimited, UnknownTool};
use skillhost::policy::requirement::Requirement;
use skillhost::{Host, Loaded, Setup, Terms};
use skillhost_tests::bench::invocation;
use skillhost_tests::{Bench, Says, alone, pack};

const ROUNDS: usize = 300;

/// Terms on which the guest sees one side.
fn on_side(terms: &Terms, side: &str, folders: &Path) -> Terms {
    let mut terms = terms.clone();
    let policy = terms
        .skills
        .entry("old-or-new".parse().unwrap())
        .or_default();
    policy.settings.insert("side".to_owned(), json!(side));
    policy
        .environment
        .insert("SIDE".to_owned(), side.to_owned());
    let folder = folders.join(side);
    policy.grant.directories = vec![format!("{}:/", folder.display()).parse().unwrap()];
    terms
}

fn two_sides() -> tempfile::TempDir {
    let folders = tempfile::tempdir().unwrap();
    for side in ["left", "right"] {
        fs::create_dir(folders.path().join(side)).unwrap();
        fs::write(folders.path().join(side).join("side.txt"), side).unwrap();
    }
    folders
}

async fn sides(host: &Host) -> String {
    let answer = host
        .invoke(invocation("old_or_new", "sides", json!({})))
        .await;
    let output = answer.outcome.unwrap();
    let skillhost::answer::Content::Text(text) = &output.content[0] else {
        panic!("{output:?}");
    };
    text.clone()
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn old_or_new() {
    let folders = two_sides();
    let bench = Arc::new(Bench::new());
    let (host, folders) = (bench.host(), folders.path());
    let terms = host.terms();
    host.reload(on_side(&terms, "left", folders)).unwrap();
    bench.ensure_loaded("old_or_new").await;
    let (compiled, tasks) = (bench.codes(), alone::tasks());
    let over = Arc::new(AtomicBool::new(false));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (bench, over) = (Arc::clone(&bench), Arc::clone(&over));
            tokio::spawn(async move {
                let mut seen = BTreeSet::new();
                while !over.load(Ordering::Acquire) {
                    seen.insert(sides(bench.host()).await);
                }
                seen
            })
        })
        .collect();
    let mut made: Vec<Weak<Loaded>> = Vec::new();
    for round in 0..ROUNDS {
        let side = ["right", "left"][round % 2];
        made.extend(host.skills().iter().map(Arc::downgrade));
        host.reload(on_side(&terms, side, folders)).unwrap();
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    over.store(true, Ordering::Release);
    let whole = ["left", "right"].map(|side| [side; 6].join(" "));
    for caller in callers {
        let seen = caller.await.unwrap();
        assert!(seen.iter().all(|it| whole.contains(it)), "{seen:?}");
        assert_eq!(seen.len(), 2, "a call saw no change");
    }
    assert_eq!(sides(host).await, whole[0]);
    skillhost_tests::bench::given_back(tasks).await;
    assert_eq!(made.iter().filter(|it| it.strong_count() > 0).count(), 0);
    assert_eq!(bench.codes(), compiled, "nothing is compiled again");
    bench.assert_serving().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c03_a_call_that_runs_keeps_its_skill_until_it_ends() {
    let bench = Arc::new(Bench::new());
    bench.ensure_loaded("sleep_forever").await;
    let call = invocation("sleep_forever", "sleep", json!({}));
    let (id, cancelled) = (call.id.to_string(), call.cancelled.clone());
    let caller = Arc::clone(&bench);
    let running = tokio::spawn(async move { caller.host().invoke(call).await });
    while bench.records().of(&id).is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    let loaded = Arc::downgrade(&bench.host().skills()[0]);
    bench
        .host()
        .unload(&"sleep-forever".parse().unwrap())
        .unwrap();
    bench
        .host()
        .reload((*bench.host().terms()).clone())
        .unwrap();
    assert_eq!(bench.records().newest()["event"], "skill.removed");
    assert!(loaded.strong_count() > 0 && !running.is_finished());
    cancelled.cancel();
    let answer = running.await.unwrap();
    assert_eq!(answer.outcome.unwrap_err().kind(), Kind::Cancelled);
    assert_eq!(loaded.strong_count(), 0);
    let later = invocation("sleep_forever", "sleep", json!({}));
    assert_eq!(bench.invoke(later).await.kind(), UnknownTool);
}

/// Neither a smaller nor a larger rate, nor the same again, forgives calls that
/// were made.
#[tokio::test(flavor = "multi_thread")]
async fn c03_what_was_counted_counts_on() {
    let rate = |setup: &mut Setup, rate: &str| {
        setup.admission.everyone.traffic.rate = Some(rate.parse().unwrap());
    };
    let bench = Bench::with(|setup| rate(setup, "2/h"));
    bench
        .load("says", &Says::new("one").component())
        .await
        .unwrap();
    let call = || bench.invoke(invocation("says", "run", json!({})));
    assert_eq!(call().await.text().trim_end(), "one");
    assert_eq!(call().await.text().trim_end(), "one");
    assert_eq!(call().await.kind(), RateLimited);
    let terms = (*bench.host().terms()).clone();
    bench.host().reload(terms.clone()).unwrap();
    assert_eq!(call().await.kind(), RateLimited);
    let mut unbounded = terms.clone();
    unbounded.admission.everyone.traffic.rate = None;
    bench.host().reload(unbounded).unwrap();
    assert_eq!(call().await.text().trim_end(), "one");
}

#[tokio::test(flavor = "multi_thread")]
async fn c04_terms_that_are_wrong_change_nothing() {
    let folders = two_sides();
    let bench = Bench::new();
    let (host, folders) = (bench.host(), folders.path());
    let terms = host.terms();
    host.reload(on_side(&terms, "left", folders)).unwrap();
    bench.ensure_loaded("old_or_new").await;
    let (changes, events) = (host.changes(), bench.records().all().len());
    let missing = on_side(&terms, "missing", folders);
    let mut circle = (*terms).clone();
    for (skill, other) in [("says", "echo"), ("echo", "says")] {
        let policy = circle.skills.entry(skill.parse().unwrap()).or_default();
        let fallback = skillhost::recovery::Fallback::Tool {
            skill: Some(other.parse().unwrap()),
            tool: "run".parse().unwrap(),
        };
        let rules = policy
            .recovery
            .tools
            .entry("run".parse().unwrap())
            .or_default();
        rules.fallback = Some(vec![fallback]);
    }
    let mut wrong_setting = on_side(&terms, "right", folders);
    for policy in wrong_setting.skills.values_mut() {
        policy.settings.insert("side".to_owned(), json!(1));
    }
    for wrong in [missing, circle, wrong_setting] {
        assert_eq!(host.reload(wrong).unwrap_err().kind(), ConfigInvalid);
        assert!(sides(host).await.starts_with("left left left"));
    }
    assert!(!changes.has_changed().unwrap());
    let told = bench.records().all().split_off(events);
    let told = told.iter().filter(|it| it.get("invocation").is_none());
    assert_eq!(told.count(), 0);
}

/// More is required now: what does not fulfil it runs no more, and everything else
/// does.
#[tokio::test(flavor = "multi_thread")]
async fn c04_a_skill_that_does_not_fulfil_what_is_required_now_is_unloaded() {
    let bench = Bench::new();
    bench
        .load("says", &Says::new("one").component())
        .await
        .unwrap();
    bench.ensure_loaded("echo").await;
    let mut terms = (*bench.host().terms()).clone();
    terms.requirements.require = BTreeSet::from([Requirement::NoPlaintextSecrets]);
    let policy = terms.skills.entry("says".parse().unwrap()).or_default();
    let secret = ["ghp_", &"a1B2".repeat(9)].concat();
    policy.environment.insert("TOKEN".to_owned(), secret);
    terms
        .skills
        .get_mut(&"echo".parse().unwrap())
        .unwrap()
        .settings
        .clear();
    bench.host().reload(terms).unwrap();
    let refused = bench.records().named("skill.rejected");
    assert_eq!(refused.len(), 1, "{refused:?}");
    assert_eq!(refused[0]["kind"], json!(Denied));
    let called = bench.invoke(invocation("says", "run", json!({}))).await;
    assert_eq!(called.kind(), UnknownTool);
    bench.assert_serving().await;
}

/// What was made on terms that changed while it was compiled is made anew.
#[tokio::test(flavor = "multi_thread")]
async fn c03_a_skill_that_is_loaded_meanwhile_is_on_the_terms_of_the_end() {
    let folders = two_sides();
    let bench = Arc::new(Bench::new());
    let (host, folders) = (bench.host(), folders.path());
    let terms = host.terms();
    host.reload(on_side(&terms, "left", folders)).unwrap();
    let component = pack::rust("old_or_new");
    for round in 0..20 {
        let side = ["right", "left"][round % 2];
        let loading = {
            let (bench, component) = (Arc::clone(&bench), component.clone());
            tokio::spawn(async move { bench.load("old-or-new", &component).await.map(drop) })
        };
        tokio::time::sleep(Duration::from_millis(round as u64 % 5)).await;
        host.reload(on_side(&terms, side, folders)).unwrap();
        loading.await.unwrap().unwrap();
        assert_eq!(sides(host).await, [side; 6].join(" "));
        host.unload(&"old-or-new".parse().unwrap()).unwrap();
    }
}
