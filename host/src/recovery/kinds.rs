//! What each kind of failure means for further attempts.

use crate::error::Kind;

/// Kinds after which an operator may have a tool tried again.
pub const RETRYABLE: [Kind; 6] = [
    Kind::GuestFailed,
    Kind::DeadlineExceeded,
    Kind::Overloaded,
    Kind::InvalidOutput,
    Kind::Trapped,
    Kind::Internal,
];

/// What an attempt says about the health of its tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    /// It works.
    Well,
    /// It does not.
    Ill,
    /// Nothing: it was not tried, or somebody else ended it.
    Unknown,
}

/// Whether something else may take the place of a tool that failed so.
///
/// What is refused for its trust, its caller or its rights stays refused: a
/// fallback would be a way around. A skill that could not be loaded is not known
/// (`UnknownTool`), and that may be for its signatures. Without a record nothing
/// runs at all.
pub(crate) const fn falls_back(kind: Kind) -> bool {
    match kind {
        Kind::Overloaded
        | Kind::BreakerOpen
        | Kind::Suspended
        | Kind::ComponentInvalid
        | Kind::ManifestInvalid
        | Kind::CompileLimit
        | Kind::FuelExhausted
        | Kind::DeadlineExceeded
        | Kind::MemoryLimit
        | Kind::StackExhausted
        | Kind::OutputLimit
        | Kind::HostcallLimit
        | Kind::ResourceLimit
        | Kind::Trapped
        | Kind::GuestFailed
        | Kind::InvalidOutput
        | Kind::Internal => true,
        Kind::InvalidRequest
        | Kind::UnknownTool
        | Kind::InvalidInput
        | Kind::InputTooLarge
        | Kind::Denied
        | Kind::Forbidden
        | Kind::Unauthenticated
        | Kind::RateLimited
        | Kind::Cancelled
        | Kind::SignatureMissing
        | Kind::SignatureInvalid
        | Kind::IdentityMismatch
        | Kind::ThresholdUnmet
        | Kind::DigestMismatch
        | Kind::ArtifactChanged
        | Kind::Expired
        | Kind::Revoked
        | Kind::RolledBack
        | Kind::NotApproved
        | Kind::TrustRootInvalid
        | Kind::AuditUnavailable
        | Kind::ConfigInvalid
        | Kind::ConfigInsecure => false,
    }
}

/// Whether what the tool itself answered earlier may be given instead: not if
/// somebody is to look at the skill first.
pub(crate) const fn takes_last_good(kind: Kind) -> bool {
    falls_back(kind) && !matches!(kind, Kind::Suspended)
}

/// What a failure of an attempt that ran says about its tool. An answer that the
/// arguments are wrong is an answer.
pub(crate) const fn health(kind: Kind, unavailable: bool) -> Health {
    match kind {
        Kind::GuestFailed if unavailable => Health::Ill,
        Kind::GuestFailed | Kind::InvalidInput | Kind::OutputLimit => Health::Well,
        Kind::Trapped
        | Kind::DeadlineExceeded
        | Kind::FuelExhausted
        | Kind::MemoryLimit
        | Kind::StackExhausted
        | Kind::HostcallLimit
        | Kind::ResourceLimit
        | Kind::InvalidOutput
        | Kind::Internal => Health::Ill,
        _ => Health::Unknown,
    }
}
