//! S12: an old version, signed as well as the new one.

use std::fs;

use skillhost::Kind::{ConfigInvalid, Internal, RolledBack, UnknownTool};
use skillhost_tests::operator::{LOCK, MEMORY};
use skillhost_tests::{Bench, Operator, pack};

use super::{assert_says, assert_says_after, bundle_of, says_in, says_so, told};

/// The old version in place of the new one is passed over.
const PASSED_OVER: [&str; 4] = [
    "artifact.changed",
    "verify.passed",
    "verify.failed",
    "verify.passed",
];

async fn update(bench: &Bench) {
    bench.load("says", &says_in("1.0.0", "one")).await.unwrap();
    bench.replace("says", &says_in("2.0.0", "two"));
    let accepted = ["artifact.changed", "verify.passed", "skill.loaded"];
    assert_says_after(bench, "two", &accepted).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_the_version_that_serves_goes_on_serving() {
    let operator = Operator::new();
    let bench = operator.bench();
    update(&bench).await;
    let before = bench.codes();
    bench.replace("says", &says_in("1.9.9", "one"));
    let called = bench.invoke(super::run()).await;
    assert_eq!(called.text().trim_end(), "two");
    assert_eq!(called.between(), PASSED_OVER);
    let failed = called.event("verify.failed");
    assert_eq!(
        (&failed["kind"], &failed["version"]),
        (&"RolledBack".into(), &"1.9.9".into())
    );
    assert_eq!(&*called.answer.skill.unwrap().version, "2.0.0");
    assert_says(&bench, "two").await;
    let error = bench.host().load(&bench.path("says")).await.unwrap_err();
    assert_eq!(error.kind(), RolledBack);
    assert!(error.hint().unwrap().contains("skillhost lock --approve"));
    assert_says(&bench, "two").await;
    assert_eq!(bench.codes(), before);
    // The same version with other bytes is no step back.
    bench.replace("says", &says_in("2.0.0", "other"));
    assert_eq!(bench.invoke(super::run()).await.text().trim_end(), "other");
}

/// A release candidate is older than the release, build metadata says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn s12_versions_are_compared_as_versions() {
    let operator = Operator::new();
    let bench = operator.bench();
    bench.load("says", &says_in("1.10.0", "new")).await.unwrap();
    for older in ["1.9.0", "1.10.0-rc.1", "1.2.0", "0.99.99"] {
        let error = bench
            .load("says", &says_in(older, "old"))
            .await
            .unwrap_err();
        assert_eq!(error.kind(), RolledBack, "{older}");
    }
    bench
        .load("says", &says_in("1.11.0-rc.1", "next"))
        .await
        .unwrap();
    assert_says(&bench, "next").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s12_a_later_host_remembers_the_floor() {
    let operator = Operator::new();
    update(&operator.bench()).await;
    let later = operator.bench();
    let error = later.refused("says", &says_in("1.0.0", "one")).await;
    assert_eq!(error.kind(), RolledBack);
    later.load("says", &says_in("2.0.0", "two")).await.unwrap();
    assert_says(&later, "two").await;
}

/// Whoever cannot remember does not accept: the next host would know nothing.
#[tokio::test(flavor = "multi_thread")]
async fn s12_without_a_memory_that_can_be_written_nothing_is_loaded() {
    let operator = Operator::new();
    let bench = operator.bench();
    // Not even root can open a folder for writing.
    let lock = operator.path(MEMORY).with_extension("lock");
    fs::create_dir(&lock).unwrap();
    let path = pack::write_signed(bench.folder(), "says", &says_so("one"), bench.key());
    let error = bench.host().load(&path).await.unwrap_err();
    assert_eq!(error.kind(), Internal, "{error:?}");
    assert_eq!(bench.host().skills().len(), 0);
    assert!(!operator.path(MEMORY).exists());
    fs::remove_dir(&lock).unwrap();
    bench.host().load(&path).await.unwrap();
    assert_says(&bench, "one").await;
}

/// Nor is it callable, when the floor is all that cannot be remembered.
#[tokio::test(flavor = "multi_thread")]
async fn s12_a_version_that_cannot_be_remembered_is_not_callable() {
    let operator = Operator::new();
    let bench = operator.bench();
    bench.assert_serving().await;
    fs::remove_file(operator.path(MEMORY).with_extension("lock")).unwrap();
    fs::create_dir(operator.path(MEMORY).with_extension("lock")).unwrap();
    let path = pack::write_signed(bench.folder(), "says", &says_so("one"), bench.key());
    let error = bench.host().load(&path).await.unwrap_err();
    assert_eq!(error.kind(), Internal, "{error:?}");
    assert_eq!(bench.invoke(super::run()).await.kind(), UnknownTool);
    bench.assert_serving().await;
}

/// A memory that cannot be read is not taken for an empty one.
#[tokio::test(flavor = "multi_thread")]
async fn s12_a_host_does_not_start_with_a_broken_memory() {
    let operator = Operator::new();
    update(&operator.bench()).await;
    for broken in ["", "{", "{\"floors\": {\"says\": \"0\"}}"] {
        operator.put(MEMORY, broken);
        assert_eq!(operator.refusal(), Some(ConfigInvalid), "{broken}");
    }
}

/// Two versions are approved, and still the older one does not come back by
/// itself.
#[tokio::test(flavor = "multi_thread")]
async fn s12_p03_an_approved_older_version_does_not_come_back_by_itself() {
    let operator = Operator::new();
    let bench = operator.bench();
    let (old, new) = (says_in("1.0.0", "one"), says_in("2.0.0", "two"));
    operator.approve(&[(&old, &["author"]), (&new, &["author"])]);
    update(&bench).await;
    bench.replace("says", &old);
    assert_says_after(&bench, "two", &PASSED_OVER).await;
    assert_eq!(told(&bench, "verify.failed", "kind"), ["RolledBack"]);
}

/// An operator who approves the older version has it served, by hosts that run
/// as well: `skillhost lock --approve` lowers the floor on disk.
#[tokio::test(flavor = "multi_thread")]
async fn s12_an_operator_may_go_back() {
    let operator = Operator::new();
    let bench = operator.bench();
    update(&bench).await;
    bench.replace("says", &says_in("1.0.0", "one"));
    assert_says_after(&bench, "two", &PASSED_OVER).await;
    let text = fs::read_to_string(operator.path(MEMORY)).unwrap();
    assert!(text.contains("2.0.0"), "{text}");
    operator.put(MEMORY, text.replace("2.0.0", "1.0.0"));
    operator.approve(&[(&says_in("1.0.0", "one"), &["author"])]);
    assert_eq!(bench.invoke(super::run()).await.text().trim_end(), "one");
    assert!(bundle_of(&bench.path("says")).exists() && operator.path(LOCK).exists());
}
