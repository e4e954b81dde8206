//! How the host is reached over HTTP, and how much of it anybody may take.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use url::Host;

use crate::policy::origin::Origin;

/// Where HTTP is served if nobody says where.
pub const ADDRESS: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 8808);

/// The smallest limit of a request's head, in bytes.
pub const MIN_HEAD: u64 = 8 * 1024;

/// How the host is reached over HTTP.
///
/// # Defaults
///
/// No name but that of the address, no web page, no TLS, and the limits of
/// [`HttpLimits`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HttpSettings {
    /// Where to listen, if nothing else is said.
    pub listen: Option<SocketAddr>,
    /// Names under which the host is asked for, besides its address.
    pub hosts: Vec<HostName>,
    /// Web pages whose requests are taken.
    pub origins: Vec<PageOrigin>,
    /// Whether browsers are told that those pages may read the answers.
    pub cors: bool,
    /// Whether other machines may be served without TLS, as behind a proxy that
    /// ends it.
    pub plaintext: bool,
    /// The files of TLS; none: plain HTTP.
    pub tls: Option<TlsFiles>,
    /// How much anybody may take.
    pub limits: HttpLimits,
}

/// A certificate chain and its private key, both PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain, the host's own certificate first.
    pub certificate: PathBuf,
    /// The key, which others must not read.
    pub key: PathBuf,
}

/// How much anybody may take of the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HttpLimits {
    /// Bytes of a request's body.
    pub body: u64,
    /// Bytes of a request's head, from [`MIN_HEAD`].
    pub header_bytes: u64,
    /// Time for a request's head, and for the handshake of TLS.
    pub header_timeout: Duration,
    /// Time for a request's body.
    pub body_timeout: Duration,
    /// Time for the client to take what was written.
    pub write_timeout: Duration,
    /// Time between two requests of a connection.
    pub idle_timeout: Duration,
    /// Connections at once.
    pub connections: NonZeroU32,
    /// Likewise, of one source: an IPv4 address, or the first half of an IPv6
    /// address.
    pub connections_per_source: NonZeroU32,
    /// Requests at once.
    pub requests: NonZeroU32,
    /// Likewise, of one source.
    pub requests_per_source: NonZeroU32,
    /// Time for calls that run when the host is asked to stop.
    pub drain: Duration,
}

impl Default for HttpLimits {
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            body: 4 << 20,
            header_bytes: 32 << 10,
            header_timeout: Duration::from_secs(5),
            body_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(60),
            connections: number(512),
            connections_per_source: number(256),
            requests: number(256),
            requests_per_source: number(128),
            drain: Duration::from_secs(20),
        }
    }
}

/// A name under which the host is asked for: `mcp.example.com`, on any port, or
/// `mcp.example.com:8443`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostName {
    name: String,
    port: Option<u16>,
}

impl HostName {
    /// Whether a `Host` of that name and port means this one.
    pub(super) fn is(&self, name: &str, port: Option<u16>) -> bool {
        self.name.eq_ignore_ascii_case(name) && self.port.is_none_or(|own| port == Some(own))
    }
}

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` is no name of a host; write for example `mcp.example.com`, or `mcp.example.com:8443` for one port"
            )
        };
        let (name, port) = split_port(text).ok_or_else(wrong)?;
        match Host::parse(name) {
            Ok(host) if host.to_string() == name && name.bytes().all(is_plain) => Ok(Self {
                name: name.to_owned(),
                port,
            }),
            _ => Err(wrong()),
        }
    }
}

/// Whether names and addresses are made of it: what means any name is no name.
const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b':' | b'[' | b']')
}

/// Name and port of a `Host` header; none if it is neither `NAME` nor
/// `NAME:PORT`.
pub(super) fn split_port(text: &str) -> Option<(&str, Option<u16>)> {
    let end = match text.find(']') {
        Some(bracket) => bracket + 1,
        None => text.find(':').unwrap_or(text.len()),
    };
    let (name, rest) = text.split_at_checked(end)?;
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        None => return None,
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
    };
    (!name.is_empty()).then_some((name, port))
}

/// The origin of a web page, as browsers write it: `https://app.example.com`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOrigin(String);

impl PageOrigin {
    /// As browsers write it.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PageOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Origin::of(text) {
            Ok(origin) if origin.to_string() == text => Ok(Self(text.to_owned())),
            Ok(origin) => Err(format!("write `{text}` as browsers do: `{origin}`")),
            Err(_) => Err(format!(
                "`{text}` is no origin of a web page; write for example `https://app.example.com`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn m05_a_host_is_a_name_and_perhaps_a_port() {
        for (text, expected) in [
            ("a.test", Some(("a.test", None))),
            ("a.test:80", Some(("a.test", Some(80)))),
            ("[::1]", Some(("[::1]", None))),
            ("[::1]:8808", Some(("[::1]", Some(8808)))),
            ("", None),
            (":80", None),
            ("a.test:", None),
            ("a.test:+80", None),
            ("a.test:99999", None),
            ("::1", None),
            ("[::1]x", None),
        ] {
            assert_eq!(split_port(text), expected, "{text}");
        }
    }

    #[test]
    fn names_are_written_as_they_are_asked_for() {
        for text in ["mcp.example.com", "localhost", "10.0.0.1:80", "[::1]:8808"] {
            assert!(text.parse::<HostName>().is_ok(), "{text}");
        }
        for text in [
            "",
            "*",
            "*.a.test",
            "https://a.test",
            "a.test/",
            "A.test",
            "u@a.test",
        ] {
            assert!(text.parse::<HostName>().is_err(), "{text}");
        }
    }

    #[test]
    fn m06_origins_are_written_as_browsers_write_them() {
        for text in [
            "https://a.test",
            "http://localhost:5173",
            "http://[::1]:8080",
        ] {
            assert!(text.parse::<PageOrigin>().is_ok(), "{text}");
        }
        for text in [
            "null",
            "*",
            "a.test",
            "https://a.test/",
            "https://a.test:443",
            "file://",
        ] {
            assert!(text.parse::<PageOrigin>().is_err(), "{text}");
        }
    }
}
