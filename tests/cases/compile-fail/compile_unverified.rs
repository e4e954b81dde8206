//! Machine code of what nobody verified.

use skillhost::Result;
use skillhost::artifact::Artifact;
use skillhost::compile::{Compiled, Compiler};

pub fn compile(compiler: &Compiler, artifact: Artifact) -> Result<Compiled> {
    compiler.compile(artifact)
}
