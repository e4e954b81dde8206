//! One Sigstore bundle: whose signature it is, if it holds.
//!
//! `sigstore-verify` refuses a bundle of a managed key that has neither a log
//! entry nor a timestamp, which is what `cosign sign-blob --key` writes
//! offline, so that check stands here. Log entries and timestamps that are
//! present go through it in full: evidence is never ignored.

use std::sync::LazyLock;

use sigstore_crypto::sha256;
use sigstore_types::bundle::{MessageSignature, VerificationMaterialContent};
use sigstore_types::{
    Bundle, DsseEnvelope, HashAlgorithm, Sha256Hash, SignatureContent, Statement,
};
use sigstore_verify::trust_root::{SigstoreInstance, TrustedRoot};
use sigstore_verify::{PublicKeyVerificationPolicy, Verifier};

use super::key::PublicKey;
use super::policy::{SignerName, TrustPolicy};
use crate::artifact::Digest;
use crate::error::Kind;

/// The one attestation that approves: cosign's, of a signature. Provenance and
/// other statements say something about an artifact, not that it may run.
const APPROVAL: &str = "https://sigstore.dev/cosign/sign/v1";

const IN_TOTO: &str = "application/vnd.in-toto+json";

const STATEMENTS: [&str; 2] = [
    "https://in-toto.io/Statement/v1",
    "https://in-toto.io/Statement/v0.1",
];

/// Why a bundle does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it is no Sigstore bundle")]
    Malformed,
    #[error("it carries a certificate; this policy names keys")]
    NotAKey,
    #[error("it is signed with a key that the policy does not name")]
    UnknownKey,
    #[error("it signs other bytes than these")]
    OtherBytes,
    #[error("its signature does not hold")]
    BadSignature,
    #[error("it is an attestation, not an approval")]
    NotAnApproval,
    #[error("its transparency-log entry or timestamp does not hold")]
    BadEvidence,
}

impl Refusal {
    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::UnknownKey | Self::NotAKey => Kind::IdentityMismatch,
            Self::OtherBytes => Kind::DigestMismatch,
            Self::Malformed | Self::BadSignature | Self::NotAnApproval | Self::BadEvidence => {
                Kind::SignatureInvalid
            }
        }
    }
}

/// The policy's signer whose valid signature over `digest` the bundle is.
pub(super) fn signer(
    json: &str,
    digest: Digest,
    policy: &TrustPolicy,
) -> Result<SignerName, Refusal> {
    let bundle = Bundle::from_json(json).map_err(|_cause| Refusal::Malformed)?;
    let VerificationMaterialContent::PublicKey(identifier) = &bundle.verification_material.content
    else {
        return Err(Refusal::NotAKey);
    };
    let digest = Sha256Hash::new(*digest.as_bytes());
    let mut refusal = Refusal::UnknownKey;
    for (name, key) in candidates(policy, &identifier.hint) {
        match check(&bundle, key, &digest) {
            Ok(()) => return Ok(name.clone()),
            Err(cause) => refusal = cause,
        }
    }
    Err(refusal)
}

/// The keys that the hint may mean; all of them if it is empty. A hint is not
/// authenticated: it only spares attempts.
fn candidates<'a>(
    policy: &'a TrustPolicy,
    hint: &'a str,
) -> impl Iterator<Item = (&'a SignerName, &'a PublicKey)> {
    policy
        .signers()
        .iter()
        .flat_map(|signer| signer.keys.iter().map(move |key| (&signer.name, key)))
        .filter(move |(_, key)| {
            hint.is_empty() || hint == key.hint() || hint == sha256(key.der().as_bytes()).to_hex()
        })
}

fn check(bundle: &Bundle, key: &PublicKey, digest: &Sha256Hash) -> Result<(), Refusal> {
    match &bundle.content {
        SignatureContent::MessageSignature(signature) => check_message(signature, key, digest)?,
        SignatureContent::DsseEnvelope(envelope) => check_approval(envelope, key, digest)?,
        _ => return Err(Refusal::Malformed),
    }
    check_evidence(bundle, key, digest)
}

fn check_message(
    message: &MessageSignature,
    key: &PublicKey,
    digest: &Sha256Hash,
) -> Result<(), Refusal> {
    if let Some(stated) = &message.message_digest
        && (stated.algorithm != HashAlgorithm::Sha2256
            || stated.digest.as_bytes() != digest.as_bytes())
    {
        return Err(Refusal::OtherBytes);
    }
    key.verification()
        .verify_prehashed(digest.as_bytes(), &message.signature)
        .map_err(|_cause| Refusal::BadSignature)
}

fn check_approval(
    envelope: &DsseEnvelope,
    key: &PublicKey,
    digest: &Sha256Hash,
) -> Result<(), Refusal> {
    if envelope.payload_type != IN_TOTO {
        return Err(Refusal::NotAnApproval);
    }
    key.verification()
        .verify(envelope.pae(), &envelope.signature.sig)
        .map_err(|_cause| Refusal::BadSignature)?;
    let statement: Statement =
        serde_json::from_slice(envelope.payload.as_bytes()).map_err(|_cause| Refusal::Malformed)?;
    if !STATEMENTS.contains(&statement.type_.as_str()) || statement.predicate_type != APPROVAL {
        return Err(Refusal::NotAnApproval);
    }
    if statement.matches_sha256(digest) {
        Ok(())
    } else {
        Err(Refusal::OtherBytes)
    }
}

/// Checks log entries and timestamps against Sigstore's public-good root.
fn check_evidence(bundle: &Bundle, key: &PublicKey, digest: &Sha256Hash) -> Result<(), Refusal> {
    let material = &bundle.verification_material;
    let timestamps = &material.timestamp_verification_data.rfc3161_timestamps;
    if material.tlog_entries.is_empty() && timestamps.is_empty() {
        return Ok(());
    }
    let mut policy = PublicKeyVerificationPolicy::new(key.der().clone());
    if material.tlog_entries.is_empty() {
        policy = policy.skip_tlog_unsafe();
    }
    PUBLIC_GOOD
        .as_ref()
        .ok_or(Refusal::BadEvidence)?
        .verify(*digest, bundle, &policy)
        .map_err(|_cause| Refusal::BadEvidence)?;
    Ok(())
}

static PUBLIC_GOOD: LazyLock<Option<Verifier>> = LazyLock::new(|| {
    let root = TrustedRoot::from_embedded(SigstoreInstance::PublicGood).ok()?;
    Verifier::new(&root).ok()
});
