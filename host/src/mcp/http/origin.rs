//! Who may be behind a request that a browser sends: under which name the host
//! was asked for, and which web page asks.
//!
//! A page can make a name of its own stand for this machine (DNS rebinding,
//! RUSTSEC-2026-0189); its requests carry that name as `Host`. A page of another
//! site can send requests whose answers it cannot read; they carry its `Origin`,
//! or are of a media type that needs nobody's leave. None of them is served.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};

use super::settings::{HostName, HttpSettings, PageOrigin, split_port};

/// Headers that a page may send (MCP, and what carries a token).
const HEADERS: [&str; 9] = [
    "accept",
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "traceparent",
];

/// Before the names of headers that repeat an argument.
const ARGUMENT_HEADERS: &str = "mcp-param-";

/// How long a browser may keep the answer to its question, in seconds.
const MAX_AGE: HeaderValue = HeaderValue::from_static("600");

/// Under which names the host is served, and to which pages.
#[derive(Debug)]
pub(super) struct Names {
    hosts: Vec<HostName>,
    origins: Vec<PageOrigin>,
    cors: bool,
}

/// A header that names somebody who is not served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Foreign {
    pub(super) header: &'static str,
    pub(super) value: Option<HeaderValue>,
    pub(super) status: StatusCode,
    pub(super) message: &'static str,
}

impl Names {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        Self {
            hosts: settings.hosts.clone(),
            origins: settings.origins.clone(),
            cors: settings.cors,
        }
    }

    /// Whether it names the host, which was reached at `own`, and no page that is
    /// not served; the page, if it names one.
    pub(super) fn check(
        &self,
        request: &Parts,
        own: IpAddr,
    ) -> Result<Option<HeaderValue>, Foreign> {
        self.check_host(request, own)?;
        let mut origins = request.headers.get_all(header::ORIGIN).iter();
        let (Some(origin), more) = (origins.next(), origins.next()) else {
            return Ok(None);
        };
        let is_served = |page: &PageOrigin| page.as_str().as_bytes() == origin.as_bytes();
        if more.is_none() && self.origins.iter().any(is_served) {
            return Ok(Some(origin.clone()));
        }
        Err(Foreign {
            header: "Origin",
            value: Some(origin.clone()),
            status: StatusCode::FORBIDDEN,
            message: "This web page is not served here.",
        })
    }

    fn check_host(&self, request: &Parts, own: IpAddr) -> Result<(), Foreign> {
        let mut hosts = request.headers.get_all(header::HOST).iter();
        let (Some(host), None) = (hosts.next(), hosts.next()) else {
            return Err(Foreign {
                header: "Host",
                value: None,
                status: StatusCode::BAD_REQUEST,
                message: "A request has one Host header.",
            });
        };
        // An address in the request line counts before the header (RFC 9112,
        // section 3.2.2); who believes only one of them can be told two names.
        let in_line = request.uri.authority().map(http::uri::Authority::as_str);
        let is_served = |host: &str| self.names(host, own);
        if host.to_str().is_ok_and(is_served) && in_line.is_none_or(is_served) {
            return Ok(());
        }
        Err(Foreign {
            header: "Host",
            value: Some(host.clone()),
            status: StatusCode::FORBIDDEN,
            message: "The host is not served under this name.",
        })
    }

    /// Whether `host` is a name of this host. A literal address cannot be made to
    /// stand for another one, so that its port does not matter: it is another one
    /// behind a tunnel.
    fn names(&self, host: &str, own: IpAddr) -> bool {
        let Some((name, port)) = split_port(host) else {
            return false;
        };
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        match bare.parse::<IpAddr>().map(|ip| ip.to_canonical()) {
            Ok(ip) if ip == own || (ip.is_loopback() && own.is_loopback()) => return true,
            Err(_) if own.is_loopback() && name.eq_ignore_ascii_case("localhost") => return true,
            Ok(_) | Err(_) => {}
        }
        self.hosts.iter().any(|host| host.is(name, port))
    }

    /// What a browser is told before it sends a page's request; none if it gets
    /// no leave.
    pub(super) fn preflight(&self, request: &Parts) -> Option<HeaderMap> {
        let wanted = request.headers.get(header::ACCESS_CONTROL_REQUEST_METHOD)?;
        if !self.cors || request.method != Method::OPTIONS {
            return None;
        }
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, wanted.clone());
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            allowed(&request.headers)?,
        );
        headers.insert(header::ACCESS_CONTROL_MAX_AGE, MAX_AGE);
        Some(headers)
    }

    /// Tells a browser whether `page` may read an answer.
    pub(super) fn share(&self, page: Option<HeaderValue>, answer: &mut HeaderMap) {
        if !self.cors {
            return;
        }
        answer.insert(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(page) = page {
            answer.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, page);
            let exposed = HeaderValue::from_static("WWW-Authenticate, Retry-After");
            answer.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
    }
}

/// Those of the headers that a page wants to send which it may.
fn allowed(request: &HeaderMap) -> Option<HeaderValue> {
    let wanted = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS);
    let wanted = wanted.map_or(Ok(""), HeaderValue::to_str).ok()?;
    let names = wanted
        .split(',')
        .map(|name| name.trim().to_ascii_lowercase());
    let allowed: Vec<String> = names
        .filter(|name| HEADERS.contains(&name.as_str()) || name.starts_with(ARGUMENT_HEADERS))
        .filter(|name| HeaderName::from_bytes(name.as_bytes()).is_ok())
        .collect();
    HeaderValue::from_str(&allowed.join(", ")).ok()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn names(cors: bool) -> Names {
        Names::new(&HttpSettings {
            hosts: vec![
                "mcp.a.test".parse().unwrap(),
                "b.test:8443".parse().unwrap(),
            ],
            origins: vec!["https://app.test".parse().unwrap()],
            cors,
            ..HttpSettings::default()
        })
    }

    fn request(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::builder().uri("/mcp");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn refused(headers: &[(&str, &str)], own: &str) -> Option<(&'static str, u16)> {
        let checked = names(false).check(&request(headers), own.parse().unwrap());
        checked.err().map(|it| (it.header, it.status.as_u16()))
    }

    #[test]
    fn m05_only_names_of_the_host_are_served() {
        for (host, own, served) in [
            ("127.0.0.1:8808", "127.0.0.1", true),
            ("127.0.0.1", "127.0.0.1", true),
            ("localhost:9000", "127.0.0.1", true),
            ("LocalHost", "::1", true),
            ("[::1]:8808", "::1", true),
            ("10.0.0.1:80", "10.0.0.1", true),
            ("mcp.a.test", "10.0.0.1", true),
            ("MCP.a.test:1", "10.0.0.1", true),
            ("b.test:8443", "10.0.0.1", true),
            ("b.test:80", "10.0.0.1", false),
            ("b.test", "10.0.0.1", false),
            ("evil.test", "127.0.0.1", false),
            ("evil.test:8808", "127.0.0.1", false),
            ("localhost.evil.test", "127.0.0.1", false),
            ("127.0.0.1.evil.test", "127.0.0.1", false),
            ("mcp.a.test.evil.test", "127.0.0.1", false),
            ("evil.test#localhost", "127.0.0.1", false),
            ("evil.test@localhost", "127.0.0.1", false),
            ("localhost.", "127.0.0.1", false),
            ("2130706433", "127.0.0.1", false),
            ("0x7f.1", "127.0.0.1", false),
            ("0.0.0.0", "127.0.0.1", false),
            ("localhost", "10.0.0.1", false),
            ("127.0.0.1", "10.0.0.1", false),
            ("10.0.0.2", "10.0.0.1", false),
            ("", "127.0.0.1", false),
            (":8808", "127.0.0.1", false),
        ] {
            let expected = (!served).then_some(("Host", 403));
            assert_eq!(refused(&[("host", host)], own), expected, "{host} at {own}");
        }
    }

    #[test]
    fn m05_a_request_has_one_name() {
        assert_eq!(refused(&[], "127.0.0.1"), Some(("Host", 400)));
        let two = [("host", "localhost"), ("host", "evil.test")];
        assert_eq!(refused(&two, "127.0.0.1"), Some(("Host", 400)));
        let mut parts = request(&[("host", "localhost")]);
        parts.uri = "http://evil.test/mcp".parse().unwrap();
        let foreign = names(false).check(&parts, "127.0.0.1".parse().unwrap());
        assert_eq!(foreign.unwrap_err().status, StatusCode::FORBIDDEN);
    }

    #[test]
    fn m06_only_pages_that_are_named_are_served() {
        for (origin, served) in [
            ("https://app.test", true),
            ("http://app.test", false),
            ("https://app.test:8443", false),
            ("https://app.test:443", false),
            ("https://sub.app.test", false),
            ("https://app.test.evil.test", false),
            ("https://evil.test", false),
            ("https://app.test/", false),
            ("HTTPS://APP.TEST", false),
            ("null", false),
            ("http://127.0.0.1:8808", false),
            ("", false),
        ] {
            let headers = [("host", "127.0.0.1"), ("origin", origin)];
            let expected = (!served).then_some(("Origin", 403));
            assert_eq!(refused(&headers, "127.0.0.1"), expected, "{origin}");
        }
        let two = [
            ("host", "127.0.0.1"),
            ("origin", "https://app.test"),
            ("origin", "https://evil.test"),
        ];
        assert_eq!(refused(&two, "127.0.0.1"), Some(("Origin", 403)));
    }

    #[test]
    fn m06_an_empty_list_means_no_page() {
        let none = Names::new(&HttpSettings::default());
        let parts = request(&[("host", "127.0.0.1"), ("origin", "http://127.0.0.1")]);
        let own = "127.0.0.1".parse().unwrap();
        assert_eq!(none.check(&parts, own).unwrap_err().header, "Origin");
    }

    #[test]
    fn pages_get_leave_only_if_the_operator_gives_it() {
        let mut parts = request(&[
            ("access-control-request-method", "POST"),
            (
                "access-control-request-headers",
                "Authorization, x-evil, mcp-param-a",
            ),
        ]);
        parts.method = Method::OPTIONS;
        assert!(names(false).preflight(&parts).is_none());
        let leave = names(true).preflight(&parts).unwrap();
        assert_eq!(
            leave[header::ACCESS_CONTROL_ALLOW_HEADERS],
            "authorization, mcp-param-a"
        );
        let page = HeaderValue::from_static("https://app.test");
        for (cors, headers) in [(false, 0), (true, 3)] {
            let mut answer = HeaderMap::new();
            names(cors).share(Some(page.clone()), &mut answer);
            assert_eq!(answer.len(), headers);
        }
    }
}
