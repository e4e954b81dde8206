//! A proof that nothing was proved.

use skillhost::artifact::Artifact;
use skillhost::verify::{Verdict, Verified};

pub fn forge(inner: Artifact, verdict: Verdict) -> Verified<Artifact> {
    Verified { inner, verdict }
}
