//! S04, S05, S06, P11: somebody else, of whom a real certificate says who it is.

use fastrand::Rng;
use skillhost::verify::Identity;

use super::*;

/// Tags of one workflow, in any repository of one organisation.
const PATTERN: &str = "https://github.com/org/*/.github/workflows/release.yml@refs/heads/*";

/// Signed by that identity of that issuer, in both kinds of logs.
fn signed_by(stage: &Stage, identity: &str, issuer: &str) -> [String; 2] {
    let draft = stage.draft().identity(identity, issuer);
    [draft.v1().json(), draft.v2().json()]
}

#[tokio::test(flavor = "multi_thread")]
async fn s04_s05_another_identity_or_another_issuer_is_another_signer() {
    let stage = Stage::new(&[
        keyless("workflow", RELEASE, GITHUB),
        keyless("ada", ADA, ACCOUNTS),
    ]);
    for (identity, issuer) in [
        ("mallory@example.com", ACCOUNTS),
        (
            "https://github.com/mallory/repo/.github/workflows/release.yml@refs/heads/main",
            GITHUB,
        ),
        (RELEASE, "https://gitlab.com"),
        (RELEASE, ACCOUNTS),
        (ADA, GITHUB),
        (ADA, "https://accounts.example.com/"),
        (ADA, "https://accounts.example.com.evil.test"),
        (ADA, "http://accounts.example.com"),
        (ADA, "https://ACCOUNTS.example.com"),
        (ADA, ""),
    ] {
        for bundle in signed_by(&stage, identity, issuer) {
            let failed = stage.refuses(&[bundle], IdentityMismatch).await;
            let said =
                format!("it is signed by {identity} of {issuer}, whom the policy does not name");
            assert!(reasons(&failed)[0].ends_with(&said), "{failed}");
            assert_eq!(failed["policy"], "*: 1 of ada, workflow");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s04_another_key_is_another_signer() {
    let stage = Stage::new(&[keyed("owner", &[&Key::generate()])]);
    let draft = stage.draft().key(&Key::generate());
    for bundle in [draft.unlogged(), draft.v1(), draft.v2()] {
        stage.refuses(&[bundle.json()], IdentityMismatch).await;
    }
}

/// What a careless comparison takes for the release workflow. The four with a
/// character outside ASCII cannot be in a certificate: its names are IA5.
fn look_alikes() -> Vec<String> {
    let changed = [
        ("org/repo", "org/repo-evil"),
        ("org/repo", "org/Repo"),
        ("org/repo", "org//repo"),
        ("org/repo", "org/./repo"),
        ("org/repo", "org/x/../repo"),
        ("org/repo", "org%2Frepo"),
        ("org/repo", "evil/org/repo"),
        ("org/repo", "org\\repo"),
        ("org/repo", "ORG/repo"),
        ("org/repo", "org/repo "),
        ("org/repo", "org/repo\t"),
        ("org/repo", "org/repo\0"),
        ("org/repo", "org/repo?"),
        ("org/repo", "org/repo#"),
        ("org/repo", "org/*"),
        ("https://", "http://"),
        ("https://", "HTTPS://"),
        ("https://", " https://"),
        ("https://", "https:///"),
        ("https://", "https://user@"),
        ("https://", "https://evil.test/https://"),
        ("github.com", "github.com.evil.test"),
        ("github.com", "evilgithub.com"),
        ("github.com", "githubxcom"),
        ("github.com", "github.com:443"),
        ("github.com", "github.com."),
        ("release.yml", "release.yml.evil"),
        ("release.yml", "release.yaml"),
        ("release.yml", "releasexyml"),
        ("@refs/heads/main", "@refs/heads/main/"),
        ("@refs/heads/main", "@refs/heads/main@refs/heads/main"),
        ("@refs/heads/main", "@refs/heads/main\n"),
        ("@refs/heads/main", "@refs/heads/main\0.evil"),
        ("@refs/heads/main", "@refs/heads/"),
        ("@refs/heads/main", "@refs/tags/main"),
        ("@refs/heads/main", ""),
    ];
    let change = |(from, to): &(&str, &str)| RELEASE.replacen(from, to, 1);
    changed.iter().map(change).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn s06_only_the_very_identity_is_accepted() {
    let stage = Stage::new(&[keyless("workflow", RELEASE, GITHUB)]);
    for bundle in signed_by(&stage, RELEASE, GITHUB) {
        assert_eq!(stage.runs(&[bundle]).await, ["workflow"]);
    }
    let others = ["@refs/heads/main2", "@refs/heads/mai", "@refs/heads/Main"];
    let others = others.map(|to| RELEASE.replacen("@refs/heads/main", to, 1));
    for identity in look_alikes().into_iter().chain(others) {
        for bundle in signed_by(&stage, &identity, GITHUB) {
            stage.refuses(&[bundle], IdentityMismatch).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s06_a_pattern_covers_what_it_says_and_nothing_that_looks_like_it() {
    let stage = Stage::new(&[fitting("workflows", PATTERN, GITHUB)]);
    let fit = [
        "org/repo",
        "org/repo-evil",
        "org/Repo",
        "org/..",
        "org/a.b_c+d",
    ];
    for repository in fit {
        let identity = RELEASE.replacen("org/repo", repository, 1);
        for bundle in signed_by(&stage, &identity, GITHUB) {
            assert_eq!(stage.runs(&[bundle]).await, ["workflows"]);
        }
    }
    let named = |identity: &String| {
        fit.iter()
            .any(|fit| identity.contains(&format!("/{fit}/.git")))
    };
    let others = look_alikes()
        .into_iter()
        .filter(|identity| !named(identity));
    for identity in others {
        for bundle in signed_by(&stage, &identity, GITHUB) {
            stage.refuses(&[bundle], IdentityMismatch).await;
        }
    }
    for bundle in signed_by(&stage, RELEASE, ACCOUNTS) {
        stage.refuses(&[bundle], IdentityMismatch).await;
    }
}

/// An identity with up to three characters inserted, removed or replaced.
fn edited(identity: &str, random: &mut Rng) -> String {
    const ALPHABET: &[u8] = b"aemrx0AZ./@:-_+%*?#\\ \t\n";
    let mut bytes = identity.as_bytes().to_vec();
    for _ in 0..random.usize(1..=3) {
        let at = random.usize(..bytes.len());
        let other = *random.choice(ALPHABET).unwrap();
        match random.u8(..3) {
            0 => bytes.insert(at, other),
            1 => drop(bytes.remove(at)),
            _ => bytes[at] = other,
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// What [`PATTERN`] says, said in another way.
fn fits_pattern(identity: &str) -> bool {
    let plain = |text: &str| {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte);
        !text.is_empty() && text.bytes().all(plain)
    };
    let rest = identity
        .strip_prefix("https://github.com/org/")
        .unwrap_or_default();
    match rest.split('/').collect::<Vec<_>>().as_slice() {
        [
            repository,
            ".github",
            "workflows",
            "release.yml@refs",
            "heads",
            branch,
        ] => plain(repository) && plain(branch),
        _ => false,
    }
}

#[test]
fn s06_no_edit_of_an_identity_is_taken_for_it() {
    const SEED: u64 = 6;
    let exact = Identity::exact(GITHUB, RELEASE).unwrap();
    let pattern = Identity::pattern(GITHUB, PATTERN).unwrap();
    let mut random = Rng::with_seed(SEED);
    let (mut fitting, mut others) = (0, 0);
    for _ in 0..100_000 {
        let identity = edited(RELEASE, &mut random);
        let same = identity == RELEASE;
        assert_eq!(exact.matches(GITHUB, &identity), same, "{identity}");
        let fits = fits_pattern(&identity);
        assert_eq!(pattern.matches(GITHUB, &identity), fits, "{identity}");
        let issuer = edited(GITHUB, &mut random);
        assert_eq!(
            exact.matches(&issuer, RELEASE),
            issuer == GITHUB,
            "{issuer}"
        );
        *if fits { &mut fitting } else { &mut others } += 1;
    }
    assert!(fitting > 1000 && others > 1000, "{fitting} and {others}");
}

/// The same with certificates: the host decides as the policy does.
#[tokio::test(flavor = "multi_thread")]
async fn s06_no_edit_of_a_certificate_s_identity_is_accepted() {
    const SEED: u64 = 7;
    let stage = Stage::new(&[keyless("workflow", RELEASE, GITHUB)]);
    let mut random = Rng::with_seed(SEED);
    for _ in 0..200 {
        let identity = edited(RELEASE, &mut random);
        if identity != RELEASE && identity.contains("://") {
            let bundle = stage.draft().identity(&identity, GITHUB).v1().json();
            stage.refuses(&[bundle], IdentityMismatch).await;
        }
    }
}

/// Whoever may write another workflow, another branch or a pull request in the
/// same repository is not the release workflow.
#[tokio::test(flavor = "multi_thread")]
async fn p11_another_workflow_or_ref_of_the_same_repository_is_another_signer() {
    let exact = Stage::new(&[keyless("workflow", RELEASE, GITHUB)]);
    let pattern = Stage::new(&[fitting("workflow", PATTERN, GITHUB)]);
    let workflow = |name: &str| RELEASE.replacen("release.yml", name, 1);
    let reference = |name: &str| RELEASE.replacen("refs/heads/main", name, 1);
    for identity in [
        workflow("test.yml"),
        workflow("release.yml/../test.yml"),
        workflow("Release.yml"),
        reference("refs/pull/7/merge"),
        reference("refs/tags/v1.0.0"),
        reference("refs/heads/feature/main"),
        reference("0123456789abcdef0123456789abcdef01234567"),
        RELEASE.replacen("org/repo", "renamed/repo", 1),
    ] {
        for stage in [&exact, &pattern] {
            for bundle in signed_by(stage, &identity, GITHUB) {
                stage.refuses(&[bundle], IdentityMismatch).await;
            }
        }
    }
}

/// Only an authority that is not honest puts two names into a certificate. The
/// first is the one that counts, so the second gives nobody's rights.
#[tokio::test(flavor = "multi_thread")]
async fn s04_a_second_name_in_a_certificate_does_not_count() {
    let stage = Stage::new(&[
        keyless("workflow", RELEASE, GITHUB),
        keyless("ada", ADA, GITHUB),
    ]);
    for own in [
        "mallory@example.com",
        "https://github.com/mallory/x/.github/workflows/y.yml@main",
    ] {
        for alias in [RELEASE, ADA] {
            let draft = stage.draft().identity(own, GITHUB).alias(alias);
            for bundle in [draft.v1(), draft.v2()] {
                stage.refuses(&[bundle.json()], IdentityMismatch).await;
            }
        }
    }
    let both = stage
        .draft()
        .identity(RELEASE, GITHUB)
        .alias(ADA)
        .v1()
        .json();
    assert_eq!(stage.runs(&[both]).await, ["workflow"]);
}
