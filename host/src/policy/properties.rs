//! I14 and R1: what holds for manifests, grants and ceilings that nobody thought
//! of.

use fastrand::Rng;
use serde_json::{Value, json};

use super::capability::Capability;
use super::ceiling::LevelCeiling;
use super::right::Right;
use super::wish::Wish;
use super::*;
use crate::verify::TrustLevel;

/// Triples that each property is tried on.
const TRIES: usize = 5_000;

const ORIGINS: [&str; 9] = [
    "*",
    "https://*",
    "https://*:*",
    "https://*.good.test",
    "https://a.good.test",
    "https://a.good.test:*",
    "https://good.test",
    "http://127.0.0.1:8080",
    "https://evil.test",
];

const WISHES: [&str; 4] = ["*:*", "*:5432", "db.test:5432", "db.test:*"];

const ENDPOINTS: [&str; 4] = [
    "db.test:5432",
    "db.test:22",
    "evil.test:5432",
    "127.0.0.1:53",
];

const LISTENERS: [&str; 2] = ["127.0.0.1:8080", "127.0.0.1:8081"];

const NAMES: [&str; 3] = ["github", "db", "any"];

fn some<'a>(rng: &mut Rng, of: &[&'a str]) -> Vec<&'a str> {
    of.iter().copied().filter(|_| rng.u8(..3) == 0).collect()
}

fn one<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    rng.choice(of.iter().copied()).unwrap_or_default()
}

fn a_manifest(rng: &mut Rng) -> Manifest {
    let mut capabilities = json!({});
    let optional = rng.bool();
    let mut add = |rng: &mut Rng, name: &str, mut wish: Value| {
        if rng.bool() {
            wish["reason"] = json!("r");
            wish["optional"] = json!(optional);
            capabilities[name] = wish;
        }
    };
    let access = one(rng, &["read-only", "read-write"]);
    add(rng, "filesystem", json!({ "access": access }));
    let origins = some(rng, &ORIGINS);
    add(rng, "http", json!({ "origins": origins }));
    let (tcp, udp) = (some(rng, &WISHES), some(rng, &WISHES));
    let listen = some(rng, &LISTENERS);
    add(
        rng,
        "sockets",
        json!({"tcp": tcp, "udp": udp, "listen": listen}),
    );
    add(rng, "state", json!({}));
    let mut secrets = json!({});
    for name in some(rng, &NAMES) {
        let origin = one(rng, &ORIGINS);
        let wish = match rng.bool() {
            true => json!({"origin": origin, "reason": "r", "optional": optional}),
            false => json!({"use": "reveal", "reason": "r", "optional": optional}),
        };
        secrets[name] = wish;
    }
    capabilities["secrets"] = secrets;
    tests::manifest(&capabilities)
}

fn a_grant(rng: &mut Rng) -> Vec<Capability> {
    let mut texts: Vec<String> = Vec::new();
    let directories = ["directory=/a:/a:ro", "directory=/b:/b:rw"];
    texts.extend(some(rng, &directories).iter().map(ToString::to_string));
    texts.extend(some(rng, &ORIGINS).iter().map(|it| format!("http={it}")));
    for kind in ["tcp", "udp"] {
        texts.extend(
            some(rng, &ENDPOINTS)
                .iter()
                .map(|it| format!("{kind}={it}")),
        );
    }
    texts.extend(
        some(rng, &LISTENERS)
            .iter()
            .map(|it| format!("listen={it}")),
    );
    texts.extend(some(rng, &["state"]).iter().map(ToString::to_string));
    for name in some(rng, &NAMES) {
        let origin = one(rng, &["https://a.good.test", "https://evil.test"]);
        texts.push(format!("credential={name}:token@{origin}"));
    }
    texts.extend(
        some(rng, &NAMES)
            .iter()
            .map(|it| format!("reveal={it}:token")),
    );
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

fn rights(rng: &mut Rng) -> std::collections::BTreeSet<Right> {
    Right::ALL
        .into_iter()
        .filter(|_| rng.u8(..4) == 0)
        .collect()
}

fn a_ceiling(rng: &mut Rng) -> Ceiling {
    let stated = LevelCeiling {
        capabilities: rng.bool().then(|| rights(rng)),
        ..LevelCeiling::default()
    };
    let levels = [TrustLevel::Unsigned, TrustLevel::Paranoid];
    let level = rng.choice(levels).unwrap();
    let denied = if rng.bool() { rights(rng) } else { [].into() };
    Ceiling::of(level, rng.bool().then_some(&stated), &denied)
}

fn gets(manifest: &Manifest, granted: &[Capability], ceiling: &Ceiling) -> Vec<Capability> {
    let operator = OperatorGrant::default().with(granted);
    let grant = decide(manifest, &operator, &Limits::default(), ceiling);
    grant.map(|it| it.capabilities()).unwrap_or_default()
}

/// Whether one of these gives everything that the other does.
fn holds(all: &[Capability], one: &Capability) -> bool {
    all.iter().any(|other| match (other, one) {
        (Capability::Http(other), Capability::Http(one)) => {
            other.intersection(one).as_ref() == Some(one)
        }
        (Capability::Directory(other), Capability::Directory(one)) => {
            (&other.host, &other.guest) == (&one.host, &one.guest) && one.access <= other.access
        }
        (other, one) => other == one,
    })
}

#[test]
fn i14_a_skill_gets_no_more_than_its_manifest_asks_for_and_no_more_than_was_granted() {
    let mut rng = Rng::with_seed(14);
    let mut given = 0;
    for _ in 0..TRIES {
        let (manifest, granted) = (a_manifest(&mut rng), a_grant(&mut rng));
        let ceiling = a_ceiling(&mut rng);
        for gets in gets(&manifest, &granted, &ceiling) {
            given += 1;
            let wanted = &manifest.capabilities;
            assert_eq!(gets.check_wanted(wanted), Ok(()), "{wanted:?}");
            assert!(holds(&granted, &gets), "{gets} of {granted:?}");
            assert!(ceiling.admits(gets.right()), "{gets} under {ceiling:?}");
        }
    }
    assert!(given > TRIES, "{given}");
}

#[test]
fn i14_a_ceiling_never_gives_more() {
    let mut rng = Rng::with_seed(15);
    for _ in 0..TRIES {
        let (manifest, granted) = (a_manifest(&mut rng), a_grant(&mut rng));
        let all = gets(&manifest, &granted, &Ceiling::default());
        for gets in gets(&manifest, &granted, &a_ceiling(&mut rng)) {
            assert!(holds(&all, &gets), "{gets} of {all:?}");
        }
    }
}

#[test]
fn i14_what_is_granted_beyond_the_manifest_is_listed() {
    let mut rng = Rng::with_seed(16);
    for _ in 0..TRIES {
        let (manifest, granted) = (a_manifest(&mut rng), a_grant(&mut rng));
        let operator = OperatorGrant::default().with(&granted);
        let decided = decide(
            &manifest,
            &operator,
            &Limits::default(),
            &Ceiling::default(),
        );
        let Ok(grant) = decided else { continue };
        let wishes = Wish::all(&manifest.capabilities);
        let excess = |it: &&Capability| !wishes.iter().any(|wish| wish.concerns(it));
        let excess: Vec<&Capability> = granted.iter().filter(excess).collect();
        assert_eq!(grant.unused().len(), excess.len(), "{excess:?}");
    }
}
