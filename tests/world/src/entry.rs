//! What a log records about a signature. The bodies are canonical JSON
//! (RFC 8785): without spaces, with sorted names.

use serde_json::{Value, json};

use crate::encode::{base64, hex, sha256};
use crate::evidence::Evidence;
use crate::signed::{Content, Signed};

/// One entry.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    kind: &'static str,
    version: &'static str,
    pub(crate) body: Vec<u8>,
}

impl Entry {
    /// What a log that gives `evidence` records.
    pub(crate) fn new(signed: &Signed, evidence: Evidence) -> Self {
        match (&signed.content, evidence) {
            (_, Evidence::V2) => Self::of("hashedrekord", "0.0.2", &hashedrekord_v2(signed)),
            (Content::Message(_), _) => Self::of("hashedrekord", "0.0.1", &hashedrekord_v1(signed)),
            (
                Content::Envelope {
                    payload_type,
                    payload,
                },
                Evidence::V1Intoto,
            ) => Self::of("intoto", "0.0.2", &intoto(signed, payload_type, payload)),
            (Content::Envelope { payload, .. }, _) => {
                Self::of("dsse", "0.0.1", &dsse(signed, payload))
            }
        }
    }

    fn of(kind: &'static str, version: &'static str, spec: &Value) -> Self {
        let body = json!({"apiVersion": version, "kind": kind, "spec": spec});
        Self {
            kind,
            version,
            body: body.to_string().into_bytes(),
        }
    }

    pub(crate) fn kind_version(&self) -> Value {
        json!({"kind": self.kind, "version": self.version})
    }
}

fn hashedrekord_v1(signed: &Signed) -> Value {
    json!({
        "data": {"hash": hex_digest(&signed.content.to_be_signed())},
        "signature": {
            "content": base64(&signed.signature),
            "publicKey": {"content": base64(signed.verifier.pem())},
        },
    })
}

fn dsse(signed: &Signed, payload: &str) -> Value {
    let envelope = signed.content.json(&signed.signature);
    json!({
        "envelopeHash": hex_digest(envelope.to_string().as_bytes()),
        "payloadHash": hex_digest(payload.as_bytes()),
        "signatures": [{
            "signature": base64(&signed.signature),
            "verifier": base64(signed.verifier.pem()),
        }],
    })
}

fn intoto(signed: &Signed, payload_type: &str, payload: &str) -> Value {
    let envelope = signed.content.json(&signed.signature);
    json!({
        "content": {
            "envelope": {
                "payloadType": payload_type,
                "signatures": [{
                    "publicKey": base64(signed.verifier.pem()),
                    // Rekor encodes what the envelope has encoded already.
                    "sig": base64(base64(&signed.signature)),
                }],
            },
            "hash": hex_digest(envelope.to_string().as_bytes()),
            "payloadHash": hex_digest(payload.as_bytes()),
        },
    })
}

fn hashedrekord_v2(signed: &Signed) -> Value {
    let digest = sha256(&signed.content.to_be_signed());
    json!({
        "hashedRekordV002": {
            "data": {"algorithm": "SHA2_256", "digest": base64(digest)},
            "signature": {
                "content": base64(&signed.signature),
                "verifier": signed.verifier.json(),
            },
        },
    })
}

fn hex_digest(bytes: &[u8]) -> Value {
    json!({"algorithm": "sha256", "value": hex(&sha256(bytes))})
}
