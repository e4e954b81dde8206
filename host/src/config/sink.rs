//! `[sink.NAME]`: where events go besides the audit log; and `[metrics]`.

use std::collections::BTreeMap;
use std::env;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::Config;
use super::environment::Variables;
use super::secret::{SecretSource, header_name, header_prefix, known};
use super::trust::Page;
use crate::error::{Error, Kind, Result};
use crate::event::Severity;
use crate::event::sink::{
    Address, Credential, Destination, EventPattern, OtlpSettings, QueueSize, SinkName,
    SinkSettings, SyslogSettings, Target, WebhookSettings,
};
use crate::manifest::SecretName;
use crate::metrics::MetricsSettings;
use crate::policy::limits;

/// Adds a file to which events of severity `warning` and above are written.
const SECURITY_FILE: &str = "SKILLHOST_SECURITY_LOG_FILE";

/// Adds a webhook to which events of severity `warning` and above are sent.
const SECURITY_WEBHOOK: &str = "SKILLHOST_SECURITY_WEBHOOK";

/// Signs what that webhook is sent.
const SECURITY_WEBHOOK_SECRET: &str = "SKILLHOST_SECURITY_WEBHOOK_SECRET";

/// What the sinks of the environment are called.
const FILE_NAME: &str = "security-log-file";

/// Likewise, and its secret.
const WEBHOOK_NAME: &str = "security-webhook";

/// How often metrics are sent to a collector.
const INTERVAL: Duration = Duration::from_secs(60);

/// Where numbers can be collected; only this machine sees them by default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct MetricsTable {
    listen: SocketAddr,
    #[serde(default)]
    allow_remote: bool,
}

impl MetricsTable {
    pub(super) fn read(table: Spanned<Self>, page: &Page<'_>) -> Result<MetricsSettings> {
        let at = table.span().start;
        let Self {
            listen,
            allow_remote,
        } = table.into_inner();
        if !allow_remote && !listen.ip().is_loopback() {
            return Err(page.invalid_at(
                at,
                format_args!(
                    "other machines could read the metrics on {listen}; listen on an address of this machine, such as 127.0.0.1:9464, or say `allow-remote = true`"
                ),
            ));
        }
        Ok(MetricsSettings {
            listen,
            allow_remote,
        })
    }
}

/// Every key that a sink of some type has.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct SinkTable {
    r#type: Type,
    #[serde(default)]
    severity: Floor,
    #[serde(default)]
    events: Vec<String>,
    queue_events: Option<u32>,
    #[serde(default, deserialize_with = "limits::size")]
    queue_size: Option<u64>,
    file: Option<PathBuf>,
    url: Option<String>,
    address: Option<String>,
    #[serde(default)]
    allow_private: bool,
    secret: Option<SecretName>,
    credential: Option<HeaderTable>,
    facility: Option<String>,
    signals: Option<Vec<Signal>>,
    #[serde(default, deserialize_with = "limits::time")]
    interval: Option<Duration>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Type {
    File,
    Webhook,
    Syslog,
    Otlp,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Floor {
    #[default]
    Info,
    Warning,
    High,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Signal {
    Traces,
    Logs,
    Metrics,
}

/// A header with a secret in it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HeaderTable {
    header: String,
    #[serde(default)]
    prefix: String,
    secret: SecretName,
}

/// Reads `[sink]`. What is wrong is shown with the line of its table.
pub(super) fn sinks(
    tables: BTreeMap<String, Spanned<SinkTable>>,
    page: &Page<'_>,
    secrets: &BTreeMap<SecretName, SecretSource>,
) -> Result<Vec<SinkSettings>> {
    let read = |(name, table): (String, Spanned<SinkTable>)| {
        let at = table.span().start;
        let sink = table.into_inner().read(&name, page.folder(), secrets);
        sink.map_err(|problem| page.invalid_at(at, format_args!("`[sink.{name}]`: {problem}")))
    };
    tables.into_iter().map(read).collect()
}

impl SinkTable {
    fn read(
        self,
        name: &str,
        folder: &Path,
        secrets: &BTreeMap<SecretName, SecretSource>,
    ) -> Result<SinkSettings, String> {
        self.check_keys()?;
        for named in [
            &self.secret,
            &self.credential.as_ref().map(|it| it.secret.clone()),
        ] {
            named.as_ref().map_or(Ok(()), |name| known(name, secrets))?;
        }
        Ok(SinkSettings {
            name: name.parse()?,
            at_least: self.severity.into(),
            events: self.events()?,
            queue: self.queue()?,
            to: self.destination(folder)?,
        })
    }

    /// A key that has no effect is a mistake.
    fn check_keys(&self) -> Result<(), String> {
        let sends = [Type::Webhook, Type::Otlp];
        let reaches = [Type::Webhook, Type::Otlp, Type::Syslog];
        for (key, is_set, types) in [
            ("file", self.file.is_some(), &[Type::File][..]),
            ("url", self.url.is_some(), &sends),
            ("address", self.address.is_some(), &[Type::Syslog]),
            ("allow-private", self.allow_private, &reaches),
            ("secret", self.secret.is_some(), &[Type::Webhook]),
            ("credential", self.credential.is_some(), &sends),
            ("facility", self.facility.is_some(), &[Type::Syslog]),
            ("signals", self.signals.is_some(), &[Type::Otlp]),
            ("interval", self.interval.is_some(), &[Type::Otlp]),
        ] {
            if is_set && !types.contains(&self.r#type) {
                return Err(format!("`{key}` is not for a sink of this type"));
            }
        }
        Ok(())
    }

    fn events(&self) -> Result<Vec<EventPattern>, String> {
        self.events.iter().map(|text| text.parse()).collect()
    }

    fn queue(&self) -> Result<QueueSize, String> {
        let default = QueueSize::default();
        let events = self
            .queue_events
            .map_or(Some(default.events), NonZeroU32::new);
        let bytes = self.queue_size.unwrap_or(default.bytes);
        match events {
            Some(events)
                if events.get() <= QueueSize::MAX_EVENTS
                    && (1..=QueueSize::MAX_BYTES).contains(&bytes) =>
            {
                Ok(QueueSize { events, bytes })
            }
            _ => Err(format!(
                "a queue has 1 to {} events (`queue-events`) and 1 byte to 1 GiB (`queue-size`)",
                QueueSize::MAX_EVENTS
            )),
        }
    }

    fn destination(self, folder: &Path) -> Result<Destination, String> {
        match self.r#type {
            Type::File => {
                let file = self.file.ok_or("name the `file` to write to")?;
                Ok(Destination::File(folder.join(file)))
            }
            Type::Webhook => Ok(Destination::Webhook(WebhookSettings {
                target: target(self.url.as_deref(), self.allow_private)?,
                secret: self.secret,
                credential: self.credential.map(HeaderTable::read).transpose()?,
            })),
            Type::Syslog => {
                let address = self.address.ok_or("name the `address` of the daemon")?;
                let facility = self.facility.as_deref().map(str::parse).transpose()?;
                Ok(Destination::Syslog(SyslogSettings {
                    address: Address::parse(&address, self.allow_private)?,
                    facility: facility.unwrap_or_default(),
                }))
            }
            Type::Otlp => self.collector().map(Destination::Otlp),
        }
    }

    fn collector(self) -> Result<OtlpSettings, String> {
        let sends = |signal| {
            self.signals
                .as_ref()
                .is_none_or(|all| all.contains(&signal))
        };
        if self.signals.as_ref().is_some_and(Vec::is_empty) {
            return Err("name one of the `signals` at the least".to_owned());
        }
        Ok(OtlpSettings {
            target: target(self.url.as_deref(), self.allow_private)?,
            traces: sends(Signal::Traces),
            logs: sends(Signal::Logs),
            metrics: sends(Signal::Metrics).then(|| self.interval.unwrap_or(INTERVAL)),
            credential: self.credential.map(HeaderTable::read).transpose()?,
        })
    }
}

fn target(url: Option<&str>, allow_private: bool) -> Result<Target, String> {
    Target::parse(url.ok_or("name the `url` to send to")?, allow_private)
}

impl HeaderTable {
    fn read(self) -> Result<Credential, String> {
        Ok(Credential {
            header: header_name(&self.header)?,
            prefix: header_prefix(self.prefix)?,
            secret: self.secret,
        })
    }
}

impl From<Floor> for Severity {
    fn from(floor: Floor) -> Self {
        match floor {
            Floor::Info => Self::Info,
            Floor::Warning => Self::Warning,
            Floor::High => Self::High,
        }
    }
}

impl Config {
    /// Adds the sinks that the environment names. They are reached as those of
    /// the configuration are.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a value that names none.
    pub(crate) fn add_sinks_of_environment(&mut self) -> Result<()> {
        if let Some(file) = variable(SECURITY_FILE)? {
            let to = Destination::File(file.into());
            self.add_sink(SECURITY_FILE, FILE_NAME, to)?;
        }
        if let Some(url) = variable(SECURITY_WEBHOOK)? {
            let secret = self.add_webhook_secret()?;
            let target = Target::parse(&url, is_local(&url))
                .map_err(|problem| wrong(SECURITY_WEBHOOK, &problem))?;
            let to = Destination::Webhook(WebhookSettings {
                target,
                secret: Some(secret),
                credential: None,
            });
            self.add_sink(SECURITY_WEBHOOK, WEBHOOK_NAME, to)?;
        }
        Ok(())
    }

    fn add_sink(&mut self, variable: &str, name: &str, to: Destination) -> Result<()> {
        let name: SinkName = name
            .parse()
            .map_err(|problem: String| wrong(variable, &problem))?;
        if self.sinks.iter().any(|sink| sink.name == name) {
            return Err(wrong(
                variable,
                &format!("there is a `[sink.{name}]` as well"),
            ));
        }
        self.sinks
            .push(SinkSettings::new(name, Severity::Warning, to));
        Ok(())
    }

    /// A secret of that name in the configuration signs as well.
    fn add_webhook_secret(&mut self) -> Result<SecretName> {
        let name: SecretName = WEBHOOK_NAME
            .parse()
            .map_err(|problem: String| wrong(SECURITY_WEBHOOK_SECRET, &problem))?;
        let source = SecretSource::Variable(SECURITY_WEBHOOK_SECRET.to_owned());
        self.secrets.entry(name.clone()).or_insert(source);
        Ok(name)
    }

    /// Without the secret of the environment's webhook, what that is sent is not
    /// signed.
    pub(crate) fn settle_sinks_of_environment(&mut self, variables: &Variables) {
        if variables.contains_key(SECURITY_WEBHOOK_SECRET) {
            return;
        }
        let ours = SecretSource::Variable(SECURITY_WEBHOOK_SECRET.to_owned());
        self.secrets
            .retain(|name, source| name.as_str() != WEBHOOK_NAME || *source != ours);
        for sink in &mut self.sinks {
            if let Destination::Webhook(webhook) = &mut sink.to {
                webhook
                    .secret
                    .take_if(|name| !self.secrets.contains_key(name));
            }
        }
    }

    /// Files of sinks, which are the host's own.
    pub(crate) fn sink_files(&self) -> impl Iterator<Item = PathBuf> {
        self.sinks.iter().filter_map(|sink| match &sink.to {
            Destination::File(path) => Some(path.clone()),
            Destination::Webhook(_) | Destination::Syslog(_) | Destination::Otlp(_) => None,
        })
    }
}

/// A server of this machine needs no leave beyond being named.
fn is_local(url: &str) -> bool {
    let origin = crate::policy::origin::Origin::of(url).ok();
    origin.is_some_and(|origin| {
        crate::sandbox::network::is_localhost(&origin.host)
            || origin.ip().is_some_and(|ip| ip.is_loopback())
    })
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one module that reads the environment"
)]
fn variable(name: &str) -> Result<Option<String>> {
    match env::var(name) {
        Ok(value) if value.is_empty() => Ok(None),
        Ok(value) => Ok(Some(value)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(wrong(name, "its value is no text (UTF-8)")),
    }
}

fn wrong(variable: &str, problem: &str) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        format!("The variable {variable} is not valid: {problem}."),
    )
}
