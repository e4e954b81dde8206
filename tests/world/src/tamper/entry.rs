//! Something is wrong with a log entry, or with the promise to record it.

use serde_json::json;

use super::{FUTURE, bundle_of_another_artifact, decoded, here_and_elsewhere, number};
use crate::bundle::{Bundle, pointer};
use crate::draft::Draft;
use crate::encode::base64;
use crate::evidence::Evidence;
use crate::world::World;

/// The same signer's entry about another signature.
pub fn entry_of_another_artifact(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let other = bundle_of_another_artifact(draft, evidence);
    draft
        .backed_by(evidence)
        .with_that_of(&other, pointer::ENTRY)
}

/// Somebody else's entry about the same artifact.
pub fn entry_of_another_signer(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let other = draft.by_another().backed_by(evidence);
    draft
        .backed_by(evidence)
        .with_that_of(&other, pointer::ENTRY)
}

/// The entry is about this signature, in a log that nobody trusts.
pub fn entry_of_another_world(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let (bundle, other) = here_and_elsewhere(draft, evidence, |world| *world = World::new());
    bundle.with_that_of(&other, pointer::ENTRY)
}

/// The bytes of the entry are not those that were recorded, though they mean
/// the same.
pub fn altered_entry(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let mut body = decoded(bundle.get(pointer::BODY));
    body.push(b' ');
    bundle.with(pointer::BODY, base64(body))
}

/// A second entry, genuine, about another signature. Evidence that is present
/// must not be ignored.
pub fn entry_of_another_artifact_added(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let other = bundle_of_another_artifact(draft, evidence);
    let both = json!([bundle.get(pointer::ENTRY), other.get(pointer::ENTRY)]);
    bundle.with(pointer::ENTRIES, both)
}

/// The promise is signed by somebody who calls himself the log.
pub fn forged_promise(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let (bundle, other) = here_and_elsewhere(draft, evidence, |world| {
        world.rekor_v1 = world.rekor_v1.impostor();
    });
    bundle.with_that_of(&other, pointer::PROMISE)
}

/// The entry is said to be the next one in the log.
pub fn altered_index(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let index = number(bundle.get(pointer::INDEX)) + 1;
    bundle.with(pointer::INDEX, index.to_string())
}

/// Said to be recorded a second before it was.
pub fn altered_time(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let time = number(bundle.get(pointer::RECORDED_AT)) - 1;
    bundle.with(pointer::RECORDED_AT, time.to_string())
}

/// The log promises, with its own key, that it will have recorded it.
pub fn recorded_in_the_future(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    draft
        .clone()
        .at(FUTURE)
        .recorded_at(FUTURE)
        .backed_by(evidence)
}
