//! What is read with `GET`: whether the host serves, its numbers, and what its
//! door has to say.

use std::net::IpAddr;

use http::StatusCode;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;

use super::answer::{Answer, of, plain};
use super::connection::Peer;
use super::refusals::Broken;
use super::route::Front;
use crate::metrics::CONTENT_TYPE;

/// Said by proxies: the request is another one's.
const FORWARDED: [HeaderName; 4] = [
    header::FORWARDED,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-real-ip"),
];

/// Recorded while nothing can be: once it is, the host is ready again.
const NO_AUDIT: Broken = Broken {
    limit: "audit",
    reason: "The host is not ready: the audit log could not be written.",
};

/// Said to callers whose key or token leaves tools out.
const NOT_ALL: &str =
    "The numbers name every tool that was called; your key or token does not allow all tools.";

impl Front {
    pub(super) async fn page(&self, parts: &Parts, peer: Peer) -> Answer {
        let path = parts.uri.path();
        match path {
            "/healthz" => plain(StatusCode::OK, "ok\n"),
            "/readyz" => self.ready(peer),
            "/metrics" => self.metrics(parts, peer).await,
            _ => self
                .door_page(path)
                .unwrap_or_else(|| plain(StatusCode::NOT_FOUND, "Not Found")),
        }
    }

    fn ready(&self, peer: Peer) -> Answer {
        let events = self.host.events();
        let unready = if self.asked.is_cancelled() {
            "The host ends.\n"
        } else if !self.host.is_ready() {
            "Skills are being loaded.\n"
        } else if self.host.skills().is_empty() {
            "There is no skill.\n"
        } else if !events.is_kept() {
            // Nothing else may be recorded as long as nobody sends calls here.
            self.refusals.wire(peer.source, NO_AUDIT);
            "The audit log cannot be written.\n"
        } else {
            return plain(StatusCode::OK, "ready\n");
        };
        plain(StatusCode::SERVICE_UNAVAILABLE, unready)
    }

    /// For this machine, and for whoever proves to be allowed all tools: the
    /// numbers name each that was called.
    async fn metrics(&self, parts: &Parts, peer: Peer) -> Answer {
        if !is_local(peer.from.ip(), &parts.headers) {
            match self.caller(parts, peer).await {
                Err(refused) => return *refused,
                Ok(caller) if !caller.has_all_tools() => {
                    return plain(StatusCode::FORBIDDEN, NOT_ALL);
                }
                Ok(_) => {}
            }
        }
        of(StatusCode::OK, CONTENT_TYPE, self.host.metrics())
    }
}

/// Whether it is a program of this machine, and no proxy that is one.
fn is_local(from: IpAddr, headers: &HeaderMap) -> bool {
    let is_forwarded = FORWARDED.iter().any(|name| headers.contains_key(name));
    from.to_canonical().is_loopback() && !is_forwarded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_for_this_machine_and_not_for_those_behind_a_proxy_of_it() {
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        let remote: IpAddr = "10.0.0.1".parse().unwrap();
        assert!(is_local(local, &HeaderMap::new()));
        assert!(is_local(
            "::ffff:127.0.0.1".parse().unwrap(),
            &HeaderMap::new()
        ));
        assert!(!is_local(remote, &HeaderMap::new()));
        for name in FORWARDED {
            let headers = HeaderMap::from_iter([(name, "10.0.0.1".parse().unwrap())]);
            assert!(!is_local(local, &headers));
        }
    }
}
