//! S08: signatures at the wrong time, by the host's clock.

use jiff::SignedDuration;
use skillhost::Kind;
use skillhost::verify::TrustedKey;
use skillhost_tests::stage::{public, time};

use super::*;

/// Later than every certificate of a signature.
const YEARS: i64 = 20 * 365 * DAY;
/// 2040-01-01, which no clock of a test machine has reached.
const FUTURE: i64 = 2_208_988_800;

fn at_most(days: i64, names: &[&str]) -> Rule {
    let max_age = Some(SignedDuration::from_hours(24 * days));
    Rule {
        max_age,
        ..some_of(names, 1)
    }
}

/// A signature of each author whose time somebody vouches for.
fn timed(stage: &Stage, author: &Author) -> [String; 3] {
    let draft = author.signing(stage.draft());
    [draft.v1(), draft.v2(), draft.clone().timestamped().v1()].map(|bundle| bundle.json())
}

#[tokio::test(flavor = "multi_thread")]
async fn s08_what_is_signed_in_the_future_does_not_run() {
    for author in Author::all() {
        for earlier in [1, DAY, YEARS] {
            let stage = Stage::new(&[author.signer()]);
            stage.clock.set(SIGNED_AT - earlier);
            for bundle in timed(&stage, &author) {
                let reason = "made in the future";
                refuses_for(&stage, &bundle, SignatureInvalid, reason).await;
            }
            stage.clock.set(SIGNED_AT);
            for bundle in timed(&stage, &author) {
                assert_eq!(stage.runs(&[bundle]).await, [author.name()]);
            }
        }
    }
}

/// A timestamp authority that is trusted, with a clock that is not.
#[tokio::test(flavor = "multi_thread")]
async fn s08_a_timestamp_from_the_future_does_not_count() {
    for author in Author::all() {
        let stage = Stage::new(&[author.signer()]);
        let draft = author.signing(stage.draft().at(FUTURE));
        for bundle in [draft.v2(), draft.v1()] {
            stage.refuses(&[bundle.json()], SignatureInvalid).await;
        }
    }
}

/// Certificates live for minutes; what they signed then holds for as long as
/// nobody limits its age.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_outlives_its_certificate() {
    for author in Author::all() {
        let stage = Stage::new(&[author.signer()]);
        stage.clock.set(SIGNED_AT + YEARS);
        for bundle in timed(&stage, &author) {
            assert_eq!(stage.runs(&[bundle]).await, [author.name()]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s08_a_signature_that_is_older_than_the_rule_allows_has_expired() {
    for author in [Author::Workflow, Author::Person] {
        let rule = at_most(90, &[author.name()]);
        let stage = Stage::with_rules(&[author.signer()], vec![rule]);
        let bundles = timed(&stage, &author);
        stage.clock.set(SIGNED_AT + 90 * DAY - 1);
        for bundle in &bundles {
            assert_eq!(
                stage.runs(std::slice::from_ref(bundle)).await,
                [author.name()]
            );
        }
        for age in [90 * DAY, YEARS] {
            stage.clock.set(SIGNED_AT + age);
            for bundle in &bundles {
                refuses_for(&stage, bundle, Expired, "older than the rule allows").await;
            }
        }
    }
}

async fn refuses_for(stage: &Stage, bundle: &str, kind: Kind, reason: &str) {
    let failed = stage.refuses(&[bundle.to_owned()], kind).await;
    assert!(reasons(&failed)[0].contains(reason), "{failed}");
}

/// A verdict ends with what it rests on, though no file changes.
#[tokio::test(flavor = "multi_thread")]
async fn s08_a_signature_that_grows_too_old_stops_a_loaded_skill() {
    let rule = at_most(90, &["workflow"]);
    let stage = Stage::with_rules(&[Author::Workflow.signer()], vec![rule]);
    let bundle = Author::Workflow.signing(stage.draft()).v1().json();
    stage.runs(&[bundle]).await;
    stage.clock.set(SIGNED_AT + 90 * DAY);
    stage.no_longer_runs(Expired).await;
}

/// An old signature of a key can be stamped anew, so a key is as old as the
/// operator says, and what it signed may be as old as that.
#[tokio::test(flavor = "multi_thread")]
async fn s08_a_stamp_makes_no_signature_of_a_key_younger() {
    let key = Key::generate();
    let rule = vec![at_most(90, &["owner"])];
    let stage = Stage::with_rules(&[valid(&key, Some(0), None)], rule);
    let bundles = stamped_early_and_late(&stage, &key);
    stage.clock.set(SIGNED_AT + 90 * DAY - 1);
    for bundle in &bundles {
        assert_eq!(stage.runs(std::slice::from_ref(bundle)).await, ["owner"]);
    }
    stage.clock.set(SIGNED_AT + 90 * DAY);
    for bundle in &bundles {
        refuses_for(&stage, bundle, Expired, "older than the rule allows").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s08_where_age_is_limited_a_key_without_beginning_does_not_count() {
    let key = Key::generate();
    let rule = vec![at_most(90, &["owner"])];
    let stage = Stage::with_rules(&[keyed("owner", &[&key])], rule);
    stage.clock.set(SIGNED_AT + 90 * DAY - 1);
    for bundle in &stamped_early_and_late(&stage, &key) {
        let reason = "give its key a `not-before`";
        refuses_for(&stage, bundle, SignatureInvalid, reason).await;
    }
}

fn stamped_early_and_late(stage: &Stage, key: &Key) -> [String; 5] {
    let early = stage.draft().key(key);
    let late = early.clone().at(SIGNED_AT + 80 * DAY);
    [
        early.unlogged(),
        early.v1(),
        early.v2(),
        late.v1(),
        late.v2(),
    ]
    .map(|it| it.json())
}

/// Somebody whose key counts between two times, in seconds after things are
/// signed.
fn valid(key: &Key, from: Option<i64>, to: Option<i64>) -> Signer {
    let after = |seconds| time(SIGNED_AT + seconds);
    let mut signer = keyed("owner", &[]);
    signer.keys.push(TrustedKey {
        key: public(key),
        not_before: from.map(after),
        not_after: to.map(after),
    });
    signer
}

/// A host that trusts a key for ten days from when things are signed.
fn with_window(key: &Key) -> Stage {
    Stage::new(&[valid(key, Some(0), Some(10 * DAY))])
}

#[tokio::test(flavor = "multi_thread")]
async fn s08_a_key_counts_for_what_it_signed_while_it_was_valid() {
    let key = Key::generate();
    for (made, valid) in [
        (-DAY, false),
        (-1, false),
        (0, true),
        (10 * DAY - 1, true),
        (10 * DAY, false),
        (20 * DAY, false),
    ] {
        let stage = with_window(&key);
        stage.clock.set(SIGNED_AT + YEARS);
        let draft = stage.draft().key(&key).at(SIGNED_AT + made);
        for bundle in [
            draft.v1(),
            draft.v2(),
            draft.clone().timestamped().unlogged(),
        ] {
            if valid {
                assert_eq!(stage.runs(&[bundle.json()]).await, ["owner"]);
            } else {
                let reason = "was not valid when it was made";
                refuses_for(&stage, &bundle.json(), Expired, reason).await;
            }
        }
    }
}

/// What cannot prove its time may be backdated by whoever found the key.
#[tokio::test(flavor = "multi_thread")]
async fn s08_without_proof_of_time_a_key_must_be_valid_now() {
    let key = Key::generate();
    for (now, valid) in [
        (-1, false),
        (0, true),
        (10 * DAY - 1, true),
        (10 * DAY, false),
    ] {
        let stage = with_window(&key);
        stage.clock.set(SIGNED_AT + now);
        let draft = stage.draft().key(&key);
        for bundle in [draft.unlogged(), draft.backed_by(Evidence::V1Proof)] {
            if valid {
                assert_eq!(stage.runs(&[bundle.json()]).await, ["owner"]);
            } else {
                refuses_for(&stage, &bundle.json(), Expired, "not valid now").await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s08_a_key_that_ends_stops_a_loaded_skill() {
    let key = Key::generate();
    let stage = with_window(&key);
    let bundle = stage.draft().key(&key).unlogged().json();
    stage.runs(&[bundle]).await;
    stage.clock.set(SIGNED_AT + 10 * DAY);
    stage.no_longer_runs(Expired).await;
}
