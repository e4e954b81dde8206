//! What the operator wrote in `skillhost.toml`, parsed once into values that
//! cannot be wrong. Only this module reads configuration and environment.

#[macro_use]
mod table;

mod admission;
mod audit;
mod auth;
mod compile;
mod consent;
mod development;
mod environment;
mod http;
mod mcp;
mod monitor;
mod places;
mod read;
mod recovery;
mod requirements;
mod secret;
mod sink;
mod skill;
mod trust;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use self::admission::{PrincipalTable, ScreeningTable};
pub use self::audit::AuditConfig;
use self::audit::AuditTable;
pub use self::auth::AuthConfig;
use self::auth::AuthTable;
use self::compile::CompileTable;
pub use self::compile::{CacheChoice, CompileConfig};
use self::consent::ConsentTable;
pub use self::development::Override;
pub(crate) use self::environment::Variables;
use self::http::HttpTable;
pub(crate) use self::http::read_key;
use self::mcp::McpTable;
use self::monitor::MonitorTable;
pub use self::places::Places;
pub(crate) use self::read::{Unreadable, read_bounded, read_private, read_trusted, read_unlinked};
use self::recovery::RecoveryTable;
use self::requirements::{LevelTable, PolicyTable};
pub use self::secret::SecretSource;
use self::sink::{MetricsTable, SinkTable};
use self::skill::SkillTable;
pub(crate) use self::trust::parse_age;
pub use self::trust::{DenySettings, TrustSettings};
use self::trust::{Page, TrustTable};
use crate::admission::capacity::Capacity;
use crate::admission::rules::AdmissionRules;
use crate::consent::ask::AskRules;
use crate::error::Result;
use crate::event::monitor::Rules;
use crate::event::sink::SinkSettings;
use crate::host::SkillPolicy;
use crate::manifest::{SecretName, SkillName};
use crate::mcp::{HttpSettings, Paging};
use crate::metrics::MetricsSettings;
use crate::policy::ceiling::LevelCeiling;
use crate::policy::limits::{self, Limits, LimitsChange};
use crate::policy::requirement::Requirements;
use crate::recovery::RecoveryChange;
use crate::verify::TrustLevel;

/// The largest configuration, in bytes.
const MAX_CONFIG: u64 = 1024 * 1024;

/// What the operator decided.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Whose signatures are needed, and what else is asked for; none if there
    /// is no `[trust]`.
    pub trust: Option<TrustSettings>,
    /// How callers over HTTP prove who they are.
    pub auth: AuthConfig,
    /// Limits of every call.
    pub limits: Limits,
    /// What no skill of a level of trust goes beyond.
    pub ceilings: BTreeMap<TrustLevel, LevelCeiling>,
    /// What is required of every skill.
    pub requirements: Requirements,
    /// Who is asked for what was not granted.
    pub asking: AskRules,
    /// What all calls together may take.
    pub capacity: Capacity,
    /// How large results are sent over MCP.
    pub paging: Paging,
    /// How often tools are tried.
    pub recovery: RecoveryChange,
    /// What each caller may do, and what arguments are searched for.
    pub admission: AdmissionRules,
    /// How skills are compiled.
    pub compile: CompileConfig,
    /// Where installed skills lie; none: [`Places::skills`].
    pub skills: Option<PathBuf>,
    /// Where events are kept, and how.
    pub audit: AuditConfig,
    /// Where events go besides.
    pub sinks: Vec<SinkSettings>,
    /// Where numbers can be collected while the host serves, if anywhere.
    pub metrics: Option<MetricsSettings>,
    /// How the host is reached over HTTP, if it is.
    pub http: HttpSettings,
    /// Which events, in which number, somebody should look at.
    pub monitor: Rules,
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
        Self::parse(&Self::text(path)?.unwrap_or_default(), path)
    }

    /// The text of a configuration; none if there is no file.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if it cannot be read, `ConfigInsecure` if others may write
    /// it.
    pub(crate) fn text(path: &Path) -> Result<Option<String>> {
        match read_trusted(path, MAX_CONFIG) {
            Ok(text) => Ok(Some(text)),
            Err(Unreadable::File(cause)) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
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
            .collect::<Result<BTreeMap<SkillName, SkillPolicy>>>()?;
        let recoveries = policies.iter().map(|(name, it)| (name, &it.recovery));
        if let Some(problem) = crate::recovery::problem(recoveries) {
            return Err(invalid(problem));
        }
        if let Some(problem) = crate::mcp::names::problem(&policies) {
            return Err(invalid(problem));
        }
        Ok(Self {
            trust,
            auth: auth::read(document.auth, &page)?,
            limits: Limits::default().changed(&document.limits),
            ceilings: document
                .trust_level
                .into_iter()
                .map(|(level, table)| (level, table.read()))
                .collect(),
            requirements: document.policy.read(),
            asking: ConsentTable::read(document.consent, &page)?,
            capacity: document.capacity.read(),
            paging: document.mcp.read(&page)?,
            recovery: document.recovery.read_for_all().map_err(invalid)?,
            admission: admission::read(document.principal, document.screening, &page)?,
            compile: document.compile.read(folder),
            skills: document.skills.directory.map(|path| folder.join(path)),
            audit: document.audit.read(folder),
            sinks: sink::sinks(document.sink, &page, &secrets)?,
            metrics: document
                .metrics
                .map(|table| MetricsTable::read(table, &page))
                .transpose()?,
            http: document.http.read(&page)?,
            monitor: document.monitor.read(&page)?,
            secrets,
            policies,
        })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    trust: Option<Spanned<TrustTable>>,
    auth: Option<AuthTable>,
    #[serde(default)]
    limits: LimitsChange,
    #[serde(default, rename = "trust-level")]
    trust_level: BTreeMap<TrustLevel, LevelTable>,
    #[serde(default)]
    policy: PolicyTable,
    consent: Option<Spanned<ConsentTable>>,
    #[serde(default)]
    capacity: CapacityTable,
    #[serde(default)]
    mcp: McpTable,
    #[serde(default)]
    recovery: RecoveryTable,
    #[serde(default)]
    principal: BTreeMap<String, Spanned<PrincipalTable>>,
    #[serde(default)]
    screening: ScreeningTable,
    #[serde(default)]
    compile: CompileTable,
    #[serde(default)]
    skills: SkillsTable,
    #[serde(default)]
    audit: AuditTable,
    #[serde(default)]
    sink: BTreeMap<String, Spanned<SinkTable>>,
    metrics: Option<Spanned<MetricsTable>>,
    #[serde(default)]
    http: HttpTable,
    #[serde(default)]
    monitor: MonitorTable,
    #[serde(default)]
    secret: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    skill: BTreeMap<SkillName, SkillTable>,
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

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SkillsTable {
    directory: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::error::Kind;
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
        assert_eq!(
            config.audit.file.unwrap(),
            Path::new("/var/log/skillhost.jsonl")
        );
        let policy = config.policies.values().next().unwrap();
        assert_eq!(policy.grant.directories[0].host, folder.path().join("docs"));
        assert_eq!(policy.grant.limits.fuel, Some(7));
        let tool = policy.grant.tools.values().next().unwrap();
        assert_eq!(tool.timeout, Some(Duration::from_secs(2)));
        let ceiling = &config.ceilings[&TrustLevel::Unsigned];
        assert_eq!(ceiling.limits.memory, Some(1 << 20));
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
