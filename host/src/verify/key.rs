//! Public keys of signers.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sigstore_crypto::{KeyAlgorithm, VerificationKey, sha256};
use sigstore_types::{DerPublicKey, SignatureBytes, pae};

/// Bytes of a SubjectPublicKeyInfo of P-256 with an uncompressed point
/// (RFC 5480, section 2.2).
const UNCOMPRESSED: usize = 91;

/// An ECDSA P-256 public key (FIPS 186-5), the one kind that every Sigstore
/// client verifies offline.
#[derive(Clone)]
pub struct PublicKey {
    der: DerPublicKey,
    verification: Arc<VerificationKey>,
}

/// Why text is no usable public key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not PEM of a SubjectPublicKeyInfo.
    #[error("it is no PEM public key (`-----BEGIN PUBLIC KEY-----`)")]
    NotPem,
    /// Another algorithm.
    #[error("it is no ECDSA P-256 key; make one with `skillhost keygen`")]
    NotP256,
    /// A form in which signatures are never verified.
    #[error(
        "its point is compressed; write it uncompressed (`openssl ec -conv_form uncompressed`)"
    )]
    Compressed,
}

impl PublicKey {
    /// Reads a PEM `PUBLIC KEY` (RFC 7468, section 13).
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = DerPublicKey::from_pem(text).map_err(|_cause| KeyError::NotPem)?;
        Self::from_der(der)
    }

    pub(crate) fn from_der(der: DerPublicKey) -> Result<Self, KeyError> {
        let verification = VerificationKey::from_spki(&der).map_err(|_cause| KeyError::NotP256)?;
        if verification.scheme().key_algorithm() != KeyAlgorithm::EcdsaP256 {
            return Err(KeyError::NotP256);
        }
        if der.as_bytes().len() != UNCOMPRESSED {
            return Err(KeyError::Compressed);
        }
        Ok(Self {
            der,
            verification: Arc::new(verification),
        })
    }

    /// How Sigstore bundles point at this key: Base64 of the SHA-256 of its
    /// SubjectPublicKeyInfo.
    #[must_use]
    pub fn hint(&self) -> String {
        STANDARD.encode(sha256(self.der.as_bytes()).as_bytes())
    }

    /// The key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.der.to_pem()
    }

    /// Whether this key made a signature in Base64 over a payload of that type,
    /// as [`PrivateKey::sign_payload`](crate::sign::PrivateKey::sign_payload)
    /// does.
    pub(crate) fn has_signed(&self, payload_type: &str, payload: &[u8], signature: &str) -> bool {
        STANDARD.decode(signature).is_ok_and(|signature| {
            let signature = SignatureBytes::from_bytes(&signature);
            let signed = pae(payload_type, payload);
            self.verification.verify(signed, &signature).is_ok()
        })
    }

    /// Whether a bundle's hint points at this key: the id, or the SHA-256 in
    /// hexadecimal digits, which older clients write.
    pub(super) fn is_meant_by(&self, hint: &str) -> bool {
        let hash = sha256(self.der.as_bytes());
        hint == STANDARD.encode(hash.as_bytes()) || hint == hash.to_hex()
    }

    pub(super) const fn der(&self) -> &DerPublicKey {
        &self.der
    }

    pub(super) fn verification(&self) -> &VerificationKey {
        &self.verification
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.der.as_bytes() == other.der.as_bytes()
    }
}

impl Eq for PublicKey {}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.hint())
    }
}
