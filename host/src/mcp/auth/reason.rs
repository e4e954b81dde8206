//! Why somebody is not let in: for the record, and how it counts.

use super::key::KeyId;

/// What is wrong with what somebody sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Reason {
    Missing,
    Several,
    Malformed,
    InQuery,
    WrongKey,
    ExpiredKey,
    NoToken,
    Algorithm,
    Critical,
    Type,
    UnknownKey,
    Signature,
    Claims,
    Issuer,
    Audience,
    ExpiredToken,
    EarlyToken,
    Subject,
    Scope,
    NoKeys,
}

/// How the host goes on with somebody who is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// Nothing was tried: clients ask so to learn what to send.
    Asked,
    /// It may have been a guess.
    Tried,
    /// They are who they say, and may not do this.
    Lacks,
    /// Nobody can tell now.
    Unknown,
}

/// Why, and of which key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) reason: Reason,
    pub(super) key: Option<KeyId>,
}

impl Failure {
    pub(super) const fn of_key(reason: Reason, key: Option<KeyId>) -> Self {
        Self { reason, key }
    }
}

impl From<Reason> for Failure {
    fn from(reason: Reason) -> Self {
        Self { reason, key: None }
    }
}

impl Reason {
    /// In one sentence that holds nothing of what was sent.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Missing => "The request has no header `Authorization`.",
            Self::Several => "The request has more than one header `Authorization`.",
            Self::Malformed => "The header `Authorization` is not `Bearer` with a key or a token.",
            Self::InQuery => "The address of the request holds a token, where others can read it.",
            Self::WrongKey => "The key is not one of this host, or was revoked.",
            Self::ExpiredKey => "The key has expired.",
            Self::NoToken => "It is neither a key nor a token that this host reads.",
            Self::Algorithm => "The token is signed with an algorithm that is not allowed.",
            Self::Critical => "The token has a header that must be understood, and is not.",
            Self::Type => "The token is of another type than an access token.",
            Self::UnknownKey => "The token names no key of the issuer that fits its algorithm.",
            Self::Signature => "The signature of the token does not hold.",
            Self::Claims => "The token lacks a claim, or has one of another form.",
            Self::Issuer => "The token is of another issuer.",
            Self::Audience => "The token is for another audience.",
            Self::ExpiredToken => "The token has expired.",
            Self::EarlyToken => "The token is not valid yet.",
            Self::Subject => "The token does not say whose it is.",
            Self::Scope => "The token lacks the scope that is needed here.",
            Self::NoKeys => "The keys of the issuer cannot be had.",
        }
    }

    /// How they tried: `none`, `bearer` or `oauth`.
    pub(super) const fn method(self) -> &'static str {
        match self {
            Self::Missing => "none",
            Self::Several
            | Self::Malformed
            | Self::InQuery
            | Self::WrongKey
            | Self::ExpiredKey
            | Self::NoToken => "bearer",
            Self::Algorithm
            | Self::Critical
            | Self::Type
            | Self::UnknownKey
            | Self::Signature
            | Self::Claims
            | Self::Issuer
            | Self::Audience
            | Self::ExpiredToken
            | Self::EarlyToken
            | Self::Subject
            | Self::Scope
            | Self::NoKeys => "oauth",
        }
    }

    pub(super) const fn weight(self) -> Weight {
        match self {
            Self::Missing => Weight::Asked,
            Self::Scope => Weight::Lacks,
            Self::NoKeys => Weight::Unknown,
            _ => Weight::Tried,
        }
    }
}
