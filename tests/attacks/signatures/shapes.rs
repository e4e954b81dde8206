//! S19: bundles that are large, many or deep, which must not cost much.

use std::fs;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use skillhost::Kind;
use skillhost::artifact::{Digest, MAX_BUNDLE, MAX_BUNDLES};
use skillhost::verify::{Expected, Identity, Root, check_bundle};
use skillhost_test_world::{World, pointer};
use skillhost_tests::stage::beside;

use super::*;

/// Far more than the slowest of these takes on a slow machine.
const LONG: Duration = Duration::from_secs(2);

#[expect(clippy::disallowed_methods, reason = "measures the host from outside")]
fn now() -> Instant {
    Instant::now()
}

/// The largest text of this kind that a bundle can be.
fn filled(make: impl Fn(usize) -> String) -> String {
    let limit = usize::try_from(MAX_BUNDLE).unwrap();
    let (small, large) = (make(1).len(), make(2).len());
    let text = make((limit - small) / (large - small));
    assert!(
        text.len() <= limit && text.len() > limit - 8192,
        "{}",
        text.len()
    );
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn s19_a_bundle_over_its_size_is_refused_before_it_is_parsed() {
    for author in Author::all() {
        let stage = Stage::new(&[author.signer()]);
        let good = author.signing(stage.draft()).v1().json();
        let limit = usize::try_from(MAX_BUNDLE).unwrap();
        let padded = |length: usize| format!("{good}{}", " ".repeat(length - good.len()));
        assert_eq!(stage.runs(&[padded(limit)]).await, [author.name()]);
        let path = stage.lay(&[padded(limit + 1)]);
        let refused = stage.bench.refused_file(&path).await;
        assert_eq!(refused.kind(), SignatureInvalid);
        assert!(refused.hint().is_some(), "{refused}");
        assert!(
            refused.message().contains("larger than 262144 bytes"),
            "{refused}"
        );
        fs::remove_file(beside(&path, 0)).unwrap();
    }
}

/// Even if all of them are good.
#[tokio::test(flavor = "multi_thread")]
async fn s19_a_seventeenth_bundle_is_refused() {
    let stage = Stage::new(&[Author::Workflow.signer()]);
    let bundle = || Author::Workflow.signing(stage.draft()).v1().json();
    let mut bundles: Vec<String> = (0..MAX_BUNDLES).map(|_| bundle()).collect();
    assert_eq!(stage.runs(&bundles).await, ["workflow"]);
    bundles.push(bundle());
    let path = stage.lay(&bundles);
    let refused = stage.bench.refused_file(&path).await;
    assert_eq!(refused.kind(), SignatureInvalid);
    assert!(refused.message().contains("more than 16"), "{refused}");
}

/// A good bundle with something else at a place, as text.
fn with(good: &Value, place: &str, text: &str) -> String {
    const HERE: &str = "it goes here";
    let mut bundle = good.clone();
    *bundle.pointer_mut(place).unwrap() = json!(HERE);
    bundle
        .to_string()
        .replacen(&json!(HERE).to_string(), text, 1)
}

fn nested(open: &str, close: &str, depth: usize) -> String {
    format!("{}{}", open.repeat(depth), close.repeat(depth))
}

#[tokio::test(flavor = "multi_thread")]
async fn s19_deep_json_is_refused_wherever_it_stands() {
    let stage = Stage::new(&[Author::Workflow.signer()]);
    let draft = Author::Workflow.signing(stage.draft()).timestamped();
    let draft = draft.statement(APPROVAL, &json!({}));
    let good = draft.v1();
    for depth in [200, 100_000] {
        let arrays = nested("[", "]", depth);
        stage
            .refuses(std::slice::from_ref(&arrays), SignatureInvalid)
            .await;
        let objects = format!("{}0{}", "{\"a\":".repeat(depth), "}".repeat(depth));
        for place in [
            "/mediaType",
            "/dsseEnvelope",
            pointer::PAYLOAD,
            pointer::SIGNATURES,
            pointer::CERTIFICATE,
            pointer::ENTRIES,
            pointer::BODY,
            pointer::PROOF_HASHES,
            pointer::TIMESTAMPS,
        ] {
            for deep in [&arrays, &objects] {
                let bundle = with(good.value(), place, deep);
                if bundle.len() as u64 <= MAX_BUNDLE {
                    stage.refuses(&[bundle], SignatureInvalid).await;
                }
            }
        }
    }
}

/// Deep JSON where it is encoded: in what is signed and in what a log records.
#[tokio::test(flavor = "multi_thread")]
async fn s19_deep_json_in_a_payload_or_an_entry_is_refused() {
    let key = Key::generate();
    let stage = Stage::new(&[keyed("owner", &[&key])]);
    let draft = stage.draft().key(&key);
    for depth in [200, 90_000] {
        let arrays = nested("[", "]", depth);
        for deep in [arrays.clone(), format!("{{\"predicate\": {arrays}}}")] {
            let bundle = draft.clone().payload(IN_TOTO, &deep).unlogged();
            stage.refuses(&[bundle.json()], SignatureInvalid).await;
            let body = STANDARD.encode(&deep);
            let bundle = draft.v1().with(pointer::BODY, body);
            stage.refuses(&[bundle.json()], SignatureInvalid).await;
        }
    }
}

/// As much of everything as fits: signatures, certificates, entries, hashes,
/// timestamps, subjects.
#[tokio::test(flavor = "multi_thread")]
async fn s19_many_of_everything_are_refused_in_little_time() {
    let stage = Stage::new(&[Author::Workflow.signer()]);
    let draft = Author::Workflow.signing(stage.draft()).timestamped();
    let (message, chain) = (draft.v1(), draft.clone().format(Format::V02).v1());
    let approval = draft.clone().statement(APPROVAL, &json!({})).v1();
    for (good, place) in [
        (&approval, pointer::SIGNATURES),
        (&message, pointer::ENTRIES),
        (&message, pointer::TIMESTAMPS),
        (&message, pointer::PROOF_HASHES),
        (&chain, pointer::CHAIN),
    ] {
        let own = good.get(place)[0].to_string();
        for element in ["0", "[]", "{}", "\"\"", &own] {
            let many = filled(|count| with(good.value(), place, &list(element, count)));
            let kept = place == pointer::CHAIN && element == own;
            quickly(
                &stage,
                many,
                if kept { None } else { Some(SignatureInvalid) },
            )
            .await;
        }
    }
}

/// Loads the skill with sixteen bundles like this one.
async fn quickly(stage: &Stage, bundle: String, kind: Option<Kind>) {
    let start = now();
    let path = stage.lay(&vec![bundle; MAX_BUNDLES]);
    let loaded = stage.bench.host().load(&path).await;
    let took = start.elapsed();
    assert_eq!(loaded.err().map(|error| error.kind()), kind);
    assert!(took < LONG, "{took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s19_many_subjects_are_refused_in_little_time() {
    let key = Key::generate();
    let stage = Stage::new(&[keyed("owner", &[&key])]);
    let draft = stage.draft().key(&key);
    for digest in ["{sha256}".to_owned(), "0".repeat(64)] {
        let subject = json!({"name": "", "digest": {"sha256": digest}}).to_string();
        let many = filled(|count| {
            let subjects = list(&subject, count);
            let payload = format!(
                "{{\"_type\": \"https://in-toto.io/Statement/v1\", \"subject\": {subjects}, \"predicateType\": \"{APPROVAL}\", \"predicate\": {{}}}}"
            );
            draft.clone().payload(IN_TOTO, &payload).unlogged().json()
        });
        quickly(&stage, many, Some(SignatureInvalid)).await;
    }
}

fn list(element: &str, count: usize) -> String {
    format!("[{}]", vec![element; count].join(","))
}

#[test]
fn s19_a_large_bundle_is_not_even_looked_at() {
    let root = Root::parse(&World::new().trusted_root(), "test").unwrap();
    let expected = Expected::Identity(Identity::exact(GITHUB, RELEASE).unwrap());
    let huge = "[".repeat(1 << 28);
    let start = now();
    let error = check_bundle(&huge, Digest::of(b""), expected, &root).unwrap_err();
    assert_eq!(error.kind(), SignatureInvalid);
    assert!(start.elapsed() < Duration::from_millis(50));
}
