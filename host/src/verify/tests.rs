use std::num::NonZeroU8;
use std::path::{Path, PathBuf};

use super::*;
use crate::sign::PrivateKey;

const COMPONENT: &[u8] = b"\0asm\x0d\0\x01\0";

/// A component in a folder of its own, and keys by name.
struct Bench {
    folder: tempfile::TempDir,
    keys: Vec<(&'static str, PrivateKey)>,
}

impl Bench {
    fn new(names: &[&'static str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("s.wasm"), COMPONENT).unwrap();
        let keys = names
            .iter()
            .map(|name| (*name, PrivateKey::generate().unwrap()))
            .collect();
        Self { folder, keys }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("s.wasm")
    }

    fn sign(&self, name: &str) -> PathBuf {
        let (_, key) = self.keys.iter().find(|(known, _)| *known == name).unwrap();
        key.sign_file(&self.path(), Some(name)).unwrap()
    }

    fn policy(&self, trusted: &[&str], threshold: u8) -> Result<TrustPolicy, PolicyError> {
        let signers = self
            .keys
            .iter()
            .filter(|(name, _)| trusted.contains(name))
            .map(|(name, key)| signer(name, &[key]))
            .collect();
        TrustPolicy::new(signers, NonZeroU8::new(threshold).unwrap())
    }

    fn verify(&self, trusted: &[&str], threshold: u8) -> Result<Vec<String>, Kind> {
        let artifact = Artifact::open(&self.path()).map_err(|error| error.kind())?;
        verifier(self.policy(trusted, threshold).unwrap())
            .verify(artifact)
            .map(|verified| {
                verified
                    .verdict()
                    .signers()
                    .iter()
                    .map(ToString::to_string)
                    .collect()
            })
            .map_err(|error| error.kind())
    }
}

fn signer(name: &str, keys: &[&PrivateKey]) -> Signer {
    Signer::with_keys(name, keys.iter().map(|key| key.public().clone()))
}

fn verifier(policy: TrustPolicy) -> Verifier {
    Verifier::new(Trust::new(policy).unwrap(), crate::time::system())
}

fn rewrite(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut json = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    change(&mut json);
    std::fs::write(path, json.to_string()).unwrap();
}

#[test]
fn a_signature_of_a_trusted_key_is_accepted() {
    let bench = Bench::new(&["alice"]);
    bench.sign("alice");
    assert_eq!(bench.verify(&["alice"], 1), Ok(vec!["alice".to_owned()]));
}

#[test]
fn s01_without_a_bundle_nothing_is_accepted() {
    let bench = Bench::new(&["alice"]);
    assert_eq!(bench.verify(&["alice"], 1), Err(Kind::SignatureMissing));
}

#[test]
fn s03_a_bundle_of_other_bytes_is_refused() {
    let bench = Bench::new(&["alice"]);
    bench.sign("alice");
    std::fs::write(bench.path(), [COMPONENT, &[0, 2, 1, b'x']].concat()).unwrap();
    assert_eq!(bench.verify(&["alice"], 1), Err(Kind::DigestMismatch));
}

#[test]
fn a_forged_digest_does_not_help() {
    let bench = Bench::new(&["alice"]);
    let bundle = bench.sign("alice");
    let other = [COMPONENT, &[0, 2, 1, b'x']].concat();
    std::fs::write(bench.path(), &other).unwrap();
    rewrite(&bundle, |json| {
        let digest = sigstore_crypto::sha256(&other).to_base64();
        json["messageSignature"]["messageDigest"]["digest"] = digest.into();
    });
    assert_eq!(bench.verify(&["alice"], 1), Err(Kind::SignatureInvalid));
}

#[test]
fn a_key_that_the_policy_does_not_name_is_refused() {
    let bench = Bench::new(&["alice", "mallory"]);
    bench.sign("mallory");
    assert_eq!(bench.verify(&["alice"], 1), Err(Kind::IdentityMismatch));
}

#[test]
fn a_hint_that_points_at_a_trusted_key_does_not_help() {
    let bench = Bench::new(&["alice", "mallory"]);
    let bundle = bench.sign("mallory");
    let hint = bench.keys[0].1.public().hint();
    rewrite(&bundle, |json| {
        json["verificationMaterial"]["publicKey"]["hint"] = hint.into()
    });
    assert_eq!(bench.verify(&["alice"], 1), Err(Kind::SignatureInvalid));
}

#[test]
fn a_bundle_without_hint_is_tried_with_each_key() {
    let bench = Bench::new(&["alice", "bob"]);
    let bundle = bench.sign("bob");
    rewrite(&bundle, |json| {
        json["verificationMaterial"]["publicKey"]["hint"] = "".into()
    });
    assert_eq!(
        bench.verify(&["alice", "bob"], 1),
        Ok(vec!["bob".to_owned()])
    );
}

#[test]
fn s14_one_signer_counts_once() {
    let bench = Bench::new(&["alice", "bob"]);
    let bundle = bench.sign("alice");
    std::fs::copy(
        &bundle,
        bench.folder.path().join("s.wasm.again.sigstore.json"),
    )
    .unwrap();
    assert_eq!(
        bench.verify(&["alice", "bob"], 2),
        Err(Kind::ThresholdUnmet)
    );
    bench.sign("bob");
    assert_eq!(
        bench.verify(&["alice", "bob"], 2),
        Ok(vec!["alice".to_owned(), "bob".to_owned()])
    );
}

#[test]
fn s16_an_invalid_second_signature_does_not_help() {
    let bench = Bench::new(&["alice", "bob"]);
    bench.sign("alice");
    let bundle = bench.sign("bob");
    rewrite(&bundle, |json| {
        json["messageSignature"]["signature"] = "AAAA".into()
    });
    assert_eq!(
        bench.verify(&["alice", "bob"], 2),
        Err(Kind::ThresholdUnmet)
    );
    assert_eq!(
        bench.verify(&["alice", "bob"], 1),
        Ok(vec!["alice".to_owned()])
    );
}

#[test]
fn s07_s15_policies_that_accept_anyone_cannot_be_made() {
    let bench = Bench::new(&["alice", "bob"]);
    let [(_, alice), (_, bob)] = bench.keys.as_slice() else {
        unreachable!()
    };
    let two = NonZeroU8::new(2).unwrap();
    let refused = |signers, threshold| TrustPolicy::new(signers, threshold).unwrap_err();
    assert_eq!(refused(vec![], NonZeroU8::MIN), PolicyError::NoSigners);
    assert_eq!(
        refused(vec![signer("a", &[])], NonZeroU8::MIN),
        PolicyError::NoKeys(SignerName::new("a"))
    );
    assert_eq!(
        refused(vec![signer("a", &[alice])], two),
        PolicyError::Threshold {
            threshold: 2,
            signers: 1
        }
    );
    assert_eq!(
        refused(vec![signer("a", &[alice]), signer("a", &[bob])], two),
        PolicyError::DuplicateName(SignerName::new("a"))
    );
    assert_eq!(
        refused(vec![signer("a", &[alice]), signer("b", &[bob, alice])], two),
        PolicyError::SharedKey(SignerName::new("a"), SignerName::new("b"))
    );
}

#[test]
fn s19_bundles_that_are_too_many_or_too_large_are_refused_before_parsing() {
    let bench = Bench::new(&["alice"]);
    let bundle = bench.sign("alice");
    for index in 0..crate::artifact::MAX_BUNDLES {
        std::fs::copy(
            &bundle,
            bench
                .folder
                .path()
                .join(format!("s.wasm.{index}.sigstore.json")),
        )
        .unwrap();
    }
    assert_eq!(bench.verify(&["alice"], 1), Err(Kind::SignatureInvalid));

    let bench = Bench::new(&["alice"]);
    let bundle = bench.sign("alice");
    std::fs::write(bundle, vec![b' '; 300 * 1024]).unwrap();
    assert_eq!(bench.verify(&["alice"], 1), Err(Kind::SignatureInvalid));
}

#[test]
fn s20_mangled_bundles_get_an_answer() {
    let bench = Bench::new(&["alice"]);
    let bundle = bench.sign("alice");
    let good = std::fs::read(&bundle).unwrap();
    for index in 0..good.len() {
        let mut mutant = good.clone();
        mutant[index] ^= 0x15;
        std::fs::write(&bundle, &mutant).unwrap();
        let kind = bench.verify(&["alice"], 1);
        let harmless = mutant != good && kind.is_ok();
        assert!(
            !harmless || only_unauthenticated(&good, index),
            "byte {index} of the bundle"
        );
    }
}

/// Names of JSON fields that a lenient reader may skip are no part of what is
/// signed; everything that decides is checked above.
fn only_unauthenticated(good: &[u8], index: usize) -> bool {
    let text = std::str::from_utf8(good).unwrap();
    ["messageDigest", "algorithm", "digest", "hint", "mediaType"]
        .iter()
        .any(|field| {
            text.match_indices(field)
                .any(|(at, _)| (at..at + field.len()).contains(&index))
        })
}

#[test]
fn a_dsse_envelope_counts_only_as_an_approval() {
    for (predicate, expected) in [
        (
            "https://sigstore.dev/cosign/sign/v1",
            Ok(vec!["alice".to_owned()]),
        ),
        (
            "https://slsa.dev/provenance/v1",
            Err(Kind::SignatureInvalid),
        ),
    ] {
        let bench = Bench::new(&["alice"]);
        let digest = sigstore_crypto::sha256(COMPONENT).to_hex();
        attest(&bench, predicate, &digest);
        assert_eq!(bench.verify(&["alice"], 1), expected, "{predicate}");
        attest(&bench, predicate, &"0".repeat(64));
        assert!(bench.verify(&["alice"], 1).is_err());
    }
}

/// Writes a DSSE bundle of Alice's with a correct signature.
fn attest(bench: &Bench, predicate: &str, digest: &str) {
    let path = bench.folder.path().join("s.wasm.sigstore.json");
    let (_, alice) = &bench.keys[0];
    let statement = serde_json::json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "s.wasm", "digest": {"sha256": digest}}],
        "predicateType": predicate,
        "predicate": {},
    })
    .to_string();
    let payload_type = "application/vnd.in-toto+json";
    let pae = sigstore_types::pae(payload_type, statement.as_bytes());
    let signature = alice.sign_bytes_for_tests(&pae);
    use base64::Engine;
    let base64 = |bytes: &[u8]| base64::engine::general_purpose::STANDARD.encode(bytes);
    let bundle = serde_json::json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": alice.public().hint()}},
        "dsseEnvelope": {
            "payload": base64(statement.as_bytes()),
            "payloadType": payload_type,
            "signatures": [{"sig": base64(&signature)}],
        },
    });
    std::fs::write(path, bundle.to_string()).unwrap();
}

/// Evidence that is present is never ignored, though it is not required.
#[test]
fn a_timestamp_that_does_not_hold_spoils_a_good_signature() {
    let bench = Bench::new(&["alice"]);
    let path = bench.sign("alice");
    let signed = || {
        let json = std::fs::read_to_string(&path).unwrap();
        let digest = Digest::of(COMPONENT);
        let policy = bench.policy(&["alice"], 1).unwrap();
        bundle::signature(&json, digest, &policy, &Root::public_good().unwrap())
            .map(|signature| signature.by)
    };
    assert_eq!(signed(), Ok(SignerName::new("alice")));
    rewrite(&path, |json| {
        json["verificationMaterial"]["timestampVerificationData"] =
            serde_json::json!({"rfc3161Timestamps": [{"signedTimestamp": "MAA="}]});
    });
    assert!(matches!(signed(), Err(refusal::Refusal::Timestamp(_))));
}
