//! Bundles: the JSON that travels beside an artifact.

use std::fmt;

use serde_json::{Map, Value, json};

use crate::encode::base64;
use crate::signed::{Content, Signed, Verifier};

/// Where things lie in a bundle, as JSON pointers (RFC 6901).
pub mod pointer {
    /// The digest of a signed artifact.
    pub const DIGEST: &str = "/messageSignature/messageDigest/digest";
    /// The signature over an artifact.
    pub const SIGNATURE: &str = "/messageSignature/signature";
    /// The signed statement.
    pub const PAYLOAD: &str = "/dsseEnvelope/payload";
    /// What the signed statement is.
    pub const PAYLOAD_TYPE: &str = "/dsseEnvelope/payloadType";
    /// The signatures over a statement.
    pub const SIGNATURES: &str = "/dsseEnvelope/signatures";
    /// The certificate, in format v0.3.
    pub const CERTIFICATE: &str = "/verificationMaterial/certificate/rawBytes";
    /// The certificates, in formats v0.1 and v0.2.
    pub const CHAIN: &str = "/verificationMaterial/x509CertificateChain/certificates";
    /// The signer's certificate with what surrounds it, in formats v0.1 and v0.2.
    pub const CHAIN_LEAF: &str = "/verificationMaterial/x509CertificateChain/certificates/0";
    /// The hint of a managed key.
    pub const HINT: &str = "/verificationMaterial/publicKey/hint";
    /// All log entries.
    pub const ENTRIES: &str = "/verificationMaterial/tlogEntries";
    /// The first log entry.
    pub const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
    /// The place of the entry in the log, as a string.
    pub const INDEX: &str = "/verificationMaterial/tlogEntries/0/logIndex";
    /// The log that the entry is in.
    pub const LOG_ID: &str = "/verificationMaterial/tlogEntries/0/logId/keyId";
    /// When the entry was recorded, in Unix seconds, as a string.
    pub const RECORDED_AT: &str = "/verificationMaterial/tlogEntries/0/integratedTime";
    /// What the entry records, base64 of canonical JSON.
    pub const BODY: &str = "/verificationMaterial/tlogEntries/0/canonicalizedBody";
    /// The promise of Rekor v1, with what surrounds it.
    pub const PROMISE: &str = "/verificationMaterial/tlogEntries/0/inclusionPromise";
    /// The proof that the log includes the entry.
    pub const PROOF: &str = "/verificationMaterial/tlogEntries/0/inclusionProof";
    /// The root hash of the proof.
    pub const PROOF_ROOT: &str = "/verificationMaterial/tlogEntries/0/inclusionProof/rootHash";
    /// The size of the tree of the proof, as a string.
    pub const PROOF_SIZE: &str = "/verificationMaterial/tlogEntries/0/inclusionProof/treeSize";
    /// The hashes between the entry and the root.
    pub const PROOF_HASHES: &str = "/verificationMaterial/tlogEntries/0/inclusionProof/hashes";
    /// The signed root of the tree.
    pub const CHECKPOINT: &str =
        "/verificationMaterial/tlogEntries/0/inclusionProof/checkpoint/envelope";
    /// All RFC 3161 timestamps.
    pub const TIMESTAMPS: &str =
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps";
}

/// A version of the bundle format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// v0.1: a chain of certificates; a promise is enough.
    V01,
    /// v0.2: a chain of certificates; wants a proof.
    V02,
    /// v0.3: one certificate; wants a proof.
    V03,
}

impl Format {
    const fn media_type(self) -> &'static str {
        match self {
            Self::V01 => "application/vnd.dev.sigstore.bundle+json;version=0.1",
            Self::V02 => "application/vnd.dev.sigstore.bundle+json;version=0.2",
            Self::V03 => "application/vnd.dev.sigstore.bundle.v0.3+json",
        }
    }
}

/// A bundle. Its `Display` is its JSON.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle(Value);

impl Bundle {
    pub(crate) fn new(
        format: Format,
        signed: &Signed,
        entry: Option<Value>,
        timestamp: Option<Vec<u8>>,
    ) -> Self {
        let mut material = Map::new();
        let (name, verifier) = material_of(format, &signed.verifier);
        material.insert(name.to_owned(), verifier);
        material.insert("tlogEntries".to_owned(), entry.into_iter().collect());
        if let Some(stamp) = timestamp {
            let stamps = json!([{"signedTimestamp": base64(stamp)}]);
            let evidence = json!({"rfc3161Timestamps": stamps});
            material.insert("timestampVerificationData".to_owned(), evidence);
        }
        let content = match signed.content {
            Content::Message(_) => "messageSignature",
            Content::Envelope { .. } => "dsseEnvelope",
        };
        Self(json!({
            "mediaType": format.media_type(),
            "verificationMaterial": material,
            content: signed.content.json(&signed.signature),
        }))
    }

    /// The text that is written beside an artifact.
    #[must_use]
    pub fn json(&self) -> String {
        self.0.to_string()
    }

    /// All of it.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.0
    }

    /// All of it, to be changed at will.
    pub const fn value_mut(&mut self) -> &mut Value {
        &mut self.0
    }

    /// What lies at a [`mod@pointer`].
    ///
    /// # Panics
    /// If nothing does.
    #[must_use]
    pub fn get(&self, pointer: &str) -> &Value {
        self.0.pointer(pointer).unwrap_or_else(|| missing(pointer))
    }

    /// The bundle with something else at a [`mod@pointer`].
    ///
    /// # Panics
    /// If nothing lies there yet.
    #[must_use]
    pub fn with(mut self, pointer: &str, value: impl Into<Value>) -> Self {
        let place = self.0.pointer_mut(pointer);
        *place.unwrap_or_else(|| missing(pointer)) = value.into();
        self
    }

    /// The bundle with what another has at a [`mod@pointer`].
    ///
    /// # Panics
    /// If one of them has nothing there.
    #[must_use]
    pub fn with_that_of(self, other: &Self, pointer: &str) -> Self {
        self.with(pointer, other.get(pointer).clone())
    }

    /// The bundle without the named member at a [`mod@pointer`].
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn without(mut self, pointer: &str) -> Self {
        let (parent, name) = pointer.rsplit_once('/').unwrap_or_else(|| missing(pointer));
        let parent = self.0.pointer_mut(parent).and_then(Value::as_object_mut);
        let removed = parent.and_then(|members| members.shift_remove(name));
        removed.unwrap_or_else(|| missing(pointer));
        self
    }
}

fn material_of(format: Format, verifier: &Verifier) -> (&'static str, Value) {
    match (verifier, format) {
        (Verifier::PublicKey(key), _) => ("publicKey", json!({"hint": key.hint()})),
        (Verifier::Certificate(der), Format::V03) => {
            ("certificate", json!({"rawBytes": base64(der)}))
        }
        (Verifier::Certificate(der), Format::V01 | Format::V02) => (
            "x509CertificateChain",
            json!({"certificates": [{"rawBytes": base64(der)}]}),
        ),
    }
}

#[expect(clippy::panic, reason = "a test that names what is not there is wrong")]
fn missing(pointer: &str) -> ! {
    panic!("the bundle has nothing at {pointer}")
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
