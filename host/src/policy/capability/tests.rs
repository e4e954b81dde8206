use serde_json::json;

use super::*;

fn wanted() -> Capabilities {
    let wanted = json!({
        "filesystem": {"access": "read-only", "reason": "r"},
        "http": {"origins": ["https://*.good.test", "http://127.0.0.1:8080"], "reason": "r"},
        "sockets": {"tcp": ["*:5432"], "listen": ["127.0.0.1:8080"], "reason": "r"},
        "secrets": {
            "github": {"origin": "https://api.good.test", "reason": "r"},
            "any": {"origin": "https://*.good.test", "reason": "r"},
            "db": {"use": "reveal", "reason": "r"},
        },
    });
    serde_json::from_value(wanted).unwrap()
}

#[test]
fn what_is_written_is_what_is_read() {
    for text in [
        "directory=/srv/docs:/docs:rw",
        "directory=/srv/docs:/:ro",
        "http=https://*.good.test",
        "http=http://127.0.0.1:8080",
        "tcp=db.test:5432",
        "udp=10.0.0.5:53",
        "listen=127.0.0.1:8080",
        "state",
        "credential=github:token@https://api.good.test",
        "credential=github:token@https://api.good.test,header=x-api-key",
        "credential=github:token@https://api.good.test,header=x-api-key,prefix=a, b",
        "credential=github:token@https://api.good.test,query=key,header=x",
        "reveal=db:password",
    ] {
        let capability: Capability = text.parse().unwrap();
        assert_eq!(capability.to_string(), text);
    }
}

#[test]
fn what_is_no_capability_is_refused() {
    for text in [
        "",
        "state=yes",
        "States",
        "http",
        "http=",
        "http=good.test",
        "http=http://169.254.169.254",
        "directory=",
        "directory=docs:/../etc",
        "tcp=*:5432",
        "listen=0.0.0.0:80",
        "reveal=db",
        "reveal=db:",
        "credential=github:token",
        "credential=github@https://api.good.test",
        "credential=github:token@http://api.good.test",
        "credential=github:token@https://*.good.test",
        "credential=github:token@https://api.good.test/path",
        "credential=github:token@https://api.good.test,prefix=x",
        "credential=github:token@https://api.good.test,header=host",
        "credential=github:token@https://api.good.test,query=",
        "methods=GET",
        "*",
    ] {
        assert!(text.parse::<Capability>().is_err(), "{text}");
    }
}

#[test]
fn a_credential_is_for_the_origin_that_its_skill_names() {
    let read = |text: &str| Capability::for_skill(text, &wanted()).map(|it| it.to_string());
    assert_eq!(
        read("credential=github:token").unwrap(),
        "credential=github:token@https://api.good.test"
    );
    assert_eq!(
        read("credential=github:token,query=k").unwrap(),
        "credential=github:token@https://api.good.test,query=k"
    );
    for unclear in ["credential=any:token", "credential=none:token"] {
        assert!(read(unclear).unwrap_err().contains("for which origin"));
    }
}

#[test]
fn i14_no_more_is_granted_than_the_manifest_asks_for() {
    for (text, expected) in [
        ("directory=/d", true),
        ("directory=/d:rw", false),
        ("http=https://a.good.test", true),
        ("http=https://*.good.test", true),
        ("http=https://*.a.good.test", true),
        ("http=https://*", false),
        ("http=*", false),
        ("http=https://good.test", false),
        ("http=https://a.good.test:*", false),
        ("http=http://127.0.0.1:8080", true),
        ("http=http://127.0.0.1:*", false),
        ("tcp=db.test:5432", true),
        ("tcp=db.test:22", false),
        ("udp=db.test:5432", false),
        ("listen=127.0.0.1:8080", true),
        ("listen=127.0.0.1:8081", false),
        ("state", false),
        ("credential=github:t@https://api.good.test", true),
        ("credential=github:t@https://evil.test", false),
        ("credential=any:t@https://a.good.test", true),
        ("credential=db:t@https://api.good.test", false),
        ("reveal=db:t", true),
        ("reveal=github:t", false),
    ] {
        let capability: Capability = text.parse().unwrap();
        assert_eq!(
            capability.check_wanted(&wanted()).is_ok(),
            expected,
            "{text}"
        );
    }
    let refused = |text: &str| {
        let capability: Capability = text.parse().unwrap();
        capability.check_wanted(&wanted()).unwrap_err()
    };
    assert_eq!(
        refused("http=*"),
        "its manifest does not ask for `http=*`; it wants `http=https://*.good.test`, `http=http://127.0.0.1:8080`"
    );
    assert_eq!(
        refused("directory=/d:rw"),
        "its manifest does not ask for `directory=/d:/:rw`; it wants read-only access to directories"
    );
    assert_eq!(
        refused("state"),
        "its manifest does not ask for `state`; it wants nothing of that kind"
    );
    assert_eq!(
        refused("reveal=github:t"),
        "its manifest does not ask for `reveal=github:t`; it wants `reveal=db:SECRET`"
    );
}

#[test]
fn a_grant_with_more_holds_both() {
    let texts = [
        "directory=/d:/:ro",
        "http=https://a.test",
        "tcp=a.test:1",
        "udp=a.test:2",
        "listen=127.0.0.1:3",
        "credential=n:s@https://a.test",
        "reveal=m:s",
        "state",
    ];
    let each: Vec<Capability> = texts.iter().map(|text| text.parse().unwrap()).collect();
    let grant = OperatorGrant::default().with(&each);
    assert_eq!(grant.capabilities(), each);
    assert_eq!(grant.with(&each), grant);
    let other: Capability = "credential=n:other@https://b.test".parse().unwrap();
    assert_eq!(grant.with([&other]), grant);
}
