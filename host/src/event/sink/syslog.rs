//! Events as messages of syslog (RFC 5424), over a datagram socket of this
//! machine, UDP (RFC 5426), or a connection with counted octets (RFC 6587, RFC
//! 5425 with TLS).
//!
//! The message is the event as JSON. What an operator filters by stands in
//! structured data before it.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBuilder};
use jiff::Timestamp;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{UdpSocket, UnixDatagram};
use tokio::time::{sleep, timeout};

use super::dial::{Address, Dialer, Judged, Protocol};
use super::queue::Line;
use super::settings::{Facility, SyslogSettings};
use super::worker::Undelivered;
use crate::event::Severity;
use crate::sandbox::network::tls::Stream;

/// The longest message in one datagram: what UDP carries over IPv6, less its
/// headers.
const MAX_DATAGRAM: usize = 65_000;

/// The longest name of a message (RFC 5424, section 6.2.7).
const MAX_NAME: usize = 32;

/// What our structured data is called. The number is the one that is set aside
/// for those without one of their own (RFC 5612).
const DATA: &str = "skillhost@32473";

/// Fields of an event that stand in structured data as well.
const FIELDS: [&str; 12] = [
    "run",
    "sequence",
    "severity",
    "review",
    "invocation",
    "principal",
    "skill",
    "version",
    "tool",
    "outcome",
    "kind",
    "rule",
];

/// How long one message may take.
const MESSAGE: Duration = Duration::from_secs(10);

/// How often a message is tried again.
const REPEATS: usize = 3;

/// A syslog daemon.
pub(super) struct Daemon {
    settings: SyslogSettings,
    dialer: Dialer,
    /// What stands in each message about this process: host name, program,
    /// number of the process.
    origin: String,
    link: Option<Link>,
}

enum Link {
    Unix(UnixDatagram),
    Udp(UdpSocket, SocketAddr),
    Stream(Box<dyn Stream>),
}

impl Daemon {
    pub(super) fn new(settings: SyslogSettings, dialer: Dialer) -> Self {
        Self {
            settings,
            dialer,
            origin: format!("{} skillhost {}", host_name(), std::process::id()),
            link: None,
        }
    }

    /// Sends one message for each event. A message that fails is tried again
    /// over a fresh connection, and those after it wait.
    pub(super) async fn send(&mut self, batch: &[Line]) -> Result<(), Undelivered> {
        for (sent, line) in batch.iter().enumerate() {
            let message = self.message(line);
            self.insist(&message).await.map_err(|cause| Undelivered {
                lost: batch.len() - sent,
                cause: cause.to_string(),
            })?;
        }
        Ok(())
    }

    async fn insist(&mut self, message: &str) -> io::Result<()> {
        let waits = ExponentialBuilder::new()
            .with_min_delay(Duration::from_millis(200))
            .with_max_times(REPEATS)
            .with_jitter();
        let mut waits = waits.build();
        loop {
            let sent = timeout(MESSAGE, self.try_once(message)).await;
            let late = || Err(io::ErrorKind::TimedOut.into());
            let Err(cause) = sent.unwrap_or_else(|_elapsed| late()) else {
                return Ok(());
            };
            self.link = None;
            match waits.next() {
                Some(wait) => sleep(wait).await,
                None => return Err(cause),
            }
        }
    }

    async fn try_once(&mut self, message: &str) -> io::Result<()> {
        if self.link.is_none() {
            self.link = Some(self.connect().await?);
        }
        match (&mut self.link, &self.settings.address) {
            (Some(Link::Unix(socket)), Address::Unix(path)) => {
                socket.send_to(message.as_bytes(), path).await.map(drop)
            }
            (Some(Link::Udp(socket, to)), _) => {
                socket.send_to(message.as_bytes(), *to).await.map(drop)
            }
            (Some(Link::Stream(stream)), _) => {
                let counted = format!("{} {message}", message.len());
                stream.write_all(counted.as_bytes()).await?;
                stream.flush().await
            }
            (Some(Link::Unix(_)) | None, _) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    async fn connect(&self) -> io::Result<Link> {
        let Address::Network {
            protocol,
            host,
            port,
            allow_private,
        } = &self.settings.address
        else {
            return Ok(Link::Unix(UnixDatagram::unbound()?));
        };
        let to = Judged {
            host,
            port: *port,
            allow_private: *allow_private,
            in_the_clear: *protocol != Protocol::Tls,
        };
        Ok(match protocol {
            Protocol::Udp => self.bind(to).await?,
            Protocol::Tcp => Link::Stream(Box::new(self.dialer.connect(to).await?)),
            Protocol::Tls => Link::Stream(self.dialer.connect_encrypted(to).await?),
        })
    }

    async fn bind(&self, to: Judged<'_>) -> io::Result<Link> {
        let addresses = self.dialer.addresses(to).await?;
        let to = addresses.first().ok_or(io::ErrorKind::NotFound)?;
        let any = match to {
            SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
            SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
        };
        Ok(Link::Udp(UdpSocket::bind(any).await?, *to))
    }

    /// `<PRI>1 TIME HOST APP PID EVENT [DATA] JSON`.
    fn message(&self, line: &Line) -> String {
        let event: Value = serde_json::from_slice(&line.json).unwrap_or_default();
        let head = format!(
            "<{}>1 {} {} {} {}",
            priority(self.settings.facility, line.severity),
            time(&event),
            self.origin,
            name(&event),
            structured(&event),
        );
        let json = String::from_utf8_lossy(&line.json);
        let is_datagram = !matches!(
            self.settings.address,
            Address::Network {
                protocol: Protocol::Tcp | Protocol::Tls,
                ..
            }
        );
        // Half of a JSON object is of no use to anybody.
        if is_datagram && head.len() + 1 + json.len() > MAX_DATAGRAM {
            return head;
        }
        format!("{head} {json}")
    }
}

/// Facility and severity as one number (RFC 5424, section 6.2.1).
const fn priority(facility: Facility, severity: Severity) -> u8 {
    let severity = match severity {
        Severity::High => 2,
        Severity::Warning => 4,
        Severity::Info => 6,
    };
    facility.number() * 8 + severity
}

/// With microseconds, which is what a message may have.
fn time(event: &Value) -> String {
    let time = event["time"]
        .as_str()
        .and_then(|text| text.parse::<Timestamp>().ok());
    time.map_or_else(|| "-".to_owned(), |time| format!("{time:.6}"))
}

fn name(event: &Value) -> &str {
    let name = event["event"].as_str().unwrap_or_default();
    match name.get(..MAX_NAME.min(name.len())) {
        Some(name) if !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()) => name,
        _ => "-",
    }
}

fn structured(event: &Value) -> String {
    let mut data = format!("[{DATA}");
    for field in FIELDS {
        let value = match event.get(field) {
            Some(Value::String(text)) => escaped(text),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::Bool(flag)) => flag.to_string(),
            _ => continue,
        };
        // Writing to a string does not fail.
        let _ = write!(data, " {field}=\"{value}\"");
    }
    data.push(']');
    data
}

/// RFC 5424, section 6.3.3. Line ends would part a message in two for those who
/// read lines.
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\\' | ']' => escaped.extend(['\\', character]),
            control if control.is_control() => escaped.push(' '),
            other => escaped.push(other),
        }
    }
    escaped
}

fn host_name() -> String {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let name = name.trim();
    if !name.is_empty() && name.len() <= 255 && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        name.to_owned()
    } else {
        "-".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_message_has_priority_name_and_structured_data() {
        assert_eq!(priority(Facility::Authpriv, Severity::High), 82);
        assert_eq!(priority(Facility::User, Severity::Info), 14);
        assert_eq!(priority(Facility::Local7, Severity::Warning), 188);
        let event = json!({
            "time": "2026-11-21T11:56:03.276226007Z", "event": "verify.failed", "sequence": 3,
            "review": true, "skill": "a\"]\\\nb", "signers": ["x"],
        });
        assert_eq!(time(&event), "2026-11-21T11:56:03.276226Z");
        assert_eq!(name(&event), "verify.failed");
        assert_eq!(name(&json!({})), "-");
        assert_eq!(
            structured(&event),
            r#"[skillhost@32473 sequence="3" review="true" skill="a\"\]\\ b"]"#
        );
    }
}
