//! Who may say that a skill runs.

use std::fmt;
use std::num::NonZeroU8;

use super::key::PublicKey;

/// The operator's name for somebody who signs: one person may hold several
/// keys, and still counts once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SignerName(Box<str>);

impl SignerName {
    /// A name as the operator wrote it.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self(name.into())
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SignerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Somebody whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Counts once, however many keys it has.
    pub name: SignerName,
    /// Any of them will do.
    pub keys: Vec<PublicKey>,
}

/// Whose signatures are needed before a skill runs. There is always at least
/// one: a policy that accepts anyone cannot be written.
#[derive(Debug, Clone)]
pub struct TrustPolicy {
    signers: Vec<Signer>,
    threshold: NonZeroU8,
}

/// Why a trust policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It would accept nobody, or everybody.
    #[error("no signer is named; add at least one with a public key")]
    NoSigners,
    /// A signer without keys can never sign.
    #[error("the signer `{0}` has no key")]
    NoKeys(SignerName),
    /// The same name twice would count one signer twice.
    #[error("the signer `{0}` is named twice")]
    DuplicateName(SignerName),
    /// The same key under two names would let one person count twice.
    #[error("`{0}` and `{1}` have the same key, so one person would count twice")]
    SharedKey(SignerName, SignerName),
    /// More signers are required than there are.
    #[error("the threshold is {threshold}, but only {signers} signers are named")]
    Threshold {
        /// Required.
        threshold: u8,
        /// Named.
        signers: usize,
    },
}

impl TrustPolicy {
    /// A policy under which `threshold` distinct signers must have signed.
    pub fn new(signers: Vec<Signer>, threshold: NonZeroU8) -> Result<Self, PolicyError> {
        if signers.is_empty() {
            return Err(PolicyError::NoSigners);
        }
        for (index, signer) in signers.iter().enumerate() {
            if signer.keys.is_empty() {
                return Err(PolicyError::NoKeys(signer.name.clone()));
            }
            for earlier in signers.iter().take(index) {
                distinct(earlier, signer)?;
            }
        }
        if usize::from(threshold.get()) > signers.len() {
            return Err(PolicyError::Threshold {
                threshold: threshold.get(),
                signers: signers.len(),
            });
        }
        Ok(Self { signers, threshold })
    }

    /// A policy that asks for the one signer.
    pub fn one(signer: Signer) -> Result<Self, PolicyError> {
        Self::new(vec![signer], NonZeroU8::MIN)
    }

    /// How many distinct signers are needed.
    #[must_use]
    pub const fn threshold(&self) -> NonZeroU8 {
        self.threshold
    }

    /// Whose signatures count.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// For hints: `alice`, or `2 of alice, bob, carol`.
    pub(crate) fn describe(&self) -> String {
        let names: Vec<&str> = self
            .signers
            .iter()
            .map(|signer| signer.name.as_str())
            .collect();
        match names.as_slice() {
            [only] => format!("`{only}`"),
            names => format!("{} of {}", self.threshold, names.join(", ")),
        }
    }
}

fn distinct(one: &Signer, other: &Signer) -> Result<(), PolicyError> {
    if one.name == other.name {
        return Err(PolicyError::DuplicateName(one.name.clone()));
    }
    if one.keys.iter().any(|key| other.keys.contains(key)) {
        return Err(PolicyError::SharedKey(one.name.clone(), other.name.clone()));
    }
    Ok(())
}
