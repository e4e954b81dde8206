//! Something is wrong with what was signed.

use serde_json::{Value, json};

use super::{ANOTHER_ARTIFACT, decoded};
use crate::bundle::{Bundle, pointer};
use crate::draft::Draft;
use crate::encode::{base64, sha256};
use crate::evidence::Evidence;
use crate::key::Key;

/// A perfect bundle, for an artifact that it does not lie beside.
pub fn bundle_of_another_artifact(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    draft.over(ANOTHER_ARTIFACT).backed_by(evidence)
}

/// Signed with a key that neither the certificate nor the hint is about. The
/// log has recorded that signature.
pub fn signature_of_another_key(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let mut signed = draft.sign();
    signed.signature = Key::generate().sign(&signed.content.to_be_signed());
    draft.finish(&signed, evidence)
}

/// The signature is good; the digest that the bundle names is not.
pub fn digest_of_another_artifact(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let digest = base64(sha256(ANOTHER_ARTIFACT));
    draft.backed_by(evidence).with(pointer::DIGEST, digest)
}

/// The digest that the bundle names is good; the signature is over another.
pub fn signature_of_another_artifact(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let digest = base64(sha256(&draft.artifact));
    bundle_of_another_artifact(draft, evidence).with(pointer::DIGEST, digest)
}

/// The bytes of the statement are not those that were signed, though they mean
/// the same.
pub fn altered_payload(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let mut payload = decoded(bundle.get(pointer::PAYLOAD));
    payload.push(b' ');
    bundle.with(pointer::PAYLOAD, base64(payload))
}

/// The payload is called something else than was signed.
pub fn altered_payload_type(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let kind = "application/vnd.in-toto+json; charset=utf-8";
    draft.backed_by(evidence).with(pointer::PAYLOAD_TYPE, kind)
}

/// An envelope that nobody signed.
pub fn without_signatures(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    draft
        .backed_by(evidence)
        .with(pointer::SIGNATURES, json!([]))
}

/// The good signature and another one: which of them does the log vouch for?
pub fn two_signatures(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let other = draft.by_another().backed_by(Evidence::None);
    let both: Vec<Value> = [&bundle, &other]
        .into_iter()
        .flat_map(|one| one.get(pointer::SIGNATURES).as_array().cloned())
        .flatten()
        .collect();
    bundle.with(pointer::SIGNATURES, both)
}
