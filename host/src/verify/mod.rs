//! Whether an artifact may run: [`Artifact`] → [`Verified<Artifact>`].
//!
//! Signatures are Sigstore bundles (protobuf-specs v0.3), checked offline
//! against the keys that a [`TrustPolicy`] names. This module alone can make a
//! [`Verified`], and [`compile`](crate::compile) takes nothing else; the cases
//! in `tests/cases/compile-fail` show that there is no way round.

mod bundle;
mod key;
mod policy;

use crate::artifact::{Artifact, Digest};
use crate::error::{Error, Kind, Result};

pub use self::key::{KeyError, PublicKey};
pub use self::policy::{PolicyError, Signer, SignerName, TrustPolicy};

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

/// What a verification found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    digest: Digest,
    signers: Vec<SignerName>,
}

impl Verdict {
    /// Of the component.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Names of the policy's signers with a valid signature, sorted, each once.
    #[must_use]
    pub fn signers(&self) -> &[SignerName] {
        &self.signers
    }
}

/// Checks artifacts against a trust policy. Needs no network.
#[derive(Debug)]
pub struct Verifier {
    policy: TrustPolicy,
}

impl Verifier {
    /// A verifier for that policy.
    #[must_use]
    pub const fn new(policy: TrustPolicy) -> Self {
        Self { policy }
    }

    /// Accepts the artifact if enough distinct signers of the policy signed
    /// exactly these bytes.
    ///
    /// An invalid signature never helps; it hurts only if too few are left.
    ///
    /// # Errors
    ///
    /// `SignatureMissing` without bundles, `DigestMismatch` for bundles of
    /// other bytes, `IdentityMismatch` for keys that the policy does not name,
    /// `SignatureInvalid` for signatures that do not hold, and `ThresholdUnmet`
    /// when some signers are valid and more are required.
    pub fn verify(&self, artifact: Artifact) -> Result<Verified<Artifact>> {
        let digest = artifact.digest();
        if artifact.bundles().is_empty() {
            return Err(self.missing());
        }
        let mut signers = Vec::new();
        let mut refusals = Vec::new();
        for bundle in artifact.bundles() {
            match bundle::signer(&bundle.json, digest, &self.policy) {
                Ok(name) => signers.push(name),
                Err(refusal) => refusals.push((bundle.name.clone(), refusal)),
            }
        }
        signers.sort_unstable();
        signers.dedup();
        if signers.len() < usize::from(self.policy.threshold().get()) {
            return Err(self.refused(&signers, &refusals));
        }
        let verdict = Verdict { digest, signers };
        Ok(Verified {
            inner: artifact,
            verdict,
        })
    }

    fn missing(&self) -> Error {
        Error::new(
            Kind::SignatureMissing,
            "The component is not signed: there is no signature bundle beside it.",
        )
        .with_hint(format!(
            "Have it signed by {} (`skillhost sign FILE --key KEY`), and keep NAME.wasm.sigstore.json beside NAME.wasm.",
            self.policy.describe()
        ))
    }

    fn refused(&self, signers: &[SignerName], refusals: &[(String, bundle::Refusal)]) -> Error {
        let reasons: Vec<String> = refusals
            .iter()
            .map(|(name, refusal)| format!("{name}: {refusal}"))
            .collect();
        let reasons = reasons.join("; ");
        let weightiest = refusals
            .iter()
            .map(|(_, refusal)| refusal.kind())
            .max_by_key(|kind| weight(*kind));
        let (kind, message) = match weightiest {
            Some(kind) if signers.is_empty() => {
                (kind, format!("No trusted signature holds. {reasons}."))
            }
            _ => (
                Kind::ThresholdUnmet,
                format!(
                    "{} of the {} required signers signed this component.{}{reasons}",
                    signers.len(),
                    self.policy.threshold(),
                    if reasons.is_empty() { "" } else { " " },
                ),
            ),
        };
        Error::new(kind, message)
            .with_hint(format!("It must be signed by {}.", self.policy.describe()))
    }
}

/// Which refusal tells most when no signature holds.
const fn weight(kind: Kind) -> u8 {
    match kind {
        Kind::DigestMismatch => 3,
        Kind::SignatureInvalid => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests;
