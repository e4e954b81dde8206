//! The one way from a path to machine code, for comparison.

use std::num::NonZeroU8;
use std::path::Path;

use skillhost::Result;
use skillhost::artifact::Artifact;
use skillhost::compile::{Compiled, Compiler};
use skillhost::event::Subject;
use skillhost::time::system;
use skillhost::verify::{Signer, Trust, TrustPolicy, Verifier};

pub async fn compile(path: &Path, compiler: &Compiler, signers: Vec<Signer>) -> Result<Compiled> {
    let policy = TrustPolicy::new(signers, NonZeroU8::MIN).unwrap();
    let verifier = Verifier::new(Trust::new(policy)?, system());
    let verified = verifier.verify(Artifact::open(path)?)?;
    Ok(compiler.compile(verified, &Subject::default()).await?)
}
