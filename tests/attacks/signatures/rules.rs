//! S14, S23: which rule is for a skill, and what it asks for beside signers.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use skillhost::Kind::NotApproved;
use skillhost::TrustFiles;
use skillhost::artifact::Artifact;
use skillhost::lock::{Lock, Release};
use skillhost::manifest::{Manifest, section};
use skillhost::verify::{
    Preset, Provenance, Rejected, SkillPattern, TrustPolicy, Verified, Verifier,
};
use skillhost_test_world::{World, pointer};
use skillhost_tests::bench::invocation;
use skillhost_tests::stage::{SKILL, SetClock, beside, trust};
use skillhost_tests::{Bench, guests, pack};

use super::*;

const BOB: &str = "bob@example.com";

/// `finance-*` needs Ada, `weather` Bob; no rule is for anything else.
fn stage() -> Stage {
    let people = [keyless("ada", ADA, ACCOUNTS), keyless("bob", BOB, ACCOUNTS)];
    let rule = |skills, name| Rule {
        skills: SkillPattern::parse(skills).unwrap(),
        ..some_of(&[name], 1)
    };
    Stage::with_rules(
        &people,
        vec![rule("finance-*", "ada"), rule("weather", "bob")],
    )
}

fn named(name: &str) -> Vec<u8> {
    pack::with_manifest(&guests::text("honest"), pack::plain_source(name))
}

/// Writes a component under a file name, signed by somebody.
fn lay(stage: &Stage, file: &str, component: &[u8], by: &str) -> PathBuf {
    let draft = stage.world.bundle(component).identity(by, ACCOUNTS);
    stage.lay_skill(file, component, &[draft.v1().json()])
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rule_is_for_the_skills_that_it_names() {
    let stage = stage();
    for (name, by, signer) in [
        ("finance-x", ADA, "ada"),
        ("finance-", ADA, "ada"),
        ("weather", BOB, "bob"),
    ] {
        let path = lay(&stage, name, &named(name), by);
        assert_eq!(stage.runs_file(&path, 1).await, [signer]);
    }
    for (name, by, policy) in [
        ("finance-x", BOB, "finance-*: `ada`"),
        ("weather", ADA, "weather: `bob`"),
    ] {
        let path = lay(&stage, name, &named(name), by);
        let refused = stage.bench.refused_file(&path).await;
        assert_eq!(refused.kind(), IdentityMismatch);
        let failed = stage.bench.records().last("verify.failed");
        assert_eq!(failed["policy"], policy);
        assert!(
            reasons(&failed)[0].contains("the rule for this skill does not name"),
            "{failed}"
        );
    }
}

/// Whoever signs a skill says its name; a file name says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_skill_cannot_choose_another_rule() {
    let stage = stage();
    let finance = named("finance-x");
    let path = lay(&stage, "weather", &finance, BOB);
    assert_eq!(
        stage.bench.refused_file(&path).await.kind(),
        IdentityMismatch
    );

    let renamed = String::from_utf8_lossy(&finance).contains("\"finance-x\"");
    assert!(renamed, "the name stands in the bytes");
    let at = finance
        .windows(9)
        .position(|it| it == b"finance-x")
        .unwrap();
    let mut renamed = finance.clone();
    renamed[at..at + 9].copy_from_slice(b"weather-x");
    let signed = stage
        .world
        .bundle(&finance)
        .identity(ADA, ACCOUNTS)
        .v1()
        .json();
    let path = stage.lay_skill("finance-x", &renamed, &[signed]);
    // Its rule is looked for first, and there is none for that name.
    assert_eq!(
        stage.bench.refused_file(&path).await.kind(),
        IdentityMismatch
    );
    renamed[at..at + 9].copy_from_slice(b"finance-y");
    let signed = stage
        .world
        .bundle(&finance)
        .identity(ADA, ACCOUNTS)
        .v1()
        .json();
    let path = stage.lay_skill("finance-y", &renamed, &[signed]);
    assert_eq!(stage.bench.refused_file(&path).await.kind(), DigestMismatch);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_skill_without_a_rule_does_not_run() {
    let stage = stage();
    for name in ["financex", "weathers", "other", "x-finance-x"] {
        for by in [ADA, BOB] {
            let path = lay(&stage, name, &named(name), by);
            let refused = stage.bench.refused_file(&path).await;
            assert_eq!(refused.kind(), IdentityMismatch);
            let failed = stage.bench.records().last("verify.failed");
            assert_eq!(failed["policy"], "no rule");
            assert_eq!(failed["signatures_valid"], 0);
        }
    }
}

/// A name that can be read in two ways, or not at all, has no rule of its own.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_cannot_be_read_has_no_rule_but_that_for_all() {
    let stage = stage();
    let finance = named("finance-x");
    let manifest = section::read(&finance).unwrap().manifest.unwrap().to_vec();
    let honest = guests::text("honest");
    let twice = String::from_utf8(manifest.clone()).unwrap();
    let twice = twice.replacen('{', "{\"name\":\"weather\",", 1);
    for component in [
        honest.clone(),
        section::append(&finance, &manifest),
        section::append(&honest, twice.as_bytes()),
        section::append(&honest, b"{\"name\": [\"weather\"]}"),
        section::append(&honest, b"\xff"),
    ] {
        for by in [ADA, BOB] {
            let path = lay(&stage, "weather", &component, by);
            assert_eq!(
                stage.bench.refused_file(&path).await.kind(),
                IdentityMismatch
            );
        }
    }
    // A rule for all skills lets it be judged, and then it is no skill.
    let people = [keyless("ada", ADA, ACCOUNTS), keyless("bob", BOB, ACCOUNTS)];
    let finance_only = Rule {
        skills: SkillPattern::parse("finance-*").unwrap(),
        ..some_of(&["ada"], 1)
    };
    let stage = Stage::with_rules(&people, vec![finance_only, some_of(&["bob"], 1)]);
    let component = section::append(&finance, &manifest);
    let path = lay(&stage, "finance-x", &component, BOB);
    assert_eq!(
        stage.bench.refused_file(&path).await.kind(),
        ComponentInvalid
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_where_a_log_is_asked_for_what_is_in_none_does_not_count() {
    let owner = Author::Owner(Key::generate());
    let rule = Rule {
        transparency_log: true,
        ..some_of(&["owner"], 1)
    };
    let stage = Stage::with_rules(&[owner.signer()], vec![rule]);
    for way in good_ways(&stage, &owner) {
        let bundle = way.bundle();
        if way.evidence == Evidence::None {
            let failed = stage.refuses(&[bundle], SignatureInvalid).await;
            assert!(
                reasons(&failed)[0].contains("it is in no transparency log"),
                "{failed}"
            );
        } else {
            assert_eq!(stage.runs(&[bundle]).await, ["owner"]);
        }
    }
}

/// An entry is no evidence by being there: without promise and proof, anybody
/// can write one.
#[tokio::test(flavor = "multi_thread")]
async fn s10_a_log_entry_that_nothing_vouches_for_is_none() {
    let owner = Author::Owner(Key::generate());
    let rule = Rule {
        transparency_log: true,
        ..some_of(&["owner"], 1)
    };
    let stage = Stage::with_rules(&[owner.signer()], vec![rule]);
    for way in good_ways(&stage, &owner) {
        let mut bundle = way.draft.backed_by(way.evidence);
        if way.evidence == Evidence::None {
            continue;
        }
        let entry = bundle.value_mut().pointer_mut(pointer::ENTRY).unwrap();
        let entry = entry.as_object_mut().unwrap();
        entry.retain(|name, _| !name.starts_with("inclusion"));
        stage.refuses(&[bundle.json()], SignatureInvalid).await;
    }
}

/// What the strictest preset asks for, of two people and a workflow.
struct Paranoid {
    world: World,
    keys: [Key; 2],
    folder: tempfile::TempDir,
}

impl Paranoid {
    fn new() -> Self {
        Self {
            world: World::new(),
            keys: [Key::generate(), Key::generate()],
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn policy(&self) -> TrustPolicy {
        let [one, other] = &self.keys;
        let signers = vec![
            keyed("one", &[one]),
            keyed("other", &[other]),
            Author::Workflow.signer(),
        ];
        let rule = Rule {
            provenance: Some(Provenance {
                predicate_type: SLSA_V1.to_owned(),
                signers: Vec::new(),
                builder: None,
                repository: None,
                reference: None,
            }),
            ..some_of(&["one", "other"], 2)
        };
        TrustPolicy::with_rules(Preset::Paranoid, signers, vec![rule]).unwrap()
    }

    fn draft(&self) -> Draft<'_> {
        self.world.bundle(&SKILL)
    }

    fn attestation(&self) -> Draft<'_> {
        Author::Workflow
            .signing(self.draft())
            .statement(SLSA_V1, &json!({}))
    }

    /// Two signatures in a log, and provenance.
    fn everything(&self) -> [String; 3] {
        let [one, other] = &self.keys;
        let logged = |key| self.draft().key(key).v1().json();
        [logged(one), logged(other), self.attestation().v1().json()]
    }

    fn lay(&self, bundles: &[String]) -> PathBuf {
        let folder = tempfile::tempdir_in(&self.folder).unwrap().keep();
        let path = folder.join("honest.wasm");
        fs::write(&path, &*SKILL).unwrap();
        for (number, bundle) in bundles.iter().enumerate() {
            fs::write(beside(&path, number), bundle).unwrap();
        }
        path
    }

    fn verify(&self, bundles: &[String]) -> Result<Verified<Artifact>, Box<Rejected>> {
        let clock = Arc::new(SetClock::at(SIGNED_AT + DAY));
        let verifier = Verifier::new(trust(&self.world, self.policy()), clock);
        verifier.verify(Artifact::open(&self.lay(bundles)).unwrap())
    }

    /// A host with that policy, and that lock file if there is one.
    fn bench(&self, lock: Option<&Lock>) -> Bench {
        let [root, lock_file] =
            ["root.json", "skillhost.lock"].map(|it| self.folder.path().join(it));
        fs::write(&root, self.world.trusted_root()).unwrap();
        if let Some(lock) = lock {
            lock.save(&lock_file).unwrap();
        }
        let files = TrustFiles {
            policy: Some(self.policy()),
            root: Some(root),
            lock: Some(lock_file),
            ..TrustFiles::default()
        };
        Bench::with(|setup| {
            setup.trust = files.into();
            setup.clock = Arc::new(SetClock::at(SIGNED_AT + DAY));
        })
    }
}

#[test]
fn paranoid_asks_for_two_signers_logs_and_provenance() {
    let paranoid = Paranoid::new();
    let [one, other] = &paranoid.keys;
    let logged = |key| paranoid.draft().key(key).v1().json();
    let unlogged = |key| paranoid.draft().key(key).unlogged().json();
    let attested = || paranoid.attestation().v1().json();

    let verified = paranoid.verify(&paranoid.everything()).unwrap();
    let decision = verified.verdict().decision();
    assert_eq!((decision.mode, decision.signatures_valid), ("paranoid", 2));
    for (bundles, kind) in [
        (vec![logged(one), attested()], ThresholdUnmet),
        (
            vec![logged(one), unlogged(other), attested()],
            ThresholdUnmet,
        ),
        (
            vec![unlogged(one), unlogged(other), attested()],
            SignatureInvalid,
        ),
        (vec![logged(one), logged(other)], ThresholdUnmet),
    ] {
        let rejected = paranoid.verify(&bundles).unwrap_err();
        assert_eq!(rejected.kind(), kind, "{}", rejected.error());
        assert_eq!(rejected.decision().mode, "paranoid");
        assert!(!rejected.decision().allowed);
    }
}

/// And that somebody has looked at it and approved it.
#[tokio::test(flavor = "multi_thread")]
async fn paranoid_runs_only_what_is_pinned() {
    let paranoid = Paranoid::new();
    let path = paranoid.lay(&paranoid.everything());
    let bench = paranoid.bench(None);
    let error = bench.host().load(&path).await.unwrap_err();
    assert_eq!(error.kind(), NotApproved, "{error}");
    assert_eq!(bench.codes(), 0);
    assert_eq!(bench.records().last("verify.failed")["kind"], "NotApproved");

    let verified = paranoid.verify(&paranoid.everything()).unwrap();
    let manifest = section::read(&SKILL).unwrap().manifest;
    let manifest = Manifest::parse(manifest).unwrap();
    let mut lock = Lock::default();
    let verdict = verified.verdict();
    lock.approve(Release::of(&manifest, verdict.digest(), verdict.signers()));
    let bench = paranoid.bench(Some(&lock));
    bench.host().load(&path).await.unwrap();
    let passed = bench.records().last("verify.passed");
    assert_eq!(passed["mode"], "paranoid");
    assert_eq!(passed["signatures_total"], 3);
    let called = bench.invoke(invocation("honest", "run", json!({}))).await;
    assert!(called.answer.outcome.is_ok(), "{:?}", called.answer);
}
