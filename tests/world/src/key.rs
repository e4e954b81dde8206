//! Key pairs.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair};

use crate::encode::{base64, pem, sha256};

/// A key pair. Clones are the same key. Its `Debug` shows the public half only.
#[derive(Clone)]
pub struct Key(Arc<Pair>);

enum Pair {
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Key {
    /// A new ECDSA P-256 key.
    #[must_use]
    pub fn generate() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING);
        Self(Arc::new(Pair::P256(pair.expect("a key is made"))))
    }

    /// A new Ed25519 key, with which logs of Rekor v2 sign their checkpoints.
    pub(crate) fn generate_ed25519() -> Self {
        let pair = Ed25519KeyPair::generate().expect("a key is made");
        Self(Arc::new(Pair::Ed25519(pair)))
    }

    /// A new key of the same kind as this one.
    pub(crate) fn another(&self) -> Self {
        match *self.0 {
            Pair::P256(_) => Self::generate(),
            Pair::Ed25519(_) => Self::generate_ed25519(),
        }
    }

    /// The public key: PEM of a `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_pem(&self) -> String {
        pem("PUBLIC KEY", &self.public_der())
    }

    /// The private key: PEM of an unencrypted PKCS#8 document.
    #[must_use]
    pub fn private_pem(&self) -> String {
        let document = match &*self.0 {
            Pair::P256(pair) => pair.to_pkcs8v1(),
            Pair::Ed25519(pair) => pair.to_pkcs8v1(),
        };
        pem("PRIVATE KEY", document.expect("a key is written").as_ref())
    }

    /// The public key: DER of a `SubjectPublicKeyInfo`.
    #[must_use]
    pub fn public_der(&self) -> Vec<u8> {
        let der: Result<PublicKeyX509Der<'_>, _> = match &*self.0 {
            Pair::P256(pair) => pair.public_key().as_der(),
            Pair::Ed25519(pair) => pair.public_key().as_der(),
        };
        der.expect("a key is written").as_ref().to_vec()
    }

    /// What cosign writes as `publicKey.hint`: base64 of the SHA-256 of
    /// [`Self::public_der`].
    #[must_use]
    pub fn hint(&self) -> String {
        base64(sha256(&self.public_der()))
    }

    /// Signs a message: a DER `ECDSA-Sig-Value` over its SHA-256.
    #[must_use]
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature = match &*self.0 {
            Pair::P256(pair) => pair.sign(&SystemRandom::new(), message),
            Pair::Ed25519(pair) => pair.try_sign(message),
        };
        signature.expect("a key signs").as_ref().to_vec()
    }

    /// The key's bytes without the `SubjectPublicKeyInfo` around them.
    pub(crate) fn public_bytes(&self) -> &[u8] {
        match &*self.0 {
            Pair::P256(pair) => pair.public_key().as_ref(),
            Pair::Ed25519(pair) => pair.public_key().as_ref(),
        }
    }

    /// The algorithm as a trusted root and Rekor v2 name it.
    pub(crate) fn details(&self) -> &'static str {
        match *self.0 {
            Pair::P256(_) => "PKIX_ECDSA_P256_SHA_256",
            Pair::Ed25519(_) => "PKIX_ED25519",
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Key").field(&self.hint()).finish()
    }
}
