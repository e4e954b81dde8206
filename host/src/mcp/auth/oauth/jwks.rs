//! The issuer's keys (RFC 7517).

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::token::Token;

/// The most keys of an issuer that are looked at.
const MAX_KEYS: usize = 64;

/// One public key.
pub(super) struct IssuerKey {
    pub(super) id: Option<String>,
    /// The one algorithm that it is for, if it says so.
    only: Option<String>,
    kind: Kind,
    pub(super) verifying: DecodingKey,
}

/// What algorithms a key can be used with: one of another kind is never tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
    P384,
    Ed25519,
}

/// All keys of the issuer.
#[derive(Debug, Clone, Default)]
pub(super) struct KeySet(Vec<Arc<IssuerKey>>);

/// What there is for a token.
#[derive(Debug)]
pub(super) enum Found {
    Keys(Vec<Arc<IssuerKey>>),
    None,
    /// Nobody knows: the issuer's keys were never read.
    NotToBeHad,
}

#[derive(Deserialize)]
struct Document {
    keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set. Keys of other kinds, for other uses, and those that cannot be
    /// read are passed over; keys of HMAC are of another kind.
    ///
    /// # Errors
    ///
    /// In words, if there is no key left.
    pub(super) fn parse(text: &[u8]) -> Result<Self, String> {
        let document: Document =
            serde_json::from_slice(text).map_err(|cause| format!("it is no JWK set: {cause}"))?;
        if document.keys.len() > MAX_KEYS {
            return Err(format!("it has more than {MAX_KEYS} keys"));
        }
        let keys = document.keys.into_iter();
        let keys: Vec<_> = keys.filter_map(IssuerKey::read).map(Arc::new).collect();
        if keys.is_empty() {
            return Err("it holds no public key that tokens are signed with".to_owned());
        }
        Ok(Self(keys))
    }

    /// The keys that a token may be signed with; without an id, only if there is no
    /// choice.
    pub(super) fn fitting(&self, token: &Token<'_>) -> Vec<Arc<IssuerKey>> {
        let fitting = self.0.iter().filter(|key| token.names(key));
        let fitting: Vec<_> = fitting.map(Arc::clone).collect();
        if token.names_one() || fitting.len() == 1 {
            fitting
        } else {
            Vec::new()
        }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl IssuerKey {
    fn read(value: Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        let common = &jwk.common;
        let signs = common
            .public_key_use
            .as_ref()
            .is_none_or(|it| *it == PublicKeyUse::Signature);
        let verifies = common
            .key_operations
            .as_ref()
            .is_none_or(|it| it.contains(&KeyOperations::Verify));
        if !signs || !verifies {
            return None;
        }
        Some(Self {
            id: common.key_id.clone(),
            only: common.key_algorithm.map(|it| it.to_string()),
            kind: Kind::of(&jwk)?,
            verifying: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }

    pub(super) fn signs_with(&self, algorithm: Algorithm) -> bool {
        let fits = match algorithm {
            Algorithm::ES256 => self.kind == Kind::P256,
            Algorithm::ES384 => self.kind == Kind::P384,
            Algorithm::EdDSA => self.kind == Kind::Ed25519,
            other => other.family() == AlgorithmFamily::Rsa && self.kind == Kind::Rsa,
        };
        let name = format!("{algorithm:?}");
        fits && self.only.as_ref().is_none_or(|only| *only == name)
    }
}

impl Kind {
    fn of(jwk: &Jwk) -> Option<Self> {
        match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => Some(Self::Rsa),
            AlgorithmParameters::EllipticCurve(key) => match key.curve {
                EllipticCurve::P256 => Some(Self::P256),
                EllipticCurve::P384 => Some(Self::P384),
                _ => None,
            },
            AlgorithmParameters::OctetKeyPair(key) => {
                (key.curve == EllipticCurve::Ed25519).then_some(Self::Ed25519)
            }
            _ => None,
        }
    }
}

impl std::fmt::Debug for IssuerKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IssuerKey")
            .field("id", &self.id)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
