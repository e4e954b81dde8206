//! S13, S17 and S31: a deny list that is broken, old, or gone.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use jiff::SignedDuration;
use skillhost::Kind::{
    self, ConfigInsecure, ConfigInvalid, Expired, Internal, Revoked, RolledBack, TrustRootInvalid,
};
use skillhost::artifact::Digest;
use skillhost::sign::PrivateKey;
use skillhost::verify::{Denied, DenyList, PAYLOAD_TYPE};
use skillhost_tests::operator::{AUTHOR, CONFIG, DENY_LIST, LOCK, MEMORY};
use skillhost_tests::{Bench, Operator};

use super::{
    Running, assert_refused, assert_says, assert_says_after, eventually, now, says_so, told,
};

const DAY: SignedDuration = SignedDuration::from_hours(24);

/// A host with a deny list of version 5, which names what would answer
/// `other`.
async fn serving() -> (Operator, Bench) {
    let operator = Operator::denying();
    operator.deny(5, &[other()]);
    let bench = operator.bench();
    bench.load("says", &says_so("one")).await.unwrap();
    assert_says(&bench, "one").await;
    (operator, bench)
}

fn other() -> Denied {
    Denied::Digest(Digest::of(&says_so("other")))
}

fn one() -> Denied {
    Denied::Digest(Digest::of(&says_so("one")))
}

/// The list that was in force stays so: it still denies what it denied, and
/// nothing else.
async fn assert_in_force(bench: &Bench) {
    assert_says(bench, "one").await;
    let error = bench.refused("refused", &says_so("other")).await;
    assert_eq!(error.kind(), Revoked);
}

/// Everything that is no list, or not one that may follow.
fn bad_lists(operator: &Operator) -> Vec<(&'static str, String, Kind)> {
    let signed = |version| operator.signed(&operator.list(version, []));
    let by = |key: &PrivateKey| operator.list(6, []).sign(key).unwrap();
    let payload = serde_json::to_vec(&operator.list(6, [])).unwrap();
    let mut extra = serde_json::to_value(operator.list(6, [])).unwrap();
    extra["allow"] = serde_json::json!([]);
    let extra = serde_json::to_vec(&extra).unwrap();
    let never = DenyList {
        expires: operator.list(6, []).issued,
        ..operator.list(6, [])
    };
    let envelope = |kind: &str, payload: &[u8]| {
        let security = operator.key("security");
        security.sign_envelope(kind, payload).unwrap()
    };
    let unsigned = signed(6).replace("\"sig\":\"", "\"sig\":\"AA");
    vec![
        ("empty", String::new(), TrustRootInvalid),
        ("no envelope", "{}".to_owned(), TrustRootInvalid),
        ("cut off", signed(6)[..200].to_owned(), TrustRootInvalid),
        (
            "its payload alone",
            String::from_utf8(payload.clone()).unwrap(),
            TrustRootInvalid,
        ),
        ("a signature that does not hold", unsigned, TrustRootInvalid),
        (
            "by a stranger",
            by(&PrivateKey::generate().unwrap()),
            TrustRootInvalid,
        ),
        (
            "by an author",
            by(&operator.key("author")),
            TrustRootInvalid,
        ),
        (
            "an envelope of something else",
            envelope("application/vnd.in-toto+json", &payload),
            TrustRootInvalid,
        ),
        (
            "a field more",
            envelope(PAYLOAD_TYPE, &extra),
            TrustRootInvalid,
        ),
        (
            "over before it began",
            operator.signed(&never),
            TrustRootInvalid,
        ),
        ("too large", " ".repeat(5 << 20), ConfigInvalid),
        ("an older one", signed(4), RolledBack),
        ("another one of its version", signed(5), RolledBack),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn s13_s17_a_list_that_is_not_accepted_leaves_the_one_in_force() {
    let (operator, bench) = serving().await;
    let good = fs::read_to_string(operator.path(DENY_LIST)).unwrap();
    for (what, bad, kind) in bad_lists(&operator) {
        let before = bench.records().named("trust.rejected").len();
        operator.put(DENY_LIST, bad);
        assert_in_force(&bench).await;
        let rejected = told(&bench, "trust.rejected", "kind");
        assert_eq!(rejected[before..], [kind.to_string()], "{what}");
        assert_eq!(operator.refusal(), Some(kind), "{what}");
        operator.put(DENY_LIST, &good);
        assert_in_force(&bench).await;
    }
    assert_eq!(told(&bench, "trust.changed", "event").len(), 0);
    operator.deny(6, &[one()]);
    assert_refused(&bench, Revoked, &["skill.revoked", "verify.failed"]).await;
}

/// Whoever can only remove files gains nothing by it.
#[tokio::test(flavor = "multi_thread")]
async fn s13_a_list_that_is_gone_leaves_the_one_in_force() {
    let (operator, bench) = serving().await;
    let good = fs::read_to_string(operator.path(DENY_LIST)).unwrap();
    operator.remove(DENY_LIST);
    assert_in_force(&bench).await;
    assert_eq!(told(&bench, "trust.rejected", "kind"), ["RolledBack"]);
    assert_eq!(operator.refusal(), Some(RolledBack));
    operator.put(DENY_LIST, &good);
    assert_in_force(&bench).await;

    // Only the configuration can do without one, and that is on record.
    operator.trust(AUTHOR);
    bench.load("says", &says_so("other")).await.unwrap();
    let changed = &told(&bench, "trust.changed", "changed")[0];
    assert_eq!(changed[0], "deny list", "{changed}");
}

/// No host runs that would remember it for the next one.
#[test]
fn s13_who_has_never_seen_a_list_is_told_that_it_is_missing() {
    let operator = Operator::denying();
    operator.deny(5, &[other()]);
    operator.remove(DENY_LIST);
    assert_eq!(operator.refusal(), Some(ConfigInvalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn s17_files_that_others_may_write_are_not_believed() {
    let (operator, bench) = serving().await;
    operator.approve(&[(&says_so("one"), &["author"])]);
    for (number, file) in [CONFIG, "author.pub", "security.pub", DENY_LIST, LOCK]
        .into_iter()
        .enumerate()
    {
        operator.expose(file, true);
        let called = bench.invoke(super::run()).await;
        assert_eq!(called.text().trim_end(), "one");
        let rejected = told(&bench, "trust.rejected", "kind");
        assert_eq!(rejected[number..], ["ConfigInsecure"], "{file}");
        assert_eq!(operator.refusal(), Some(ConfigInsecure), "{file}");
        operator.expose(file, false);
        assert_eq!(operator.refusal(), None, "{file}");
    }
    operator.expose(MEMORY, true);
    assert_eq!(operator.refusal(), Some(ConfigInsecure));
}

/// Where others may write the folder, any file in it may be theirs tomorrow.
#[tokio::test(flavor = "multi_thread")]
async fn s17_a_folder_that_others_may_write_is_not_believed() {
    let (operator, bench) = serving().await;
    // What is loaded goes on; nothing new is loaded past a memory in there.
    bench.assert_serving().await;
    let folder = operator.path("");
    let allow = |mode| fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
    for mode in [0o777, 0o770, 0o702] {
        allow(mode);
        assert_in_force(&bench).await;
        assert_eq!(operator.refusal(), Some(ConfigInsecure), "{mode:o}");
        allow(0o700);
        assert_in_force(&bench).await;
        assert_eq!(operator.refusal(), None);
    }
    assert_eq!(
        told(&bench, "trust.rejected", "kind"),
        ["ConfigInsecure"; 3]
    );
    // Nobody replaces another's file in such a folder.
    allow(0o1777);
    assert_eq!(operator.refusal(), None);
}

/// A list of later version that has expired says that nothing is known: neither
/// the running host nor a new one runs anything.
#[tokio::test(flavor = "multi_thread")]
async fn s13_a_list_that_has_expired_lets_nothing_run() {
    let (operator, bench) = serving().await;
    let mut list = operator.list(6, []);
    list.issued -= DAY;
    list.expires = list.issued + DAY;
    operator.put(DENY_LIST, operator.signed(&list));
    let called = assert_refused(&bench, Expired, &["verify.failed"]).await;
    assert!(called.hint().contains("skillhost deny"));
    let later = operator.bench();
    assert_eq!(later.codes(), 0);
    let error = later.load("says", &says_so("one")).await.unwrap_err();
    assert_eq!((error.kind(), later.codes()), (Expired, 0));
    operator.deny(7, &[]);
    assert_says_after(&bench, "one", &["verify.passed"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s13_a_list_expires_while_the_host_runs() {
    let (operator, bench) = serving().await;
    operator
        .clock()
        .turn(DAY * 30 - SignedDuration::from_secs(1));
    assert_says(&bench, "one").await;
    operator.clock().turn(SignedDuration::from_secs(1));
    for _ in 0..2 {
        assert_refused(&bench, Expired, &["verify.failed"]).await;
    }
    operator.deny(6, &[]);
    assert_says_after(&bench, "one", &["verify.passed"]).await;
}

/// A call that still runs when the list expires by which it began is stopped.
#[tokio::test(flavor = "multi_thread")]
async fn s13_a_call_that_runs_ends_with_the_list() {
    let operator = Operator::denying();
    let mut list = operator.list(2, []);
    let second = SignedDuration::from_secs(1);
    list.expires = list.issued + second;
    operator.put(DENY_LIST, operator.signed(&list));
    let bench = Arc::new(operator.bench());
    let running = Running::start(&bench, "sleep_forever", "sleep").await;
    let expires = now() + Duration::from_secs(1);
    operator.clock().turn(second);
    let called = running.stopped_after(expires).await;
    called.expect(Expired, &["skill.revoked"]);
}

/// The operator may want lists to be newer than their signer says.
#[tokio::test(flavor = "multi_thread")]
async fn s13_a_list_is_stale_and_then_too_old() {
    let (operator, bench) = serving().await;
    let ages = "[trust.deny-list]\nfile = \"deny.json\"\nkeys = [\"security.pub\"]\nwarn-after = \"2 days\"\nmax-age = \"3 days\"\n";
    operator.trust(&[AUTHOR, ages].concat());
    assert_says_after(&bench, "one", &["verify.passed"]).await;
    let stale = || bench.records().named("trust.stale").len();
    operator
        .clock()
        .turn(DAY * 2 - SignedDuration::from_secs(1));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(stale(), 0);
    operator.clock().turn(SignedDuration::from_secs(1));
    eventually("the list is reported as stale", || stale() == 1).await;
    assert_says(&bench, "one").await;
    operator.clock().turn(DAY);
    assert_refused(&bench, Expired, &["verify.failed"]).await;
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(stale(), 1);
    operator.deny(6, &[]);
    assert_says_after(&bench, "one", &["verify.passed"]).await;
    assert_eq!(stale(), 1);
}

/// What is broken beside it does not keep a newer list from counting.
#[tokio::test(flavor = "multi_thread")]
async fn s31_a_newer_list_counts_although_another_file_is_broken() {
    let (operator, bench) = serving().await;
    operator.put(LOCK, "version = 1\n[[skill]]\n");
    assert_says(&bench, "one").await;
    assert_eq!(told(&bench, "trust.rejected", "kind"), ["ConfigInvalid"]);
    operator.deny(6, &[one()]);
    assert_refused(&bench, Revoked, &["skill.revoked", "verify.failed"]).await;
    operator.put(CONFIG, "[trust");
    operator.deny(7, &[]);
    assert_says_after(&bench, "one", &["verify.passed"]).await;
}

/// What is denied is denied although the next host may not know of it.
#[tokio::test(flavor = "multi_thread")]
async fn s31_a_newer_list_counts_although_it_cannot_be_remembered() {
    let (operator, bench) = serving().await;
    let lock = operator.path(MEMORY).with_extension("lock");
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    operator.deny(6, &[one()]);
    assert_refused(&bench, Revoked, &["skill.revoked", "verify.failed"]).await;
    assert_eq!(told(&bench, "trust.rejected", "kind"), ["Internal"]);
    assert_eq!(operator.refusal(), Some(Internal));
}
