//! Tampered bundles.

use std::collections::{BTreeMap, BTreeSet};

use sigstore_verify::{CertificateError, TimestampError, TransparencyLogError};
use skillhost_test_world::tamper::{self, Tamper, overlooked};

use super::*;

/// Why the verifier refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Refusal {
    Artifact,
    Chain,
    Checkpoint,
    Entry,
    Format,
    FutureTime,
    NoTime,
    PayloadType,
    Promise,
    Proof,
    Sct,
    Signature,
    Stamp,
    TooLittle,
}

use Refusal::*;

/// What each tampering is refused for, over all kinds of bundles.
const REFUSALS: &[(&str, &[Refusal])] = &[
    ("added_proof_hash", &[Proof]),
    ("altered_checkpoint_size", &[Checkpoint]),
    ("altered_entry", &[Promise, Proof]),
    ("altered_index", &[Promise, Proof]),
    ("altered_payload", &[Signature]),
    ("altered_payload_type", &[PayloadType]),
    ("altered_proof_hash", &[Proof]),
    ("altered_root", &[Proof]),
    ("altered_time", &[Promise]),
    ("bundle_of_another_artifact", &[Artifact]),
    ("certificate_of_another_world", &[Chain]),
    ("certificate_promised_by_another_world", &[Sct]),
    ("certificate_without_promise", &[Sct]),
    ("chain_of_another_world", &[Chain]),
    ("digest_of_another_artifact", &[Artifact]),
    ("dropped_proof_hash", &[Proof]),
    ("entry_of_another_artifact", &[Artifact, Entry]),
    ("entry_of_another_artifact_added", &[Artifact, Entry]),
    ("entry_of_another_signer", &[Entry]),
    ("entry_of_another_world", &[Checkpoint, Promise]),
    ("entry_without_evidence", &[TooLittle]),
    ("forged_certificate_promise", &[Sct]),
    ("forged_checkpoint", &[Checkpoint]),
    ("forged_promise", &[Promise]),
    ("forged_timestamp", &[Stamp]),
    ("recorded_after_expiry", &[Chain]),
    ("recorded_after_expiry_with_altered_time", &[Promise]),
    (
        "recorded_after_expiry_with_time_without_promise",
        &[NoTime, TooLittle],
    ),
    ("recorded_in_the_future", &[FutureTime]),
    ("signature_of_another_artifact", &[Signature]),
    ("signature_of_another_key", &[Signature]),
    ("time_without_promise", &[NoTime, TooLittle]),
    ("timestamp_of_another_signature", &[Stamp]),
    ("timestamp_of_another_world", &[Stamp]),
    ("two_signatures", &[Format]),
    ("without_entries", &[TooLittle]),
    ("without_signatures", &[Format]),
    ("without_timestamps", &[NoTime]),
];

fn refusal(error: &Error) -> Refusal {
    match error {
        Error::ArtifactMismatch(_) => Artifact,
        Error::SignatureInvalid(_) => Signature,
        Error::UnsupportedBundle(_) => PayloadType,
        Error::Types(_) => Format,
        Error::Bundle(_) => TooLittle,
        Error::Certificate(CertificateError::ChainInvalid(_)) => Chain,
        Error::Certificate(CertificateError::Sct(_)) => Sct,
        Error::Timestamp(TimestampError::Invalid(_)) => Stamp,
        Error::Timestamp(TimestampError::NoVerifiedTimestamp(_)) => NoTime,
        Error::TransparencyLog(TransparencyLogError::Checkpoint(_)) => Checkpoint,
        Error::TransparencyLog(TransparencyLogError::EntryMismatch(_)) => Entry,
        Error::TransparencyLog(TransparencyLogError::InclusionPromise(_)) => Promise,
        Error::TransparencyLog(TransparencyLogError::InclusionProof(_)) => Proof,
        Error::TransparencyLog(TransparencyLogError::IntegratedTime(_)) => FutureTime,
        error => panic!("{error}"),
    }
}

type Choice = fn(&Draft<'_>, Evidence) -> Vec<(&'static str, Tamper)>;

/// Tampers with every bundle that is accepted otherwise.
fn for_each_tampered(
    tamperings: Choice,
    mut judge: impl FnMut(&'static str, Result<VerificationResult, Error>),
) {
    let world = World::new();
    for signer in Signer::all() {
        for draft in drafts(&world, &signer) {
            for evidence in Evidence::ALL {
                let good = draft.backed_by(evidence);
                if fits(&draft, evidence) && signer.verify(&world, &good.json()).is_ok() {
                    for (name, tamper) in tamperings(&draft, evidence) {
                        let bundle = tamper(&draft, evidence);
                        judge(name, signer.verify(&world, &bundle.json()));
                    }
                }
            }
        }
    }
}

#[test]
fn tampered_bundles_are_refused_for_what_is_wrong_with_them() {
    let mut seen: BTreeMap<&str, BTreeSet<Refusal>> = BTreeMap::new();
    for_each_tampered(tamper::all, |name, verdict| {
        let error = verdict
            .err()
            .unwrap_or_else(|| panic!("{name} is accepted"));
        seen.entry(name).or_default().insert(refusal(&error));
    });
    let expected = REFUSALS.iter();
    let expected: BTreeMap<_, BTreeSet<_>> = expected
        .map(|(name, refusals)| (*name, refusals.iter().copied().collect()))
        .collect();
    assert_eq!(seen, expected);
}

/// The day this fails, the verifier has become stricter: what it refuses then
/// belongs among the others.
#[test]
fn the_verifier_overlooks_what_is_listed_as_overlooked() {
    let mut seen = BTreeSet::new();
    for_each_tampered(overlooked::all, |name, verdict| {
        verdict.unwrap_or_else(|error| panic!("{name} is refused: {error}"));
        seen.insert(name);
    });
    let expected = [
        "altered_proof_size",
        "checkpoint_of_another_log",
        "entry_of_unknown_log",
        "entry_without_evidence_added",
        "hint_of_another_key",
        "stamped_in_the_future",
        "two_contents",
        "two_verifiers",
    ];
    assert_eq!(seen, BTreeSet::from(expected));
}

/// The verifier wants a log or a timestamp even where it is told to do without
/// a log, so the bundles have a timestamp here.
#[test]
fn without_a_log_tampered_bundles_of_managed_keys_are_refused() {
    const NONE: Evidence = Evidence::None;
    let world = World::new();
    let key = Key::generate();
    let root = TrustedRoot::from_json(&world.trusted_root()).unwrap();
    let verifier = Verifier::new(&root).unwrap();
    let policy = PublicKeyVerificationPolicy::new(der(&key)).skip_tlog_unsafe();
    let verify = |json: String| {
        let bundle = Parsed::from_json(&json)?;
        verifier.verify(ARTIFACT, &bundle, &policy)
    };

    let draft = Signer::Managed(key).draft(&world).timestamped();
    let statement = draft.clone().statement(PROVENANCE, &json!({}));
    for draft in [draft, statement] {
        verify(draft.unlogged().json()).unwrap();
        let mut refused = 0;
        for (name, tamper) in tamper::all(&draft, NONE) {
            let error = verify(tamper(&draft, NONE).json()).unwrap_err();
            let expected = REFUSALS.iter().find(|(known, _)| *known == name).unwrap();
            assert!(expected.1.contains(&refusal(&error)), "{name}: {error}");
            refused += 1;
        }
        assert!(refused >= 7, "{refused}");
    }
}
