//! A signature that was made, and what it was made over.

use serde_json::{Value, json};

use crate::encode::{base64, pem, sha256};
use crate::key::Key;

#[derive(Clone, Debug)]
pub(crate) struct Signed {
    pub(crate) content: Content,
    pub(crate) verifier: Verifier,
    pub(crate) signature: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// The artifact itself.
    Message(Vec<u8>),
    /// A payload in an envelope: DSSE, protocol version 1.
    Envelope {
        payload_type: String,
        payload: String,
    },
}

impl Content {
    /// The bytes that the key signs, and whose digest a log records. A payload
    /// is signed in the pre-authentication encoding of DSSE.
    pub(crate) fn to_be_signed(&self) -> Vec<u8> {
        match self {
            Self::Message(artifact) => artifact.clone(),
            Self::Envelope {
                payload_type: kind,
                payload,
            } => {
                let (kind_len, len) = (kind.len(), payload.len());
                format!("DSSEv1 {kind_len} {kind} {len} {payload}").into_bytes()
            }
        }
    }

    /// What a bundle says about it.
    pub(crate) fn json(&self, signature: &[u8]) -> Value {
        match self {
            Self::Message(artifact) => json!({
                "messageDigest": {"algorithm": "SHA2_256", "digest": base64(sha256(artifact))},
                "signature": base64(signature),
            }),
            Self::Envelope {
                payload_type,
                payload,
            } => json!({
                "payload": base64(payload),
                "payloadType": payload_type,
                "signatures": [{"sig": base64(signature)}],
            }),
        }
    }
}

/// What a signature is checked with.
#[derive(Clone, Debug)]
pub(crate) enum Verifier {
    /// DER of the signer's certificate.
    Certificate(Vec<u8>),
    PublicKey(Key),
}

impl Verifier {
    pub(crate) fn pem(&self) -> String {
        match self {
            Self::Certificate(der) => pem("CERTIFICATE", der),
            Self::PublicKey(key) => key.public_pem(),
        }
    }

    /// As an entry of Rekor v2 shows it.
    pub(crate) fn json(&self) -> Value {
        let details = "PKIX_ECDSA_P256_SHA_256";
        match self {
            Self::Certificate(der) => json!({
                "keyDetails": details,
                "x509Certificate": {"rawBytes": base64(der)},
            }),
            Self::PublicKey(key) => json!({
                "keyDetails": details,
                "publicKey": {"rawBytes": base64(key.public_der())},
            }),
        }
    }
}
