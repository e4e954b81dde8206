//! S11: provenance, where a rule asks for it: who attests what.

use jiff::SignedDuration;
use skillhost::verify::{Provenance, SignerName};
use skillhost_test_world::Claim;

use super::*;

const BUILDER: &str = "https://github.com/actions/runner/github-hosted";
const REPOSITORY: &str = "https://github.com/org/repo";
const MAIN: &str = "refs/heads/main";

/// A rule that wants all of it.
fn asked(attesters: &[&str]) -> Rule {
    let text = |text: &str| Some(text.to_owned());
    Rule {
        provenance: Some(Provenance {
            predicate_type: SLSA_V1.to_owned(),
            signers: attesters.iter().map(|name| SignerName::new(name)).collect(),
            builder: text(BUILDER),
            repository: text(REPOSITORY),
            reference: text(MAIN),
        }),
        ..some_of(&["owner"], 1)
    }
}

/// The owner approves; the workflow attests.
struct Scene {
    stage: Stage,
    owner: Author,
}

impl Scene {
    fn new(rule: Rule) -> Self {
        let owner = Author::Owner(Key::generate());
        let people = [&owner, &Author::Workflow, &Author::Person].map(Author::signer);
        let stage = Stage::with_rules(&people, vec![rule]);
        Self { stage, owner }
    }

    fn approved(&self) -> String {
        self.owner.signing(self.stage.draft()).v1().json()
    }

    fn attesting(&self, predicate: &Value) -> Draft<'_> {
        Author::Workflow
            .signing(self.stage.draft())
            .statement(SLSA_V1, predicate)
    }

    /// Beside the approval, refused for what is wrong with the attestation.
    async fn refuses(&self, attestation: String, reason: &str) {
        let failed = self
            .stage
            .refuses(&[self.approved(), attestation], ThresholdUnmet)
            .await;
        assert!(
            failed["reason"].as_str().unwrap().contains(reason),
            "{failed}"
        );
        assert_eq!(signers(&failed), ["owner"]);
    }
}

fn built(builder: &str, repository: &str, reference: &str) -> Value {
    json!({
        "buildDefinition": {"externalParameters": {"workflow": {
            "repository": repository, "ref": reference, "path": ".github/workflows/release.yml",
        }}},
        "runDetails": {"builder": {"id": builder}},
    })
}

fn good() -> Value {
    built(BUILDER, REPOSITORY, MAIN)
}

#[tokio::test(flavor = "multi_thread")]
async fn approval_and_provenance_as_they_are_asked_for_run() {
    let scene = Scene::new(asked(&["workflow"]));
    let draft = scene.attesting(&good());
    let claimed = draft
        .clone()
        .claim(Claim::SourceRepositoryUri, REPOSITORY)
        .claim(Claim::SourceRepositoryRef, MAIN);
    for attestation in [draft.v1(), draft.v2(), claimed.v1(), claimed.v2()] {
        let both = [scene.approved(), attestation.json()];
        assert_eq!(scene.stage.runs(&both).await, ["owner"]);
        let turned = [attestation.json(), scene.approved()];
        assert_eq!(scene.stage.runs(&turned).await, ["owner"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_provenance_does_not_approve_and_approval_is_no_provenance() {
    let scene = Scene::new(asked(&["workflow"]));
    let attestation = scene.attesting(&good()).v1().json();
    scene
        .stage
        .refuses(std::slice::from_ref(&attestation), ThresholdUnmet)
        .await;
    let failed = scene
        .stage
        .refuses(&[scene.approved()], ThresholdUnmet)
        .await;
    assert!(
        failed["reason"]
            .as_str()
            .unwrap()
            .contains("no attestation"),
        "{failed}"
    );

    let plain = Scene::new(some_of(&["owner", "workflow"], 1));
    let attestation = plain.attesting(&good()).v1().json();
    plain.stage.refuses(&[attestation], SignatureInvalid).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_provenance_of_another_build_is_refused() {
    let scene = Scene::new(asked(&["workflow"]));
    for (predicate, reason) in [
        (
            built("https://evil.test/builder", REPOSITORY, MAIN),
            "its builder is https://evil.test/builder, not ",
        ),
        (
            built(&format!("{BUILDER}/"), REPOSITORY, MAIN),
            "its builder is ",
        ),
        (built("", REPOSITORY, MAIN), "its builder is "),
        (
            built(BUILDER, "https://github.com/org/repo-evil", MAIN),
            "its repository is ",
        ),
        (
            built(BUILDER, "https://github.com/org/Repo", MAIN),
            "its repository is ",
        ),
        (
            built(BUILDER, REPOSITORY, "refs/heads/main2"),
            "its ref is ",
        ),
        (
            built(BUILDER, REPOSITORY, "refs/pull/1/merge"),
            "its ref is ",
        ),
        (built(BUILDER, REPOSITORY, "main"), "its ref is "),
        (json!({}), "it does not state its builder"),
        (
            json!({"runDetails": {"builder": {"id": BUILDER}}}),
            "it does not state its repository",
        ),
        (
            json!({"runDetails": {"builder": {"id": [BUILDER]}}}),
            "it does not state its builder",
        ),
        (json!([good()]), "it does not state its builder"),
    ] {
        let draft = scene.attesting(&predicate);
        for attestation in [draft.v1(), draft.v2()] {
            scene.refuses(attestation.json(), reason).await;
        }
    }
}

/// A workflow writes the predicate itself; the certificate it does not.
#[tokio::test(flavor = "multi_thread")]
async fn s11_what_a_certificate_says_about_the_source_counts_more() {
    let scene = Scene::new(asked(&["workflow"]));
    for (claim, value, reason) in [
        (
            Claim::SourceRepositoryUri,
            "https://github.com/org/other",
            "its repository is https://github.com/org/other, not ",
        ),
        (
            Claim::SourceRepositoryRef,
            "refs/heads/other",
            "its ref is refs/heads/other, not ",
        ),
    ] {
        let draft = scene.attesting(&good()).claim(claim, value);
        for attestation in [draft.v1(), draft.v2()] {
            scene.refuses(attestation.json(), reason).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_provenance_by_somebody_else_is_refused() {
    let scene = Scene::new(asked(&["workflow"]));
    let attest = |draft: Draft<'_>| draft.statement(SLSA_V1, &good()).v1().json();
    let draft = || scene.stage.draft();
    let person = attest(Author::Person.signing(draft()));
    scene
        .refuses(person, "`person` is not who must attest it")
        .await;
    let owner = attest(scene.owner.signing(draft()));
    scene
        .refuses(owner, "`owner` is not who must attest it")
        .await;
    let stranger = attest(draft().identity("mallory@example.com", ACCOUNTS));
    scene
        .refuses(stranger, "whom the policy does not name")
        .await;
    let stranger = attest(draft().key(&Key::generate()));
    scene
        .refuses(stranger, "a key that the policy does not name")
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s11_provenance_of_another_type_or_artifact_is_refused() {
    let scene = Scene::new(asked(&["workflow"]));
    let workflow = || Author::Workflow.signing(scene.stage.draft());
    for other in [
        "https://slsa.dev/provenance/v0.2",
        "https://spdx.dev/Document",
    ] {
        let attestation = workflow().statement(other, &good()).v1().json();
        scene
            .refuses(attestation, "it is no https://slsa.dev/provenance/v1")
            .await;
    }
    let other = Author::Workflow.signing(scene.stage.world.bundle(b"another artifact"));
    let attestation = other.statement(SLSA_V1, &good()).v1().json();
    scene
        .refuses(attestation, "it signs other bytes than these")
        .await;
    let tampered = skillhost_test_world::tamper::altered_payload;
    let attestation = tampered(&scene.attesting(&good()), Evidence::V1).json();
    scene
        .refuses(attestation, "its signature does not hold")
        .await;
}

/// Two attestations that say half of it each say nothing about one build.
#[tokio::test(flavor = "multi_thread")]
async fn s11_one_attestation_says_all_of_it() {
    let scene = Scene::new(asked(&["workflow"]));
    let bundles = [
        scene.approved(),
        scene
            .attesting(&built(BUILDER, REPOSITORY, "refs/heads/other"))
            .v1()
            .json(),
        scene
            .attesting(&built(BUILDER, "https://github.com/org/other", MAIN))
            .v1()
            .json(),
        scene
            .attesting(&built("https://evil.test", REPOSITORY, MAIN))
            .v1()
            .json(),
    ];
    let failed = scene.stage.refuses(&bundles, ThresholdUnmet).await;
    for part in ["its ref is", "its repository is", "its builder is"] {
        assert!(
            failed["reason"].as_str().unwrap().contains(part),
            "{failed}"
        );
    }
    let mut bundles = bundles.to_vec();
    bundles.push(scene.attesting(&good()).v1().json());
    assert_eq!(scene.stage.runs(&bundles).await, ["owner"]);
}

/// Provenance grows old as an approval does, and what rests on it ends then.
#[tokio::test(flavor = "multi_thread")]
async fn s11_provenance_that_grows_too_old_stops_a_loaded_skill() {
    let scene = Scene::new(Rule {
        max_age: Some(SignedDuration::from_hours(24 * 90)),
        provenance: asked(&["workflow"]).provenance,
        ..some_of(&["person"], 1)
    });
    let stage = &scene.stage;
    let approved = Author::Person
        .signing(stage.draft())
        .at(SIGNED_AT + 30 * DAY);
    let bundles = [approved.v1().json(), scene.attesting(&good()).v1().json()];
    stage.clock.set(SIGNED_AT + 90 * DAY - 1);
    assert_eq!(stage.runs(&bundles).await, ["person"]);
    stage.clock.set(SIGNED_AT + 90 * DAY);
    stage.no_longer_runs(ThresholdUnmet).await;
    stage.refuses(&bundles, ThresholdUnmet).await;
}
