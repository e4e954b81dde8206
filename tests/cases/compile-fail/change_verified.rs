//! Other bytes under an honest proof.

use skillhost::artifact::Artifact;
use skillhost::verify::Verified;

pub fn swap(mut verified: Verified<Artifact>, other: Artifact) -> Verified<Artifact> {
    verified.inner = other;
    verified
}
