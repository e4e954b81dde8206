//! Other bytes in an artifact that was read and hashed.

use skillhost::artifact::Artifact;

pub fn swap(mut artifact: Artifact) -> Artifact {
    artifact.bytes = Vec::new().into();
    artifact
}
