//! Where raw connections may go to and come from: TCP, UDP, and listening.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::Host;

use super::address::is_metadata_host;
use super::origin::Origin;

/// One host and one port, such as `db.example.com:5432`, `10.0.0.5:53` or
/// `[::1]:7000`. The host is canonical, as in an [`Origin`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint {
    /// Name or address.
    pub host: Host,
    /// Never 0.
    pub port: u16,
}

/// What an author may wish: an [`Endpoint`] in which `*` stands for any host or
/// any port, as authors do not know where an operator's database is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EndpointWish {
    host: Option<Host>,
    port: Option<u16>,
}

/// Where a skill may accept connections: an address of this machine's loopback
/// interface, such as `127.0.0.1:8080`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ListenAddress(SocketAddr);

impl EndpointWish {
    /// Whether the wish holds that endpoint.
    #[must_use]
    pub fn covers(&self, endpoint: &Endpoint) -> bool {
        self.includes(&Self {
            host: Some(endpoint.host.clone()),
            port: Some(endpoint.port),
        })
    }

    /// Whether the wish holds everything that the other holds.
    #[must_use]
    pub fn includes(&self, other: &Self) -> bool {
        (self.host.is_none() || self.host == other.host)
            && (self.port.is_none() || self.port == other.port)
    }
}

impl ListenAddress {
    /// The address.
    #[must_use]
    pub const fn address(self) -> SocketAddr {
        self.0
    }
}

impl FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = split(text).ok_or_else(|| wrong(text))?;
        Ok(Self {
            host: host_of(text, host)?,
            port: port_of(text, port)?,
        })
    }
}

impl FromStr for EndpointWish {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (host, port) = split(text).ok_or_else(|| wrong(text))?;
        let host = (host != "*").then(|| host_of(text, host)).transpose()?;
        let port = (port != "*").then(|| port_of(text, port)).transpose()?;
        Ok(Self { host, port })
    }
}

impl FromStr for ListenAddress {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let address: SocketAddr = text.parse().map_err(|_cause| {
            format!("`{text}` is no address and port; write for example `127.0.0.1:8080`")
        })?;
        if !address.ip().is_loopback() || address.port() == 0 {
            return Err(format!(
                "`{text}` cannot be listened on: only a port of this machine's loopback addresses can, such as `127.0.0.1:8080`"
            ));
        }
        Ok(Self(address))
    }
}

fn split(text: &str) -> Option<(&str, &str)> {
    text.rsplit_once(':')
}

fn wrong(text: &str) -> String {
    format!(
        "`{text}` is no host and port; write for example `db.example.com:5432`, `10.0.0.5:53` or `[::1]:7000`"
    )
}

fn host_of(text: &str, host: &str) -> Result<Host, String> {
    let host = plain_host(host).ok_or_else(|| wrong(text))?;
    if is_metadata_host(&host) {
        return Err(no_metadata(text));
    }
    Ok(host)
}

/// A host as it is written in an [`Endpoint`]: an IPv6 address in brackets.
fn plain_host(text: &str) -> Option<Host> {
    let is_more =
        text.contains(['/', '?', '#', '@', '*']) || (text.contains(':') && !text.starts_with('['));
    if is_more {
        return None;
    }
    let origin = Origin::of(&format!("http://{text}/")).ok()?;
    // A port behind an address in brackets.
    (!text.starts_with('[') || text.ends_with(']')).then_some(origin.host)
}

/// A host as a guest writes it who looks up its address: brackets are optional.
pub(crate) fn canonical_host(text: &str) -> Option<Host> {
    match text.parse() {
        Ok(IpAddr::V4(ip)) => Some(Host::Ipv4(ip)),
        Ok(IpAddr::V6(ip)) => Some(Host::Ipv6(ip)),
        Err(_name) => plain_host(text),
    }
}

fn port_of(text: &str, port: &str) -> Result<u16, String> {
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port > 0);
    port.ok_or_else(|| wrong(text))
}

/// Why a metadata service is not granted.
pub(super) fn no_metadata(text: &str) -> String {
    format!(
        "`{text}` is a metadata service, which hands out this machine's credentials; no skill is granted one"
    )
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Display for EndpointWish {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Some(host) => write!(f, "{host}:")?,
            None => f.write_str("*:")?,
        }
        match self.port {
            Some(port) => write!(f, "{port}"),
            None => f.write_str("*"),
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! as_text {
    ($($name:ty),*) => {
        $(impl TryFrom<String> for $name {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> Self {
                value.to_string()
            }
        })*
    };
}

as_text!(Endpoint, EndpointWish, ListenAddress);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_is_one_host_and_one_port() {
        for text in ["db.test:5432", "10.0.0.5:53", "[::1]:7000", "a.test:80"] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
        let endpoint: Endpoint = "DB.Test.:1".parse().unwrap();
        assert_eq!(endpoint.to_string(), "db.test:1");
        for wrong in [
            "",
            "db.test",
            "db.test:",
            ":1",
            "db.test:0",
            "db.test:65536",
            "db.test:+1",
            "db.test:*",
            "*:1",
            "*.test:1",
            "tcp://db.test:1",
            "u@db.test:1",
            "db.test/x:1",
            "db.test:1:2",
            "::1:80",
            "[::1]",
            "127.1:1",
            "0x7f000001:1",
            "2130706433:1",
            "db test:1",
        ] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn n03_a_metadata_service_cannot_be_named() {
        for text in [
            "169.254.169.254:80",
            "[fd00:ec2::254]:80",
            "[::ffff:169.254.169.254]:80",
            "metadata.google.internal:80",
        ] {
            let refused = text.parse::<Endpoint>().unwrap_err();
            assert!(refused.contains("metadata service"), "{refused}");
            assert!(text.parse::<EndpointWish>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_wish_covers_what_it_names() {
        for (wish, endpoint, expected) in [
            ("*:*", "db.test:5432", true),
            ("*:5432", "db.test:5432", true),
            ("*:5432", "db.test:5433", false),
            ("db.test:*", "db.test:1", true),
            ("db.test:1", "db.test:1", true),
            ("db.test:1", "evildb.test:1", false),
        ] {
            let wish: EndpointWish = wish.parse().unwrap();
            assert_eq!(wish.covers(&endpoint.parse().unwrap()), expected, "{wish}");
        }
    }

    #[test]
    fn n19_only_loopback_is_listened_on() {
        for text in ["127.0.0.1:8080", "127.8.9.1:1", "[::1]:8080"] {
            assert_eq!(text.parse::<ListenAddress>().unwrap().to_string(), text);
        }
        for wrong in [
            "0.0.0.0:8080",
            "[::]:8080",
            "10.0.0.1:8080",
            "127.0.0.1:0",
            "localhost:8080",
            "8080",
            "[::ffff:127.0.0.1]:8080",
        ] {
            assert!(wrong.parse::<ListenAddress>().is_err(), "{wrong}");
        }
    }
}
