//! D06, S01 and S02: a bundle that goes, changes, or lay beside another file.

use std::fs;

use skillhost::Kind::{DigestMismatch, IdentityMismatch, SignatureInvalid, SignatureMissing};
use skillhost::sign::PrivateKey;
use skillhost_tests::Bench;

use super::{assert_refused, assert_says, assert_says_after, bundle_of, first, run, says_so};

/// Refused by what lies on disk now.
const REFUSED: [&str; 2] = ["artifact.changed", "verify.failed"];

/// Accepted anew, without being compiled anew.
const ACCEPTED: [&str; 3] = ["artifact.changed", "verify.passed", "skill.loaded"];

#[tokio::test(flavor = "multi_thread")]
async fn s01_s02_a_bundle_that_goes_is_missed_until_it_is_back() {
    let bench = Bench::new();
    let loaded = bench.load("says", &says_so("one")).await.unwrap();
    assert_says(&bench, "one").await;
    let bundle = bundle_of(loaded.path());
    let aside = bench.folder().join("aside");
    fs::rename(&bundle, &aside).unwrap();
    for _ in 0..2 {
        let called = assert_refused(&bench, SignatureMissing, &REFUSED).await;
        let failed = first(&called, "verify.failed");
        assert_eq!(failed["kind"], "SignatureMissing");
        assert_eq!(failed["signatures_total"], 0);
    }
    bench.assert_serving().await;
    let before = bench.codes();
    fs::rename(&aside, &bundle).unwrap();
    assert_says_after(&bench, "one", &ACCEPTED).await;
    assert_says(&bench, "one").await;
    assert_eq!(bench.codes(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn s03_a_bundle_that_turns_bad_is_seen_at_the_next_call() {
    let bench = Bench::new();
    let path = bench.load("says", &says_so("one")).await.unwrap();
    let bundle = bundle_of(path.path());
    let good = fs::read(&bundle).unwrap();
    let stranger = PrivateKey::generate().unwrap();
    let digest = path.verdict().digest();
    let of_other = bench.key().sign(skillhost::artifact::Digest::of(b"other"));
    for (bad, kind) in [
        (String::new(), SignatureInvalid),
        ("{}".to_owned(), SignatureInvalid),
        (of_other.unwrap(), DigestMismatch),
        (stranger.sign(digest).unwrap(), IdentityMismatch),
    ] {
        fs::write(&bundle, bad).unwrap();
        assert_refused(&bench, kind, &REFUSED).await;
        fs::write(&bundle, &good).unwrap();
        assert_says_after(&bench, "one", &ACCEPTED).await;
    }
}

/// What was verified under one name says nothing about another file, though its
/// bytes are the same.
#[tokio::test(flavor = "multi_thread")]
async fn s02_a_verdict_is_not_lent_to_another_file() {
    let bench = Bench::new();
    let loaded = bench.load("says", &says_so("one")).await.unwrap();
    let copy = bench.folder().join("copy.wasm");
    fs::copy(loaded.path(), &copy).unwrap();
    assert_eq!(bench.refused_file(&copy).await.kind(), SignatureMissing);
    assert_says(&bench, "one").await;
}

/// A signature more neither helps nor hurts, and is no reason to look again.
#[tokio::test(flavor = "multi_thread")]
async fn s16_the_signature_of_a_stranger_beside_a_good_one_changes_nothing() {
    let bench = Bench::new();
    let loaded = bench.load("says", &says_so("one")).await.unwrap();
    let stranger = PrivateKey::generate().unwrap();
    stranger.sign_file(loaded.path(), Some("stranger")).unwrap();
    assert_says(&bench, "one").await;
    fs::remove_file(bundle_of(loaded.path())).unwrap();
    assert_refused(&bench, IdentityMismatch, &REFUSED).await;
}

/// Component and bundle are put into place one after the other, and whoever does
/// that is killed in between.
#[tokio::test(flavor = "multi_thread")]
async fn d06_an_update_that_stops_between_its_files_does_not_run() {
    let bench = Bench::new();
    let loaded = bench.load("says", &says_so("one")).await.unwrap();
    let path = loaded.path().to_owned();
    let staged = bench.folder().join("staged");
    fs::write(&staged, says_so("two")).unwrap();
    fs::rename(&staged, &path).unwrap();
    assert_eq!(bench.invoke(run()).await.kind(), DigestMismatch);
    // Nor is it loaded anew.
    assert_eq!(bench.refused_file(&path).await.kind(), DigestMismatch);
    bench.key().sign_file(&path, None).unwrap();
    assert_eq!(bench.invoke(run()).await.text().trim_end(), "two");
    assert_says(&bench, "two").await;
}
