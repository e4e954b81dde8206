//! Somebody whose signature counts.

use std::fmt;

use jiff::Timestamp;

use super::identity::Identity;
use super::key::PublicKey;

/// The operator's name for somebody who signs: one person may hold several
/// keys and identities, and still counts once.
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

/// A key, and when signatures made with it count.
///
/// # Defaults
///
/// Always.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustedKey {
    /// The key.
    pub key: PublicKey,
    /// The first moment at which a signature counts.
    pub not_before: Option<Timestamp>,
    /// The first moment at which a signature no longer counts.
    pub not_after: Option<Timestamp>,
}

impl From<PublicKey> for TrustedKey {
    fn from(key: PublicKey) -> Self {
        Self {
            key,
            not_before: None,
            not_after: None,
        }
    }
}

/// Somebody whose signature counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// Counts once, however many keys and identities it has.
    pub name: SignerName,
    /// Any of them will do.
    pub keys: Vec<TrustedKey>,
    /// Any of them will do.
    pub identities: Vec<Identity>,
}

impl Signer {
    /// A signer with keys that are always valid, and no identities.
    #[must_use]
    pub fn with_keys(name: &str, keys: impl IntoIterator<Item = PublicKey>) -> Self {
        Self {
            name: SignerName::new(name),
            keys: keys.into_iter().map(TrustedKey::from).collect(),
            identities: Vec::new(),
        }
    }

    /// A signer with identities, and no keys.
    #[must_use]
    pub fn with_identities(name: &str, identities: impl IntoIterator<Item = Identity>) -> Self {
        Self {
            name: SignerName::new(name),
            keys: Vec::new(),
            identities: identities.into_iter().collect(),
        }
    }
}
