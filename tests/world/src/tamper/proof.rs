//! Something is wrong with the proof that a log includes an entry.

use serde_json::{Value, json};

use super::{here_and_elsewhere, text};
use crate::bundle::{Bundle, pointer};
use crate::draft::Draft;
use crate::encode::{base64, sha256};
use crate::evidence::Evidence;

/// Proof and checkpoint name the root of another tree.
pub fn altered_root(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let root = base64(sha256(b"the root of another tree"));
    let good = text(bundle.get(pointer::PROOF_ROOT)).to_owned();
    let checkpoint = text(bundle.get(pointer::CHECKPOINT)).replace(&good, &root);
    bundle
        .with(pointer::PROOF_ROOT, root)
        .with(pointer::CHECKPOINT, checkpoint)
}

/// One hash on the way to the root is another.
pub fn altered_proof_hash(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    with_hashes(draft, evidence, |hashes| {
        hashes.pop();
        hashes.push(json!(base64(sha256(b"another branch"))));
    })
}

/// One hash on the way to the root is missing.
pub fn dropped_proof_hash(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    with_hashes(draft, evidence, |hashes| {
        hashes.pop();
    })
}

/// One hash more than there are on the way to the root.
pub fn added_proof_hash(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    with_hashes(draft, evidence, |hashes| {
        hashes.push(json!(base64(sha256(b"another branch"))));
    })
}

/// Proof and checkpoint name another size of the tree than the log has signed,
/// one in which the way to the root is the same.
pub fn altered_checkpoint_size(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let checkpoint = text(bundle.get(pointer::CHECKPOINT)).replacen("\n7\n", "\n8\n", 1);
    bundle
        .with(pointer::PROOF_SIZE, "8")
        .with(pointer::CHECKPOINT, checkpoint)
}

/// The checkpoint is signed by somebody who calls himself the log.
pub fn forged_checkpoint(draft: &Draft<'_>, evidence: Evidence) -> Bundle {
    let (bundle, other) = here_and_elsewhere(draft, evidence, |world| {
        world.rekor_v1 = world.rekor_v1.impostor();
        world.rekor_v2 = world.rekor_v2.impostor();
    });
    bundle.with_that_of(&other, pointer::CHECKPOINT)
}

fn with_hashes(
    draft: &Draft<'_>,
    evidence: Evidence,
    change: impl FnOnce(&mut Vec<Value>),
) -> Bundle {
    let bundle = draft.backed_by(evidence);
    let hashes = bundle.get(pointer::PROOF_HASHES).as_array().cloned();
    let mut hashes = hashes.expect("a proof has hashes");
    change(&mut hashes);
    bundle.with(pointer::PROOF_HASHES, hashes)
}
