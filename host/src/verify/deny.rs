//! The deny list: what must no longer run, whoever signed it.
//!
//! A signed, versioned and expiring document: a DSSE envelope
//! (<https://github.com/secure-systems-lab/dsse>) with one signature, whose
//! payload is JSON. One file, so that it is replaced in one step.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sigstore_types::DsseEnvelope;

use super::bundle::{Maker, Signature};
use super::key::PublicKey;
use crate::artifact::Digest;
use crate::manifest::text::one_line;
use crate::sign::{PrivateKey, SignError};

/// The payload type of the envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.skillhost.deny-list.v1+json";

/// The largest deny list, in bytes.
pub const MAX_DENY_LIST: u64 = 4 * 1024 * 1024;

/// What must no longer run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DenyList {
    /// Rises with every change; a lower one is never accepted again.
    pub version: u64,
    /// When it was signed.
    pub issued: Timestamp,
    /// From when on it no longer counts, and nothing runs until there is a
    /// newer one: whoever withholds news cannot do so for ever.
    pub expires: Timestamp,
    /// What is denied.
    pub entries: Vec<Denial>,
}

/// One thing that is denied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Denial {
    /// What.
    pub deny: Denied,
    /// For keys and identities: only signatures made after this moment, and
    /// those that cannot prove when they were made. Without: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_after: Option<Timestamp>,
    /// Why, for whoever is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// What a denial is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub enum Denied {
    /// A component.
    Digest(Digest),
    /// A key, by its id: Base64 of the SHA-256 of its SubjectPublicKeyInfo.
    Key(String),
    /// Somebody an issuer vouches for, exactly.
    Identity {
        /// The OIDC issuer.
        issuer: String,
        /// As the certificate has it.
        identity: String,
    },
}

/// Why text is no deny list that counts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DenyListError {
    /// Over [`MAX_DENY_LIST`].
    #[error("it is larger than {MAX_DENY_LIST} bytes")]
    TooLarge,
    /// Not the envelope.
    #[error(
        "it is no DSSE envelope of a deny list with one signature; write one with `skillhost deny`"
    )]
    NotAnEnvelope,
    /// By nobody who may sign it.
    #[error("no key that may sign deny lists (`trust.deny-list.keys`) has signed it")]
    BadSignature,
    /// The payload cannot be read.
    #[error("its contents cannot be read: {0}")]
    Malformed(String),
    /// It would never count.
    #[error("it expires before it was issued")]
    NeverValid,
}

impl DenyList {
    /// Reads a deny list that one of `keys` has signed.
    pub fn open(envelope: &str, keys: &[PublicKey]) -> Result<Self, DenyListError> {
        if envelope.len() as u64 > MAX_DENY_LIST {
            return Err(DenyListError::TooLarge);
        }
        let envelope: DsseEnvelope =
            serde_json::from_str(envelope).map_err(|_cause| DenyListError::NotAnEnvelope)?;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(DenyListError::NotAnEnvelope);
        }
        let signed = envelope.pae();
        let holds = |key: &PublicKey| {
            let verification = key.verification();
            verification
                .verify(&signed, &envelope.signature.sig)
                .is_ok()
        };
        if !keys.iter().any(holds) {
            return Err(DenyListError::BadSignature);
        }
        let list: Self = serde_json::from_slice(envelope.payload.as_bytes())
            .map_err(|cause| DenyListError::Malformed(cause.to_string()))?;
        if list.expires <= list.issued {
            return Err(DenyListError::NeverValid);
        }
        if let Some(id) = list.entries.iter().find_map(Denial::unusable_key) {
            return Err(DenyListError::Malformed(format!(
                "`{}` is no key id: Base64 of 32 bytes",
                one_line(id, 100)
            )));
        }
        Ok(list)
    }

    /// Signs the list, as [`open`](Self::open) reads it.
    pub fn sign(&self, key: &PrivateKey) -> Result<String, SignError> {
        let payload = serde_json::to_vec_pretty(self)
            .map_err(|_cause| SignError::Crypto("write the list"))?;
        key.sign_envelope(PAYLOAD_TYPE, &payload)
    }

    /// The entry that denies the component itself.
    #[must_use]
    pub fn denies_component(&self, digest: Digest) -> Option<&Denial> {
        let meant = |denial: &&Denial| denial.deny == Denied::Digest(digest);
        self.entries.iter().find(meant)
    }

    /// The entry that denies the signature.
    pub(super) fn denies_signature(&self, signature: &Signature) -> Option<&Denial> {
        self.entries
            .iter()
            .find(|denial| denial.is_about(signature))
    }
}

impl Denial {
    /// A key id that no key has would deny nothing, and nobody would notice.
    fn unusable_key(&self) -> Option<&str> {
        let Denied::Key(id) = &self.deny else {
            return None;
        };
        let bytes = STANDARD.decode(id).map_or(0, |bytes| bytes.len());
        (bytes != 32).then_some(id)
    }

    fn is_about(&self, signature: &Signature) -> bool {
        let named = match (&self.deny, &signature.maker) {
            (Denied::Key(id), Maker::Key(hint)) => id == hint,
            (
                Denied::Identity { issuer, identity },
                Maker::Identity {
                    issuer: by,
                    identity: who,
                },
            ) => issuer == by && identity == who,
            _ => false,
        };
        named && self.covers(&signature.times)
    }

    /// A signature that cannot prove to be older is denied.
    fn covers(&self, times: &[Timestamp]) -> bool {
        match self.signed_after {
            None => true,
            Some(_) if times.is_empty() => true,
            Some(moment) => times.iter().any(|time| *time > moment),
        }
    }

    /// Why, for whoever is refused.
    #[must_use]
    pub fn why(&self) -> &str {
        self.reason.as_deref().unwrap_or("no reason is given")
    }
}
