//! What is to be signed, by whom, and what vouches for it.

use serde_json::{Value, json};

use crate::bundle::{Bundle, Format};
use crate::encode::{hex, sha256};
use crate::evidence::Evidence;
use crate::key::Key;
use crate::leaf::{Claim, Leaf};
use crate::signed::{Content, Signed, Verifier};
use crate::world::World;

/// Who signs if nobody is named: an e-mail address.
pub const IDENTITY: &str = "author@skillhost.test";
/// Who vouches for an identity if nobody is named.
pub const ISSUER: &str = "https://issuer.test";
/// When it is signed if no time is given: 2025-06-15, in Unix seconds.
pub const SIGNED_AT: i64 = 1_750_000_000;

const IN_TOTO: &str = "application/vnd.in-toto+json";
const DIGEST: &str = "{sha256}";

/// A signature to be made. Each of [`v1`](Self::v1), [`v2`](Self::v2) and their
/// like makes another one, so one draft serves for many bundles.
///
/// # Defaults
/// Keyless, by [`IDENTITY`] of [`ISSUER`] at [`SIGNED_AT`], with a key of its
/// own for each bundle; a signature over the artifact's bytes; bundle format
/// v0.3; no timestamp with Rekor v1.
#[derive(Clone, Debug)]
pub struct Draft<'w> {
    pub(crate) world: &'w World,
    pub(crate) artifact: Vec<u8>,
    signer: Signer,
    aliases: Vec<String>,
    claims: Vec<(Claim, String)>,
    leaf_key: Option<Key>,
    envelope: Option<Envelope>,
    pub(crate) format: Format,
    pub(crate) at: i64,
    recorded_at: Option<i64>,
    timestamped: bool,
}

#[derive(Clone, Debug)]
enum Signer {
    Keyless { identity: String, issuer: String },
    Managed(Key),
}

/// A payload to be signed; `{sha256}` in it stands for the artifact's digest.
#[derive(Clone, Debug)]
struct Envelope {
    payload_type: String,
    payload: String,
}

impl<'w> Draft<'w> {
    pub(crate) fn new(world: &'w World, artifact: &[u8]) -> Self {
        Self {
            world,
            artifact: artifact.to_vec(),
            signer: Signer::Keyless {
                identity: IDENTITY.to_owned(),
                issuer: ISSUER.to_owned(),
            },
            aliases: Vec::new(),
            claims: Vec::new(),
            leaf_key: None,
            envelope: None,
            format: Format::V03,
            at: SIGNED_AT,
            recorded_at: None,
            timestamped: false,
        }
    }

    /// Signs keyless. An identity with `://` in it is a URI, any other an e-mail
    /// address; both must be ASCII.
    #[must_use]
    pub fn identity(mut self, identity: &str, issuer: &str) -> Self {
        self.signer = Signer::Keyless {
            identity: identity.to_owned(),
            issuer: issuer.to_owned(),
        };
        self
    }

    /// Puts another name after the identity, which no honest authority does.
    #[must_use]
    pub fn alias(mut self, identity: &str) -> Self {
        self.aliases.push(identity.to_owned());
        self
    }

    /// Says one thing about the build in the certificate.
    #[must_use]
    pub fn claim(mut self, claim: Claim, value: &str) -> Self {
        self.claims.push((claim, value.to_owned()));
        self
    }

    /// Uses this key in the certificate, so that two certificates can share one.
    #[must_use]
    pub fn leaf_key(mut self, key: &Key) -> Self {
        self.leaf_key = Some(key.clone());
        self
    }

    /// Signs with a managed key, without certificate.
    #[must_use]
    pub fn key(mut self, key: &Key) -> Self {
        self.signer = Signer::Managed(key.clone());
        self
    }

    /// When it is signed, in Unix seconds between 2024 and 2044. A certificate
    /// is valid from a minute before to nine minutes after.
    #[must_use]
    pub const fn at(mut self, unix_seconds: i64) -> Self {
        self.at = unix_seconds;
        self
    }

    /// When the log records it and the timestamp authority sees it, if not when
    /// it is signed.
    #[must_use]
    pub const fn recorded_at(mut self, unix_seconds: i64) -> Self {
        self.recorded_at = Some(unix_seconds);
        self
    }

    /// Signs an in-toto statement v1 about the artifact, in a DSSE envelope.
    #[must_use]
    pub fn statement(self, predicate_type: &str, predicate: &Value) -> Self {
        let statement = json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "skill.wasm", "digest": {"sha256": DIGEST}}],
            "predicateType": predicate_type,
            "predicate": predicate,
        });
        self.payload(IN_TOTO, &statement.to_string())
    }

    /// Signs any text in a DSSE envelope, such as a statement that is odd or of
    /// an older version. `{sha256}` in it becomes the artifact's digest, in hex.
    #[must_use]
    pub fn payload(mut self, payload_type: &str, payload: &str) -> Self {
        self.envelope = Some(Envelope {
            payload_type: payload_type.to_owned(),
            payload: payload.to_owned(),
        });
        self
    }

    /// Writes the bundle in this format.
    #[must_use]
    pub const fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Adds an RFC 3161 timestamp. Those of [`Evidence::V2`] have one anyway.
    #[must_use]
    pub const fn timestamped(mut self) -> Self {
        self.timestamped = true;
        self
    }

    /// Signs, and has the signature vouched for.
    #[must_use]
    pub fn backed_by(&self, evidence: Evidence) -> Bundle {
        self.finish(&self.sign(), evidence)
    }

    /// Backed by [`Evidence::V1`].
    #[must_use]
    pub fn v1(&self) -> Bundle {
        self.backed_by(Evidence::V1)
    }

    /// Backed by [`Evidence::V2`].
    #[must_use]
    pub fn v2(&self) -> Bundle {
        self.backed_by(Evidence::V2)
    }

    /// Backed by nothing, as a managed key may sign.
    #[must_use]
    pub fn unlogged(&self) -> Bundle {
        self.backed_by(Evidence::None)
    }

    pub(crate) fn sign(&self) -> Signed {
        let content = self.content();
        let (key, verifier) = self.key_and_verifier();
        let signature = key.sign(&content.to_be_signed());
        Signed {
            content,
            verifier,
            signature,
        }
    }

    pub(crate) fn finish(&self, signed: &Signed, evidence: Evidence) -> Bundle {
        let at = self.recorded_at.unwrap_or(self.at);
        let entry = self.world.record(signed, evidence, at);
        let timestamps = &self.world.timestamps;
        let stamp = self
            .has_timestamp(evidence)
            .then(|| timestamps.stamp(&signed.signature, at));
        Bundle::new(self.format, signed, entry, stamp)
    }

    pub(crate) const fn has_timestamp(&self, evidence: Evidence) -> bool {
        self.timestamped || matches!(evidence, Evidence::V2)
    }

    pub(crate) const fn is_keyless(&self) -> bool {
        matches!(self.signer, Signer::Keyless { .. })
    }

    pub(crate) const fn is_envelope(&self) -> bool {
        self.envelope.is_some()
    }

    /// The same, for another artifact.
    pub(crate) fn over(&self, artifact: &[u8]) -> Self {
        let mut draft = self.clone();
        draft.artifact = artifact.to_vec();
        draft
    }

    /// The same, in another world.
    pub(crate) fn within<'a>(&'a self, world: &'a World) -> Draft<'a> {
        let mut draft: Draft<'a> = self.clone();
        draft.world = world;
        draft
    }

    /// The same, to be signed by somebody else whom this world knows.
    pub(crate) fn by_another(&self) -> Self {
        match &self.signer {
            Signer::Keyless { issuer, .. } => self
                .clone()
                .identity("somebody.else@skillhost.test", issuer),
            Signer::Managed(key) => self.clone().key(&key.another()),
        }
    }

    fn content(&self) -> Content {
        let Some(envelope) = &self.envelope else {
            return Content::Message(self.artifact.clone());
        };
        let digest = hex(&sha256(&self.artifact));
        Content::Envelope {
            payload_type: envelope.payload_type.clone(),
            payload: envelope.payload.replace(DIGEST, &digest),
        }
    }

    fn key_and_verifier(&self) -> (Key, Verifier) {
        let (identity, issuer) = match &self.signer {
            Signer::Managed(key) => return (key.clone(), Verifier::PublicKey(key.clone())),
            Signer::Keyless { identity, issuer } => (identity, issuer),
        };
        let key = self.leaf_key.clone().unwrap_or_else(Key::generate);
        let leaf = Leaf {
            key: &key,
            identity,
            aliases: &self.aliases,
            issuer,
            claims: &self.claims,
            at: self.at,
        };
        let log = self.world.certificate_log.as_ref();
        let certificate = leaf.issue(&self.world.authority, log);
        (key, Verifier::Certificate(certificate))
    }
}
