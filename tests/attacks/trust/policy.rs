//! C04, S07, S15 and S31: a policy that changes, or breaks, while skills are served.

use std::fs;
use std::time::Duration;

use skillhost::Kind::{ConfigInvalid, IdentityMismatch, Revoked, ThresholdUnmet};
use skillhost::artifact::Digest;
use skillhost::sign::PrivateKey;
use skillhost::verify::Denied;
use skillhost_tests::Operator;
use skillhost_tests::operator::{AUTHOR, CONFIG, DENY_LIST, DENYING};

use super::{
    assert_refused, assert_says, assert_says_after, eventually, first, now, says_so, told,
    write_signed_by,
};

#[tokio::test(flavor = "multi_thread")]
async fn s15_a_threshold_that_rises_counts_at_the_next_call() {
    let operator = Operator::new();
    let bench = operator.bench();
    let [author, bob] = ["author", "bob"].map(|name| operator.key(name));
    let path = write_signed_by(&bench, &says_so("one"), &[("author", &author)]);
    bench.host().load(&path).await.unwrap();
    assert_says(&bench, "one").await;
    let two = [AUTHOR, "signers.bob.keys = [\"bob.pub\"]\nthreshold = 2\n"].concat();
    operator.trust(&two);
    let called = assert_refused(&bench, ThresholdUnmet, &["verify.failed"]).await;
    assert_eq!(first(&called, "verify.failed")["signatures_valid"], 1);
    // A signature that was added since is looked for before a call is refused.
    bob.sign_file(&path, Some("bob")).unwrap();
    let called = bench.invoke(super::run()).await;
    assert_eq!(
        called.between(),
        ["verify.failed", "verify.passed", "skill.loaded"]
    );
    assert_eq!(called.signers(), ["author", "bob"]);
}

/// The name stays, the key behind it is another one.
#[tokio::test(flavor = "multi_thread")]
async fn s31_a_key_file_that_is_replaced_counts_at_the_next_call() {
    let operator = Operator::new();
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    let good = fs::read(operator.path("author.pub")).unwrap();
    let other = PrivateKey::generate().unwrap();
    operator.put("author.pub", other.public().to_pem());
    assert_refused(&bench, IdentityMismatch, &["verify.failed"]).await;
    operator.put("author.pub", good);
    assert_says_after(&bench, "one", &["verify.passed"]).await;
}

/// Policies that accept anyone, or nobody, or cannot be read.
#[tokio::test(flavor = "multi_thread")]
async fn c04_s07_s15_a_policy_that_is_refused_leaves_the_one_in_force() {
    let operator = Operator::new();
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    let with = |lines: &str| format!("[trust]\npreset = \"permissive\"\n{AUTHOR}{lines}");
    for (number, bad) in [
        "[trust".to_owned(),
        "[trust]\n".to_owned(),
        "[trust]\npreset = \"none\"\n".to_owned(),
        format!("[trust]\n{AUTHOR}"),
        with("threshold = 0\n"),
        with("threshold = 2\n"),
        with("threshold = -1\n"),
        with("signers.bob = {}\n"),
        with("signers.bob.keys = [\"author.pub\"]\n"),
        with("signers.bob.keys = [\"missing.pub\"]\n"),
        with("signers.bob.identities = [{ issuer = \"https://issuer.test\" }]\n"),
        with("signers.bob.identities = [{ issuer = \"\", identity = \"\" }]\n"),
        with("rules = [{ skills = \"*\", minimum = 0 }]\n"),
        with("allow-unsigned = true\n"),
        with("insecure = true\n"),
        with("deny-list = { file = \"deny.json\", keys = [] }\n"),
        String::new(),
    ]
    .into_iter()
    .enumerate()
    {
        operator.put(CONFIG, &bad);
        assert_says(&bench, "one").await;
        let rejected = told(&bench, "trust.rejected", "kind");
        assert_eq!(rejected[number..], ["ConfigInvalid"], "{bad}");
        assert_eq!(operator.refusal(), Some(ConfigInvalid), "{bad}");
        operator.trust(AUTHOR);
        assert_says(&bench, "one").await;
    }
    operator.remove(CONFIG);
    assert_says(&bench, "one").await;
    assert_eq!(operator.refusal(), Some(ConfigInvalid));
    assert_eq!(told(&bench, "trust.changed", "event").len(), 0);
}

/// A link hides from the kernel's notices what happens behind it, and a
/// neighbour that changes all the time must not hide it from the host.
#[tokio::test(flavor = "multi_thread")]
async fn s31_a_change_behind_a_link_is_seen_in_a_busy_folder() {
    let operator = Operator::denying();
    let behind = tempfile::tempdir().unwrap();
    let real = behind.path().join("real.json");
    fs::rename(operator.path(DENY_LIST), &real).unwrap();
    std::os::unix::fs::symlink(&real, operator.path(DENY_LIST)).unwrap();
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    let next = operator.list(2, [denial(&says_so("one"))]);
    fs::write(&real, operator.signed(&next)).unwrap();
    let written = now();
    eventually("the list behind the link counts", || {
        fs::write(operator.path("neighbour"), "x").unwrap();
        !bench.records().named("trust.changed").is_empty()
    })
    .await;
    assert!(now() - written < Duration::from_secs(3));
    assert_refused(&bench, Revoked, &["skill.revoked", "verify.failed"]).await;
    assert_eq!(
        fs::read_to_string(operator.path(CONFIG)).unwrap(),
        format!("[trust]\npreset = \"permissive\"\n{AUTHOR}{DENYING}")
    );
}

fn denial(component: &[u8]) -> skillhost::verify::Denial {
    skillhost::verify::Denial {
        deny: Denied::Digest(Digest::of(component)),
        signed_after: None,
        reason: None,
    }
}
