//! What an operator says of a sink.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use http::HeaderName;

use super::dial::{Address, Target};
use crate::event::Severity;
use crate::manifest::SecretName;

/// The name of a sink: `[a-z0-9-]{1,64}`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SinkName(Box<str>);

impl SinkName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SinkName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
        if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
            return Ok(Self(text.into()));
        }
        Err(format!(
            "{text:?} is no name of a sink: use 1 to 64 of `a-z`, `0-9` and `-`"
        ))
    }
}

impl fmt::Display for SinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One sink: which events go where.
#[derive(Debug, Clone)]
pub struct SinkSettings {
    /// What it goes by in metrics and records.
    pub name: SinkName,
    /// Events below this are left out.
    pub at_least: Severity,
    /// Which events; empty: all of them.
    pub events: Vec<EventPattern>,
    /// How much may wait.
    pub queue: QueueSize,
    /// Where to.
    pub to: Destination,
}

impl SinkSettings {
    /// All events of that severity and above, with a queue of the default size.
    #[must_use]
    pub fn new(name: SinkName, at_least: Severity, to: Destination) -> Self {
        Self {
            name,
            at_least,
            events: Vec::new(),
            queue: QueueSize::default(),
            to,
        }
    }
}

/// Where the events of a sink go.
#[derive(Debug, Clone)]
pub enum Destination {
    /// A file of JSON lines.
    File(PathBuf),
    /// A server that is sent them as JSON.
    Webhook(WebhookSettings),
    /// A syslog daemon.
    Syslog(SyslogSettings),
    /// An OpenTelemetry collector.
    Otlp(OtlpSettings),
}

/// A server that is sent events as JSON.
#[derive(Debug, Clone)]
pub struct WebhookSettings {
    /// Where they are sent.
    pub target: Target,
    /// The secret that signs what is sent; none: it is not signed.
    pub secret: Option<SecretName>,
    /// What is sent along, so that the server lets it in.
    pub credential: Option<Credential>,
}

/// A header with a secret in it.
#[derive(Debug, Clone)]
pub struct Credential {
    /// Which header.
    pub header: HeaderName,
    /// What stands before the secret, such as `Bearer `.
    pub prefix: String,
    /// The operator's name for the secret.
    pub secret: SecretName,
}

/// A syslog daemon.
#[derive(Debug, Clone)]
pub struct SyslogSettings {
    /// Where it listens, and how it is spoken to.
    pub address: Address,
    /// What kind of program the messages are from.
    pub facility: Facility,
}

/// An OpenTelemetry collector.
#[derive(Debug, Clone)]
pub struct OtlpSettings {
    /// Where it listens, without `/v1/...`.
    pub target: Target,
    /// What is sent along, so that the collector lets it in.
    pub credential: Option<Credential>,
    /// Whether calls are sent as spans.
    pub traces: bool,
    /// Whether events are sent as log records.
    pub logs: bool,
    /// How often metrics are sent; none: never.
    pub metrics: Option<Duration>,
}

/// How much of a sink may wait.
///
/// # Defaults
///
/// 10,000 events, 16 MiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueSize {
    /// Events.
    pub events: NonZeroU32,
    /// Bytes of events as JSON.
    pub bytes: u64,
}

impl QueueSize {
    /// The most events.
    pub const MAX_EVENTS: u32 = 1_000_000;
    /// The most bytes: 1 GiB.
    pub const MAX_BYTES: u64 = 1 << 30;
}

impl Default for QueueSize {
    fn default() -> Self {
        Self {
            events: NonZeroU32::new(10_000).unwrap_or(NonZeroU32::MIN),
            bytes: 16 << 20,
        }
    }
}

/// Which events: a name, or a name's beginning with `*` behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPattern {
    text: Box<str>,
    is_beginning: bool,
}

impl EventPattern {
    /// Whether an event of this name is one of those.
    #[must_use]
    pub fn fits(&self, name: &str) -> bool {
        if self.is_beginning {
            name.starts_with(&*self.text)
        } else {
            name == &*self.text
        }
    }
}

impl FromStr for EventPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'_');
        let (start, is_beginning) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        if !start.bytes().all(plain) || text.is_empty() {
            return Err(format!(
                "{text:?} is no name of events; write for example `verify.failed`, `verify.*` or `*`"
            ));
        }
        Ok(Self {
            text: start.into(),
            is_beginning,
        })
    }
}

/// Makes [`Facility`] of names and numbers.
macro_rules! facilities {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $word:literal;)*) => {
        /// What kind of program a message of syslog is from (RFC 5424, section
        /// 6.2.1).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum Facility {
            $($(#[$doc])* $name,)*
        }

        impl Facility {
            /// The number of it.
            #[must_use]
            pub const fn number(self) -> u8 {
                match self { $(Self::$name => $number,)* }
            }
        }

        impl FromStr for Facility {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                match text {
                    $($word => Ok(Self::$name),)*
                    _ => Err(format!(
                        "{text:?} is no facility; write one of {}",
                        [$($word),*].join(", ")
                    )),
                }
            }
        }
    };
}

facilities! {
    /// Programs of users.
    User = 1, "user";
    /// System services.
    Daemon = 3, "daemon";
    /// Security and authorisation.
    Auth = 4, "auth";
    /// Security and authorisation, for the administrator's eyes.
    #[default]
    Authpriv = 10, "authpriv";
    /// Of the site's own choosing.
    Local0 = 16, "local0";
    /// Of the site's own choosing.
    Local1 = 17, "local1";
    /// Of the site's own choosing.
    Local2 = 18, "local2";
    /// Of the site's own choosing.
    Local3 = 19, "local3";
    /// Of the site's own choosing.
    Local4 = 20, "local4";
    /// Of the site's own choosing.
    Local5 = 21, "local5";
    /// Of the site's own choosing.
    Local6 = 22, "local6";
    /// Of the site's own choosing.
    Local7 = 23, "local7";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_names_and_their_beginnings() {
        let fits = |pattern: &str, name| pattern.parse::<EventPattern>().unwrap().fits(name);
        assert!(fits("verify.failed", "verify.failed"));
        assert!(!fits("verify.failed", "verify.failed.again"));
        assert!(fits("verify.*", "verify.passed"));
        assert!(!fits("verify.*", "skill.loaded"));
        assert!(fits("*", "VERIFICATION_BYPASS"));
        for wrong in ["", "a b", "*.failed", "verify.**", "é"] {
            assert!(wrong.parse::<EventPattern>().is_err(), "{wrong}");
        }
    }
}
