//! The development override, which lets unsigned skills run.

use std::env;

/// Whether the environment asks for the development override.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Override(Asked);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Asked {
    #[default]
    No,
    Granted,
    Refused,
}

impl Override {
    /// Nobody asked.
    pub const NONE: Self = Self(Asked::No);
    pub(crate) const GRANTED: Self = Self(Asked::Granted);

    /// Reads `SKILLHOST_ALLOW_UNSIGNED`, which has an effect only if it is
    /// `true` and `SKILLHOST_ENV` is `development`, and none at all in a host
    /// that was built with the feature `hardened`.
    #[must_use]
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place that reads the environment"
    )]
    pub fn from_environment() -> Self {
        let is = |variable: &str, value: &str| env::var_os(variable).is_some_and(|it| it == value);
        if env::var_os("SKILLHOST_ALLOW_UNSIGNED")
            .is_none_or(|value| value.is_empty() || value == "false")
        {
            return Self::NONE;
        }
        let granted = is("SKILLHOST_ALLOW_UNSIGNED", "true") && is("SKILLHOST_ENV", "development");
        if granted && !cfg!(feature = "hardened") {
            Self::GRANTED
        } else {
            Self(Asked::Refused)
        }
    }

    /// Whether unsigned skills may run.
    #[must_use]
    pub fn is_granted(self) -> bool {
        self.0 == Asked::Granted
    }

    /// Whether it was asked for and is not given.
    #[must_use]
    pub fn is_refused(self) -> bool {
        self.0 == Asked::Refused
    }
}
