//! Something is wrong with an RFC 3161 timestamp.

use serde_json::json;

use super::here_and_elsewhere;
use crate::bundle::{Bundle, pointer};
use crate::draft::Draft;
use crate::evidence::Evidence;
use crate::world::World;

/// Stamped by an authority that nobody trusts.
pub fn timestamp_of_another_world(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let (bundle, other) = here_and_elsewhere(draft, evidence, |world| *world = World::new());
    bundle.with_that_of(&other, pointer::TIMESTAMPS)
}

/// Stamped at the right time, for another signature by the same signer.
pub fn timestamp_of_another_signature(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let other = draft.backed_by(evidence);
    draft
        .backed_by(evidence)
        .with_that_of(&other, pointer::TIMESTAMPS)
}

/// Stamped by somebody who shows the certificate of the authority.
pub fn forged_timestamp(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let (bundle, other) = here_and_elsewhere(draft, evidence, |world| {
        world.timestamps = world.timestamps.impostor();
    });
    bundle.with_that_of(&other, pointer::TIMESTAMPS)
}

/// Nothing vouches for the time any more.
pub fn without_timestamps(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    draft
        .backed_by(evidence)
        .with(pointer::TIMESTAMPS, json!([]))
}
