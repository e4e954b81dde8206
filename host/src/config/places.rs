//! Where a user's files lie.

use std::env;
use std::path::PathBuf;

use crate::error::{Error, Kind, Result};

const CONFIG: &str = "XDG_CONFIG_HOME";
const DATA: &str = "XDG_DATA_HOME";
const CACHE: &str = "XDG_CACHE_HOME";

/// Folders and files of one user, where the XDG base directory specification
/// puts them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// `$XDG_CONFIG_HOME/skillhost`: the configuration.
    pub config: PathBuf,
    /// `$XDG_DATA_HOME/skillhost`: keys, installed skills and the audit log.
    pub data: PathBuf,
    /// `$XDG_CACHE_HOME/skillhost`: what can be made again.
    pub cache: PathBuf,
}

impl Places {
    /// The user's, from the environment.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if there is neither `HOME` nor the XDG variables.
    pub fn from_environment() -> Result<Self> {
        Ok(Self {
            config: place(CONFIG, ".config")?,
            data: place(DATA, ".local/share")?,
            cache: place(CACHE, ".cache")?,
        })
    }

    /// The variables that say where files lie, and what each says; without those
    /// that are not set or that do not count.
    #[must_use]
    pub fn variables() -> Vec<(&'static str, PathBuf)> {
        let variables = [CONFIG, DATA, CACHE].into_iter();
        variables
            .filter_map(|variable| Some((variable, named(variable)?)))
            .collect()
    }

    /// `skillhost.toml`, unless another is named.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config.join("skillhost.toml")
    }

    /// Installed skills, unless the configuration names another folder.
    #[must_use]
    pub fn skills(&self) -> PathBuf {
        self.data.join("skills")
    }

    /// The author's own key, without `.key` and `.pub`.
    #[must_use]
    pub fn key(&self) -> PathBuf {
        self.data.join("keys").join("local")
    }

    /// The host's key, which signs the audit log, without `.key` and `.pub`.
    #[must_use]
    pub fn host_key(&self) -> PathBuf {
        self.data.join("keys").join("host")
    }

    /// The Sigstore trusted root that `skillhost trust update` writes.
    #[must_use]
    pub fn trusted_root(&self) -> PathBuf {
        self.data.join("trust").join("trusted_root.json")
    }

    /// The audit log, unless the configuration names another file.
    #[must_use]
    pub fn audit(&self) -> PathBuf {
        self.data.join("audit.jsonl")
    }

    /// Compiled code, unless the configuration names another folder.
    #[must_use]
    pub fn compiled(&self) -> PathBuf {
        self.cache.join("compiled")
    }

    /// The key with which compiled code is authenticated.
    #[must_use]
    pub fn cache_key(&self) -> PathBuf {
        self.data.join("cache.key")
    }

    /// What `skillhost serve` remembers about trust: version floors and the
    /// like.
    #[must_use]
    pub fn memory(&self) -> PathBuf {
        self.data.join("trust").join("memory.json")
    }

    /// The skills that are suspended, for all ways in.
    #[must_use]
    pub fn suspended(&self) -> PathBuf {
        self.data.join("suspended.json")
    }

    /// What skills keep that `skillhost serve` runs: one file for each.
    #[must_use]
    pub fn state(&self) -> PathBuf {
        self.data.join("state").join("serve")
    }

    /// What skills keep that `skillhost run` runs. It trusts by other rules than
    /// `serve`, so what one of them lets in has nothing of the other.
    #[must_use]
    pub fn state_of_run(&self) -> PathBuf {
        self.data.join("state").join("run")
    }

    /// The keys of callers over HTTP, unless the configuration names another file.
    #[must_use]
    pub fn bearer_keys(&self) -> PathBuf {
        self.data.join("bearer-keys.json")
    }

    /// What was used of daily budgets.
    #[must_use]
    pub fn budgets(&self) -> PathBuf {
        self.data.join("budgets.json")
    }

    /// What `skillhost run` remembers.
    #[must_use]
    pub fn memory_of_run(&self) -> PathBuf {
        self.data.join("trust").join("run.json")
    }
}

/// The folder that a variable names; a relative one does not count.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn named(variable: &str) -> Option<PathBuf> {
    let folder = env::var_os(variable).map(PathBuf::from)?;
    folder.is_absolute().then_some(folder)
}

fn place(variable: &str, below_home: &str) -> Result<PathBuf> {
    let base = named(variable).or_else(|| Some(named("HOME")?.join(below_home)));
    base.map(|base| base.join("skillhost")).ok_or_else(|| {
        Error::new(
            Kind::ConfigInvalid,
            format!("Neither {variable} nor HOME is an absolute path."),
        )
        .with_hint(format!("Set HOME, or {variable} to the folder to use."))
    })
}
