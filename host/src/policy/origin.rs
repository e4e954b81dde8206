//! Which HTTP origins a skill may reach.
//!
//! A decision is made on parsed values only, the same that are handed to the
//! dialer. Text that two parsers could read differently is refused.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::address::is_metadata_host;
use super::endpoint::no_metadata;
use super::right::Right;

/// The longest name, in bytes.
const MAX_HOST_NAME: usize = 253;

/// The longest part of a name between dots, in bytes.
const MAX_LABEL: usize = 63;

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// Plain HTTP.
    Http,
    /// HTTP over TLS.
    Https,
}

impl Scheme {
    /// The port that an address without one means (RFC 9110, section 4.2).
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }

    fn parse(text: &str) -> Option<Self> {
        match text {
            "http" => Some(Self::Http),
            "https" => Some(Self::Https),
            _ => None,
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "http",
            Self::Https => "https",
        })
    }
}

/// Scheme, host and port of a request (RFC 6454).
///
/// The host is canonical: lower-case ASCII after IDNA without a trailing dot,
/// or an IP address.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// `http` or `https`.
    pub scheme: Scheme,
    /// Name or address.
    pub host: Host,
    /// Always stated, even when it is the scheme's own.
    pub port: u16,
}

impl Origin {
    /// The origin of an absolute address. Addresses with user name, password,
    /// or a host that is not written canonically are refused.
    pub fn of(text: &str) -> Result<Self, String> {
        if text.bytes().any(is_ambiguous) {
            return Err(format!("{text:?} holds a character that no address has"));
        }
        let url = Url::parse(text).map_err(|cause| format!("`{text}` is no address: {cause}"))?;
        let scheme = Scheme::parse(url.scheme())
            .ok_or_else(|| format!("`{text}` is neither http nor https"))?;
        if authority(text).contains('@') {
            return Err(format!("`{text}` carries a user name"));
        }
        let host = canonical_host(&url).ok_or_else(|| format!("`{text}` names no host"))?;
        if !written_canonically(text, &host) {
            return Err(format!("write the host of `{text}` as `{host}`"));
        }
        let port = url.port().unwrap_or_else(|| scheme.default_port());
        Ok(Self { scheme, host, port })
    }

    /// Host and port as a `Host` header has them: without a port that is the
    /// scheme's own (RFC 9110, section 7.2).
    #[must_use]
    pub fn authority(&self) -> String {
        if self.port == self.scheme.default_port() {
            self.host.to_string()
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// The host as an IP address, if it is one.
    #[must_use]
    pub fn ip(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(ip) => Some(IpAddr::V4(ip)),
            Host::Ipv6(ip) => Some(IpAddr::V6(ip)),
            Host::Domain(_) => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.authority())
    }
}

fn canonical_host(url: &Url) -> Option<Host> {
    match url.host()? {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            is_name(name).then(|| Host::Domain(name.to_owned()))
        }
        Host::Ipv4(ip) => Some(Host::Ipv4(ip)),
        Host::Ipv6(ip) => Some(Host::Ipv6(ip)),
    }
}

/// Whether a name server can be asked for it (RFC 1035, section 2.3.4): labels
/// of letters, digits, `-` and `_`. The WHATWG parser lets more through, such as
/// `*`, with which a request could make its own denial recommend a rule for any
/// host.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_label = |label: &str| (1..=MAX_LABEL).contains(&label.len()) && label.bytes().all(plain);
    name.len() <= MAX_HOST_NAME && name.split('.').all(is_label)
}

/// Bytes that the WHATWG parser removes or takes for another, and RFC 3986
/// does not know.
const fn is_ambiguous(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f || byte == b'\\'
}

/// The part between `//` and the next `/`, `?` or `#`.
fn authority(text: &str) -> &str {
    let rest = text.split_once("//").map_or("", |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// Whether the host stands in `text` as it was understood, but for case and a
/// trailing dot. `0177.0.0.1`, `2130706433` and the like are not.
fn written_canonically(text: &str, host: &Host) -> bool {
    let authority = authority(text).to_ascii_lowercase();
    let rest = match host {
        Host::Ipv6(_) => authority.split_once(']').map(|(_, rest)| rest),
        Host::Ipv4(_) | Host::Domain(_) => authority.strip_prefix(&host.to_string()),
    };
    let Some(rest) = rest.map(|rest| rest.strip_prefix('.').unwrap_or(rest)) else {
        return false;
    };
    rest.is_empty()
        || rest
            .strip_prefix(':')
            .is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// A rule about origins: `https://example.com`, `https://*.example.com`,
/// `https://*`, `http://127.0.0.1:8080`, or `*` for any.
///
/// Without a port it means the scheme's own; `:*` means any. A wildcard never
/// reaches an address that is not public.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OriginRule {
    scheme: Option<Scheme>,
    host: HostRule,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum HostRule {
    Any,
    /// Any name that ends with a dot and this.
    Below(String),
    Exact(Host),
}

impl OriginRule {
    /// Whether `origin` falls under this rule.
    #[must_use]
    pub fn allows(&self, origin: &Origin) -> bool {
        self.scheme.is_none_or(|scheme| scheme == origin.scheme)
            && self.port.is_none_or(|port| port == origin.port)
            && self.host.allows(&origin.host)
    }

    /// Whether the rule names one host, not a pattern.
    #[must_use]
    pub const fn is_exact(&self) -> bool {
        matches!(self.host, HostRule::Exact(_))
    }

    /// What it takes to use it: a pattern is another right than a name.
    #[must_use]
    pub const fn right(&self) -> Right {
        if self.is_exact() {
            Right::Http
        } else {
            Right::HttpWildcard
        }
    }

    /// What both rules allow, if anything.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        Some(Self {
            scheme: same_or_stated(self.scheme, other.scheme)?,
            host: self.host.intersection(&other.host)?,
            port: same_or_stated(self.port, other.port)?,
        })
    }
}

/// Of two optional restrictions the one that holds for both; the outer `None`
/// if they contradict each other.
#[expect(
    clippy::option_option,
    reason = "absent restriction and contradiction differ"
)]
fn same_or_stated<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<Option<T>> {
    match (one, other) {
        (Some(one), Some(other)) => (one == other).then_some(Some(one)),
        (one, other) => Some(one.or(other)),
    }
}

impl HostRule {
    fn allows(&self, host: &Host) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Below(suffix), Host::Domain(name)) => is_below(name, suffix),
            (Self::Below(_), _) => false,
            (Self::Exact(exact), host) => exact == host,
        }
    }

    fn intersection(&self, other: &Self) -> Option<Self> {
        match (self, other) {
            (Self::Any, rule) | (rule, Self::Any) => Some(rule.clone()),
            (Self::Exact(host), rule) | (rule, Self::Exact(host)) => {
                rule.allows(host).then(|| Self::Exact(host.clone()))
            }
            (Self::Below(one), Self::Below(other)) => {
                if one == other || is_below(one, other) {
                    Some(Self::Below(one.clone()))
                } else {
                    is_below(other, one).then(|| Self::Below(other.clone()))
                }
            }
        }
    }
}

/// Label-wise: `evilgood.test` is not below `good.test`, nor is `good.test`.
fn is_below(name: &str, suffix: &str) -> bool {
    name.strip_suffix(suffix)
        .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
}

impl FromStr for OriginRule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "*" {
            return Ok(Self {
                scheme: None,
                host: HostRule::Any,
                port: None,
            });
        }
        let wrong = || {
            format!(
                "`{text}` is no origin; write for example `https://example.com`, `https://*.example.com` or `http://127.0.0.1:8080`"
            )
        };
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let scheme = Scheme::parse(scheme).ok_or_else(wrong)?;
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains(['/', '?', '#', '@', '\\']) {
            return Err(wrong());
        }
        let (rest, any_port) = match rest.strip_suffix(":*") {
            Some(rest) => (rest, true),
            None => (rest, false),
        };
        let (host, port) =
            host_rule(scheme, rest).map_err(|cause| format!("{}: {cause}", wrong()))?;
        Ok(Self {
            scheme: Some(scheme),
            host,
            port: (!any_port).then_some(port),
        })
    }
}

fn host_rule(scheme: Scheme, text: &str) -> Result<(HostRule, u16), String> {
    if let Some(port) = text.strip_prefix('*')
        && !port.starts_with('.')
    {
        let origin = Origin::of(&format!("{scheme}://any{port}"))?;
        return Ok((HostRule::Any, origin.port));
    }
    if let Some(suffix) = text.strip_prefix("*.") {
        let origin = Origin::of(&format!("{scheme}://{suffix}"))?;
        return match origin.host {
            Host::Domain(name) if !name.contains('*') => Ok((HostRule::Below(name), origin.port)),
            _ => Err("only a name can stand behind `*.`".to_owned()),
        };
    }
    let origin = Origin::of(&format!("{scheme}://{text}"))?;
    if is_metadata_host(&origin.host) {
        return Err(no_metadata(text));
    }
    match &origin.host {
        Host::Domain(name) if name.contains('*') => {
            Err("`*` can only be the first label".to_owned())
        }
        _ => Ok((HostRule::Exact(origin.host), origin.port)),
    }
}

impl fmt::Display for OriginRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(scheme) = self.scheme else {
            return f.write_str("*");
        };
        write!(f, "{scheme}://")?;
        match &self.host {
            HostRule::Any => f.write_str("*")?,
            HostRule::Below(suffix) => write!(f, "*.{suffix}")?,
            HostRule::Exact(host) => write!(f, "{host}")?,
        }
        match self.port {
            None => f.write_str(":*"),
            Some(port) if port == scheme.default_port() => Ok(()),
            Some(port) => write!(f, ":{port}"),
        }
    }
}

impl TryFrom<String> for OriginRule {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<OriginRule> for String {
    fn from(rule: OriginRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> OriginRule {
        text.parse().unwrap()
    }

    fn allows(text: &str, address: &str) -> bool {
        rule(text).allows(&Origin::of(address).unwrap())
    }

    #[test]
    fn a_rule_allows_its_own_scheme_host_and_port_only() {
        for (text, address, expected) in [
            ("https://good.test", "https://good.test/x", true),
            ("https://good.test", "https://GOOD.test./x", true),
            ("https://good.test", "https://good.test:443/x", true),
            ("https://good.test", "https://good.test:444/x", false),
            ("https://good.test", "http://good.test/x", false),
            ("https://good.test", "https://evilgood.test/x", false),
            ("https://good.test", "https://a.good.test/x", false),
            ("https://*.good.test", "https://a.good.test/x", true),
            ("https://*.good.test", "https://a.b.good.test/x", true),
            ("https://*.good.test", "https://good.test/x", false),
            ("https://*.good.test", "https://evilgood.test/x", false),
            ("https://*", "https://anything.test/", true),
            ("https://*", "https://anything.test:8443/", false),
            ("https://*:*", "https://anything.test:8443/", true),
            ("*", "http://127.0.0.1:8080/", true),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/a", true),
            ("http://127.0.0.1:8080", "http://127.0.0.2:8080/a", false),
            ("http://[::1]:8080", "http://[::1]:8080/a", true),
        ] {
            assert_eq!(allows(text, address), expected, "{text} {address}");
        }
    }

    #[test]
    fn addresses_that_two_parsers_could_read_differently_are_refused() {
        for address in [
            "https://good.test@evil.test/",
            "https://good.test\\@evil.test/",
            "https://user:pw@good.test/",
            "https://@good.test/",
            "http://2130706433/",
            "http://0177.0.0.1/",
            "http://0x7f.0.0.1/",
            "http://127.1/",
            "http://go\tod.test/",
            "http://g%6fod.test/",
            "http://a..good.test/",
            "http://.good.test/",
            "http://good.test../",
            "http://gööd.test/",
            "ftp://good.test/",
            "file:///etc/passwd",
            "good.test",
            "https://",
            "https://*/",
            "https://*.good.test/",
            "https://good.test../",
            "https://good..test/",
            "https://.good.test/",
            "https://'good'.test/",
        ] {
            assert!(Origin::of(address).is_err(), "{address}");
        }
    }

    #[test]
    fn rules_that_are_no_origins_are_refused() {
        for text in [
            "",
            "good.test",
            "ftp://good.test",
            "https://good.test/path",
            "https://a*.good.test",
            "https://*.127.0.0.1",
            "https://good.test:port",
            "https://u@good.test",
            "https://",
        ] {
            assert!(text.parse::<OriginRule>().is_err(), "{text}");
        }
    }

    #[test]
    fn n03_a_metadata_service_cannot_be_granted() {
        for text in [
            "http://169.254.169.254",
            "http://169.254.169.254:*",
            "http://100.100.100.200",
            "http://168.63.129.16",
            "http://[fd00:ec2::254]",
            "http://[::ffff:a9fe:a9fe]",
            "https://metadata.google.internal",
        ] {
            let refused = text.parse::<OriginRule>().unwrap_err();
            assert!(refused.contains("metadata service"), "{refused}");
        }
    }

    #[test]
    fn what_is_shown_is_what_was_written() {
        for text in [
            "*",
            "https://good.test",
            "https://*.good.test",
            "https://*",
            "http://*:*",
            "http://127.0.0.1:8080",
            "https://[::1]:8443",
            "https://good.test:*",
        ] {
            assert_eq!(rule(text).to_string(), text);
        }
    }

    #[test]
    fn an_intersection_allows_what_both_allow() {
        for (one, other, expected) in [
            ("*", "http://127.0.0.1:8080", Some("http://127.0.0.1:8080")),
            (
                "https://*",
                "https://*.good.test",
                Some("https://*.good.test"),
            ),
            (
                "https://*.good.test",
                "https://a.good.test",
                Some("https://a.good.test"),
            ),
            (
                "https://*.good.test",
                "https://*.a.good.test",
                Some("https://*.a.good.test"),
            ),
            ("https://*.good.test", "https://good.test", None),
            ("https://good.test", "http://good.test", None),
            ("https://good.test", "https://good.test:444", None),
            (
                "https://good.test:*",
                "https://good.test:444",
                Some("https://good.test:444"),
            ),
        ] {
            let expected = expected.map(rule);
            assert_eq!(
                rule(one).intersection(&rule(other)),
                expected,
                "{one} {other}"
            );
            assert_eq!(
                rule(other).intersection(&rule(one)),
                expected,
                "{other} {one}"
            );
        }
    }
}
