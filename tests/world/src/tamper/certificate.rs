//! Something is wrong with the certificate, or with the time of its use.

use serde_json::json;

use super::elsewhere;
use crate::bundle::{Bundle, Format, pointer};
use crate::draft::Draft;
use crate::encode::base64;
use crate::evidence::Evidence;
use crate::leaf::CertificateLog;
use crate::world::World;

/// A day: certificates live ten minutes.
const LATER: i64 = 86_400;

/// No log entry at all.
pub fn without_entries(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    draft.backed_by(evidence).with(pointer::ENTRIES, json!([]))
}

/// The right identity, certified by an authority that nobody trusts. All logs
/// have recorded it.
pub fn certificate_of_another_world(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    elsewhere(
        draft,
        |world| world.authority = World::new().authority,
        |draft| draft.backed_by(evidence),
    )
}

/// The same, in a chain that brings the untrusted root along.
pub fn chain_of_another_world(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let other = World::new().authority;
    let root = json!({"rawBytes": base64(other.certificate())});
    let draft = match draft.format {
        Format::V01 | Format::V02 => draft.clone(),
        Format::V03 => draft.clone().format(Format::V02),
    };
    let bundle = elsewhere(
        &draft,
        |world| world.authority = other,
        |draft| draft.backed_by(evidence),
    );
    let chain = json!([bundle.get(pointer::CHAIN_LEAF), root]);
    bundle.with(pointer::CHAIN, chain)
}

/// No certificate log has seen the certificate.
pub fn certificate_without_promise(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    elsewhere(
        draft,
        |world| world.certificate_log = None,
        |draft| draft.backed_by(evidence),
    )
}

/// A certificate log that nobody trusts has seen the certificate.
pub fn certificate_promised_by_another_world(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let other = Some(CertificateLog::new());
    elsewhere(
        draft,
        |world| world.certificate_log = other,
        |draft| draft.backed_by(evidence),
    )
}

/// Somebody who calls himself the certificate log has seen the certificate.
pub fn forged_certificate_promise(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let impostor = |world: &mut World| {
        world.certificate_log = world.certificate_log.as_ref().map(CertificateLog::impostor);
    };
    elsewhere(draft, impostor, |draft| draft.backed_by(evidence))
}

/// An entry that nobody vouches for.
pub fn entry_without_evidence(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence).without(pointer::PROMISE);
    if evidence.has_proof() {
        return bundle.without(pointer::PROOF);
    }
    bundle
}

/// The time is right, but only the promise, which is gone, vouched for it.
pub fn time_without_promise(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    draft.backed_by(evidence).without(pointer::PROMISE)
}

/// The key of an expired certificate was found and used, which log and timestamp
/// authority recorded honestly.
pub fn recorded_after_expiry(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    draft
        .clone()
        .recorded_at(draft.at + LATER)
        .backed_by(evidence)
}

/// The same, with the time changed to when the certificate was valid.
pub fn recorded_after_expiry_with_altered_time(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let time = draft.at.to_string();
    recorded_after_expiry(draft, evidence).with(pointer::RECORDED_AT, time)
}

/// The same, without the promise that the changed time contradicts.
pub fn recorded_after_expiry_with_time_without_promise(
    draft: &Draft<'_>,
    evidence: Evidence,
) -> Bundle {
    recorded_after_expiry_with_altered_time(draft, evidence).without(pointer::PROMISE)
}
