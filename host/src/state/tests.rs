use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use jiff::SignedDuration;

use super::*;

const QUOTA: Quota = Quota::bytes(1000);

fn now() -> Timestamp {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

fn skill() -> SkillName {
    "notes".parse().unwrap()
}

fn signers(names: &[&str]) -> Vec<SignerName> {
    names.iter().map(|name| SignerName::new(name)).collect()
}

fn store() -> Arc<dyn Store> {
    Transient::default().open(&skill(), &[]).unwrap()
}

fn kind<T>(result: Result<T>) -> Option<Kind> {
    result.err().map(|error| error.kind())
}

fn change<'a>(key: &'a str, value: &'a [u8]) -> Change<'a> {
    Change {
        key,
        value,
        expect: None,
        ttl_ms: None,
    }
}

fn set(store: &dyn Store, key: &str, value: &[u8], expect: Option<u64>) -> Result<u64, Refused> {
    let change = Change {
        expect,
        ..change(key, value)
    };
    store
        .set(&change, &QUOTA, now())
        .map(|stored| stored.version)
}

fn value(store: &dyn Store, key: &str) -> Option<Vec<u8>> {
    store.get(key, now()).unwrap().map(|entry| entry.value)
}

fn keys(store: &dyn Store, prefix: &str, after: Option<&str>, limit: u32) -> Vec<String> {
    let page = Page {
        prefix,
        after,
        limit,
    };
    store.keys(&page, now()).unwrap()
}

#[test]
fn what_is_set_is_got_with_its_version() {
    let store = store();
    assert_eq!(store.get("a", now()), Ok(None));
    let version = set(&*store, "a", b"1", None).unwrap();
    let entry = store.get("a", now()).unwrap().unwrap();
    assert_eq!(
        (entry.value.as_slice(), entry.version),
        (b"1".as_slice(), version)
    );
    assert!(version > 0 && set(&*store, "a", b"2", None).unwrap() > version);
    store.delete("a", now()).unwrap();
    store.delete("a", now()).unwrap();
    assert_eq!(store.get("a", now()), Ok(None));
}

#[test]
fn a_stale_version_never_fits_again() {
    let store = store();
    assert_eq!(set(&*store, "a", b"", Some(1)), Err(Refused::Conflict));
    let first = set(&*store, "a", b"", Some(0)).unwrap();
    assert_eq!(set(&*store, "a", b"", Some(0)), Err(Refused::Conflict));
    store.delete("a", now()).unwrap();
    let again = set(&*store, "a", b"", Some(0)).unwrap();
    assert!(again > first);
    assert_eq!(set(&*store, "a", b"", Some(first)), Err(Refused::Conflict));
    assert!(set(&*store, "a", b"", Some(again)).is_ok());
}

#[test]
fn what_is_over_is_absent_and_takes_no_room() {
    let store = store();
    let short = Change {
        ttl_ms: Some(1000),
        ..change("short", &[0; 900])
    };
    let version = store.set(&short, &QUOTA, now()).unwrap().version;
    let just_before = now() + SignedDuration::from_millis(999);
    assert!(store.get("short", just_before).unwrap().is_some());
    let over = now() + SignedDuration::from_millis(1000);
    assert_eq!(store.get("short", over), Ok(None));
    let page = Page {
        prefix: "",
        after: None,
        limit: 10,
    };
    assert_eq!(store.keys(&page, over), Ok(vec![]));
    let stale = Change {
        expect: Some(version),
        ..short
    };
    assert_eq!(store.set(&stale, &QUOTA, over), Err(Refused::Conflict));
    let stored = store.set(&change("long", &[0; 900]), &QUOTA, over).unwrap();
    assert_eq!(stored.bytes, 904);
    let never = Change {
        ttl_ms: Some(u64::MAX),
        ..change("never", b"")
    };
    store.set(&never, &QUOTA, over).unwrap();
    assert!(store.get("never", Timestamp::MAX).unwrap().is_some());
    let at_once = Change {
        ttl_ms: Some(0),
        ..change("once", b"")
    };
    store.set(&at_once, &QUOTA, over).unwrap();
    assert_eq!(store.get("once", over), Ok(None));
}

#[test]
fn a_value_that_is_set_anew_lives_as_long_as_the_new_one() {
    let store = store();
    let short = Change {
        ttl_ms: Some(10),
        ..change("a", b"short")
    };
    store.set(&short, &QUOTA, now()).unwrap();
    set(&*store, "a", b"long", None).unwrap();
    let later = now() + SignedDuration::from_secs(1);
    store.set(&change("b", b""), &QUOTA, later).unwrap();
    assert_eq!(store.get("a", later).unwrap().unwrap().value, b"long");
}

#[test]
fn keys_come_in_order_and_in_pages() {
    let store = store();
    for key in ["b/2", "a", "b/1", "b", "c", "b/\u{10ffff}"] {
        set(&*store, key, b"", None).unwrap();
    }
    assert_eq!(
        keys(&*store, "", None, 10),
        ["a", "b", "b/1", "b/2", "b/\u{10ffff}", "c"]
    );
    assert_eq!(keys(&*store, "b/", None, 2), ["b/1", "b/2"]);
    assert_eq!(keys(&*store, "b/", Some("b/2"), 2), ["b/\u{10ffff}"]);
    assert_eq!(keys(&*store, "b/", Some("a"), 1), ["b/1"]);
    for (prefix, after, limit) in [("d", None, 10), ("b/", Some("c"), 10), ("", None, 0)] {
        assert_eq!(keys(&*store, prefix, after, limit), [""; 0], "{prefix}");
    }
}

#[test]
fn a_quota_is_kept_and_what_is_there_stays() {
    let store = store();
    let quota = Quota {
        bytes: 100,
        entries: 3,
        key: 10,
    };
    let set = |key: &str, size: usize| {
        let value = vec![0; size];
        store.set(&change(key, &value), &quota, now())
    };
    assert_eq!(set("a", 90).unwrap().bytes, 91);
    for (key, size) in [("b", 9), ("a", 100), ("a-long-key-", 0)] {
        assert_eq!(set(key, size), Err(Refused::QuotaExceeded), "{key}");
    }
    assert_eq!(value(&*store, "a"), Some(vec![0; 90]));
    assert_eq!(set("a", 10).unwrap().bytes, 11);
    assert!(set("b", 0).is_ok() && set("c", 0).is_ok());
    assert_eq!(set("d", 0), Err(Refused::QuotaExceeded));
    assert!(set("c", 1).is_ok());
    let lowered = Quota { bytes: 5, ..quota };
    let shrinking = store.set(&change("a", b"123"), &lowered, now());
    assert_eq!(shrinking.unwrap().bytes, 7);
    let growing = store.set(&change("a", b"1234"), &lowered, now());
    assert_eq!(growing, Err(Refused::QuotaExceeded));
}

#[test]
fn a_store_belongs_to_those_who_signed_all_that_used_it() {
    let states = Transient::default();
    let open = |names: &[&str]| states.open(&skill(), &signers(names));
    set(&*open(&["alice", "reviewer"]).unwrap(), "a", b"1", None).unwrap();
    let taken = open(&["bob"]).unwrap_err();
    assert_eq!(taken.kind(), Kind::Denied);
    assert!(taken.message().contains("alice and reviewer"), "{taken}");
    assert_eq!(kind(open(&[])), Some(Kind::Denied));
    assert!(value(&*open(&["alice", "bob"]).unwrap(), "a").is_some());
    // The reviewer has not signed that one, and bob not the one before.
    for others in [["bob"].as_slice(), &["reviewer"], &["bob", "reviewer"]] {
        assert_eq!(kind(open(others)), Some(Kind::Denied), "{others:?}");
    }
    let other: SkillName = "other".parse().unwrap();
    let other = states.open(&other, &signers(&["alice"])).unwrap();
    assert_eq!(value(&*other, "a"), None);
}

#[test]
fn what_nobody_signed_keeps_apart() {
    let states = Transient::default();
    states.open(&skill(), &[]).unwrap();
    assert_eq!(kind(states.open(&skill(), &[])), None);
    let signed = states.open(&skill(), &signers(&["alice"])).unwrap_err();
    assert!(signed.message().contains("nobody signed"), "{signed}");
}

/// A folder with a file in which `a` is `1`.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).unwrap();
    set(&*store, "a", &[1; 500], None).unwrap();
    folder
}

fn open(folder: &Path) -> Result<Arc<dyn Store>> {
    Files::new(folder.join("state")).open(&skill(), &signers(&["alice"]))
}

fn file(folder: &Path) -> std::path::PathBuf {
    folder.join("state/notes.redb")
}

#[test]
fn a_file_is_its_owners_alone() {
    let folder = folder();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder.path().join("state")), 0o700);
    assert_eq!(mode(&file(folder.path())), 0o600);
    assert_eq!(
        value(&*open(folder.path()).unwrap(), "a"),
        Some(vec![1; 500])
    );
    for exposed in [0o640, 0o602] {
        fs::set_permissions(file(folder.path()), Permissions::from_mode(exposed)).unwrap();
        assert_eq!(kind(open(folder.path())), Some(Kind::ConfigInsecure));
    }
    fs::set_permissions(file(folder.path()), Permissions::from_mode(0o600)).unwrap();
    let state = folder.path().join("state");
    fs::set_permissions(&state, Permissions::from_mode(0o720)).unwrap();
    assert_eq!(kind(open(folder.path())), Some(Kind::ConfigInsecure));
    fs::set_permissions(&state, Permissions::from_mode(0o700)).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    fs::rename(file(folder.path()), &elsewhere).unwrap();
    symlink(&elsewhere, file(folder.path())).unwrap();
    assert_eq!(kind(open(folder.path())), Some(Kind::ConfigInvalid));
}

#[test]
fn c05_a_file_is_used_by_one_host() {
    let folder = folder();
    let first = open(folder.path()).unwrap();
    let error = open(folder.path()).unwrap_err();
    assert_eq!(error.kind(), Kind::ConfigInvalid);
    assert!(error.message().contains("Another host"), "{error}");
    drop(first);
    assert_eq!(kind(open(folder.path())), None);
    let files = Files::new(folder.path().join("state"));
    let one = files.open(&skill(), &signers(&["alice"])).unwrap();
    let same = files.open(&skill(), &signers(&["alice"])).unwrap();
    set(&*one, "a", b"2", None).unwrap();
    assert_eq!(value(&*same, "a"), Some(b"2".to_vec()));
}

/// Whatever is done to the file: all is there as it was, or the host says that
/// it is broken.
#[test]
fn what_is_broken_is_said_and_nothing_is_lost_in_silence() {
    let folder = folder();
    let path = file(folder.path());
    let whole = fs::read(&path).unwrap();
    let (mut said, mut unharmed) = (0, 0);
    let mut check = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        match open(folder.path()) {
            Ok(store) => {
                unharmed += 1;
                assert_eq!(value(&*store, "a"), Some(vec![1; 500]), "{what}");
            }
            Err(error) => {
                said += 1;
                assert_eq!(error.kind(), Kind::ConfigInvalid, "{what}");
                assert!(error.message().contains("is broken"), "{what}: {error}");
            }
        }
    };
    for length in [0, 1, 100, 320, 4096, whole.len() / 2, whole.len() - 1] {
        check(&whole[..length], &format!("cut to {length}"));
    }
    let places = (0..320).step_by(5).chain((320..whole.len()).step_by(997));
    for place in places {
        let mut bytes = whole.clone();
        bytes[place] ^= 0x41;
        check(&bytes, &format!("byte {place}"));
    }
    check(&vec![0; whole.len()], "zeros");
    check(b"something else", "another file");
    assert!(said > 10 && unharmed > 10, "{said} {unharmed}");
}

#[test]
fn an_operator_clears_and_hands_over() {
    let folder = folder();
    let files = Files::new(folder.path().join("state"));
    assert_eq!(files.skills().unwrap(), [skill()]);
    let kept = files.kept(&skill()).unwrap();
    assert_eq!(
        (kept.entries, kept.bytes, kept.owners),
        (1, 501, vec!["alice".to_owned()])
    );

    files.hand_over(&skill()).unwrap();
    let bobs = files.open(&skill(), &signers(&["bob"])).unwrap();
    let before = bobs.get("a", now()).unwrap().unwrap();
    assert_eq!(
        kind(files.open(&skill(), &signers(&["alice"]))),
        Some(Kind::Denied)
    );
    drop(bobs);

    files.clear(&skill()).unwrap();
    assert_eq!(files.kept(&skill()).unwrap().entries, 0);
    let again = files.open(&skill(), &signers(&["alice"])).unwrap();
    assert!(set(&*again, "a", b"", Some(0)).unwrap() > before.version);
    drop(again);

    fs::write(file(folder.path()), "broken").unwrap();
    assert_eq!(kind(files.kept(&skill())), Some(Kind::ConfigInvalid));
    files.clear(&skill()).unwrap();
    assert_eq!(kind(files.kept(&skill())), Some(Kind::InvalidRequest));
    assert_eq!(kind(files.clear(&skill())), Some(Kind::InvalidRequest));
}
