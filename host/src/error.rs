//! What can go wrong with a call, in words that a program, a person and an
//! operator can each act on.
//!
//! An [`Error`] answers four questions: which [`Kind`], whose fault
//! ([`Kind::blame`]), whether to try again ([`Kind::retry`]), and what the
//! caller may be told ([`Error::message`] and [`Error::hint`], as opposed to
//! [`Error::internal`], which stays with the operator).

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One word for one cause. Scripts, tests and events use it; it never changes
/// its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(missing_docs, reason = "each name is its own description")]
pub enum Kind {
    InvalidRequest,
    UnknownTool,
    InvalidInput,
    InputTooLarge,
    Unauthenticated,
    Denied,
    Forbidden,
    RateLimited,
    Overloaded,
    BreakerOpen,
    Suspended,
    Cancelled,
    SignatureMissing,
    SignatureInvalid,
    IdentityMismatch,
    ThresholdUnmet,
    DigestMismatch,
    ArtifactChanged,
    Expired,
    Revoked,
    RolledBack,
    NotApproved,
    TrustRootInvalid,
    ComponentInvalid,
    ManifestInvalid,
    CompileLimit,
    FuelExhausted,
    DeadlineExceeded,
    MemoryLimit,
    StackExhausted,
    OutputLimit,
    HostcallLimit,
    ResourceLimit,
    Trapped,
    GuestFailed,
    InvalidOutput,
    AuditUnavailable,
    ConfigInvalid,
    ConfigInsecure,
    Internal,
}

/// Whose fault a failure is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The caller: another request would succeed.
    Caller,
    /// The skill: its author has something to mend.
    Skill,
    /// The operator: a grant, a limit or a trust decision is missing.
    Operator,
    /// The host itself.
    Host,
}

/// Whether the same call may be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// It would fail again.
    Never,
    /// Once, in case the host was at fault.
    Once,
    /// When the operator's policy says so.
    ByPolicy,
}

/// Whether the same call is of use again, after all attempts of it failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// Nobody knows how far it came, and a second time is not the same as once.
    MakeSure,
    /// It was tried more than once.
    NotAtOnce,
    /// Too many calls of the skill fail.
    NotSoon,
}

impl Again {
    /// In one sentence, for whoever made the call.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::MakeSure => {
                "It may have taken effect all the same: make sure before you call it again."
            }
            Self::NotAtOnce => "It was tried more than once: trying again at once is of no use.",
            Self::NotSoon => "Too many calls of this skill fail just now: do not try again soon.",
        }
    }
}

impl Kind {
    /// Every kind, for tables and tests.
    pub const ALL: [Self; 40] = [
        Self::InvalidRequest,
        Self::UnknownTool,
        Self::InvalidInput,
        Self::InputTooLarge,
        Self::Unauthenticated,
        Self::Denied,
        Self::Forbidden,
        Self::RateLimited,
        Self::Overloaded,
        Self::BreakerOpen,
        Self::Suspended,
        Self::Cancelled,
        Self::SignatureMissing,
        Self::SignatureInvalid,
        Self::IdentityMismatch,
        Self::ThresholdUnmet,
        Self::DigestMismatch,
        Self::ArtifactChanged,
        Self::Expired,
        Self::Revoked,
        Self::RolledBack,
        Self::NotApproved,
        Self::TrustRootInvalid,
        Self::ComponentInvalid,
        Self::ManifestInvalid,
        Self::CompileLimit,
        Self::FuelExhausted,
        Self::DeadlineExceeded,
        Self::MemoryLimit,
        Self::StackExhausted,
        Self::OutputLimit,
        Self::HostcallLimit,
        Self::ResourceLimit,
        Self::Trapped,
        Self::GuestFailed,
        Self::InvalidOutput,
        Self::AuditUnavailable,
        Self::ConfigInvalid,
        Self::ConfigInsecure,
        Self::Internal,
    ];

    /// Whose fault it is.
    #[must_use]
    pub const fn blame(self) -> Blame {
        match self {
            Self::InvalidRequest
            | Self::UnknownTool
            | Self::InvalidInput
            | Self::InputTooLarge
            | Self::Unauthenticated
            | Self::RateLimited
            | Self::Cancelled => Blame::Caller,
            Self::ComponentInvalid
            | Self::ManifestInvalid
            | Self::StackExhausted
            | Self::Trapped
            | Self::GuestFailed
            | Self::BreakerOpen
            | Self::InvalidOutput => Blame::Skill,
            Self::Denied
            | Self::Forbidden
            | Self::Suspended
            | Self::SignatureMissing
            | Self::SignatureInvalid
            | Self::IdentityMismatch
            | Self::ThresholdUnmet
            | Self::DigestMismatch
            | Self::ArtifactChanged
            | Self::Expired
            | Self::Revoked
            | Self::RolledBack
            | Self::NotApproved
            | Self::TrustRootInvalid
            | Self::CompileLimit
            | Self::FuelExhausted
            | Self::DeadlineExceeded
            | Self::MemoryLimit
            | Self::OutputLimit
            | Self::HostcallLimit
            | Self::ResourceLimit
            | Self::ConfigInvalid
            | Self::ConfigInsecure => Blame::Operator,
            Self::Overloaded | Self::AuditUnavailable | Self::Internal => Blame::Host,
        }
    }

    /// Whether the same call may be made again.
    #[must_use]
    pub const fn retry(self) -> Retry {
        match self {
            Self::Trapped | Self::Internal => Retry::Once,
            Self::GuestFailed
            | Self::DeadlineExceeded
            | Self::RateLimited
            | Self::Overloaded
            | Self::BreakerOpen
            | Self::InvalidOutput
            | Self::AuditUnavailable => Retry::ByPolicy,
            _ => Retry::Never,
        }
    }

    /// Whether a limit was reached.
    #[must_use]
    pub const fn is_limit(self) -> bool {
        matches!(
            self,
            Self::CompileLimit
                | Self::FuelExhausted
                | Self::DeadlineExceeded
                | Self::MemoryLimit
                | Self::StackExhausted
                | Self::OutputLimit
                | Self::HostcallLimit
                | Self::ResourceLimit
        )
    }

    /// Whether the skill is not trusted.
    #[must_use]
    pub const fn is_trust(self) -> bool {
        matches!(
            self,
            Self::SignatureMissing
                | Self::SignatureInvalid
                | Self::IdentityMismatch
                | Self::ThresholdUnmet
                | Self::DigestMismatch
                | Self::ArtifactChanged
                | Self::Expired
                | Self::Revoked
                | Self::RolledBack
                | Self::NotApproved
                | Self::TrustRootInvalid
        )
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// A failure of the host or of a call.
///
/// [`Display`](fmt::Display) shows the public message only.
#[derive(Debug, Clone)]
#[expect(
    clippy::error_impl_error,
    reason = "the one error of this crate; it is read as `skillhost::Error`"
)]
pub struct Error {
    kind: Kind,
    message: String,
    hint: Option<String>,
    internal: Option<String>,
    retry_after: Option<Duration>,
    again: Option<Again>,
}

impl Error {
    /// A failure of `kind`; `message` is one sentence that the caller may see.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            hint: None,
            internal: None,
            retry_after: None,
            again: None,
        }
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Adds what only the operator may see: host paths, engine errors.
    #[must_use]
    pub fn with_internal(mut self, internal: impl fmt::Display) -> Self {
        self.internal = Some(internal.to_string());
        self
    }

    /// Adds when the same call may be of use again.
    #[must_use]
    pub const fn with_retry_after(mut self, after: Duration) -> Self {
        self.retry_after = Some(after);
        self
    }

    /// When the same call may be of use again, if that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Adds whether the same call is of use again.
    pub(crate) const fn tell(&mut self, again: Option<Again>) {
        self.again = again;
    }

    /// Whether the same call is of use again, if more is known of that than its
    /// kind says.
    #[must_use]
    pub const fn again(&self) -> Option<Again> {
        self.again
    }

    /// Changes each of its texts.
    pub(crate) fn edit(&mut self, mut change: impl FnMut(&mut String)) {
        change(&mut self.message);
        self.hint.iter_mut().for_each(&mut change);
        self.internal.iter_mut().for_each(change);
    }

    /// Which failure.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// One sentence that anyone may see.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// Details for the operator.
    #[must_use]
    pub fn internal(&self) -> Option<&str> {
        self.internal.as_deref()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_kind_of_trust_denial_or_bad_input_is_retried() {
        for kind in Kind::ALL {
            if kind.is_trust() || matches!(kind, Kind::Denied | Kind::InvalidInput) {
                assert_eq!(kind.retry(), Retry::Never, "{kind}");
            }
        }
    }

    #[test]
    fn what_is_shown_leaves_the_internal_part_out() {
        let error = Error::new(Kind::Internal, "The host failed.").with_internal("/etc/secret");
        assert_eq!(error.to_string(), "The host failed.");
        assert_eq!(error.internal(), Some("/etc/secret"));
    }
}
