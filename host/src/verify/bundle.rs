//! One Sigstore bundle: whose signature it is, when it was made and what it
//! says, if it holds.
//!
//! `sigstore-verify` checks certificates (chain, SCT, identity), log entries
//! (SET, inclusion proof, checkpoint) and timestamps. It refuses a bundle of a
//! managed key that has neither a log entry nor a timestamp, which is what
//! `cosign sign-blob --key` writes offline, so that check stands here. Log
//! entries and timestamps that are present go through it in full: evidence is
//! never ignored.

use jiff::Timestamp;
use sigstore_crypto::{CertificateInfo, parse_certificate_info, sha256};
use sigstore_types::bundle::{MessageSignature, VerificationMaterialContent};
use sigstore_types::{
    Bundle, DsseEnvelope, HashAlgorithm, Sha256Hash, SignatureContent, Statement,
};
use sigstore_verify::{
    IdentityMatcher, PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult,
};

use super::key::PublicKey;
use super::policy::TrustPolicy;
use super::provenance::Attested;
use super::refusal::Refusal;
use super::root::Root;
use super::shape;
use super::signer::{SignerName, TrustedKey};
use crate::artifact::Digest;

/// The one attestation that approves: cosign's, of a signature. Provenance and
/// other statements say something about an artifact, not that it may run.
pub(crate) const APPROVAL: &str = "https://sigstore.dev/cosign/sign/v1";

const IN_TOTO: &str = "application/vnd.in-toto+json";

const STATEMENTS: [&str; 2] = [
    "https://in-toto.io/Statement/v1",
    "https://in-toto.io/Statement/v0.1",
];

/// Who made a signature, as the deny list names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Maker {
    /// A managed key, by its hint.
    Key(String),
    /// Somebody an issuer vouches for.
    Identity { issuer: String, identity: String },
}

/// A signature of a signer of the policy that holds.
#[derive(Debug, Clone)]
pub(super) struct Signature {
    pub(super) by: SignerName,
    pub(super) maker: Maker,
    /// SHA-256 of the public key: one key never counts as two signers.
    pub(super) key: [u8; 32],
    /// When it was made, as logs and timestamp authorities vouch for it.
    pub(super) times: Vec<Timestamp>,
    pub(super) logged: bool,
    pub(super) says: Says,
}

/// What a signature is of.
#[derive(Debug, Clone)]
pub(super) enum Says {
    /// That the artifact may run.
    Approved,
    /// Something about it.
    Attested(Box<Attested>),
}

/// Checks the bundle against the artifact's digest, and tells which signer of
/// the policy made it.
pub(super) fn signature(
    json: &str,
    digest: Digest,
    policy: &TrustPolicy,
    root: &Root,
) -> Result<Signature, Refusal> {
    let bundle = shape::parse(json, root)?;
    let digest = Sha256Hash::new(*digest.as_bytes());
    match &bundle.verification_material.content {
        VerificationMaterialContent::PublicKey(identifier) => {
            by_key(&bundle, &identifier.hint, &digest, policy, root)
        }
        _ => by_identity(&bundle, &digest, policy, root),
    }
}

fn by_key(
    bundle: &Bundle,
    hint: &str,
    digest: &Sha256Hash,
    policy: &TrustPolicy,
    root: &Root,
) -> Result<Signature, Refusal> {
    let mut refusal = Refusal::UnknownKey;
    for (name, key) in candidates(policy, hint) {
        match key_signature(bundle, name, &key.key, digest, root) {
            Ok(signature) => {
                check_validity(key, &signature)?;
                return Ok(signature);
            }
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
) -> impl Iterator<Item = (&'a SignerName, &'a TrustedKey)> {
    policy
        .signers()
        .iter()
        .flat_map(|signer| signer.keys.iter().map(move |key| (&signer.name, key)))
        .filter(move |(_, key)| hint.is_empty() || key.key.is_meant_by(hint))
}

fn key_signature(
    bundle: &Bundle,
    name: &SignerName,
    key: &PublicKey,
    digest: &Sha256Hash,
    root: &Root,
) -> Result<Signature, Refusal> {
    let says = match &bundle.content {
        SignatureContent::MessageSignature(message) => {
            check_message(message, key, digest)?;
            Says::Approved
        }
        SignatureContent::DsseEnvelope(envelope) => {
            key.verification()
                .verify(envelope.pae(), &envelope.signature.sig)
                .map_err(|_cause| Refusal::BadSignature)?;
            statement(envelope, digest, None)?
        }
        _ => return Err(Refusal::Malformed),
    };
    let (times, logged) = key_evidence(bundle, key, digest, root)?;
    Ok(Signature {
        by: name.clone(),
        maker: Maker::Key(key.hint()),
        key: *sha256(key.der().as_bytes()).as_bytes(),
        times,
        logged,
        says,
    })
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

/// Checks log entries and timestamps; when they say that it was signed, and
/// whether a log has it.
fn key_evidence(
    bundle: &Bundle,
    key: &PublicKey,
    digest: &Sha256Hash,
    root: &Root,
) -> Result<(Vec<Timestamp>, bool), Refusal> {
    let material = &bundle.verification_material;
    let logged = !material.tlog_entries.is_empty();
    let stamped = !material
        .timestamp_verification_data
        .rfc3161_timestamps
        .is_empty();
    if !logged && !stamped {
        return Ok((Vec::new(), false));
    }
    let mut policy = PublicKeyVerificationPolicy::new(key.der().clone());
    if !logged {
        policy = policy.skip_tlog_unsafe();
    }
    let result = root
        .verifier()
        .verify(*digest, bundle, &policy)
        .map_err(|cause| Refusal::of(&cause))?;
    Ok((result.verified_timestamps().to_vec(), logged))
}

/// Without a time that somebody vouches for, only now can be judged, which the
/// verifier does with its own clock.
fn check_validity(key: &TrustedKey, signature: &Signature) -> Result<(), Refusal> {
    let early = |time: &Timestamp| key.not_before.is_some_and(|start| *time < start);
    let late = |time: &Timestamp| key.not_after.is_some_and(|end| *time >= end);
    if signature.times.iter().any(|time| early(time) || late(time)) {
        return Err(Refusal::KeyNotValid);
    }
    Ok(())
}

fn by_identity(
    bundle: &Bundle,
    digest: &Sha256Hash,
    policy: &TrustPolicy,
    root: &Root,
) -> Result<Signature, Refusal> {
    let certificate = bundle.signing_certificate().ok_or(Refusal::Malformed)?;
    let claims = parse_certificate_info(certificate).map_err(|_cause| Refusal::Malformed)?;
    let by = named(&claims, policy)?.clone();
    let result = verify_identity(bundle, digest, &claims, root)?;
    let (Some(identity), Some(issuer)) = (result.identity(), result.issuer()) else {
        return Err(Refusal::Malformed);
    };
    let says = match &bundle.content {
        SignatureContent::MessageSignature(_) => Says::Approved,
        SignatureContent::DsseEnvelope(envelope) => statement(envelope, digest, Some(&claims))?,
        _ => return Err(Refusal::Malformed),
    };
    Ok(Signature {
        by,
        maker: Maker::Identity {
            issuer: issuer.to_owned(),
            identity: identity.as_str().to_owned(),
        },
        key: *sha256(claims.public_key.as_bytes()).as_bytes(),
        times: result.verified_timestamps().to_vec(),
        logged: result.tlog_verified(),
        says,
    })
}

/// The signer that the certificate claims to be. An exact identity goes before
/// patterns, so that one identity is always one signer.
fn named<'a>(claims: &CertificateInfo, policy: &'a TrustPolicy) -> Result<&'a SignerName, Refusal> {
    let identity = claims.identity.as_ref().map_or("", |it| it.as_str());
    let issuer = claims.issuer.as_deref().unwrap_or_default();
    let meant = |exact: bool| {
        policy.signers().iter().find(|signer| {
            let mut identities = signer.identities.iter();
            identities.any(|it| it.is_exact() == exact && it.matches(issuer, identity))
        })
    };
    let signer = meant(true).or_else(|| meant(false));
    signer
        .map(|signer| &signer.name)
        .ok_or_else(|| Refusal::UnknownIdentity {
            identity: identity.to_owned(),
            issuer: issuer.to_owned(),
        })
}

/// Everything that Sigstore asks of a certificate and its log entry, for
/// exactly the identity that the certificate claims.
fn verify_identity(
    bundle: &Bundle,
    digest: &Sha256Hash,
    claims: &CertificateInfo,
    root: &Root,
) -> Result<VerificationResult, Refusal> {
    let identity = claims.identity.as_ref().ok_or(Refusal::Malformed)?;
    let issuer = claims.issuer.as_deref().ok_or(Refusal::Malformed)?;
    let policy = VerificationPolicy::new(IdentityMatcher::from(identity), issuer);
    let result = root
        .verifier()
        .verify(*digest, bundle, &policy)
        .map_err(|cause| Refusal::of(&cause))?;
    if result.certificate_verified() && result.sct_verified() && result.tlog_verified() {
        Ok(result)
    } else {
        Err(Refusal::Evidence("it is incomplete".to_owned()))
    }
}

/// What an envelope says about exactly this artifact.
fn statement(
    envelope: &DsseEnvelope,
    digest: &Sha256Hash,
    claims: Option<&CertificateInfo>,
) -> Result<Says, Refusal> {
    if envelope.payload_type != IN_TOTO {
        return Err(Refusal::NotAStatement);
    }
    let statement: Statement = serde_json::from_slice(envelope.payload.as_bytes())
        .map_err(|_cause| Refusal::NotAStatement)?;
    if !STATEMENTS.contains(&statement.type_.as_str()) {
        return Err(Refusal::NotAStatement);
    }
    if statement.subject.len() != 1 {
        return Err(Refusal::NotOneSubject);
    }
    if !statement.matches_sha256(digest) {
        return Err(Refusal::OtherBytes);
    }
    if statement.predicate_type == APPROVAL {
        return Ok(Says::Approved);
    }
    let source = claims.map(|claims| &claims.ci_claims);
    Ok(Says::Attested(Box::new(Attested {
        repository: source.and_then(|it| it.source_repository_uri.clone()),
        reference: source.and_then(|it| it.source_repository_ref.clone()),
        predicate_type: statement.predicate_type,
        predicate: statement.predicate,
    })))
}
