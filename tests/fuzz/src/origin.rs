use http::Uri;
use skillhost::policy::origin::{Origin, OriginRule};
use url::{Host, Url};

/// As three lines, two rules and an address: what is understood is canonical,
/// both parsers of addresses understand it alike, and two rules allow together
/// what each of them allows.
pub fn origin(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.splitn(3, '\n');
    let mut rule = || {
        lines
            .next()
            .and_then(|line| line.parse::<OriginRule>().ok())
    };
    let (one, other) = (rule(), rule());
    for rule in one.iter().chain(&other) {
        assert_eq!(rule.to_string().parse::<OriginRule>().as_ref(), Ok(rule));
        assert_eq!(rule.intersection(rule).as_ref(), Some(rule));
    }
    let Some(origin) = lines.next().and_then(address) else {
        return;
    };
    let exact: OriginRule = origin.to_string().parse().unwrap();
    assert!(exact.allows(&origin) && exact.is_exact(), "{origin:?}");
    if let (Some(one), Some(other)) = (one, other) {
        let both = one.allows(&origin) && other.allows(&origin);
        let together = one.intersection(&other);
        assert_eq!(together, other.intersection(&one));
        assert_eq!(together.is_some_and(|it| it.allows(&origin)), both);
    }
}

fn address(text: &str) -> Option<Origin> {
    let origin = Origin::of(text).ok()?;
    check_canonical(&origin);
    assert_eq!(Origin::of(&origin.to_string()).as_ref(), Ok(&origin));
    let url = Url::parse(text).unwrap();
    assert!(url.username().is_empty() && url.password().is_none());
    let written = url.host_str().unwrap();
    let host = origin.host.to_string();
    assert_eq!(written.strip_suffix('.').unwrap_or(written), host);
    assert_eq!(url.port_or_known_default(), Some(origin.port));
    if let Ok(uri) = text.parse::<Uri>() {
        check_uri(&uri, &origin);
    }
    Some(origin)
}

fn check_canonical(origin: &Origin) {
    if let Host::Domain(name) = &origin.host {
        let plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_uppercase() && byte > b' ';
        assert!(!name.is_empty() && name.bytes().all(plain), "{name:?}");
        assert!(!name.ends_with('.') && !name.contains(['/', '@', '#', '?', ':', '%', '\\']));
        assert!(name.parse::<std::net::IpAddr>().is_err(), "{name}");
    }
}

/// The parser of the client that sends the request.
fn check_uri(uri: &Uri, origin: &Origin) {
    let Some(host) = uri.host() else {
        return;
    };
    assert_eq!(uri.scheme_str(), Some(origin.scheme.to_string().as_str()));
    let port = uri.port_u16().unwrap_or(origin.scheme.default_port());
    assert_eq!(port, origin.port, "{uri}");
    let host = host.to_ascii_lowercase();
    let host = host.strip_suffix('.').unwrap_or(&host);
    match &origin.host {
        Host::Ipv6(ip) => {
            let inner = host.trim_start_matches('[').trim_end_matches(']');
            assert_eq!(inner.parse().as_ref(), Ok(ip));
        }
        other => assert_eq!(host, other.to_string()),
    }
}
