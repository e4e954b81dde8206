//! Which addresses the host's own events may be sent to, and the dialer.
//!
//! An operator names one target, and that is the grant. It is judged as those of
//! skills are: a name is looked up once, every address that it stands for is
//! judged, and one that was judged is dialled. Metadata services and listeners
//! of this host are never dialled; an address that is not public only if the
//! operator says `allow-private`, because a name that comes to stand for one
//! would otherwise carry records into a network that nobody meant.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use http::Uri;
use tokio::net::TcpStream;
use url::Host;

use crate::policy::address::{is_metadata, is_metadata_host, is_public};
use crate::policy::origin::{Origin, Scheme};
use crate::sandbox::network::gateway::Gateway;
use crate::sandbox::network::tls::{Stream, encrypt};
use crate::sandbox::network::{Network, is_localhost};

/// Where requests go: one address of one origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    pub(super) origin: Origin,
    pub(super) path: String,
    pub(super) allow_private: bool,
}

impl Target {
    /// Reads an address such as `https://example.com/hook`. One that is not
    /// public, and any of this machine, needs `allow_private`.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as part of a sentence, without what may be secret
    /// in it.
    pub fn parse(text: &str, allow_private: bool) -> Result<Self, String> {
        let origin = Origin::of(text).map_err(|_shows_it| {
            "this is no address; write for example `https://example.com/hook`, without a user name"
                .to_owned()
        })?;
        if text.contains('#') {
            return Err("an address to send to has no part behind `#`".to_owned());
        }
        check_host(&origin.host, allow_private)?;
        if origin.scheme == Scheme::Http && !is_loopback(&origin.host) {
            return Err(format!(
                "{origin} would be sent events in the clear; use https, or an address of this machine"
            ));
        }
        let uri: Uri = text
            .parse()
            .map_err(|_cause| format!("{origin} has a path that no request can have"))?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        Ok(Self {
            origin,
            path: path.to_owned(),
            allow_private,
        })
    }

    /// The target with this path behind its own.
    pub(super) fn below(&self, path: &str) -> Self {
        Self {
            path: format!("{}{path}", self.path.trim_end_matches('/')),
            ..self.clone()
        }
    }
}

/// How a syslog daemon is spoken to over a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// One datagram for each message (RFC 5426).
    Udp,
    /// A connection (RFC 6587, with counted octets).
    Tcp,
    /// A connection with TLS (RFC 5425).
    Tls,
}

/// Where a syslog daemon listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Address {
    /// A datagram socket of this machine.
    Unix(PathBuf),
    /// A host and port.
    Network {
        /// How it is spoken to.
        protocol: Protocol,
        /// Name or address.
        host: Host,
        /// The port.
        port: u16,
        /// Whether it may be one that is not public.
        allow_private: bool,
    },
}

impl Address {
    /// Reads `unix:/dev/log`, `udp://127.0.0.1:514`, `tcp://127.0.0.1:601` or
    /// `tls://logs.example.com:6514`. What is not encrypted needs
    /// `allow_private`, and goes to addresses that are not public only.
    ///
    /// # Errors
    ///
    /// What is wrong with it, as part of a sentence.
    pub fn parse(text: &str, allow_private: bool) -> Result<Self, String> {
        if let Some(path) = text.strip_prefix("unix:") {
            return if path.starts_with('/') {
                Ok(Self::Unix(path.into()))
            } else {
                Err("a socket is named by its whole path, as in `unix:/dev/log`".to_owned())
            };
        }
        let wrong = || {
            format!(
                "`{text}` is no address of a syslog daemon; write for example `unix:/dev/log`, `tls://logs.example.com:6514` or `udp://127.0.0.1:514`"
            )
        };
        let (protocol, rest) = text.split_once("://").ok_or_else(wrong)?;
        let protocol = match protocol {
            "udp" => Protocol::Udp,
            "tcp" => Protocol::Tcp,
            "tls" => Protocol::Tls,
            _ => return Err(wrong()),
        };
        let (_, port) = rest.rsplit_once(':').ok_or_else(wrong)?;
        let port = port
            .parse()
            .ok()
            .filter(|port| *port > 0)
            .ok_or_else(wrong)?;
        let origin = Origin::of(&format!("https://{rest}")).map_err(|_cause| wrong())?;
        if rest.contains(['/', '?', '#']) {
            return Err(wrong());
        }
        check_host(&origin.host, allow_private)?;
        if protocol != Protocol::Tls && !allow_private {
            return Err(format!(
                "`{text}` would be sent events in the clear; use `tls://`, or `allow-private = true` for a network of your own"
            ));
        }
        Ok(Self::Network {
            protocol,
            host: origin.host,
            port,
            allow_private,
        })
    }
}

/// What can be judged without a name server.
fn check_host(host: &Host, allow_private: bool) -> Result<(), String> {
    if is_metadata_host(host) {
        return Err(format!(
            "{host} is a metadata service, which hands out this machine's credentials; no events are sent there"
        ));
    }
    if !allow_private && literal(host).is_some_and(|ip| !is_public(ip)) {
        return Err(format!(
            "{host} is not public; say `allow-private = true` if events are to be sent there"
        ));
    }
    Ok(())
}

/// The address that needs no name server. RFC 6761: `localhost` is never looked
/// up.
fn literal(host: &Host) -> Option<IpAddr> {
    match host {
        Host::Domain(_) => is_localhost(host).then_some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        Host::Ipv4(ip) => Some(IpAddr::V4(*ip)),
        Host::Ipv6(ip) => Some(IpAddr::V6(*ip)),
    }
}

fn is_loopback(host: &Host) -> bool {
    literal(host).is_some_and(|ip| ip.is_loopback())
}

/// Looks up, judges and dials.
#[derive(Clone)]
pub(crate) struct Dialer {
    network: Arc<dyn Network>,
    gateway: Arc<Gateway>,
}

/// What is dialled, and which addresses it may stand for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Judged<'a> {
    pub(super) host: &'a Host,
    pub(super) port: u16,
    pub(super) allow_private: bool,
    /// It goes over the network as it is, which is for networks of one's own.
    pub(super) in_the_clear: bool,
}

impl Dialer {
    pub(crate) fn new(network: Arc<dyn Network>, gateway: Arc<Gateway>) -> Self {
        Self { network, gateway }
    }

    /// A connection to the target's origin, with TLS for `https`.
    pub(super) async fn dial(&self, target: &Target) -> io::Result<Box<dyn Stream>> {
        let Origin { scheme, host, port } = &target.origin;
        let judged = Judged {
            host,
            port: *port,
            allow_private: target.allow_private,
            in_the_clear: *scheme == Scheme::Http,
        };
        match scheme {
            Scheme::Http => Ok(Box::new(self.connect(judged).await?)),
            Scheme::Https => self.connect_encrypted(judged).await,
        }
    }

    pub(super) async fn connect_encrypted(&self, to: Judged<'_>) -> io::Result<Box<dyn Stream>> {
        let stream = self.connect(to).await?;
        let encrypted = encrypt(to.host, stream).await;
        Ok(Box::new(encrypted.map_err(io::Error::other)?))
    }

    /// Tries the addresses in turn.
    pub(super) async fn connect(&self, to: Judged<'_>) -> io::Result<TcpStream> {
        let mut failure = io::Error::new(io::ErrorKind::NotFound, "its name has no address");
        for address in self.addresses(to).await? {
            match self.network.connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(cause) => failure = cause,
            }
        }
        Err(failure)
    }

    /// Every address that it stands for; an error if one of them is refused.
    pub(super) async fn addresses(&self, to: Judged<'_>) -> io::Result<Vec<SocketAddr>> {
        let ips = match (literal(to.host), to.host) {
            (Some(ip), _) => vec![ip],
            (None, Host::Domain(name)) => self.network.resolve(name).await?,
            (None, _) => Vec::new(),
        };
        let judge = |ip| self.judge(SocketAddr::new(ip, to.port), to);
        ips.into_iter().map(judge).collect()
    }

    fn judge(&self, address: SocketAddr, to: Judged<'_>) -> io::Result<SocketAddr> {
        let ip = address.ip();
        let refusal = if is_metadata(ip) {
            "is a metadata service"
        } else if self.gateway.is_own(address) {
            "is where this host itself listens"
        } else if !to.allow_private && !is_public(ip) {
            "is not public, and `allow-private` is not set"
        } else if to.in_the_clear && is_public(ip) {
            "is public, and events would go there in the clear"
        } else {
            return Ok(address);
        };
        let text = format!("its address {ip} {refusal}");
        Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dialer").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn d09_a_target_is_public_and_encrypted_unless_the_operator_says_otherwise() {
        for (text, allow_private, expected) in [
            ("https://example.com/hook?x=1", false, None),
            ("http://example.com/hook", false, Some("in the clear")),
            ("http://example.com/hook", true, Some("in the clear")),
            ("http://10.0.0.1/", true, Some("in the clear")),
            ("https://10.0.0.1/", false, Some("not public")),
            ("https://10.0.0.1/", true, None),
            ("http://127.0.0.1:8080/", false, Some("not public")),
            ("http://127.0.0.1:8080/", true, None),
            ("http://localhost:8080/", false, Some("not public")),
            ("http://[::1]:8080/", true, None),
            ("http://169.254.169.254/", true, Some("metadata service")),
            (
                "https://metadata.google.internal/",
                true,
                Some("metadata service"),
            ),
            (
                "https://user:password@example.com/",
                false,
                Some("no address"),
            ),
            ("https://example.com/#part", false, Some("behind `#`")),
            ("example.com", false, Some("no address")),
        ] {
            let refused = Target::parse(text, allow_private).err();
            assert_eq!(refused.is_some(), expected.is_some(), "{text}: {refused:?}");
            let said = refused.unwrap_or_default();
            assert!(
                said.contains(expected.unwrap_or_default()),
                "{text}: {said}"
            );
            assert!(!said.contains("password"), "{said}");
        }
    }

    #[test]
    fn an_address_of_syslog_is_in_the_clear_on_ones_own_network_only() {
        for (text, allow_private, taken) in [
            ("unix:/dev/log", false, true),
            ("unix:dev/log", false, false),
            ("udp://127.0.0.1:514", true, true),
            ("udp://127.0.0.1:514", false, false),
            ("udp://logs.example.com:514", false, false),
            ("tcp://[::1]:601", true, true),
            ("tls://logs.example.com:6514", false, true),
            ("tls://169.254.169.254:6514", true, false),
            ("tls://logs.example.com", false, false),
            ("tls://logs.example.com:0", false, false),
            ("tls://logs.example.com:6514/x", false, false),
            ("http://logs.example.com:80", true, false),
        ] {
            let parsed = Address::parse(text, allow_private);
            assert_eq!(parsed.is_ok(), taken, "{text}: {parsed:?}");
        }
    }
}
