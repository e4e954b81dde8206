//! `[audit]`: where the audit log is, and how it is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::trust::parse_age;
use crate::event::audit::{AuditOptions, Durability};
use crate::policy::limits::parse_size;
use crate::sign::PrivateKey;

/// The smallest file of a log, in bytes: some hundred records.
const MIN_SIZE: u64 = 64 * 1024;

/// The shortest time for which a file of a log is written.
const MIN_AGE: Duration = Duration::from_secs(60);

/// What the operator decided about the audit log; what is left open is as
/// [`AuditOptions::new`] has it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditConfig {
    /// Where it is; none: [`Places::audit`](super::Places::audit).
    pub file: Option<PathBuf>,
    /// When a record counts as written; none: `fsync` for `serve`, `flush` for
    /// other commands.
    pub durability: Option<Durability>,
    /// Bytes after which a new file is begun.
    pub rotate_size: Option<u64>,
    /// The time after which a new file is begun.
    pub rotate_age: Option<Duration>,
    /// How many old files are kept; none: all.
    pub keep: Option<u32>,
}

impl AuditConfig {
    /// How a command keeps the log whose own choice is `durability`.
    #[must_use]
    pub fn options(&self, key: PrivateKey, durability: Durability) -> AuditOptions {
        let usual = AuditOptions::new(key, self.durability.unwrap_or(durability));
        AuditOptions {
            rotate_size: self.rotate_size.unwrap_or(usual.rotate_size),
            rotate_age: self.rotate_age.unwrap_or(usual.rotate_age),
            keep: self.keep,
            ..usual
        }
    }
}

/// As it stands in a file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct AuditTable {
    file: Option<PathBuf>,
    durability: Option<Durability>,
    #[serde(deserialize_with = "size")]
    rotate_size: Option<u64>,
    #[serde(deserialize_with = "age")]
    rotate_age: Option<Duration>,
    #[serde(deserialize_with = "number")]
    keep: Option<u32>,
}

impl AuditTable {
    /// Paths are relative to the folder of the configuration.
    pub(super) fn read(self, folder: &Path) -> AuditConfig {
        AuditConfig {
            file: self.file.map(|path| folder.join(path)),
            durability: self.durability,
            rotate_size: self.rotate_size,
            rotate_age: self.rotate_age,
            keep: self.keep,
        }
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match parse_size(&text).map_err(serde::de::Error::custom)? {
        size if size >= MIN_SIZE => Ok(Some(size)),
        _ => Err(serde::de::Error::custom(format!(
            "`{text}` is out of range; a file of the audit log has 64 KiB or more"
        ))),
    }
}

fn age<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let text = String::deserialize(deserializer)?;
    match Duration::try_from(parse_age(&text).map_err(serde::de::Error::custom)?) {
        Ok(age) if age >= MIN_AGE => Ok(Some(age)),
        _ => Err(serde::de::Error::custom(format!(
            "`{text}` is out of range; a file of the audit log is written for 1m or longer"
        ))),
    }
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    u32::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::error::Kind;

    fn parse(lines: &str) -> crate::error::Result<AuditConfig> {
        let text = format!("[audit]\n{lines}");
        let path = Path::new("/etc/skillhost/skillhost.toml");
        Config::parse(&text, path).map(|config| config.audit)
    }

    #[test]
    fn what_is_written_is_read_and_the_rest_is_as_usual() {
        let key = || PrivateKey::generate().unwrap();
        let usual = parse("").unwrap().options(key(), Durability::Fsync);
        assert_eq!(usual.durability, Durability::Fsync);
        assert_eq!((usual.rotate_size, usual.keep), (64 << 20, None));
        let config = parse(
            "durability = \"flush\"\nrotate-size = \"1 MiB\"\nrotate-age = \"7d\"\nkeep = 0\n",
        )
        .unwrap();
        let options = config.options(key(), Durability::Fsync);
        assert_eq!(options.durability, Durability::Flush);
        assert_eq!((options.rotate_size, options.keep), (1 << 20, Some(0)));
        assert_eq!(options.rotate_age, Duration::from_secs(7 * 24 * 3600));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (lines, part) in [
            ("durability = \"never\"", "fsync"),
            ("rotate-size = \"1KiB\"", "64 KiB"),
            ("rotate-age = \"1s\"", "out of range"),
            ("keep = -1", "-1"),
            ("chained = false", "unknown field"),
        ] {
            let error = parse(lines).unwrap_err();
            assert_eq!(error.kind(), Kind::ConfigInvalid);
            assert!(error.message().contains(part), "{error}");
            assert!(error.message().contains("line 2"), "{error}");
        }
    }
}
