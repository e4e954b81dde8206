//! One bundle against one signer, for whoever asks about that alone.

use jiff::Timestamp;

use super::bundle::{self, Maker, Says};
use super::identity::Identity;
use super::key::PublicKey;
use super::policy::TrustPolicy;
use super::root::Root;
use super::signer::Signer;
use crate::artifact::{Digest, MAX_BUNDLE};
use crate::error::{Error, Kind, Result};

/// Who is expected to have signed.
#[derive(Debug, Clone)]
pub enum Expected {
    /// Whoever has the private half of this key.
    Key(PublicKey),
    /// Somebody an issuer vouches for.
    Identity(Identity),
}

/// What a bundle proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The key's id, or the identity and its issuer.
    pub signer: String,
    /// When it was made, as logs and timestamp authorities vouch for it.
    pub times: Vec<Timestamp>,
    /// Whether a transparency log has it.
    pub logged: bool,
    /// What kind of statement it is, if it is not an approval.
    pub predicate_type: Option<String>,
}

/// Checks one bundle.
///
/// # Errors
///
/// As those of [`Verifier::verify`](super::Verifier::verify); the message says
/// which check failed.
pub fn check_bundle(json: &str, digest: Digest, expected: Expected, root: &Root) -> Result<Proof> {
    if json.len() as u64 > MAX_BUNDLE {
        return Err(Error::new(
            Kind::SignatureInvalid,
            format!("The bundle is larger than {MAX_BUNDLE} bytes."),
        ));
    }
    let signer = match expected {
        Expected::Key(key) => Signer::with_keys("expected", [key]),
        Expected::Identity(identity) => Signer::with_identities("expected", [identity]),
    };
    let policy = TrustPolicy::one(signer)
        .map_err(|cause| Error::new(Kind::Internal, format!("{cause}.")))?;
    let signature = bundle::signature(json, digest, &policy, root).map_err(|refusal| {
        Error::new(
            refusal.kind(),
            format!("The bundle does not hold: {refusal}."),
        )
    })?;
    Ok(Proof {
        signer: match signature.maker {
            Maker::Key(id) => id,
            Maker::Identity { issuer, identity } => format!("{identity} of {issuer}"),
        },
        times: signature.times,
        logged: signature.logged,
        predicate_type: match signature.says {
            Says::Approved => None,
            Says::Attested(attested) => Some(attested.predicate_type),
        },
    })
}
