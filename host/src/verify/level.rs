//! How far a skill is trusted, for ceilings on what it may use.

use std::fmt;

use serde::Deserialize;

use super::Verdict;
use super::rule::Preset;

/// How far a skill is trusted: by how many sign it, whatever the policy asks for.
/// Only `paranoid` is the policy's: what passes that preset has met all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TrustLevel {
    /// Nobody signed; a development override lets it run.
    Unsigned,
    /// One signer.
    Permissive,
    /// Two distinct signers.
    Enterprise,
    /// All that the preset `paranoid` asks for, under a policy of that preset.
    Paranoid,
}

impl Verdict {
    /// How far the skill is trusted.
    #[must_use]
    pub fn level(&self) -> TrustLevel {
        if self.unsigned {
            TrustLevel::Unsigned
        } else if self.decision.mode == Preset::Paranoid.as_str() {
            TrustLevel::Paranoid
        } else if self.signers.len() > 1 {
            TrustLevel::Enterprise
        } else {
            TrustLevel::Permissive
        }
    }
}

impl fmt::Display for TrustLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsigned => "unsigned",
            Self::Permissive => "permissive",
            Self::Enterprise => "enterprise",
            Self::Paranoid => "paranoid",
        })
    }
}
