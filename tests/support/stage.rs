//! A host that believes a Sigstore of our own, and a skill to offer it with any
//! signatures beside it.

use std::fs;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use skillhost::artifact::Digest;
use skillhost::time::{Clock, SystemClock};
use skillhost::verify::{
    Identity, Preset, PublicKey, Root, Rule, Signer, SkillPattern, TrustPolicy,
};
use skillhost::verify::{SignerName, Trust};
use skillhost::{Kind, Setup, TrustSource};
use skillhost_test_world::{Draft, Key, SIGNED_AT, World};

use crate::bench::invocation;
use crate::{Bench, pack};

/// The skill that is offered.
pub static SKILL: LazyLock<Vec<u8>> = LazyLock::new(|| pack::text("honest"));

/// A day.
pub const DAY: i64 = 86_400;

/// A clock that shows what a test sets, and goes on only in between.
#[derive(Debug, Clone)]
pub struct SetClock(Arc<Mutex<Timestamp>>);

impl SetClock {
    /// A clock that shows a time in Unix seconds.
    #[must_use]
    pub fn at(unix_seconds: i64) -> Self {
        Self(Arc::new(Mutex::new(time(unix_seconds))))
    }

    /// Sets it.
    pub fn set(&self, unix_seconds: i64) {
        *self.0.lock().unwrap() = time(unix_seconds);
    }

    /// Turns it on, or back.
    pub fn turn(&self, by: SignedDuration) {
        *self.0.lock().unwrap() += by;
    }
}

impl Clock for SetClock {
    fn wall(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Instant {
        SystemClock.monotonic()
    }
}

/// A time in Unix seconds.
#[must_use]
pub fn time(unix_seconds: i64) -> Timestamp {
    Timestamp::from_second(unix_seconds).unwrap()
}

/// Somebody with managed keys.
#[must_use]
pub fn keyed(name: &str, keys: &[&Key]) -> Signer {
    Signer::with_keys(name, keys.iter().map(|key| public(key)))
}

/// The public half, as a policy has it.
#[must_use]
pub fn public(key: &Key) -> PublicKey {
    PublicKey::from_pem(&key.public_pem()).unwrap()
}

/// Somebody whom an issuer vouches for.
#[must_use]
pub fn keyless(name: &str, identity: &str, issuer: &str) -> Signer {
    Signer::with_identities(name, [Identity::exact(issuer, identity).unwrap()])
}

/// Everybody whom an issuer vouches for and whose identity fits.
#[must_use]
pub fn fitting(name: &str, pattern: &str, issuer: &str) -> Signer {
    Signer::with_identities(name, [Identity::pattern(issuer, pattern).unwrap()])
}

/// So many of these.
#[must_use]
pub fn some_of(names: &[&str], minimum: u8) -> Rule {
    let names = names.iter().map(|name| SignerName::new(name));
    Rule::any_of(names, minimum.try_into().unwrap())
}

/// A host that believes a world, with the default preset for one author.
#[derive(Debug)]
pub struct Stage {
    /// Who mints signatures.
    pub world: World,
    /// What the host takes for the time; two days after signatures are made if
    /// nothing else is said.
    pub clock: SetClock,
    /// The host.
    pub bench: Bench,
}

impl Stage {
    /// One signer is enough.
    #[must_use]
    pub fn new(signers: &[Signer]) -> Self {
        let names: Vec<&str> = signers.iter().map(|it| it.name.as_str()).collect();
        Self::with_rules(signers, vec![some_of(&names, 1)])
    }

    /// These rules, and one for the canary before them.
    #[must_use]
    pub fn with_rules(signers: &[Signer], rules: Vec<Rule>) -> Self {
        let world = World::new();
        let clock = SetClock::at(SIGNED_AT + 2 * DAY);
        let bench = Bench::with(|setup| {
            setup.clock = Arc::new(clock.clone());
            setup.trust = trust(&world, beside_canary(setup, signers, rules)).into();
        });
        Self {
            world,
            clock,
            bench,
        }
    }

    /// Begins a signature of the skill.
    #[must_use]
    pub fn draft(&self) -> Draft<'_> {
        self.world.bundle(&SKILL)
    }

    /// Writes the skill with exactly these bundles beside it.
    pub fn lay(&self, bundles: &[String]) -> PathBuf {
        self.lay_skill("honest", &SKILL, bundles)
    }

    /// Writes any component with exactly these bundles beside it.
    pub fn lay_skill(&self, name: &str, component: &[u8], bundles: &[String]) -> PathBuf {
        let path = self.bench.folder().join(format!("{name}.wasm"));
        for entry in fs::read_dir(self.bench.folder()).unwrap() {
            let entry = entry.unwrap().path();
            let file = entry.file_name().unwrap().to_string_lossy();
            if file.starts_with(&format!("{name}.wasm.")) {
                fs::remove_file(entry).unwrap();
            }
        }
        fs::write(&path, component).unwrap();
        for (number, bundle) in bundles.iter().enumerate() {
            fs::write(beside(&path, number), bundle).unwrap();
        }
        path
    }

    /// Loads the skill with these bundles and calls it; who signed it, as the
    /// audit log has it.
    pub async fn runs(&self, bundles: &[String]) -> Vec<String> {
        let path = self.lay(bundles);
        self.runs_file(&path, bundles.len()).await
    }

    /// Like [`runs`](Self::runs), for what lies there already.
    pub async fn runs_file(&self, path: &std::path::Path, bundles: usize) -> Vec<String> {
        let loaded = self.bench.host().load(path).await;
        let loaded = loaded.unwrap_or_else(|error| panic!("{error}"));
        let name = loaded.manifest().name.to_string();
        let passed = self.bench.records().last("verify.passed");
        let signers = signers(&passed);
        assert_eq!(passed["skill"], name.as_str(), "{passed}");
        assert_eq!(passed["allowed"], true, "{passed}");
        assert_eq!(passed["signatures_valid"], signers.len(), "{passed}");
        assert_eq!(passed["signatures_total"], bundles, "{passed}");
        let called = self.bench.invoke(invocation(&name, "run", json!({}))).await;
        assert!(called.answer.outcome.is_ok(), "{:?}", called.answer);
        signers
    }

    /// Calls the skill that was loaded, and expects that it is refused, by what
    /// was read and by what lies there now, without being compiled again.
    pub async fn no_longer_runs(&self, kind: Kind) {
        let before = self.bench.codes();
        let call = invocation("honest", "run", json!({}));
        let called = self.bench.invoke(call).await;
        called.expect(kind, &["verify.failed", "verify.failed"]);
        for failed in called
            .events
            .iter()
            .filter(|it| it["event"] == "verify.failed")
        {
            assert_eq!(failed["kind"], json!(kind), "{failed}");
            assert_eq!(failed["allowed"], false, "{failed}");
        }
        assert_eq!(self.bench.codes(), before);
        self.bench.assert_serving().await;
    }

    /// Offers the skill with these bundles, and expects that it is refused and
    /// nothing of it compiled; the refusal as the audit log has it.
    pub async fn refuses(&self, bundles: &[String], kind: Kind) -> Value {
        self.refuses_as(bundles, &[kind]).await
    }

    /// Like [`refuses`](Self::refuses), as one of several kinds.
    pub async fn refuses_as(&self, bundles: &[String], kinds: &[Kind]) -> Value {
        let path = self.lay(bundles);
        let refused = self.bench.refused_file(&path).await;
        assert!(
            kinds.contains(&refused.kind()),
            "{:?}: {refused}",
            refused.kind()
        );
        assert!(refused.hint().is_some(), "{refused}");
        let failed = self.bench.records().last("verify.failed");
        assert_eq!(failed["reason"], refused.message(), "{failed}");
        assert_eq!(failed["skill"], "honest", "{failed}");
        assert_eq!(failed["digest"], Digest::of(&SKILL).to_string(), "{failed}");
        check_refusal(&failed, bundles.len());
        failed
    }
}

/// What every refusal says that was decided by looking at signatures.
fn check_refusal(failed: &Value, bundles: usize) {
    assert_eq!(failed["allowed"], false, "{failed}");
    assert_eq!(failed["signatures_total"], bundles, "{failed}");
    assert_eq!(
        failed["signatures_valid"],
        signers(failed).len(),
        "{failed}"
    );
    assert_eq!(failed["trust_generation"], 1, "{failed}");
    assert_eq!(failed["mode"], "permissive", "{failed}");
    assert_eq!(failed["environment"], "production", "{failed}");
    assert_eq!(failed["severity"], "high", "{failed}");
    assert_eq!(failed["review"], true, "{failed}");
    assert!(failed["policy"].is_string(), "{failed}");
}

/// Whose signatures count, by a record.
#[must_use]
pub fn signers(record: &Value) -> Vec<String> {
    let names = record["signers"].as_array().into_iter().flatten();
    names
        .map(|name| name.as_str().unwrap().to_owned())
        .collect()
}

/// Why bundles do not count, by a record.
#[must_use]
pub fn reasons(record: &Value) -> Vec<String> {
    let errors = record["errors"].as_array().into_iter().flatten();
    errors
        .map(|error| error.as_str().unwrap().to_owned())
        .collect()
}

/// Where the bundle of that number lies: names sort by number.
#[must_use]
pub fn beside(path: &std::path::Path, number: usize) -> PathBuf {
    let name = path.file_name().unwrap().display();
    path.with_file_name(format!("{name}.{number:02}.sigstore.json"))
}

/// Trust in that world.
#[must_use]
pub fn trust(world: &World, policy: TrustPolicy) -> Trust {
    Trust {
        policy,
        root: Root::parse(&world.trusted_root(), "test").unwrap(),
        deny: None,
        generation: 0,
    }
}

/// A policy under which the canary runs as well, by a rule of its own.
fn beside_canary(setup: &Setup, signers: &[Signer], rules: Vec<Rule>) -> TrustPolicy {
    let TrustSource::Files(files) = &setup.trust else {
        panic!("a bench trusts its author");
    };
    let author = files.policy.as_ref().unwrap().signers()[0].clone();
    let canary = Rule {
        skills: SkillPattern::parse("echo").unwrap(),
        ..some_of(&[author.name.as_str()], 1)
    };
    let signers = [&[author], signers].concat();
    let rules = [vec![canary], rules].concat();
    TrustPolicy::with_rules(Preset::Permissive, signers, rules).unwrap()
}
