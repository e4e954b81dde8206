//! A verdict that nobody spoke.

use skillhost::artifact::Digest;
use skillhost::verify::Verdict;

pub fn forge(digest: Digest) -> Verdict {
    Verdict { digest, signers: Vec::new() }
}
