//! An author's side: private keys, and the bundles that they sign.
//!
//! Bundles are Sigstore's (protobuf-specs v0.3), as cosign reads and writes
//! them: approvals of a component, and attestations about it.

mod attestation;
mod cosign;
mod error;
mod key_file;
mod password;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sigstore_bundle::builder::{BundleV03, VerificationMaterialV03};
use sigstore_crypto::{KeyAlgorithm, KeyPair};
use sigstore_types::bundle::{MessageDigest, MessageSignature};
use sigstore_types::{
    DsseEnvelope, DsseSignature, HashAlgorithm, KeyId, PayloadBytes, Sha256Hash, SignatureContent,
    pae,
};
use zeroize::Zeroizing;

use crate::artifact::{BUNDLE_SUFFIX, Digest, MAX_BUNDLE};
use crate::verify::PublicKey;

pub use self::attestation::{
    MAX_PREDICATE, Predicate, PredicateError, PredicateType, PredicateTypeError,
};
pub use self::error::{Found, SignError};
pub use self::password::Password;

/// An ECDSA P-256 key pair. Its `Debug` shows the public half only, and its
/// private half is wiped from memory when it is dropped.
pub struct PrivateKey {
    pair: KeyPair,
    pkcs8: Zeroizing<Vec<u8>>,
    public: PublicKey,
}

impl PrivateKey {
    /// A new key from the system's random numbers.
    pub fn generate() -> Result<Self, SignError> {
        let failed = |_cause| SignError::Crypto("make a key");
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(failed)?;
        Self::from_pkcs8(document.as_ref()).map_err(|_found| SignError::Crypto("read its own key"))
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A Sigstore v0.3 bundle over the component with that digest, as cosign
    /// reads and writes it: an approval.
    pub fn sign(&self, digest: Digest) -> Result<String, SignError> {
        let digest = Sha256Hash::new(*digest.as_bytes());
        let failed = |_cause| SignError::Crypto("sign");
        let signature = self.pair.sign_digest(&digest).map_err(failed)?;
        self.bundle(SignatureContent::MessageSignature(
            MessageSignature::new(signature)
                .with_message_digest(MessageDigest::new(HashAlgorithm::Sha2256, digest.into())),
        ))
    }

    /// Signs the component at `path` and writes the bundle beside it; returns
    /// the bundle's path. A bundle of the same signer is replaced.
    pub fn sign_file(&self, path: &Path, signer: Option<&str>) -> Result<PathBuf, SignError> {
        let bytes = fs::read(path).map_err(|cause| SignError::File {
            path: path.to_owned(),
            action: "read",
            cause,
        })?;
        self.sign_beside(path, Digest::of(&bytes), signer)
    }

    /// Like [`sign_file`](Self::sign_file), for a component that was read
    /// already: what was looked at is what is signed.
    pub fn sign_beside(
        &self,
        path: &Path,
        digest: Digest,
        signer: Option<&str>,
    ) -> Result<PathBuf, SignError> {
        let target = approval_path(path, signer);
        write(&target, &self.sign(digest)?)?;
        Ok(target)
    }

    /// A Sigstore v0.3 bundle with an in-toto v1 statement about the component
    /// of that file name and digest. It says something about the component and
    /// never approves it.
    ///
    /// # Errors
    ///
    /// `BundleTooLarge` for what a host would not read.
    pub fn attest(
        &self,
        name: &str,
        digest: Digest,
        kind: &PredicateType,
        predicate: &Predicate,
    ) -> Result<String, SignError> {
        let statement = attestation::statement(name, digest, kind, predicate)
            .map_err(|_cause| SignError::Crypto("write the statement"))?;
        // cosign leaves the key's id out here: the bundle has it already.
        let envelope = self.envelope(attestation::IN_TOTO, &statement, KeyId::default())?;
        let bundle = self.bundle(SignatureContent::DsseEnvelope(envelope))?;
        if bundle.len() as u64 > MAX_BUNDLE {
            return Err(SignError::BundleTooLarge(bundle.len()));
        }
        Ok(bundle)
    }

    /// Writes an attestation beside the component at `path`, which was read
    /// already; returns the bundle's path. One by the same signer and of the
    /// same kind is replaced.
    pub fn attest_beside(
        &self,
        path: &Path,
        digest: Digest,
        kind: &PredicateType,
        predicate: &Predicate,
        signer: Option<&str>,
    ) -> Result<PathBuf, SignError> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let target = attestation_path(path, signer, kind);
        write(&target, &self.attest(&name, digest, kind, predicate)?)?;
        Ok(target)
    }

    /// A signed DSSE envelope (Dead Simple Signing Envelope, v1) as JSON, for
    /// what is no statement about a component. Its `keyid` is the key's
    /// [`hint`](PublicKey::hint).
    pub fn sign_envelope(&self, payload_type: &str, payload: &[u8]) -> Result<String, SignError> {
        let envelope = self.envelope(payload_type, payload, KeyId::new(self.public.hint()))?;
        serde_json::to_string(&envelope).map_err(|_cause| SignError::Crypto("write the envelope"))
    }

    /// A signature in Base64 over a payload of that type, of which DSSE's
    /// pre-authentication encoding is signed: no signature counts for another
    /// type.
    pub(crate) fn sign_payload(
        &self,
        payload_type: &str,
        payload: &[u8],
    ) -> Result<String, SignError> {
        let signature = self.pair.sign(&pae(payload_type, payload));
        signature
            .map(|signature| STANDARD.encode(signature.as_bytes()))
            .map_err(|_cause| SignError::Crypto("sign"))
    }

    /// A secret for one purpose that only who holds this key can make.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.pkcs8)
    }

    /// A raw signature, for envelopes that only tests write.
    #[cfg(test)]
    pub(crate) fn sign_bytes_for_tests(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).unwrap().as_bytes().to_vec()
    }

    fn envelope(
        &self,
        payload_type: &str,
        payload: &[u8],
        key: KeyId,
    ) -> Result<DsseEnvelope, SignError> {
        let signature = self
            .pair
            .sign(&pae(payload_type, payload))
            .map_err(|_cause| SignError::Crypto("sign"))?;
        Ok(DsseEnvelope::new(
            payload_type,
            PayloadBytes::from_bytes(payload),
            DsseSignature::new(signature, key),
        ))
    }

    fn bundle(&self, content: SignatureContent) -> Result<String, SignError> {
        let unwritable = |_cause| SignError::Crypto("write the bundle");
        let material = VerificationMaterialV03::PublicKey {
            hint: self.public.hint(),
        };
        let bundle = BundleV03::new(material, content).into_bundle();
        let mut json = serde_json::to_value(&bundle).map_err(unwritable)?;
        drop_empty_evidence(&mut json);
        serde_json::to_string(&json).map_err(unwritable)
    }

    /// The key in that PKCS#8 structure, or what else it holds.
    fn from_pkcs8(pkcs8: &[u8]) -> Result<Self, Found> {
        let other = || key_file::identify(pkcs8);
        let pair = KeyPair::from_pkcs8_der(pkcs8).map_err(|_cause| other())?;
        if pair.algorithm() != KeyAlgorithm::EcdsaP256 {
            return Err(other());
        }
        let public = pair.public_key_der().map_err(|_cause| other())?;
        Ok(Self {
            public: PublicKey::from_der(public).map_err(|_cause| other())?,
            pair,
            pkcs8: Zeroizing::new(pkcs8.to_vec()),
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.hint())
    }
}

/// Where an approval of the component at `path` stands: beside it, under the
/// signer's name if there is one.
#[must_use]
pub fn approval_path(path: &Path, signer: Option<&str>) -> PathBuf {
    match signer {
        Some(signer) => with_suffix(path, &format!(".{signer}{BUNDLE_SUFFIX}")),
        None => with_suffix(path, BUNDLE_SUFFIX),
    }
}

/// Where an attestation about the component at `path` stands. Its name has one
/// part more than an approval's, so that it never takes the place of one.
#[must_use]
pub fn attestation_path(path: &Path, signer: Option<&str>, kind: &PredicateType) -> PathBuf {
    let signer = signer.unwrap_or("attestation");
    with_suffix(path, &format!(".{signer}.{}{BUNDLE_SUFFIX}", kind.label()))
}

/// `path` with `suffix` behind its whole file name.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn write(target: &Path, bundle: &str) -> Result<(), SignError> {
    crate::file::replace(target, bundle.as_bytes()).map_err(|cause| SignError::File {
        path: target.to_owned(),
        action: "written",
        cause,
    })
}

/// cosign leaves out what is empty; so do we.
fn drop_empty_evidence(json: &mut serde_json::Value) {
    if let Some(material) = json
        .get_mut("verificationMaterial")
        .and_then(|it| it.as_object_mut())
    {
        material.retain(|key, value| match key.as_str() {
            "tlogEntries" => value.as_array().is_none_or(|entries| !entries.is_empty()),
            "timestampVerificationData" => value
                .get("rfc3161Timestamps")
                .and_then(serde_json::Value::as_array)
                .is_some_and(|stamps| !stamps.is_empty()),
            _ => true,
        });
    }
}

#[cfg(test)]
mod tests;
