//! S11: statements with good signatures that do not say that the skill may run.

use skillhost_test_world::pointer;

use super::*;

/// An approval, to be changed.
fn approval(change: impl FnOnce(&mut Value)) -> String {
    let mut statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [ours()],
        "predicateType": APPROVAL,
        "predicate": {},
    });
    change(&mut statement);
    statement.to_string()
}

/// The skill as a subject; the digest is filled in when it is signed.
fn ours() -> Value {
    json!({"name": "honest.wasm", "digest": {"sha256": "{sha256}"}})
}

/// A payload in every kind of bundle of an author.
fn signed(stage: &Stage, author: &Author, payload_type: &str, payload: &str) -> Vec<String> {
    let draft = author.signing(stage.draft()).payload(payload_type, payload);
    let mut bundles = vec![draft.v1(), draft.v2(), draft.backed_by(Evidence::V1Intoto)];
    if !author.is_keyless() {
        bundles.push(draft.unlogged());
    }
    bundles.iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_a_statement_of_another_type_does_not_approve() {
    for author in Author::all() {
        let stage = Stage::new(&[author.signer()]);
        for predicate_type in [
            SLSA_V1,
            "https://slsa.dev/provenance/v0.2",
            "https://slsa.dev/verification_summary/v1",
            "https://spdx.dev/Document",
            "https://cyclonedx.org/bom",
            "https://cosign.sigstore.dev/attestation/vuln/v1",
            "https://cosign.sigstore.dev/attestation/v1",
            "https://sigstore.dev/cosign/sign/v2",
            "https://sigstore.dev/cosign/sign/v1/",
            "https://sigstore.dev/cosign/SIGN/v1",
            " https://sigstore.dev/cosign/sign/v1",
            "http://sigstore.dev/cosign/sign/v1",
            "",
        ] {
            let payload = approval(|it| it["predicateType"] = predicate_type.into());
            for bundle in signed(&stage, &author, IN_TOTO, &payload) {
                let failed = stage.refuses(&[bundle], SignatureInvalid).await;
                let said = "it is an attestation, not an approval";
                assert!(reasons(&failed)[0].ends_with(said), "{failed}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_a_statement_is_about_this_skill_and_nothing_else() {
    let other = json!({"name": "honest.wasm", "digest": {"sha256": "0".repeat(64)}});
    let sha512 = json!({"name": "honest.wasm", "digest": {"sha512": "{sha256}{sha256}"}});
    let name = json!({"name": "{sha256}", "digest": {}});
    for author in Author::all() {
        let stage = Stage::new(&[author.signer()]);
        for (subject, kind) in [
            (json!([ours(), other]), SignatureInvalid),
            (json!([other, ours()]), SignatureInvalid),
            (json!([ours(), ours()]), SignatureInvalid),
            (json!([other]), DigestMismatch),
            (json!([sha512]), DigestMismatch),
            (json!([name]), SignatureInvalid),
            (json!([]), SignatureInvalid),
            (json!(ours()), SignatureInvalid),
            (json!(null), SignatureInvalid),
        ] {
            let payload = approval(|it| it["subject"] = subject.clone());
            for bundle in signed(&stage, &author, IN_TOTO, &payload) {
                stage.refuses(&[bundle], kind).await;
            }
        }
        for bundle in signed(&stage, &author, IN_TOTO, &approval(|_| {})) {
            assert_eq!(stage.runs(&[bundle]).await, [author.name()]);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_what_is_no_in_toto_statement_does_not_approve() {
    let good = approval(|_| {});
    let typed = |name: &str| approval(|it| it["_type"] = name.into());
    let twice = good.replacen('{', &format!("{{\"predicateType\":\"{SLSA_V1}\","), 1);
    let array = approval(|it| *it = json!([it]));
    let both = approval(|it| it["predicateType"] = json!([APPROVAL, SLSA_V1]));
    let none = approval(|it| it["predicateType"] = json!(null));
    for author in Author::all() {
        let stage = Stage::new(&[author.signer()]);
        for (payload_type, payload) in [
            ("", &good),
            ("application/json", &good),
            ("application/vnd.in-toto", &good),
            ("application/vnd.in-toto+json; charset=utf-8", &good),
            (IN_TOTO, &typed("https://in-toto.io/Statement/v2")),
            (IN_TOTO, &typed("https://in-toto.io/Statement/v0.2")),
            (IN_TOTO, &typed("")),
            (IN_TOTO, &array),
            (IN_TOTO, &both),
            (IN_TOTO, &none),
            (IN_TOTO, &twice),
            (IN_TOTO, &format!("{good}{good}")),
            (IN_TOTO, &String::new()),
        ] {
            for bundle in signed(&stage, &author, payload_type, payload) {
                stage.refuses(&[bundle], SignatureInvalid).await;
            }
        }
        let old = typed("https://in-toto.io/Statement/v0.1");
        for bundle in signed(&stage, &author, IN_TOTO, &old) {
            assert_eq!(stage.runs(&[bundle]).await, [author.name()]);
        }
    }
}

/// Which of them does a log vouch for, and which is checked?
#[tokio::test(flavor = "multi_thread")]
async fn s11_an_envelope_has_exactly_one_signature() {
    let (key, other) = (Key::generate(), Key::generate());
    let stage = Stage::new(&[keyed("owner", &[&key]), keyed("other", &[&other])]);
    let sign = |key: &Key| stage.draft().key(key).payload(IN_TOTO, &approval(|_| {}));
    let signature = |key: &Key| sign(key).unlogged().get(pointer::SIGNATURES)[0].clone();
    for bundle in [sign(&key).unlogged(), sign(&key).v1(), sign(&key).v2()] {
        let own = bundle.get(pointer::SIGNATURES)[0].clone();
        for signatures in [
            json!([]),
            json!([own, signature(&other)]),
            json!([signature(&other), own]),
            json!([own, own]),
            json!([own, {"sig": ""}]),
            json!([own, null]),
            json!(null),
        ] {
            let bundle = bundle.clone().with(pointer::SIGNATURES, signatures);
            stage.refuses(&[bundle.json()], SignatureInvalid).await;
        }
        assert_eq!(stage.runs(&[bundle.json()]).await, ["owner"]);
    }
}
