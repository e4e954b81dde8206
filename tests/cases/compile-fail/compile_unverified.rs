//! Machine code of what nobody verified.

use skillhost::artifact::Artifact;
use skillhost::compile::{Compiled, Compiler, Failure};
use skillhost::event::Subject;

pub async fn compile(compiler: &Compiler, artifact: Artifact) -> Result<Compiled, Failure> {
    compiler.compile(artifact, &Subject::default()).await
}
