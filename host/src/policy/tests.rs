use serde_json::json;

use super::capability::Capability;
use super::directory::Access;
use super::right::Right;
use super::*;
use crate::verify::TrustLevel;

pub(super) fn manifest(capabilities: &serde_json::Value) -> Manifest {
    let document = json!({
        "format": 1, "name": "s", "version": "1.0.0",
        "tools": [{"name": "t", "description": "", "input_schema": {"type": "object"}}],
        "capabilities": capabilities,
        "limits": {"fuel": 7},
    });
    Manifest::parse(Some(document.to_string().as_bytes())).unwrap()
}

fn operator(directories: &[&str], http: &[&str]) -> OperatorGrant {
    OperatorGrant {
        directories: directories.iter().map(|it| it.parse().unwrap()).collect(),
        http: http.iter().map(|it| it.parse().unwrap()).collect(),
        ..OperatorGrant::default()
    }
}

fn operator_of_sockets(tcp: &[&str], udp: &[&str], listen: &[&str]) -> OperatorGrant {
    OperatorGrant {
        sockets: SocketGrant {
            tcp: tcp.iter().map(|it| it.parse().unwrap()).collect(),
            udp: udp.iter().map(|it| it.parse().unwrap()).collect(),
            listen: listen.iter().map(|it| it.parse().unwrap()).collect(),
        },
        ..OperatorGrant::default()
    }
}

fn decided(capabilities: &serde_json::Value, operator: &OperatorGrant) -> Result<Grant, Denied> {
    decide(
        &manifest(capabilities),
        operator,
        &Limits::default(),
        &Ceiling::default(),
    )
}

#[test]
fn a_skill_that_wants_nothing_gets_nothing() {
    let grant = decided(&json!({}), &operator(&["/tmp:rw"], &["*"])).unwrap();
    assert!(grant.directories().is_empty() && grant.http().is_empty());
    assert_eq!(grant.unused(), ["directory /tmp:/:rw", "HTTP origin *"]);
}

#[test]
fn access_is_the_lesser_of_both() {
    for (wanted, granted, expected) in [
        ("read-only", "d:rw", Access::ReadOnly),
        ("read-write", "d:ro", Access::ReadOnly),
        ("read-write", "d:rw", Access::ReadWrite),
    ] {
        let capabilities = json!({"filesystem": {"access": wanted, "reason": "r"}});
        let grant = decided(&capabilities, &operator(&[granted], &[])).unwrap();
        assert_eq!(
            grant.directories()[0].access,
            expected,
            "{wanted} {granted}"
        );
    }
}

#[test]
fn origins_are_those_that_both_name() {
    let capabilities =
        json!({"http": {"origins": ["https://*.good.test", "http://127.0.0.1:1"], "reason": "r"}});
    let grant = decided(
        &capabilities,
        &operator(&[], &["https://a.good.test", "https://evil.test"]),
    )
    .unwrap();
    assert_eq!(grant.http(), ["https://a.good.test".parse().unwrap()]);
    assert_eq!(grant.unused(), ["HTTP origin https://evil.test"]);
}

#[test]
fn a_skill_that_cannot_work_is_denied_with_the_grant_that_helps() {
    let denied = decided(
        &json!({"filesystem": {"access": "read-write", "reason": "It writes."}}),
        &operator(&[], &["*"]),
    )
    .unwrap_err();
    assert_eq!(denied.capability, "filesystem");
    assert!(
        denied.grant.contains("--allow-dir DIR:rw"),
        "{}",
        denied.grant
    );

    let denied = decided(
        &json!({"http": {"origins": ["https://api.good.test"], "reason": "r"}}),
        &operator(&[], &["https://other.test"]),
    )
    .unwrap_err();
    assert!(
        denied.grant.contains("--allow-http https://api.good.test"),
        "{}",
        denied.grant
    );
}

#[test]
fn an_optional_capability_may_be_missing() {
    let capabilities = json!({"http": {"origins": ["*"], "reason": "r", "optional": true}});
    let grant = decided(&capabilities, &operator(&[], &[])).unwrap();
    assert!(grant.http().is_empty());
}

#[test]
fn state_is_kept_if_both_want_it() {
    let wanted = json!({"state": {"reason": "It remembers."}});
    let optional = json!({"state": {"reason": "r", "optional": true}});
    let mut operator = operator(&[], &[]);
    let denied = decided(&wanted, &operator).unwrap_err();
    assert_eq!(denied.capability, "state");
    assert!(denied.grant.contains("--allow-state"), "{}", denied.grant);
    assert!(!decided(&optional, &operator).unwrap().state());
    operator.state = true;
    assert!(decided(&wanted, &operator).unwrap().state());
    assert!(decided(&optional, &operator).unwrap().state());
    let grant = decided(&json!({}), &operator).unwrap();
    assert!(!grant.state());
    assert_eq!(grant.unused(), ["state"]);
}

#[test]
fn limits_are_the_operators_narrowed_by_the_authors() {
    let mut operator = operator(&[], &[]);
    operator.limits.fuel = Some(5);
    operator.limits.memory = Some(9);
    let grant = decided(&json!({}), &operator).unwrap();
    assert_eq!((grant.limits().fuel, grant.limits().memory), (5, 9));
    let tool: ToolName = "t".parse().unwrap();
    let only_fuel = LimitsChange {
        fuel: Some(3),
        ..LimitsChange::default()
    };
    operator.tools.insert(tool.clone(), only_fuel);
    let grant = decided(&json!({}), &operator).unwrap();
    let limits = grant.limits_of(&tool);
    assert_eq!((limits.fuel, limits.memory, grant.limits().fuel), (3, 9, 5));
    let ceiling = LimitsChange {
        memory: Some(8),
        fuel: Some(4),
        ..LimitsChange::default()
    };
    let grant = grant.narrowed(&ceiling);
    let limits = grant.limits_of(&tool);
    assert_eq!((limits.fuel, limits.memory, grant.limits().fuel), (3, 8, 4));
    operator.limits.fuel = Some(50);
    assert_eq!(decided(&json!({}), &operator).unwrap().limits().fuel, 7);
}

#[test]
fn n12_raw_connections_are_those_that_both_name_each_kind_on_its_own() {
    let capabilities = json!({"sockets": {
        "tcp": ["*:5432"], "udp": ["time.test:123"], "listen": ["127.0.0.1:8080"], "reason": "r",
    }});
    let operator = operator_of_sockets(
        &["db.test:5432", "db.test:22", "time.test:123"],
        &["time.test:123", "db.test:5432"],
        &["127.0.0.1:8080", "127.0.0.1:8081"],
    );
    let grant = decided(&capabilities, &operator).unwrap();
    let expected = operator_of_sockets(&["db.test:5432"], &["time.test:123"], &["127.0.0.1:8080"]);
    assert_eq!(grant.sockets(), Some(&expected.sockets));
    assert_eq!(
        grant.unused(),
        [
            "TCP connection to db.test:22",
            "TCP connection to time.test:123",
            "UDP to db.test:5432",
            "listening on 127.0.0.1:8081",
        ]
    );
}

#[test]
fn n12_a_grant_for_http_is_none_for_sockets() {
    let capabilities = json!({"sockets": {"tcp": ["*:443"], "reason": "It talks."}});
    let denied = decided(&capabilities, &operator(&[], &["*"])).unwrap_err();
    assert_eq!(denied.capability, "sockets");
    assert!(
        denied.grant.contains("`--allow-tcp HOST:443`"),
        "{}",
        denied.grant
    );
    let grant = decided(&json!({}), &operator_of_sockets(&["a.test:1"], &[], &[])).unwrap();
    assert_eq!(grant.sockets(), None);
}

/// An operator who binds `github` to that origin and shows `db`.
fn entrusting(origin: &str) -> OperatorGrant {
    use crate::policy::origin::Origin;
    use crate::policy::secret::Place;
    let name = |text: &str| text.parse::<SecretName>().unwrap();
    let credential = CredentialGrant {
        secret: name("token"),
        origin: Origin::of(origin).unwrap(),
        place: Place::Query {
            key: "key".to_owned(),
        },
    };
    OperatorGrant {
        credentials: [(name("github"), credential)].into(),
        reveal: [(name("db"), name("token"))].into(),
        ..OperatorGrant::default()
    }
}

#[test]
fn n18_secrets_are_those_that_both_name() {
    let wishes = json!({"secrets": {
        "github": {"origin": "https://*.good.test", "reason": "r", "optional": true},
        "db": {"use": "reveal", "reason": "r", "optional": true},
        "more": {"use": "reveal", "reason": "r", "optional": true},
    }});
    let counts = |wishes: &serde_json::Value, operator: &OperatorGrant| {
        let grant = decided(wishes, operator).unwrap();
        (
            grant.credentials().len(),
            grant.reveal().len(),
            grant.unused().len(),
        )
    };
    assert_eq!(
        counts(&wishes, &entrusting("https://a.good.test")),
        (1, 1, 0)
    );
    assert_eq!(counts(&wishes, &entrusting("https://evil.test")), (0, 1, 1));
    assert_eq!(counts(&wishes, &operator(&[], &[])), (0, 0, 0));
    assert_eq!(
        counts(&json!({}), &entrusting("https://a.good.test")),
        (0, 0, 2)
    );
}

#[test]
fn a_secret_is_granted_for_what_it_is_wanted_for() {
    let swapped = json!({"secrets": {
        "github": {"use": "reveal", "reason": "r", "optional": true},
        "db": {"origin": "https://*", "reason": "r", "optional": true},
    }});
    let grant = decided(&swapped, &entrusting("https://a.good.test")).unwrap();
    assert!(grant.credentials().is_empty() && grant.reveal().is_empty());
}

#[test]
fn a_skill_that_needs_a_secret_is_denied_with_the_grant_that_helps() {
    for (wish, expected) in [
        (
            json!({"secrets": {"github": {"origin": "https://api.good.test", "reason": "It asks."}}}),
            "`credentials.github = { secret = \"SECRET\", origin = \"https://api.good.test\"",
        ),
        (
            json!({"secrets": {"db": {"use": "reveal", "reason": "It asks."}}}),
            "`reveal.db = \"SECRET\"` under `[skill.s]`",
        ),
    ] {
        let denied = decided(&wish, &operator(&["d"], &["*"])).unwrap_err();
        assert_eq!(denied.capability, "secrets");
        assert!(denied.grant.contains(expected), "{}", denied.grant);
    }
}

#[test]
fn n18_credentials_go_over_tls_or_stay_on_this_machine() {
    use crate::policy::origin::Origin;
    use crate::policy::secret::may_carry_credentials;
    for (origin, expected) in [
        ("https://api.good.test", true),
        ("http://127.0.0.1:8080", true),
        ("http://[::1]:8080", true),
        ("http://localhost", true),
        ("http://api.good.test", false),
        ("http://10.0.0.1", false),
        ("http://a.localhost", false),
    ] {
        let origin = Origin::of(origin).unwrap();
        assert_eq!(may_carry_credentials(&origin), expected, "{origin}");
    }
}

/// Under the ceiling of a level of which nothing is said, with these denied.
fn under(
    level: TrustLevel,
    denied: &[Right],
    capabilities: &serde_json::Value,
    operator: &OperatorGrant,
) -> Result<Grant, Denied> {
    let ceiling = Ceiling::of(level, None, &denied.iter().copied().collect());
    decide(
        &manifest(capabilities),
        operator,
        &Limits::default(),
        &ceiling,
    )
}

#[test]
fn a_skill_that_nobody_signed_gets_little_whatever_is_granted() {
    let capabilities = json!({
        "filesystem": {"access": "read-write", "reason": "r"},
        "http": {"origins": ["https://*.good.test"], "reason": "r"},
        "sockets": {"tcp": ["*:5432"], "reason": "r", "optional": true},
        "state": {"reason": "r"},
        "secrets": {"db": {"use": "reveal", "reason": "r", "optional": true}},
    });
    let more = ["tcp=db.test:5432", "state", "reveal=db:token"];
    let more: Vec<Capability> = more.iter().map(|it| it.parse().unwrap()).collect();
    let allowed = operator(&["d:rw"], &["https://a.good.test", "https://*.good.test"]);
    let allowed = allowed.with(&more);
    let grant = under(TrustLevel::Unsigned, &[], &capabilities, &allowed).unwrap();
    let gets: Vec<String> = grant
        .capabilities()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        gets,
        ["directory=d:/:ro", "http=https://a.good.test", "state"]
    );
    let grant = under(TrustLevel::Permissive, &[], &capabilities, &allowed).unwrap();
    assert_eq!(grant.capabilities().len(), 6);
    let denied = [Right::Sockets, Right::Http];
    let grant = under(TrustLevel::Paranoid, &denied, &json!({}), &allowed).unwrap();
    assert!(grant.capabilities().is_empty());
}

#[test]
fn a_denial_by_a_ceiling_names_the_ceiling() {
    let sockets = json!({"sockets": {"tcp": ["*:5432"], "reason": "It talks."}});
    let allowed = operator_of_sockets(&["db.test:5432"], &[], &[]);
    let denied = under(TrustLevel::Unsigned, &[], &sockets, &allowed).unwrap_err();
    assert_eq!(denied.capability, "sockets");
    assert_eq!(
        denied.message,
        "s wants `sockets`, and the ceiling of the trust level `unsigned` leaves `sockets` out, whatever is granted: It talks."
    );
    assert_eq!(
        denied.grant,
        "a signature, or `\"sockets\"` among `capabilities` under `[trust-level.unsigned]` in skillhost.toml"
    );
    let everywhere = [Right::Sockets];
    let denied = under(TrustLevel::Paranoid, &everywhere, &sockets, &allowed).unwrap_err();
    assert_eq!(
        denied.grant,
        "`deny-capabilities` without `\"sockets\"` under `[policy]` in skillhost.toml"
    );
    let patterns = json!({"http": {"origins": ["https://*.good.test"], "reason": "r"}});
    let allowed = operator(&[], &["https://*.good.test"]);
    let denied = under(TrustLevel::Unsigned, &[], &patterns, &allowed).unwrap_err();
    assert!(denied.message.contains("`http-wildcard`"), "{denied:?}");
    // What is not granted at all is told first: a grant would help.
    let denied = under(TrustLevel::Unsigned, &[], &patterns, &operator(&[], &[])).unwrap_err();
    assert!(denied.grant.contains("skillhost grant s "), "{denied:?}");
}
