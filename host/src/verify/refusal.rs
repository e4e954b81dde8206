//! Why a bundle does not count.

use sigstore_verify::Error as Sigstore;

use crate::error::Kind;
use crate::manifest::text::one_line;

/// The longest account of a library's error, in characters.
const MAX_DETAIL: usize = 200;

/// Why a bundle does not count, in words that follow the bundle's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    #[error("it is no Sigstore bundle")]
    Malformed,
    #[error("it holds two things of which there may be one")]
    Ambiguous,
    #[error("it holds more log entries or timestamps than anybody checks")]
    TooMuchEvidence,
    #[error("it is signed with a key that the policy does not name")]
    UnknownKey,
    #[error(
        "it is signed by {} of {}, whom the policy does not name",
        one_line(identity, MAX_DETAIL),
        one_line(issuer, MAX_DETAIL)
    )]
    UnknownIdentity { identity: String, issuer: String },
    #[error("the rule for this skill does not name its signer")]
    NotInRule,
    #[error("it signs other bytes than these")]
    OtherBytes,
    #[error("its signature does not hold")]
    BadSignature,
    #[error("it is neither a signature of the file nor an in-toto statement about it")]
    NotAStatement,
    #[error("its statement is about none or several artifacts, not one")]
    NotOneSubject,
    #[error("it is an attestation, not an approval")]
    NotAnApproval,
    #[error("its certificate does not hold: {0}")]
    Certificate(String),
    #[error("its transparency-log entry does not hold: {0}")]
    Log(String),
    #[error("its timestamp does not hold: {0}")]
    Timestamp(String),
    #[error("its evidence does not hold: {0}")]
    Evidence(String),
    #[error("it is in no transparency log, and the rule asks for that")]
    NotLogged,
    #[error(
        "nothing says how old it may be, and the rule limits that: give its key a `not-before`"
    )]
    NoTime,
    #[error("it says that it was made in the future; this host's clock may be behind")]
    Future,
    #[error("it is older than the rule allows")]
    TooOld,
    #[error("its key was not valid when it was made")]
    KeyNotValid,
    #[error("its key is not valid now, and nothing proves when it was made")]
    KeyNotValidNow,
    #[error("the deny list names its signer: {0}")]
    Denied(String),
    #[error("its key has signed for another signer already")]
    KeyCounted,
}

impl Refusal {
    /// What a failure of the library means.
    pub(super) fn of(cause: &Sigstore) -> Self {
        let detail = one_line(cause.to_string().trim_end_matches('.'), MAX_DETAIL);
        match cause {
            Sigstore::SignatureInvalid(_) => Self::BadSignature,
            Sigstore::ArtifactMismatch(_) => Self::OtherBytes,
            Sigstore::Certificate(_) => Self::Certificate(detail),
            Sigstore::TransparencyLog(_) => Self::Log(detail),
            Sigstore::Timestamp(_) => Self::Timestamp(detail),
            _ => Self::Evidence(detail),
        }
    }

    pub(super) const fn kind(&self) -> Kind {
        match self {
            Self::UnknownKey | Self::UnknownIdentity { .. } | Self::NotInRule => {
                Kind::IdentityMismatch
            }
            Self::OtherBytes => Kind::DigestMismatch,
            Self::TooOld | Self::KeyNotValid | Self::KeyNotValidNow => Kind::Expired,
            Self::Denied(_) => Kind::Revoked,
            Self::KeyCounted => Kind::ThresholdUnmet,
            _ => Kind::SignatureInvalid,
        }
    }
}
