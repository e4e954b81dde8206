//! N09 and N10: what holds for addresses that nobody thought of.

use fastrand::Rng;
use http::Uri;

use super::*;

/// Addresses that each property is tried on.
const TRIES: usize = 20_000;

/// What addresses are put together from, by an attacker.
const TOKENS: [&str; 38] = [
    "http",
    "https",
    "HTTP",
    "ftp",
    ":",
    "/",
    "//",
    "///",
    "@",
    "\\",
    "?",
    "#",
    ".",
    "..",
    "%2e",
    "%40",
    "%00",
    "[",
    "]",
    "[::1]",
    "[::ffff:127.0.0.1]",
    "127.0.0.1",
    "127.1",
    "0x7f",
    "0177",
    "2130706433",
    "good.test",
    "evil.test",
    "GOOD.test",
    "a",
    "xn--gd-jka",
    "g\u{f6}d",
    "80",
    "443",
    ":80",
    "user:pw",
    "\t",
    "\u{ff0e}",
];

fn address(rng: &mut Rng) -> String {
    let mut text = String::new();
    if rng.bool() {
        text += rng.choice(["http://", "https://"]).unwrap();
    }
    for _ in 0..rng.usize(1..8) {
        text += rng.choice(TOKENS).unwrap();
    }
    text
}

fn names(rng: &mut Rng, count: usize) -> Vec<&'static str> {
    let label = |_| {
        rng.choice(["a", "b", "good", "evilgood", "test", "xn--gd-jka"])
            .unwrap()
    };
    (0..count).map(label).collect()
}

#[test]
fn n09_what_is_judged_and_what_is_sent_name_the_same_host() {
    let mut rng = Rng::with_seed(9);
    let mut judged = 0;
    for _ in 0..TRIES {
        let text = address(&mut rng);
        // As a guest's request is read, and then judged.
        let Ok(uri) = text.parse::<Uri>() else {
            continue;
        };
        let Ok(origin) = Origin::of(&uri.to_string()) else {
            continue;
        };
        judged += 1;
        assert_eq!(
            uri.scheme_str(),
            Some(origin.scheme.to_string().as_str()),
            "{text}"
        );
        assert_eq!(host_of(&uri), Some(origin.host.clone()), "{text}");
        let port = uri.port_u16().unwrap_or(origin.scheme.default_port());
        assert_eq!(port, origin.port, "{text}");
        assert!(!uri.authority().unwrap().as_str().contains('@'), "{text}");
    }
    assert!(judged > 100, "{judged} addresses were judged");
}

/// The host as the other parser reads it.
fn host_of(uri: &Uri) -> Option<Host> {
    let host = uri.host()?.to_ascii_lowercase();
    if let Some(inside) = host.strip_prefix('[') {
        return Some(Host::Ipv6(inside.strip_suffix(']')?.parse().ok()?));
    }
    let host = host.strip_suffix('.').unwrap_or(&host);
    match host.parse() {
        Ok(ip) => Some(Host::Ipv4(ip)),
        Err(_name) => Some(Host::Domain(host.to_owned())),
    }
}

#[test]
fn n10_an_origin_is_written_in_one_way() {
    let mut rng = Rng::with_seed(10);
    for _ in 0..TRIES {
        let text = address(&mut rng);
        if let Ok(origin) = Origin::of(&text) {
            assert_eq!(
                Origin::of(&origin.to_string()).as_ref(),
                Ok(&origin),
                "{text}"
            );
            let rule: OriginRule = match origin.to_string().parse() {
                Ok(rule) => rule,
                Err(refused) => panic!("{text}: {refused}"),
            };
            assert!(rule.allows(&origin) && rule.is_exact(), "{text}");
        }
    }
}

#[test]
fn n10_a_wildcard_stands_for_one_or_more_whole_labels() {
    let mut rng = Rng::with_seed(11);
    for _ in 0..TRIES {
        let count = rng.usize(1..4);
        let suffix = names(&mut rng, count);
        let count = rng.usize(1..6);
        let name = names(&mut rng, count);
        let rule: OriginRule = format!("https://*.{}", suffix.join(".")).parse().unwrap();
        let origin = Origin::of(&format!("https://{}/", name.join("."))).unwrap();
        let expected = name.len() > suffix.len() && name.ends_with(&suffix);
        assert_eq!(rule.allows(&origin), expected, "{rule} {origin}");
    }
}

#[test]
fn n10_case_and_one_trailing_dot_make_no_difference() {
    let mut rng = Rng::with_seed(12);
    for _ in 0..TRIES {
        let count = rng.usize(1..5);
        let name = names(&mut rng, count).join(".");
        let other: String = name
            .chars()
            .map(|letter| {
                if rng.bool() {
                    letter.to_ascii_uppercase()
                } else {
                    letter
                }
            })
            .collect();
        let origin = Origin::of(&format!("https://{name}/"));
        assert_eq!(origin, Origin::of(&format!("https://{other}./")), "{other}");
        assert!(Origin::of(&format!("https://{name}../")).is_err(), "{name}");
    }
}
