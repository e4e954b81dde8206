//! Secrets that the operator chose to show to the skill itself.
//!
//! Most skills need none: a credential that is bound to an origin is added to
//! requests by the host ([`http::Request::credential`](crate::http::Request::credential)),
//! and the skill never sees it.

use std::fmt;

use crate::host;

/// Why a secret is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The manifest declares no secret of that name.
    Undeclared,
    /// The operator has given it no value.
    NotSet,
    /// The skill was not granted to read it.
    NotGranted,
}

/// The value of a secret.
///
/// # Errors
///
/// [`Error`] says what is missing; with `?` it becomes `denied`.
pub fn reveal(name: &str) -> Result<String, Error> {
    host::reveal(name)
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Undeclared => "The skill's manifest declares no secret of that name.",
            Self::NotSet => "The operator has not set the secret that this needs.",
            Self::NotGranted => {
                "The operator has not granted this skill the secret that this needs."
            }
        })
    }
}

impl std::error::Error for Error {}
