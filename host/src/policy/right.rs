//! Kinds of capabilities, as ceilings and requirements name them.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::directory::Access;

/// One kind of capability. Of two that stand in for each other the wider one
/// holds the narrower: who may write may read, and who may use patterns of
/// origins may name one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Right {
    /// Reading in directories of the host.
    FilesystemRead,
    /// Changing them as well.
    FilesystemWrite,
    /// HTTP requests to origins that are named.
    Http,
    /// HTTP requests to patterns of origins as well, such as `https://*`.
    HttpWildcard,
    /// Raw connections: TCP, UDP and listening.
    Sockets,
    /// Secrets that the host adds to requests.
    Credentials,
    /// Secrets that the skill itself reads.
    Reveal,
    /// Keeping something from call to call.
    State,
}

impl Right {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::FilesystemRead,
        Self::FilesystemWrite,
        Self::Http,
        Self::HttpWildcard,
        Self::Sockets,
        Self::Credentials,
        Self::Reveal,
        Self::State,
    ];

    /// As it is written in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::FilesystemRead => "filesystem-read",
            Self::FilesystemWrite => "filesystem-write",
            Self::Http => "http",
            Self::HttpWildcard => "http-wildcard",
            Self::Sockets => "sockets",
            Self::Credentials => "credentials",
            Self::Reveal => "reveal",
            Self::State => "state",
        }
    }

    /// Which capability it is a part of, as denials name it.
    pub(crate) const fn capability(self) -> &'static str {
        match self {
            Self::FilesystemRead | Self::FilesystemWrite => "filesystem",
            Self::Http | Self::HttpWildcard => "http",
            Self::Sockets => "sockets",
            Self::Credentials | Self::Reveal => "secrets",
            Self::State => "state",
        }
    }

    /// What it takes to use a directory in that way.
    pub(crate) const fn of_access(access: Access) -> Self {
        match access {
            Access::ReadOnly => Self::FilesystemRead,
            Access::ReadWrite => Self::FilesystemWrite,
        }
    }

    /// The wider one that holds this one.
    const fn wider(self) -> Option<Self> {
        match self {
            Self::FilesystemRead => Some(Self::FilesystemWrite),
            Self::Http => Some(Self::HttpWildcard),
            _ => None,
        }
    }

    /// Who is denied these is denied what is wider as well.
    #[must_use]
    pub fn denying(named: &BTreeSet<Self>) -> BTreeSet<Self> {
        let wider = named.iter().filter_map(|right| right.wider());
        named.iter().copied().chain(wider).collect()
    }

    /// Who is allowed these is allowed what is narrower as well; the others are
    /// returned.
    #[must_use]
    pub fn beyond(allowed: &BTreeSet<Self>) -> BTreeSet<Self> {
        let is_allowed = |right: &Self| {
            let wider = right.wider();
            allowed.contains(right) || wider.is_some_and(|wider| allowed.contains(&wider))
        };
        Self::ALL.into_iter().filter(|it| !is_allowed(it)).collect()
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wider_right_holds_the_narrower_one() {
        use Right::{FilesystemRead, FilesystemWrite, Http, HttpWildcard, Sockets};
        let denied = Right::denying(&[Http, Sockets].into());
        assert_eq!(denied, [Http, HttpWildcard, Sockets].into());
        assert_eq!(
            Right::denying(&[FilesystemWrite].into()),
            [FilesystemWrite].into()
        );
        let beyond = Right::beyond(&[FilesystemWrite, Http].into());
        assert!(!beyond.contains(&FilesystemRead) && !beyond.contains(&Http));
        assert!(beyond.contains(&HttpWildcard) && beyond.contains(&Sockets));
        assert_eq!(Right::beyond(&BTreeSet::new()).len(), Right::ALL.len());
    }

    #[test]
    fn a_right_is_written_as_it_is_read() {
        for right in Right::ALL {
            let json = format!("\"{right}\"");
            assert_eq!(serde_json::from_str::<Right>(&json).unwrap(), right);
        }
    }
}
