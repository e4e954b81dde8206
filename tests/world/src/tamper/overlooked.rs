//! Bundles that are not as they should be, and that `sigstore-verify` 0.15.1
//! accepts: what a host must look at itself, if it matters there.

use serde_json::{Map, Value, json};

use super::{FUTURE, Tamper, Tampers, fitting, here_and_elsewhere, tampers};
use crate::bundle::{Bundle, pointer};
use crate::draft::Draft;
use crate::encode::{base64, sha256};
use crate::evidence::Evidence;
use crate::key::Key;

/// All of this module that fit a draft and the evidence that it is to carry.
pub fn all(draft: &Draft<'_>, evidence: Evidence) -> Vec<(&'static str, Tamper)> {
    let v1_proof = evidence.has_proof() && evidence != Evidence::V2;
    let timed_by_stamp = draft.has_timestamp(evidence) && !evidence.has_promise();
    fitting([
        (true, ANY),
        (!draft.is_keyless(), MANAGED),
        (evidence.has_proof(), PROVEN),
        (evidence.has_proof() && !evidence.has_promise(), PROVEN_ONLY),
        (v1_proof, PROVEN_BY_V1),
        (timed_by_stamp, TIMED_BY_STAMP),
    ])
}

/// Fit every bundle.
pub const ANY: Tampers = tampers![two_contents, two_verifiers];

/// Fit signatures of a managed key.
pub const MANAGED: Tampers = tampers![hint_of_another_key];

/// Fit log entries with a proof.
pub const PROVEN: Tampers = tampers![entry_without_evidence_added, checkpoint_of_another_log];

/// Fit log entries with a proof and no promise.
pub const PROVEN_ONLY: Tampers = tampers![entry_of_unknown_log];

/// Fit entries of Rekor v1 with a proof.
pub const PROVEN_BY_V1: Tampers = tampers![altered_proof_size];

/// Fit signatures whose time only an RFC 3161 timestamp vouches for.
pub const TIMED_BY_STAMP: Tampers = tampers![stamped_in_the_future];

/// An envelope after a signature, or the other way round. The format allows one
/// of them; parsers differ in which they take.
pub fn two_contents(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let (name, other) = if draft.is_envelope() {
        ("messageSignature", json!({"signature": ""}))
    } else {
        let envelope = json!({"payload": "", "payloadType": "", "signatures": []});
        ("dsseEnvelope", envelope)
    };
    let mut bundle = draft.backed_by(evidence);
    members(bundle.value_mut(), "").insert(name.to_owned(), other);
    bundle
}

/// A key after a certificate, or the other way round. The format allows one of
/// them; parsers differ in which they take.
pub fn two_verifiers(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let (name, other) = if draft.is_keyless() {
        ("publicKey", json!({"hint": Key::generate().hint()}))
    } else {
        ("certificate", json!({"rawBytes": ""}))
    };
    let mut bundle = draft.backed_by(evidence);
    members(bundle.value_mut(), "/verificationMaterial").insert(name.to_owned(), other);
    bundle
}

/// The hint names a key that did not sign. A verifier that is given the one key
/// that it trusts has no use for hints; one that chooses by them has.
pub fn hint_of_another_key(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let hint = Key::generate().hint();
    draft.backed_by(evidence).with(pointer::HINT, hint)
}

/// The good entry, and once more without promise and proof.
pub fn entry_without_evidence_added(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let mut bare = bundle.get(pointer::ENTRY).clone();
    members(&mut bare, "").retain(|name, _| !name.starts_with("inclusion"));
    let both = json!([bundle.get(pointer::ENTRY), bare]);
    bundle.with(pointer::ENTRIES, both)
}

/// The entry says that it is in one log; another log, which is trusted too, has
/// signed the checkpoint.
pub fn checkpoint_of_another_log(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let (bundle, other) = here_and_elsewhere(draft, evidence, |world| {
        std::mem::swap(&mut world.rekor_v1, &mut world.rekor_v2);
    });
    bundle.with_that_of(&other, pointer::CHECKPOINT)
}

/// The entry says that it is in a log of which nobody has heard.
pub fn entry_of_unknown_log(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let id = base64(sha256(b"a log of which nobody has heard"));
    draft.backed_by(evidence).with(pointer::LOG_ID, id)
}

/// The proof names another size of the tree than the checkpoint, one in which
/// the way to the root is the same.
pub fn altered_proof_size(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    draft.backed_by(evidence).with(pointer::PROOF_SIZE, "8")
}

/// The timestamp authority has signed, with its own key, a time to come.
pub fn stamped_in_the_future(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let draft = draft.clone().at(FUTURE).recorded_at(FUTURE);
    draft.backed_by(evidence)
}

fn members<'a>(value: &'a mut Value, pointer: &str) -> &'a mut Map<String, Value> {
    let place = value.pointer_mut(pointer).and_then(Value::as_object_mut);
    place.expect("there is an object")
}
