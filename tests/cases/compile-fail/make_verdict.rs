//! A verdict that nobody spoke.

use skillhost::artifact::Digest;
use skillhost::verify::{Decision, Verdict};

pub fn forge(digest: Digest, decision: Decision) -> Verdict {
    Verdict { digest, signers: Vec::new(), decision, until: None, unsigned: false }
}
