//! URLs that lead to what is not public, as far as that can be seen without
//! looking a name up. Where a request goes is judged again when it is dialled.

use url::{Host, Url};

use crate::policy::address::{is_metadata_host, is_public};

/// The longest URL that is read, in bytes; a longer one is suspect.
const MAX_URL: usize = 64 * 1024;

/// Names of this machine, and ends of names that no public server has (RFC 6761,
/// RFC 6762, RFC 8375, ICANN's `internal`).
const OWN_NAMES: [&str; 4] = [
    "localhost",
    "localhost.localdomain",
    "ip6-localhost",
    "ip6-loopback",
];
const OWN_ENDS: [&str; 5] = [
    ".localhost",
    ".local",
    ".internal",
    ".localdomain",
    ".home.arpa",
];

/// Whether a text leads to this machine, a private network, a metadata service of a
/// cloud, or a file. Numbers count as addresses however they are written: whole,
/// octal, hexadecimal, with parts left out, within IPv6, or in other digits. What
/// begins like a URL and cannot be read is suspect.
pub(super) fn is_not_public(text: &str) -> bool {
    let text = text.trim();
    if text.len() > MAX_URL {
        return true;
    }
    match Url::parse(text) {
        Ok(url) => leads_inside(&url) || (url.host().is_none() && without_scheme(text)),
        Err(url::ParseError::RelativeUrlWithoutBase) => without_scheme(text),
        Err(_malformed) => true,
    }
}

/// `127.0.0.1/x`, `//127.0.0.1/x` and `localhost:80`, of which some clients make
/// requests. A text that makes no URL even so is a path.
fn without_scheme(text: &str) -> bool {
    if text.starts_with('/') && !text.starts_with("//") {
        return false;
    }
    let rest = text.trim_start_matches(['/', '\\']);
    Url::parse(&format!("http://{rest}")).is_ok_and(|url| leads_inside(&url))
}

fn leads_inside(url: &Url) -> bool {
    if url.scheme() == "file" {
        return true;
    }
    let Some(host) = url.host_str().filter(|host| !host.is_empty()) else {
        return false;
    };
    // Only of the web's own schemes are numbers taken for addresses already.
    match Host::parse(host.trim_end_matches('.')) {
        Ok(host) => is_inside(&host),
        Err(_malformed) => true,
    }
}

fn is_inside(host: &Host) -> bool {
    if is_metadata_host(host) {
        return true;
    }
    match host {
        Host::Ipv4(ip) => !is_public((*ip).into()),
        Host::Ipv6(ip) => !is_public((*ip).into()),
        Host::Domain(name) => {
            OWN_NAMES.contains(&name.as_str()) || OWN_ENDS.iter().any(|end| name.ends_with(end))
        }
    }
}
