//! What the operator wrote in `skillhost.toml`, parsed once into values that
//! cannot be wrong. Only this module reads configuration and environment.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};
use toml::Spanned;

use crate::admission::capacity::Capacity;
use crate::error::{Error, Kind, Result};
use crate::host::SkillPolicy;
use crate::manifest::{SecretName, SkillName, ToolName};
use crate::policy::directory::DirectoryGrant;
use crate::policy::endpoint::{Endpoint, ListenAddress};
use crate::policy::limits::{self, Limits, LimitsChange};
use crate::policy::origin::OriginRule;
use crate::policy::{OperatorGrant, SocketGrant};
use crate::verify::TrustLevel;

mod compile;
mod environment;
mod secret;
mod trust;

use self::compile::CompileTable;
pub use self::compile::{CacheChoice, CompileConfig};
pub(crate) use self::environment::Variables;
use self::secret::CredentialTable;
pub use self::secret::SecretSource;
pub(crate) use self::trust::parse_age;
pub use self::trust::{DenySettings, TrustSettings};
use self::trust::{Page, TrustTable};

/// The largest configuration, in bytes.
const MAX_CONFIG: u64 = 1024 * 1024;

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
            config: place("XDG_CONFIG_HOME", ".config")?,
            data: place("XDG_DATA_HOME", ".local/share")?,
            cache: place("XDG_CACHE_HOME", ".cache")?,
        })
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

    /// What `skillhost run` remembers.
    #[must_use]
    pub fn memory_of_run(&self) -> PathBuf {
        self.data.join("trust").join("run.json")
    }
}

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

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the environment"
)]
fn place(variable: &str, below_home: &str) -> Result<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let named = env::var_os(variable).map(PathBuf::from).and_then(absolute);
    let base = named.or_else(|| {
        let home = env::var_os("HOME").map(PathBuf::from).and_then(absolute)?;
        Some(home.join(below_home))
    });
    base.map(|base| base.join("skillhost")).ok_or_else(|| {
        Error::new(
            Kind::ConfigInvalid,
            format!("Neither {variable} nor HOME is an absolute path."),
        )
        .with_hint(format!("Set HOME, or {variable} to the folder to use."))
    })
}

/// What the operator decided.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Whose signatures are needed, and what else is asked for; none if there
    /// is no `[trust]`.
    pub trust: Option<TrustSettings>,
    /// Limits of every call.
    pub limits: Limits,
    /// Limits that no skill of a level of trust goes beyond.
    pub ceilings: BTreeMap<TrustLevel, LimitsChange>,
    /// What all calls together may take.
    pub capacity: Capacity,
    /// How skills are compiled.
    pub compile: CompileConfig,
    /// Where installed skills lie; none: [`Places::skills`].
    pub skills: Option<PathBuf>,
    /// Where events are kept; none: [`Places::audit`].
    pub audit: Option<PathBuf>,
    /// Where secrets come from.
    pub secrets: BTreeMap<SecretName, SecretSource>,
    /// What each skill may use.
    pub policies: BTreeMap<SkillName, SkillPolicy>,
}

impl Config {
    /// Reads a configuration; an absent file is the default one.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with file, line and what would be right;
    /// `ConfigInsecure` if others may write the file.
    pub fn load(path: &Path) -> Result<Self> {
        match read_trusted(path, MAX_CONFIG) {
            Ok(text) => Self::parse(&text, path),
            Err(Unreadable::File(cause)) if cause.kind() == io::ErrorKind::NotFound => {
                Ok(Self::default())
            }
            Err(unreadable) => Err(unreadable.into_error("configuration", path)),
        }
    }

    /// Reads the text of a configuration; paths in it are relative to the
    /// folder of `path`.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let page = Page { text, path };
        let invalid = |problem: String| page.invalid(problem);
        let document: Document = toml::from_str(text)
            .map_err(|cause| invalid(cause.to_string().trim_end().to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        let trust = document.trust.map(|trust| {
            let start = trust.span().start;
            trust.into_inner().read(&page, start)
        });
        let trust = trust.transpose()?;
        let secrets = secret::sources(document.secret, &page)?;
        let policies = document
            .skill
            .into_iter()
            .map(|(name, table)| Ok((name.clone(), table.read(&name, &page, &secrets)?)))
            .collect::<Result<_>>()?;
        Ok(Self {
            trust,
            limits: Limits::default().changed(&document.limits),
            ceilings: document
                .trust_level
                .into_iter()
                .map(|(level, table)| (level, table.limits))
                .collect(),
            capacity: document.capacity.read(),
            compile: document.compile.read(folder),
            skills: document.skills.directory.map(|path| folder.join(path)),
            audit: document.audit.file.map(|path| folder.join(path)),
            secrets,
            policies,
        })
    }
}

/// Why a file that decides what runs is not read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is not there, too large, or cannot be read.
    File(io::Error),
    /// Somebody else may write it.
    Exposed,
}

/// Reads a file that decides what runs, of at most `max` bytes: only this user
/// and root may be able to write it. What is checked is the file that is read.
pub(crate) fn read_trusted(path: &Path, max: u64) -> Result<String, Unreadable> {
    check_folder(path)?;
    let file = open(path).map_err(Unreadable::File)?;
    if is_exposed(&file.metadata().map_err(Unreadable::File)?) {
        return Err(Unreadable::Exposed);
    }
    let text = take_at_most(file, max).map_err(Unreadable::File)?;
    text.ok_or_else(|| Unreadable::File(io::Error::other(format!("it is larger than {max} bytes"))))
}

/// Others must not be able to replace the file at `path`.
fn check_folder(path: &Path) -> Result<(), Unreadable> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = fs::metadata(folder.unwrap_or(Path::new("."))).map_err(Unreadable::File)?;
    // In a folder with the sticky bit nobody replaces or removes another's files.
    if folder.mode() & 0o1000 == 0 && is_exposed(&folder) {
        return Err(Unreadable::Exposed);
    }
    Ok(())
}

/// Reads a file that somebody names on the command line; none if it is larger.
pub(crate) fn read_bounded(path: &Path, max: u64) -> io::Result<Option<String>> {
    take_at_most(fs::File::open(path)?, max)
}

/// Whether others than this user and root may write it.
fn is_exposed(metadata: &fs::Metadata) -> bool {
    let owner = metadata.uid();
    let own = owner == 0 || owner == rustix::process::geteuid().as_raw();
    !own || metadata.mode() & 0o022 != 0
}

/// Opens a regular file; a pipe is not waited for.
fn open(path: &Path) -> io::Result<fs::File> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).unwrap_or_default();
    let mut options = fs::File::options();
    let file = options.read(true).custom_flags(nonblocking).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("it is no regular file"))
}

fn take_at_most(file: fs::File, max: u64) -> io::Result<Option<String>> {
    let mut text = String::new();
    let read = file.take(max.saturating_add(1)).read_to_string(&mut text)?;
    Ok((read as u64 <= max).then_some(text))
}

impl Unreadable {
    pub(crate) fn into_error(self, what: &str, path: &Path) -> Error {
        let folder = path.parent().unwrap_or(path);
        let path = path.display();
        match self {
            Self::File(cause) => Error::new(
                Kind::ConfigInvalid,
                format!("The {what} {path} cannot be read: {cause}."),
            ),
            Self::Exposed => Error::new(
                Kind::ConfigInsecure,
                format!("The {what} {path} may be written or replaced by others."),
            )
            .with_hint(format!(
                "Make it and its folder your own, and run `chmod go-w {path} {}`.",
                folder.display()
            )),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    trust: Option<Spanned<TrustTable>>,
    #[serde(default)]
    limits: LimitsChange,
    #[serde(default, rename = "trust-level")]
    trust_level: BTreeMap<TrustLevel, LevelTable>,
    #[serde(default)]
    capacity: CapacityTable,
    #[serde(default)]
    compile: CompileTable,
    #[serde(default)]
    skills: SkillsTable,
    #[serde(default)]
    audit: AuditTable,
    #[serde(default)]
    secret: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    skill: BTreeMap<SkillName, SkillTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LevelTable {
    limits: LimitsChange,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct CapacityTable {
    calls: Option<u32>,
    #[serde(deserialize_with = "limits::size")]
    memory: Option<u64>,
    queue: Option<u32>,
    #[serde(deserialize_with = "limits::time")]
    wait: Option<Duration>,
}

impl CapacityTable {
    fn read(self) -> Capacity {
        let default = Capacity::default();
        Capacity {
            calls: self.calls.unwrap_or(default.calls),
            memory: self.memory.unwrap_or(default.memory),
            queue: self.queue.unwrap_or(default.queue),
            wait: self.wait.unwrap_or(default.wait),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToolTable {
    limits: LimitsChange,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SkillsTable {
    directory: Option<PathBuf>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct AuditTable {
    file: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SkillTable {
    #[serde(default)]
    directories: Vec<String>,
    #[serde(default)]
    http: Vec<OriginRule>,
    #[serde(default)]
    tcp: Vec<Endpoint>,
    #[serde(default)]
    udp: Vec<Endpoint>,
    #[serde(default)]
    listen: Vec<ListenAddress>,
    #[serde(default)]
    state: bool,
    #[serde(default)]
    limits: LimitsChange,
    #[serde(default)]
    tool: BTreeMap<ToolName, ToolTable>,
    #[serde(default)]
    credentials: BTreeMap<SecretName, Spanned<CredentialTable>>,
    #[serde(default)]
    reveal: BTreeMap<SecretName, Spanned<SecretName>>,
    #[serde(default)]
    settings: Map<String, Value>,
    #[serde(default)]
    environment: BTreeMap<String, Spanned<String>>,
}

impl SkillTable {
    fn read(
        self,
        name: &SkillName,
        page: &Page<'_>,
        secrets: &BTreeMap<SecretName, SecretSource>,
    ) -> Result<SkillPolicy> {
        let invalid = |problem: String| page.invalid(format_args!("[skill.{name}]: {problem}"));
        let directories = self
            .directories
            .iter()
            .map(|text| directory(text, page.folder()));
        Ok(SkillPolicy {
            grant: OperatorGrant {
                directories: directories.collect::<Result<_, _>>().map_err(invalid)?,
                http: self.http,
                sockets: SocketGrant {
                    tcp: self.tcp,
                    udp: self.udp,
                    listen: self.listen,
                },
                credentials: each(self.credentials, page, |_, table| {
                    let credential = table.read()?;
                    secret::known(&credential.secret, secrets)?;
                    Ok(credential)
                })?,
                reveal: each(self.reveal, page, |_, secret| {
                    secret::known(&secret, secrets)?;
                    Ok(secret)
                })?,
                state: self.state,
                limits: self.limits,
                tools: self
                    .tool
                    .into_iter()
                    .map(|(name, table)| (name, table.limits))
                    .collect(),
            },
            settings: self.settings,
            environment: each(self.environment, page, variable)?,
        })
    }
}

fn directory(text: &str, folder: &Path) -> Result<DirectoryGrant, String> {
    let grant: DirectoryGrant = text.parse()?;
    Ok(DirectoryGrant {
        host: folder.join(&grant.host),
        ..grant
    })
}

/// Each entry of a table, or the line of the first that is wrong.
fn each<K: Ord, T, U>(
    table: BTreeMap<K, Spanned<T>>,
    page: &Page<'_>,
    read: impl Fn(&K, T) -> Result<U, String>,
) -> Result<BTreeMap<K, U>> {
    let entry = |(key, value): (K, Spanned<T>)| {
        let at = value.span().start;
        let value = read(&key, value.into_inner());
        Ok((key, value.map_err(|problem| page.invalid_at(at, problem))?))
    };
    table.into_iter().map(entry).collect()
}

/// A variable that a skill sees, as POSIX allows one.
fn variable(name: &String, value: String) -> Result<String, String> {
    if name.is_empty() || name.contains(['=', '\0']) || value.contains('\0') {
        return Err(format!("{name:?} cannot be a variable of an environment"));
    }
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign::PrivateKey;

    fn parse(text: &str) -> Result<Config> {
        Config::parse(text, Path::new("/etc/skillhost/skillhost.toml"))
    }

    #[test]
    fn an_empty_configuration_grants_nothing() {
        let config = parse("").unwrap();
        assert!(config.trust.is_none() && config.policies.is_empty());
        assert_eq!(config.limits, Limits::default());
    }

    #[test]
    fn everything_that_is_written_is_read() {
        let folder = tempfile::tempdir().unwrap();
        PrivateKey::generate()
            .unwrap()
            .save(&folder.path().join("alice"))
            .unwrap();
        let text = r#"
            [trust]
            preset = "permissive"
            signers.alice.keys = ["alice.pub"]
            [limits]
            timeout = "5s"
            [skills]
            directory = "installed"
            [audit]
            file = "/var/log/skillhost.jsonl"
            [skill.file-search]
            directories = ["docs:/docs:rw"]
            http = ["https://*.good.test"]
            state = true
            limits.fuel = 7
            tool.search.limits.timeout = "2s"
            settings.lang = "en"
            [trust-level.unsigned]
            limits.memory = "1 MiB"
            [capacity]
            calls = 3
            wait = "1s"
        "#;
        let path = folder.path().join("skillhost.toml");
        let config = Config::parse(text, &path).unwrap();
        let trust = config.trust.unwrap().policy.unwrap();
        assert_eq!(trust.signers()[0].name.as_str(), "alice");
        assert_eq!(config.limits.timeout, Duration::from_secs(5));
        assert_eq!(config.skills.unwrap(), folder.path().join("installed"));
        assert_eq!(config.audit.unwrap(), Path::new("/var/log/skillhost.jsonl"));
        let policy = config.policies.values().next().unwrap();
        assert_eq!(policy.grant.directories[0].host, folder.path().join("docs"));
        assert_eq!(policy.grant.limits.fuel, Some(7));
        let tool = policy.grant.tools.values().next().unwrap();
        assert_eq!(tool.timeout, Some(Duration::from_secs(2)));
        let ceiling = config.ceilings[&TrustLevel::Unsigned];
        assert_eq!(ceiling.memory, Some(1 << 20));
        let capacity = config.capacity;
        assert_eq!((capacity.calls, capacity.wait.as_secs()), (3, 1));
        assert_eq!(capacity.queue, Capacity::default().queue);
        assert!(policy.grant.state);
        assert_eq!(policy.settings["lang"], "en");
    }

    #[test]
    fn what_is_wrong_is_shown_with_file_and_line() {
        for (text, expected) in [
            ("\n[limit]\n", "line 2"),
            ("[limits]\nfuel = 0\n", "line 2"),
            ("[limits]\nmemory = \"5 GiB\"\n", "4 GiB"),
            ("[trust]\nthreshold = 0\nsigners = {}\n", "line 2"),
            (
                "[trust]\nthreshold = 1\nsigners = {}\n",
                "no signer is named",
            ),
            (
                "[trust]\nthreshold = 1\nsigners.a.keys = [\"missing.pub\"]\n",
                "missing.pub",
            ),
            ("[skill.A]\n", "skill name"),
            ("[skill.a]\nhttp = [\"good.test\"]\n", "no origin"),
            (
                "[skill.a]\nhttp = [\"http://169.254.169.254\"]\n",
                "metadata service",
            ),
            ("[skill.a]\ntcp = [\"db.test\"]\n", "no host and port"),
            ("[skill.a]\nudp = [\"*:53\"]\n", "no host and port"),
            ("[skill.a]\nlisten = [\"0.0.0.0:80\"]\n", "loopback"),
            ("[skill.a]\ndirectories = [\"d:/../x\"]\n", "[skill.a]"),
            ("[skill.a]\nhttp = []\nhttp = []\n", "line 3"),
        ] {
            let error = parse(text).unwrap_err();
            assert_eq!(error.kind(), Kind::ConfigInvalid, "{text}");
            let message = error.message();
            assert!(
                message.contains("/etc/skillhost/skillhost.toml"),
                "{message}"
            );
            assert!(message.contains(expected), "{text}: {message}");
        }
    }

    #[test]
    fn i13_a_configuration_that_others_may_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("skillhost.toml");
        fs::write(&path, "").unwrap();
        for (mode, expected) in [
            (0o644, None),
            (0o664, Some(Kind::ConfigInsecure)),
            (0o646, Some(Kind::ConfigInsecure)),
        ] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(
                Config::load(&path).err().map(|error| error.kind()),
                expected
            );
        }
    }
}
