//! S08: signatures at the wrong time, by the host's clock.

use jiff::SignedDuration;
use skillhost::verify::TrustedKey;
use skillhost_tests::bench::invocation;
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
                let failed = stage.refuses(&[bundle], SignatureInvalid).await;
                assert!(
                    reasons(&failed)[0].contains("made in the future"),
                    "{failed}"
                );
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
    for author in Author::all() {
        let rule = at_most(90, &[author.name()]);
        let stage = Stage::with_rules(&[author.signer()], vec![rule]);
        let bundles = timed(&stage, &author);
        stage.clock.set(SIGNED_AT + 90 * DAY - 1);
        for bundle in &bundles {
            assert_eq!(stage.runs(&[bundle.clone()]).await, [author.name()]);
        }
        for age in [90 * DAY, YEARS] {
            stage.clock.set(SIGNED_AT + age);
            for bundle in &bundles {
                let failed = stage.refuses(&[bundle.clone()], Expired).await;
                assert!(
                    reasons(&failed)[0].contains("older than the rule allows"),
                    "{failed}"
                );
            }
        }
    }
}

/// A verdict ends with what it rests on, though no file changes.
#[tokio::test(flavor = "multi_thread")]
async fn s08_a_signature_that_grows_too_old_stops_a_loaded_skill() {
    let rule = at_most(90, &["workflow"]);
    let stage = Stage::with_rules(&[Author::Workflow.signer()], vec![rule]);
    let bundle = Author::Workflow.signing(stage.draft()).v1().json();
    stage.runs(&[bundle]).await;
    stage.clock.set(SIGNED_AT + 90 * DAY);
    let before = stage.bench.host().compilations();
    let called = stage
        .bench
        .invoke(invocation("honest", "run", json!({})))
        .await;
    called.expect(Expired, &["verify.failed"]);
    assert_eq!(called.event("verify.failed")["allowed"], false);
    assert_eq!(stage.bench.host().compilations(), before);
    stage.bench.assert_serving().await;
}

/// Age is limited, so a signature must prove its own.
#[tokio::test(flavor = "multi_thread")]
async fn s08_where_age_is_limited_a_signature_without_time_does_not_count() {
    let author = Author::Owner(Key::generate());
    let rule = at_most(90, &["owner"]);
    let stage = Stage::with_rules(&[author.signer()], vec![rule]);
    let draft = author.signing(stage.draft());
    for bundle in [draft.unlogged(), draft.backed_by(Evidence::V1Proof)] {
        let failed = stage.refuses(&[bundle.json()], SignatureInvalid).await;
        assert!(
            reasons(&failed)[0].contains("nothing proves when it was made"),
            "{failed}"
        );
    }
}

/// A host that trusts a key for ten days from when things are signed.
fn with_window(key: &Key) -> Stage {
    let trusted = TrustedKey {
        not_before: Some(time(SIGNED_AT)),
        not_after: Some(time(SIGNED_AT + 10 * DAY)),
        ..public(key).into()
    };
    let mut signer = keyed("owner", &[]);
    signer.keys.push(trusted);
    Stage::new(&[signer])
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
                let failed = stage.refuses(&[bundle.json()], Expired).await;
                assert!(
                    reasons(&failed)[0].contains("was not valid when it was made"),
                    "{failed}"
                );
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
                let failed = stage.refuses(&[bundle.json()], Expired).await;
                assert!(reasons(&failed)[0].contains("not valid now"), "{failed}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s08_a_key_that_ends_stops_a_loaded_skill() {
    let key = Key::generate();
    let stage = with_window(&key);
    stage
        .runs(&[stage.draft().key(&key).unlogged().json()])
        .await;
    stage.clock.set(SIGNED_AT + 10 * DAY);
    let called = stage
        .bench
        .invoke(invocation("honest", "run", json!({})))
        .await;
    called.expect(Expired, &["verify.failed"]);
    stage.bench.assert_serving().await;
}
