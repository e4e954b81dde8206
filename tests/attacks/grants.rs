//! I14 and R1: what was granted by command counts for the skill that was looked
//! at, and for nothing that was made of it, of the file, or of its name.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use skillhost::Kind::Denied;
use skillhost::artifact::Digest;
use skillhost::consent::{Consents, Given};
use skillhost::lock::Release;
use skillhost::manifest::{Manifest, Source, section};
use skillhost::policy::requirement::Requirement;
use skillhost::policy::right::Right;
use skillhost::time::Clock;
use skillhost::verify::SignerName;
use skillhost_tests::bench::invocation;
use skillhost_tests::operator::{AUTHOR, Operator};
use skillhost_tests::{Bench, Called, guests, pack};

/// The grants of an operator.
const GRANTS: &str = "grants.json";

/// A skill that needs those capabilities and does nothing with them.
fn skill(name: &str, capabilities: &Value) -> Vec<u8> {
    let source = Source {
        capabilities: serde_json::from_value(capabilities.clone()).unwrap(),
        ..pack::plain_source(name)
    };
    pack::with_manifest(&guests::text("honest"), source)
}

fn keeping(name: &str) -> Vec<u8> {
    skill(name, &json!({"state": {"reason": "To remember."}}))
}

fn asking(origins: &[&str]) -> Vec<u8> {
    skill(
        "notes",
        &json!({"http": {"origins": origins, "reason": "To ask."}}),
    )
}

/// That skill as those signed it.
fn release(component: &[u8], signers: &[&str]) -> Release {
    let sections = section::read(component).unwrap();
    let manifest = Manifest::parse(sections.manifest).unwrap();
    let signers: Vec<SignerName> = signers.iter().map(|it| SignerName::new(it)).collect();
    Release::of(&manifest, Digest::of(component), &signers)
}

/// Grants something for a while, or for good.
fn give(file: &Path, release: &Release, capability: &str, until: Option<Timestamp>) {
    let given = Given {
        capability: capability.parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
        until,
        by: "a test".to_owned(),
    };
    Consents::change(file, |consents| consents.give(release, vec![given])).unwrap();
}

fn bench(operator: &Operator, more: impl FnOnce(&mut skillhost::Setup)) -> Bench {
    let file = operator.path(GRANTS);
    Bench::with_key(operator.key("author"), |setup| {
        operator.set_up(setup);
        setup.consents = Some(file);
        more(setup);
    })
}

async fn call(bench: &Bench) -> Called {
    bench.invoke(invocation("notes", "run", json!({}))).await
}

async fn assert_runs(bench: &Bench) {
    let called = call(bench).await;
    assert!(called.answer.outcome.is_ok(), "{called:#?}");
}

async fn assert_denied(bench: &Bench) -> Called {
    let called = call(bench).await;
    assert_eq!(called.kind(), Denied, "{called:#?}");
    assert!(called.between().contains(&"policy.denied"));
    called
}

/// An operator who has granted `notes` to keep state, and a host that serves it.
async fn served() -> (Operator, PathBuf, Bench) {
    let operator = Operator::new();
    let file = operator.path(GRANTS);
    give(
        &file,
        &release(&keeping("notes"), &["author"]),
        "state",
        None,
    );
    let bench = bench(&operator, |_| {});
    bench.load("notes", &keeping("notes")).await.unwrap();
    assert_runs(&bench).await;
    (operator, file, bench)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_granted_or_revoked_counts_at_the_next_call() {
    let (_operator, file, bench) = served().await;
    for _ in 0..3 {
        Consents::change(&file, |it| {
            Ok(it.revoke(&"notes".parse().unwrap(), |_| true))
        })
        .unwrap();
        let called = assert_denied(&bench).await;
        assert!(
            called.hint().contains("`skillhost grant notes state`"),
            "{}",
            called.hint()
        );
        give(
            &file,
            &release(&keeping("notes"), &["author"]),
            "state",
            None,
        );
        assert_runs(&bench).await;
    }
    fs::remove_file(&file).unwrap();
    assert_denied(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_is_for_no_other_name_no_other_signers_and_no_other_definition() {
    for (granted, lapsed) in [
        (release(&keeping("other"), &["author"]), 0),
        (release(&keeping("notes"), &["mallory"]), 1),
        (release(&keeping("notes"), &["author", "mallory"]), 1),
        (release(&asking(&["https://a.test"]), &["author"]), 1),
    ] {
        let operator = Operator::new();
        give(&operator.path(GRANTS), &granted, "state", None);
        let bench = bench(&operator, |_| {});
        bench.load("notes", &keeping("notes")).await.unwrap();
        assert_denied(&bench).await;
        let events = bench.records().named("grant.lapsed");
        assert_eq!(events.len(), lapsed, "{events:?}");
        for event in events {
            assert_eq!(event["capability"], "state");
            assert_eq!(event["skill"], "notes");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_update_that_declares_something_else_has_no_grants() {
    let (_operator, _file, bench) = served().await;
    let more = json!({
        "state": {"reason": "To remember."},
        "http": {"origins": ["*"], "reason": "More.", "optional": true},
    });
    bench.replace("notes", &skill("notes", &more));
    let called = assert_denied(&bench).await;
    let lapsed = called.event("grant.lapsed");
    assert_eq!(
        lapsed["reason"],
        "The skill declares something else than when it was granted."
    );
    // What was looked at counts again when it is back.
    bench.replace("notes", &keeping("notes"));
    assert_runs(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_runs_loses_its_grants_when_others_sign_it() {
    let (operator, _file, bench) = served().await;
    operator.trust("signers.other.keys = [\"author.pub\"]\n");
    let called = assert_denied(&bench).await;
    assert_eq!(
        called.event("grant.lapsed")["reason"],
        "It was granted when author signed the skill, and others do now."
    );
    operator.trust(AUTHOR);
    assert_runs(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grant_for_a_time_ends_with_it_while_the_host_serves() {
    let operator = Operator::new();
    let end = operator.clock().wall() + SignedDuration::from_secs(60);
    let found = release(&keeping("notes"), &["author"]);
    give(&operator.path(GRANTS), &found, "state", Some(end));
    let bench = bench(&operator, |_| {});
    bench.load("notes", &keeping("notes")).await.unwrap();
    assert_runs(&bench).await;
    operator.clock().turn(SignedDuration::from_secs(61));
    let called = assert_denied(&bench).await;
    assert_eq!(called.event("grant.lapsed")["capability"], "state");
    let called = assert_denied(&bench).await;
    assert_eq!(called.between(), ["policy.denied"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grants_file_that_others_could_have_written_grants_nothing() {
    let (operator, file, bench) = served().await;
    let insecure = || bench.records().named("config.insecure").len();
    for mode in [0o666, 0o620, 0o602] {
        let before = insecure();
        fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
        assert_denied(&bench).await;
        assert_eq!(insecure(), before + 1, "{mode:o}");
        fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
        assert_runs(&bench).await;
    }
    // A link, even to a file of the operator's own.
    fs::rename(&file, operator.path("elsewhere.json")).unwrap();
    symlink(operator.path("elsewhere.json"), &file).unwrap();
    assert_denied(&bench).await;
    assert_eq!(insecure(), 4);
    fs::remove_file(&file).unwrap();
    fs::rename(operator.path("elsewhere.json"), &file).unwrap();
    assert_runs(&bench).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_grants_file_that_was_tampered_with_grants_nothing() {
    let (operator, file, bench) = served().await;
    let good = fs::read_to_string(&file).unwrap();
    let widened = good.replace(
        "\"state\": {",
        "\"http\": {\"origins\": [\"*\"], \"reason\": \"\"}, \"state\": {",
    );
    assert_ne!(good, widened);
    for text in [
        "",
        "{",
        "{\"version\": 2}",
        &widened,
        &good.replace("\"state\"", "\"root\""),
    ] {
        operator.put(GRANTS, text);
        assert_denied(&bench).await;
        let told = bench.records().last("grant.lapsed");
        assert_eq!(told["capability"], "all", "{told}");
        operator.put(GRANTS, &good);
        assert_runs(&bench).await;
    }
}

/// Whoever can write the file as its owner still gets no further than what the
/// author asked for and signed.
#[tokio::test(flavor = "multi_thread")]
async fn i14_no_grant_in_the_file_goes_beyond_the_manifest() {
    for (granted, runs) in [
        ("http=*", true),
        ("http=https://*", true),
        ("http=https://*.good.test", true),
        ("http=https://evil.test", false),
        ("http=https://good.test", false),
        ("http=https://a.good.test:8443", false),
        ("state", false),
        ("tcp=a.good.test:443", false),
    ] {
        let operator = Operator::new();
        let component = asking(&["https://a.good.test"]);
        let found = release(&component, &["author"]);
        give(&operator.path(GRANTS), &found, granted, None);
        let bench = bench(&operator, |_| {});
        let loaded = bench.load("notes", &component).await.unwrap();
        let called = call(&bench).await;
        assert_eq!(
            called.answer.outcome.is_ok(),
            runs,
            "{granted}: {called:#?}"
        );
        if runs {
            // Of a pattern the skill gets the one origin that it asked for.
            assert!(loaded.unused_grants().is_empty(), "{granted}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_denied_to_every_skill_no_grant_gives() {
    let operator = Operator::new();
    let found = release(&keeping("notes"), &["author"]);
    give(&operator.path(GRANTS), &found, "state", None);
    let bench = bench(&operator, |setup| {
        setup.requirements.denied = [Right::State].into();
    });
    bench.load("notes", &keeping("notes")).await.unwrap();
    let called = assert_denied(&bench).await;
    assert_eq!(
        called.error().message(),
        "notes wants `state`, and `deny-capabilities` denies `state` to every skill: To remember."
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_requires_is_required_at_each_load() {
    for (requirement, component, granted) in [
        (Requirement::Pinned, keeping("notes"), "state"),
        (Requirement::Provenance, keeping("notes"), "state"),
        (
            Requirement::NoWildcardEgress,
            asking(&["https://*.good.test"]),
            "http=https://*.good.test",
        ),
    ] {
        let operator = Operator::new();
        let found = release(&component, &["author"]);
        give(&operator.path(GRANTS), &found, granted, None);
        let bench = bench(&operator, |setup| {
            setup.requirements.require = [requirement].into();
        });
        let before = bench.codes();
        let error = bench.load("notes", &component).await.unwrap_err();
        assert_eq!(error.kind(), Denied, "{error}");
        assert!(
            error.message().starts_with(&format!(
                "The operator requires `{requirement}` of every skill: `notes` "
            )),
            "{error}"
        );
        assert!(error.hint().is_some());
        assert_eq!(bench.codes(), before);
        let unmet = bench.records().last("policy.unmet");
        assert_eq!(unmet["requirement"], requirement.as_str());
        assert_eq!(bench.records().newest()["event"], "skill.rejected");
    }
}

/// A grant that is given while a host serves cannot bring in what is not to be.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_policy_requires_is_required_of_later_grants_as_well() {
    let operator = Operator::new();
    let component = asking(&["https://*.good.test"]);
    let (file, found) = (operator.path(GRANTS), release(&component, &["author"]));
    give(&file, &found, "http=https://a.good.test", None);
    let bench = bench(&operator, |setup| {
        setup.requirements.require = [Requirement::NoWildcardEgress].into();
    });
    bench.load("notes", &component).await.unwrap();
    assert_runs(&bench).await;
    give(&file, &found, "http=https://*.good.test", None);
    let called = call(&bench).await;
    assert_eq!(called.kind(), Denied);
    assert!(called.between().contains(&"policy.unmet"));
    let name = "notes".parse().unwrap();
    let pattern = "http=https://*.good.test".parse().unwrap();
    Consents::change(&file, |it| Ok(it.revoke(&name, |it| *it == pattern))).unwrap();
    assert_runs(&bench).await;
}
