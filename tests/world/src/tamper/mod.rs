//! Bundles that must be refused. Each function makes a bundle that would be
//! accepted but for one thing, which its name says; everything else about it is
//! genuine, in the world of the draft. [`all`] gives those that fit a draft.

mod content;
mod entry;
mod proof;
mod timestamp;
mod certificate;
pub mod overlooked;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

pub use self::certificate::*;
pub use self::content::*;
pub use self::entry::*;
pub use self::proof::*;
pub use self::timestamp::*;
use crate::bundle::Bundle;
use crate::draft::Draft;
use crate::evidence::Evidence;
use crate::world::World;

/// Makes a bundle that must be refused. The evidence says what it carries
/// beside the one thing that is wrong.
pub type Tamper = fn(&Draft<'_>, Evidence) -> Bundle;

/// Tamperings by the names of their functions.
pub type Tampers = &'static [(&'static str, Tamper)];

macro_rules! tampers {
    ($($name:ident),+ $(,)?) => { &[$((stringify!($name), $name)),+] };
}
use tampers;

/// All tamperings that fit a draft and the evidence that it is to carry, but for
/// those that are [`overlooked`].
pub fn all(draft: &Draft<'_>, evidence: Evidence) -> Vec<(&'static str, Tamper)> {
    let keyless = draft.is_keyless();
    let stamped = draft.has_timestamp(evidence);
    let timed_by_promise = evidence.has_promise() && !stamped;
    let timed_by_stamp = stamped && evidence.has_entry() && !evidence.has_promise();
    fitting([
        (true, ANY),
        (!draft.is_envelope(), MESSAGE),
        (draft.is_envelope(), ENVELOPE),
        (evidence.has_entry(), LOGGED),
        (evidence.has_promise(), PROMISED),
        (evidence.has_proof(), PROVEN),
        (evidence == Evidence::V2, REKOR_V2),
        (stamped, TIMESTAMPED),
        (keyless && evidence.has_entry(), KEYLESS),
        (keyless && timed_by_promise, KEYLESS_TIMED_BY_PROMISE),
        (keyless && timed_by_stamp, KEYLESS_TIMED_BY_STAMP),
    ])
}

/// Fit every bundle.
pub const ANY: Tampers = tampers![bundle_of_another_artifact, signature_of_another_key];

/// Fit signatures over an artifact.
pub const MESSAGE: Tampers = tampers![digest_of_another_artifact, signature_of_another_artifact];

/// Fit signatures over a payload in an envelope.
pub const ENVELOPE: Tampers = tampers![
    altered_payload,
    altered_payload_type,
    without_signatures,
    two_signatures,
];

/// Fit bundles with a log entry.
pub const LOGGED: Tampers = tampers![
    entry_of_another_artifact,
    entry_of_another_signer,
    entry_of_another_world,
    altered_entry,
    entry_of_another_artifact_added,
];

/// Fit log entries with a promise.
pub const PROMISED: Tampers = tampers![
    forged_promise,
    altered_index,
    altered_time,
    recorded_in_the_future,
];

/// Fit log entries with a proof.
pub const PROVEN: Tampers = tampers![
    altered_root,
    altered_proof_hash,
    dropped_proof_hash,
    added_proof_hash,
    altered_checkpoint_size,
    forged_checkpoint,
];

/// Fit entries of Rekor v2.
pub const REKOR_V2: Tampers = tampers![altered_index];

/// Fit bundles with an RFC 3161 timestamp.
pub const TIMESTAMPED: Tampers = tampers![
    timestamp_of_another_world,
    timestamp_of_another_signature,
    forged_timestamp,
];

/// Fit keyless signatures with a log entry.
pub const KEYLESS: Tampers = tampers![
    without_entries,
    certificate_of_another_world,
    chain_of_another_world,
    certificate_without_promise,
    certificate_promised_by_another_world,
    forged_certificate_promise,
    recorded_after_expiry,
];

/// Fit keyless signatures whose time only the promise of a log vouches for.
pub const KEYLESS_TIMED_BY_PROMISE: Tampers = tampers![
    entry_without_evidence,
    time_without_promise,
    recorded_after_expiry_with_altered_time,
    recorded_after_expiry_with_time_without_promise,
];

/// Fit keyless signatures whose time only an RFC 3161 timestamp vouches for.
pub const KEYLESS_TIMED_BY_STAMP: Tampers = tampers![without_timestamps];

const ANOTHER_ARTIFACT: &[u8] = b"another artifact";

/// 2040-01-01. Certificates of a world are valid then.
const FUTURE: i64 = 2_208_988_800;

fn fitting<const N: usize>(groups: [(bool, Tampers); N]) -> Vec<(&'static str, Tamper)> {
    let groups = groups.into_iter().filter(|(fits, _)| *fits);
    groups.flat_map(|(_, tampers)| tampers).copied().collect()
}

/// One signature, with the evidence of its world and with that of a world in
/// which something is different.
fn here_and_elsewhere(
    draft: &Draft<'_>,
    evidence: Evidence,
    change: impl FnOnce(&mut World),
) -> (Bundle, Bundle) {
    let signed = draft.sign();
    let elsewhere = elsewhere(draft, change, |draft| draft.finish(&signed, evidence));
    (draft.finish(&signed, evidence), elsewhere)
}

/// What `make` makes of the draft in a world in which something is different.
fn elsewhere(
    draft: &Draft<'_>,
    change: impl FnOnce(&mut World),
    make: impl FnOnce(&Draft<'_>) -> Bundle,
) -> Bundle {
    let mut world = draft.world.clone();
    change(&mut world);
    make(&draft.within(&world))
}

fn text(value: &Value) -> &str {
    value.as_str().expect("it is text")
}

fn number(value: &Value) -> i64 {
    text(value).parse().expect("it is a number")
}

fn decoded(value: &Value) -> Vec<u8> {
    STANDARD.decode(text(value)).expect("it is base64")
}
