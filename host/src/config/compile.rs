//! `[compile]`: how much compiling may take, and where compiled code is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

use super::Places;
use crate::artifact::MAX_COMPONENT;
use crate::compile::{CACHE_SIZE, CacheSettings, CompileLimits};
use crate::policy::limits::{parse_size, parse_timeout};

/// Less memory than a compiler needs for any component, in bytes.
const MIN_MEMORY: u64 = 32 << 20;

/// What the operator decided about compiling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompileConfig {
    /// How much compiling one component may take.
    pub limits: CompileLimits,
    /// Where compiled code is kept.
    pub cache: CacheChoice,
    /// How many bytes of it.
    pub cache_size: u64,
}

/// Where compiled code is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum CacheChoice {
    /// In [`Places::compiled`].
    #[default]
    Usual,
    /// In that folder.
    Folder(PathBuf),
    /// Nowhere.
    Off,
}

impl Default for CompileConfig {
    fn default() -> Self {
        Self {
            limits: CompileLimits::default(),
            cache: CacheChoice::default(),
            cache_size: CACHE_SIZE,
        }
    }
}

impl CompileConfig {
    /// The cache of a user with these places; none if there is to be none.
    #[must_use]
    pub fn cache(&self, places: &Places) -> Option<CacheSettings> {
        let folder = match &self.cache {
            CacheChoice::Usual => places.compiled(),
            CacheChoice::Folder(folder) => folder.clone(),
            CacheChoice::Off => return None,
        };
        Some(CacheSettings {
            folder,
            key: places.cache_key(),
            size: self.cache_size,
        })
    }
}

/// As it stands in a file.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub(super) struct CompileTable {
    #[serde(deserialize_with = "component")]
    component: Option<u64>,
    #[serde(deserialize_with = "functions")]
    functions: Option<u64>,
    #[serde(deserialize_with = "time")]
    time: Option<Duration>,
    #[serde(deserialize_with = "memory")]
    memory: Option<u64>,
    cache: Option<CacheValue>,
    #[serde(deserialize_with = "size")]
    cache_size: Option<u64>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "`cache` is `true`, `false`, or the path of a folder"
)]
enum CacheValue {
    Used(bool),
    Folder(PathBuf),
}

impl CompileTable {
    /// Paths are relative to the folder of the configuration.
    pub(super) fn read(self, folder: &Path) -> CompileConfig {
        let usual = CompileConfig::default();
        CompileConfig {
            limits: CompileLimits {
                component: self.component.unwrap_or(usual.limits.component),
                functions: self.functions.unwrap_or(usual.limits.functions),
                time: self.time.unwrap_or(usual.limits.time),
                memory: self.memory.unwrap_or(usual.limits.memory),
            },
            cache: match self.cache {
                None | Some(CacheValue::Used(true)) => CacheChoice::Usual,
                Some(CacheValue::Used(false)) => CacheChoice::Off,
                Some(CacheValue::Folder(path)) => CacheChoice::Folder(folder.join(path)),
            },
            cache_size: self.cache_size.unwrap_or(usual.cache_size),
        }
    }
}

fn text<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Option<T>, D::Error> {
    let text = String::deserialize(deserializer)?;
    parse(&text).map(Some).map_err(serde::de::Error::custom)
}

fn positive_size(text: &str) -> Result<u64, String> {
    match parse_size(text)? {
        0 => Err(format!("`{text}` is nothing; write for example `64MiB`")),
        size => Ok(size),
    }
}

fn size<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text(deserializer, positive_size)
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    text(deserializer, parse_timeout)
}

fn component<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text(deserializer, |text| match positive_size(text)? {
        size if size <= MAX_COMPONENT => Ok(size),
        _ => Err(format!(
            "`{text}` is out of range; a component has at most 64 MiB"
        )),
    })
}

fn memory<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    text(deserializer, |text| match positive_size(text)? {
        size if size >= MIN_MEMORY => Ok(size),
        _ => Err(format!(
            "`{text}` is out of range; a compiler needs 32 MiB to begin with"
        )),
    })
}

fn functions<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    match u64::deserialize(deserializer)? {
        0 => Err(serde::de::Error::custom(
            "`functions` is a positive whole number",
        )),
        number => Ok(Some(number)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::error::Kind;

    fn parse(lines: &str) -> crate::error::Result<CompileConfig> {
        let text = format!("[compile]\n{lines}");
        let path = Path::new("/etc/skillhost/skillhost.toml");
        Config::parse(&text, path).map(|config| config.compile)
    }

    #[test]
    fn what_is_not_written_is_as_usual() {
        let config = parse("time = \"30s\"\nfunctions = 7\n").unwrap();
        let limits = CompileLimits {
            time: Duration::from_secs(30),
            functions: 7,
            ..CompileLimits::default()
        };
        assert_eq!(
            config,
            CompileConfig {
                limits,
                ..CompileConfig::default()
            }
        );
    }

    #[test]
    fn the_cache_is_moved_or_left_out() {
        let places = Places {
            config: "/c".into(),
            data: "/d".into(),
            cache: "/x".into(),
        };
        let folder = |lines| {
            parse(lines)
                .unwrap()
                .cache(&places)
                .map(|cache| cache.folder)
        };
        assert_eq!(folder(""), Some("/x/compiled".into()));
        assert_eq!(folder("cache = true"), Some("/x/compiled".into()));
        assert_eq!(
            folder("cache = \"fast\""),
            Some("/etc/skillhost/fast".into())
        );
        assert_eq!(folder("cache = false"), None);
        let cache = parse("cache-size = \"1MiB\"")
            .unwrap()
            .cache(&places)
            .unwrap();
        assert_eq!((cache.size, cache.key), (1 << 20, "/d/cache.key".into()));
    }

    #[test]
    fn limits_that_mean_nothing_are_refused() {
        for (lines, part) in [
            ("component = \"65MiB\"", "64 MiB"),
            ("component = \"0\"", "nothing"),
            ("memory = \"31MiB\"", "32 MiB"),
            ("functions = 0", "positive"),
            ("time = \"2h\"", "out of range"),
            ("cache = 3", "path of a folder"),
            ("worker = \"in-process\"", "unknown field"),
        ] {
            let error = parse(lines).unwrap_err();
            assert_eq!(error.kind(), Kind::ConfigInvalid);
            assert!(error.message().contains(part), "{error}");
            assert!(error.message().contains("line 2"), "{error}");
        }
    }
}
