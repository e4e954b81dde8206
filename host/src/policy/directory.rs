//! Which directories a skill may see.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What may be done in a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Access {
    /// Reading files and listing directories.
    #[default]
    ReadOnly,
    /// Changing them as well.
    ReadWrite,
}

impl fmt::Display for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ReadOnly => "read-only",
            Self::ReadWrite => "read-write",
        })
    }
}

/// A host directory that the operator lets a skill see at a guest path.
///
/// Written `HOST[:GUEST][:ro|:rw]`.
///
/// # Defaults
///
/// The guest path is `/`, the access read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirectoryGrant {
    /// The directory on the host.
    pub host: PathBuf,
    /// Where the skill sees it: absolute, without `.` and `..`.
    pub guest: String,
    /// What it may do there.
    pub access: Access,
}

impl FromStr for DirectoryGrant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (rest, access) = match text.rsplit_once(':') {
            Some((rest, "ro")) => (rest, Access::ReadOnly),
            Some((rest, "rw")) => (rest, Access::ReadWrite),
            _ => (text, Access::ReadOnly),
        };
        let (host, guest) = match rest.rsplit_once(":/") {
            Some((host, guest)) => (host, format!("/{guest}")),
            None => (rest, "/".to_owned()),
        };
        let unclear = if rest == host { host } else { guest.as_str() };
        if let Some((_, part)) = unclear.rsplit_once(':') {
            return Err(format!(
                "`{part}` in `{text}` is neither `ro`, `rw` nor a guest path that begins with `/`"
            ));
        }
        if host.is_empty() {
            return Err(format!(
                "`{text}` names no host directory; write HOST[:GUEST][:ro|:rw], for example `docs:/docs:ro`"
            ));
        }
        Ok(Self {
            host: PathBuf::from(host),
            guest: guest_path(&guest)?,
            access,
        })
    }
}

impl fmt::Display for DirectoryGrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let access = match self.access {
            Access::ReadOnly => "ro",
            Access::ReadWrite => "rw",
        };
        write!(f, "{}:{}:{access}", self.host.display(), self.guest)
    }
}

fn guest_path(text: &str) -> Result<String, String> {
    let mut path = String::new();
    for part in text.split('/').filter(|part| !part.is_empty()) {
        if part == "." || part == ".." || part.contains('\0') {
            return Err(format!(
                "the guest path `{text}` must be absolute, without `.` and `..`"
            ));
        }
        path.push('/');
        path.push_str(part);
    }
    if path.is_empty() {
        path.push('/');
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(host: &str, guest: &str, access: Access) -> DirectoryGrant {
        DirectoryGrant {
            host: host.into(),
            guest: guest.into(),
            access,
        }
    }

    #[test]
    fn each_part_but_the_host_has_a_safe_default() {
        use Access::{ReadOnly, ReadWrite};
        for (text, expected) in [
            ("docs", grant("docs", "/", ReadOnly)),
            ("docs:ro", grant("docs", "/", ReadOnly)),
            ("docs:rw", grant("docs", "/", ReadWrite)),
            ("docs:/d", grant("docs", "/d", ReadOnly)),
            ("/a:b:/d/e/:rw", grant("/a:b", "/d/e", ReadWrite)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn guest_paths_cannot_climb() {
        for wrong in [
            "",
            ":",
            ":/docs",
            "docs:/../etc",
            "docs:/a/./b:rw",
            "docs:rel",
            "docs:/x:rx",
            "docs::ro",
        ] {
            assert!(wrong.parse::<DirectoryGrant>().is_err(), "{wrong}");
        }
    }
}
