//! What is on record of a decision, so that somebody can ask later why a skill
//! ran, or why not.

use serde_json::{Value, json};
use skillhost::Kind::{RolledBack, ThresholdUnmet};
use skillhost::artifact::Digest;
use skillhost_tests::Operator;
use skillhost_tests::operator::AUTHOR;

use super::{assert_refused, first, says_in, says_so, write_signed_by};

/// Without what differs between two runs.
fn lasting(record: &Value) -> Value {
    let mut record = record.clone();
    for field in ["time", "monotonic_ms", "run", "sequence", "invocation"] {
        record.as_object_mut().unwrap().remove(field);
    }
    record
}

fn digest() -> String {
    Digest::of(&says_so("one")).to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_to_load_has_all_its_grounds_on_record() {
    let operator = Operator::new();
    let [author, bob, eve] = ["author", "bob", "eve"].map(|name| operator.key(name));
    operator.trust(&[AUTHOR, "signers.bob.keys = [\"bob.pub\"]\nthreshold = 2\n"].concat());
    let bench = operator.bench();
    let signers = [("author", &author), ("bob", &bob), ("eve", &eve)];
    let path = write_signed_by(&bench, &says_so("one"), &signers);
    bench.host().load(&path).await.unwrap();
    let passed = bench.records().named("verify.passed");
    assert_eq!(
        passed.iter().map(lasting).collect::<Vec<_>>(),
        [json!({
            "event": "verify.passed", "severity": "info", "review": false,
            "skill": "says", "digest": digest(), "signers": ["author", "bob"], "trust_generation": 1,
            "allowed": true, "signatures_valid": 2, "signatures_total": 3,
            "errors": ["says.wasm.eve.sigstore.json: it is signed with a key that the policy does not name"],
            "policy": "*: 2 of author, bob", "mode": "permissive", "environment": "production",
        })]
    );
}

/// During a call, it is on record which call, which tool and which version.
#[tokio::test(flavor = "multi_thread")]
async fn a_decision_during_a_call_belongs_to_that_call() {
    let operator = Operator::new();
    let [author, bob] = ["author", "bob"].map(|name| operator.key(name));
    let bench = operator.bench();
    let path = write_signed_by(
        &bench,
        &says_so("one"),
        &[("author", &author), ("bob", &bob)],
    );
    bench.host().load(&path).await.unwrap();
    let two = [
        AUTHOR,
        "signers.carol.keys = [\"carol.pub\"]\nthreshold = 2\n",
    ]
    .concat();
    operator.key("carol");
    operator.trust(&two);
    let called = assert_refused(&bench, ThresholdUnmet, &["verify.failed"]).await;
    let reason = called.error().message();
    assert!(reason.starts_with("1 of the 2 required signers signed this component (author)."));
    assert_eq!(
        lasting(first(&called, "verify.failed")),
        json!({
            "event": "verify.failed", "severity": "high", "review": true,
            "kind": "ThresholdUnmet", "reason": reason, "principal": "local",
            "skill": "says", "version": "1.0.0", "tool": "run", "digest": digest(),
            "signers": ["author"], "trust_generation": 2,
            "allowed": false, "signatures_valid": 1, "signatures_total": 2,
            "errors": ["says.wasm.bob.sigstore.json: it is signed with a key that the policy does not name"],
            "policy": "*: 2 of author, carol", "mode": "permissive", "environment": "production",
        })
    );
    operator.trust(AUTHOR);
    let called = bench.invoke(super::run()).await;
    let passed = lasting(called.event("verify.passed"));
    for (field, expected) in [
        ("tool", json!("run")),
        ("version", json!("1.0.0")),
        ("principal", json!("local")),
        ("trust_generation", json!(3)),
        ("allowed", json!(true)),
        ("signers", json!(["author"])),
    ] {
        assert_eq!(passed[field], expected, "{field}");
    }
    let started = called.event("invocation.started");
    assert_eq!(passed["skill"], started["skill"]);
}

/// Which bytes were looked at is on record, also when they are passed over.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_passed_over_is_on_record_beside_what_serves() {
    let operator = Operator::new();
    let bench = operator.bench();
    let (old, new) = (says_in("1.0.0", "one"), says_in("2.0.0", "two"));
    bench.load("says", &new).await.unwrap();
    bench.replace("says", &old);
    let called = bench.invoke(super::run()).await;
    assert_eq!(called.text().trim_end(), "two");
    let decisions: Vec<(&str, &str, &str)> = called
        .events
        .iter()
        .filter(|record| record["event"].as_str().unwrap().starts_with("verify."))
        .map(|record| {
            let field = |name: &str| record[name].as_str().unwrap_or_default();
            (field("event"), field("digest"), field("kind"))
        })
        .collect();
    let [old, new] = [&old, &new].map(|bytes| Digest::of(bytes).to_string());
    let rolled_back = RolledBack.to_string();
    assert_eq!(
        decisions,
        [
            ("verify.passed", old.as_str(), ""),
            ("verify.failed", &old, &rolled_back),
            ("verify.passed", &new, ""),
        ]
    );
    let finished = called.event("invocation.finished");
    assert_eq!(finished["outcome"], "ok");
}
