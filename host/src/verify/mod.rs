//! Whether an artifact may run: [`Artifact`] → [`Verified<Artifact>`].
//!
//! Signatures are Sigstore bundles (protobuf-specs, v0.1 to v0.3), of managed
//! keys and of identities that an OIDC issuer vouches for, checked offline
//! against what a [`Trust`] says. This module alone can make a [`Verified`],
//! and [`compile`](crate::compile) takes nothing else; the cases in
//! `tests/cases/compile-fail` show that there is no way round.

mod bundle;
#[cfg(not(feature = "hardened"))]
pub(crate) mod danger;
mod deny;
mod identity;
mod judge;
mod key;
mod level;
mod policy;
mod provenance;
mod refusal;
mod root;
mod rule;
mod shape;
mod signer;
mod single;
mod tally;

use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;

use crate::artifact::{Artifact, Digest};
use crate::error::{Error, Kind, Result};
use crate::time::Clock;

pub(crate) use self::bundle::APPROVAL;
pub use self::deny::{Denial, Denied, DenyList, DenyListError, MAX_DENY_LIST, PAYLOAD_TYPE};
pub use self::identity::{Identity, IdentityError};
pub use self::key::{KeyError, PublicKey};
pub use self::level::TrustLevel;
pub use self::policy::{PolicyError, TrustPolicy};
pub use self::provenance::{Provenance, SLSA_V1};
pub use self::root::{MAX_ROOT, Root, RootError};
pub use self::rule::{Preset, Rule, SkillPattern};
pub use self::signer::{Signer, SignerName, TrustedKey};
pub use self::single::{Expected, Proof, check_bundle};

/// Proof that a [`Verifier`] accepted what is inside.
#[derive(Debug, Clone)]
pub struct Verified<T> {
    inner: T,
    verdict: Verdict,
}

impl<T> Verified<T> {
    /// What was verified.
    #[must_use]
    pub const fn inner(&self) -> &T {
        &self.inner
    }

    /// What was found.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }
}

/// What a verification found, and how long that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    digest: Digest,
    signers: Vec<SignerName>,
    decision: Decision,
    until: Option<Timestamp>,
    unsigned: bool,
}

impl Verdict {
    /// Of the component.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Names of the policy's signers whose signatures count, sorted, each once.
    #[must_use]
    pub fn signers(&self) -> &[SignerName] {
        &self.signers
    }

    /// How it was decided.
    #[must_use]
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }

    /// From when on it no longer stands: a signature is too old then, or a key
    /// is no longer valid, or the deny list has expired.
    #[must_use]
    pub const fn until(&self) -> Option<Timestamp> {
        self.until
    }

    /// Whether nobody signed, and a development override let it pass.
    #[must_use]
    pub const fn is_unsigned(&self) -> bool {
        self.unsigned
    }

    /// Whether it was reached under that generation of trust and has not
    /// expired.
    #[must_use]
    pub fn stands(&self, generation: u64, now: Timestamp) -> bool {
        self.decision.trust_generation == generation && self.until.is_none_or(|end| now < end)
    }
}

/// How it was decided whether an artifact may run: what an audit asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Decision {
    /// Whether it may.
    pub allowed: bool,
    /// Signatures that count, by distinct signers.
    pub signatures_valid: usize,
    /// Bundles that were looked at.
    pub signatures_total: usize,
    /// Why each of the others does not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<String>,
    /// The rule that was applied.
    pub policy: String,
    /// The preset.
    pub mode: &'static str,
    /// Which state of policy, root, deny list and lock file it was.
    #[serde(skip)]
    pub trust_generation: u64,
    /// Whether a development override is in force.
    pub environment: Environment,
}

/// Where a host runs. Nothing set means production.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// What is unsigned does not run.
    #[default]
    Production,
    /// What is unsigned may run, with an event each time.
    Development,
}

/// An artifact that may not run, and how that was decided.
#[derive(Debug)]
pub struct Rejected {
    error: Error,
    signers: Vec<SignerName>,
    decision: Decision,
}

impl Rejected {
    /// Which check failed.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.error.kind()
    }

    /// In words.
    #[must_use]
    pub const fn error(&self) -> &Error {
        &self.error
    }

    /// The signers whose signatures do count.
    #[must_use]
    pub fn signers(&self) -> &[SignerName] {
        &self.signers
    }

    /// How it was decided.
    #[must_use]
    pub const fn decision(&self) -> &Decision {
        &self.decision
    }
}

impl From<Box<Rejected>> for Error {
    fn from(rejected: Box<Rejected>) -> Self {
        rejected.error
    }
}

/// What an artifact is judged by, at one moment. Never changes: when a file
/// does, there is another one of a higher generation.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Whose signatures are needed.
    pub policy: TrustPolicy,
    /// Which authorities and logs are believed.
    pub root: Root,
    /// What must no longer run.
    pub deny: Option<DenyList>,
    /// Counts the changes.
    pub generation: u64,
}

impl Trust {
    /// That policy with Sigstore's public-good root and no deny list.
    ///
    /// # Errors
    ///
    /// `TrustRootInvalid` if the embedded root cannot be used.
    pub fn new(policy: TrustPolicy) -> Result<Self> {
        let root = Root::public_good().map_err(|cause| {
            Error::new(
                Kind::TrustRootInvalid,
                format!("The embedded trusted root cannot be used: {cause}."),
            )
        })?;
        Ok(Self {
            policy,
            root,
            deny: None,
            generation: 0,
        })
    }
}

/// Checks artifacts. Needs no network.
#[derive(Debug, Clone)]
pub struct Verifier {
    trust: Arc<Trust>,
    clock: Arc<dyn Clock>,
    #[cfg(not(feature = "hardened"))]
    unsigned: Option<danger::Unsigned>,
}

impl Verifier {
    /// A verifier by that trust and clock.
    #[must_use]
    pub fn new(trust: impl Into<Arc<Trust>>, clock: Arc<dyn Clock>) -> Self {
        Self {
            trust: trust.into(),
            clock,
            #[cfg(not(feature = "hardened"))]
            unsigned: None,
        }
    }

    /// What it judges by.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Accepts the artifact if the deny list does not name it, enough distinct
    /// signers signed exactly these bytes, and everything else that the rule
    /// for its name asks for is there.
    ///
    /// An invalid signature never helps; it hurts only if too few are left.
    ///
    /// # Errors
    ///
    /// `SignatureMissing` without bundles, `DigestMismatch` for bundles of
    /// other bytes, `IdentityMismatch` for signers that the policy does not
    /// name, `SignatureInvalid` for signatures that do not hold, `Expired` for
    /// those that are too old or of a key that is no longer valid, `Revoked`
    /// for what the deny list names, and `ThresholdUnmet` when some signers are
    /// valid and more are required.
    pub fn verify(&self, artifact: Artifact) -> Result<Verified<Artifact>, Box<Rejected>> {
        let verdict = judge::judge(&self.trust, &artifact, self.clock.wall());
        #[cfg(not(feature = "hardened"))]
        let verdict = {
            let until = self.trust.deny.as_ref().map(|deny| deny.expires);
            danger::let_pass(self.unsigned.as_ref(), verdict, &artifact, until)
        };
        Ok(Verified {
            verdict: verdict?,
            inner: artifact,
        })
    }
}

#[cfg(test)]
mod tests;
