//! S24, S25, S26, D04, C05 and X10: compiled code on disk, and those who would
//! like to put theirs there.

use std::ffi::CString;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use rustix::process::geteuid;
use serde_json::json;
use skillhost::Kind::SignatureMissing;
use skillhost::Setup;
use skillhost::sign::PrivateKey;
use skillhost_tests::bench::{SECRET, cache_in, invocation};
use skillhost_tests::{Bench, pack};
use tempfile::TempDir;

/// A folder for a cache, and hosts that share it and trust the same author.
struct Shared {
    folder: TempDir,
    author: PrivateKey,
}

impl Shared {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            author: PrivateKey::generate().unwrap(),
        }
    }

    fn host(&self) -> Bench {
        self.host_with(|_| {})
    }

    fn host_with(&self, change: impl FnOnce(&mut Setup)) -> Bench {
        let file = self.folder.path().join("author");
        let author = PrivateKey::load_or_create(&file).unwrap();
        Bench::with_key(author, |setup| {
            setup.compile.cache = Some(cache_in(self.folder.path()));
            change(setup);
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the cache holds, by name.
    fn entries(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.path("cache")).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths
    }

    /// The only entry.
    fn entry(&self) -> PathBuf {
        let entries = self.entries();
        assert_eq!(entries.len(), 1, "{entries:?}");
        entries[0].clone()
    }
}

/// Loads and calls the skill, and returns how often it was compiled and how
/// often it came from the cache.
async fn used(bench: &Bench) -> (u64, u64) {
    bench.load("honest", &pack::text("honest")).await.unwrap();
    let called = bench.invoke(invocation("honest", "run", json!({}))).await;
    assert!(called.answer.outcome.is_ok(), "{:?}", called.answer);
    (bench.host().compilations(), bench.host().cache_hits())
}

fn events(bench: &Bench, name: &str) -> usize {
    bench.records().named(name).len()
}

const COMPILED: (u64, u64) = (1, 0);
const CACHED: (u64, u64) = (0, 1);

#[tokio::test(flavor = "multi_thread")]
async fn a_later_host_takes_what_an_earlier_one_compiled() {
    let shared = Shared::new();
    assert_eq!(used(&shared.host()).await, COMPILED);
    let later = shared.host();
    assert_eq!(used(&later).await, CACHED);
    assert_eq!(events(&later, "cache.rejected"), 0);
    assert_eq!(shared.entries().len(), 1);
}

/// What lies there is not taken, the skill is compiled again, and what lies
/// there is replaced.
async fn rejected(shared: &Shared, what: &str) {
    let bench = shared.host();
    assert_eq!(used(&bench).await, COMPILED, "{what}");
    assert_eq!(events(&bench, "cache.rejected"), 1, "{what}");
    let event = bench.records().last("cache.rejected");
    assert_eq!(event["severity"], "high", "{event}");
    assert_eq!(event["skill"], "honest", "{event}");
    let mended = shared.host();
    assert_eq!(used(&mended).await, CACHED, "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d04_an_entry_that_is_damaged_is_replaced() {
    let shared = Shared::new();
    used(&shared.host()).await;
    let (path, good) = (shared.entry(), fs::read(shared.entry()).unwrap());
    let flipped = |position: usize| {
        let mut bytes = good.clone();
        bytes[position] ^= 1;
        bytes
    };
    for (what, bytes) in [
        ("empty", Vec::new()),
        ("half of its head", good[..20].to_vec()),
        ("head alone", good[..40].to_vec()),
        ("half written", good[..good.len() / 2].to_vec()),
        ("one byte short", good[..good.len() - 1].to_vec()),
        ("one byte more", [good.as_slice(), &[0]].concat()),
        ("zeros", vec![0; good.len()]),
        ("another format", flipped(7)),
        ("another authentication code", flipped(20)),
        ("other code", flipped(good.len() / 2)),
        ("an end that differs", flipped(good.len() - 1)),
        ("code without a head", good[40..].to_vec()),
    ] {
        fs::write(&path, bytes).unwrap();
        rejected(&shared, what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d04_what_is_no_file_is_replaced() {
    let shared = Shared::new();
    used(&shared.host()).await;
    let path = shared.entry();
    let elsewhere = shared.path("elsewhere");
    fs::copy(&path, &elsewhere).unwrap();
    fs::remove_file(&path).unwrap();
    symlink(&elsewhere, &path).unwrap();
    rejected(&shared, "a link to what would be good").await;
    fs::remove_file(&path).unwrap();
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    rejected(&shared, "a pipe that nobody writes to").await;
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("folder")).unwrap();
    rejected(&shared, "a folder").await;
}

/// Machine code that the engine would take: only the key tells that it is not
/// this host's.
#[tokio::test(flavor = "multi_thread")]
async fn s24_code_that_another_key_vouches_for_is_never_mapped() {
    let (shared, stranger) = (Shared::new(), Shared::new());
    used(&shared.host()).await;
    used(&stranger.host()).await;
    // They do not even bear the same name.
    assert_ne!(shared.entry().file_name(), stranger.entry().file_name());
    fs::copy(stranger.entry(), shared.entry()).unwrap();
    let bench = shared.host();
    assert_eq!(used(&bench).await, COMPILED);
    let reason = bench.records().last("cache.rejected")["reason"].clone();
    assert!(
        reason.as_str().unwrap().contains("authentication code"),
        "{reason}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn s24_code_of_another_component_is_never_mapped() {
    let shared = Shared::new();
    used(&shared.host()).await;
    let path = shared.entry();
    let bench = shared.host();
    bench
        .load("post-trap", &pack::text("post_trap"))
        .await
        .unwrap();
    let other = shared
        .entries()
        .into_iter()
        .find(|entry| *entry != path)
        .unwrap();
    fs::copy(other, &path).unwrap();
    rejected(&shared, "an honest entry under another name").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s26_code_of_another_version_is_not_looked_at() {
    let shared = Shared::new();
    used(&shared.host()).await;
    fs::rename(shared.entry(), shared.path("cache").join("0".repeat(64))).unwrap();
    let bench = shared.host();
    assert_eq!(used(&bench).await, COMPILED);
    assert_eq!(events(&bench, "cache.rejected"), 0);
}

/// The skill runs, the event says why it took longer, and nothing is written to
/// that cache.
async fn not_used(shared: &Shared, what: &str, change: impl FnOnce(&mut Setup)) {
    let bench = shared.host_with(change);
    assert_eq!(used(&bench).await, COMPILED, "{what}");
    let events = bench.records().named("config.insecure");
    assert_eq!(events.len(), 1, "{what}: {events:?}");
    assert_eq!(events[0]["severity"], "high", "{what}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s25_a_cache_that_others_may_write_is_not_used() {
    let shared = Shared::new();
    used(&shared.host()).await;
    let before = fs::read(shared.entry()).unwrap();
    let chmod = |name: &str, mode| {
        fs::set_permissions(shared.path(name), Permissions::from_mode(mode)).unwrap();
    };
    for mode in [0o777, 0o770, 0o707, 0o1777] {
        chmod("cache", mode);
        not_used(&shared, "an open folder", |_| {}).await;
    }
    chmod("cache", 0o700);
    chmod("", 0o777);
    not_used(&shared, "an open folder above", |_| {}).await;
    chmod("", 0o700);
    chmod("cache.key", 0o644);
    not_used(&shared, "an open key", |_| {}).await;
    chmod("cache.key", 0o600);
    assert_eq!(fs::read(shared.entry()).unwrap(), before);
    assert_eq!(used(&shared.host()).await, CACHED);
}

#[tokio::test(flavor = "multi_thread")]
async fn s25_a_cache_that_is_a_link_is_not_used() {
    let shared = Shared::new();
    used(&shared.host()).await;
    fs::rename(shared.path("cache"), shared.path("elsewhere")).unwrap();
    symlink(shared.path("elsewhere"), shared.path("cache")).unwrap();
    not_used(&shared, "a link", |_| {}).await;
    fs::remove_file(shared.path("cache")).unwrap();
    fs::write(shared.path("cache"), "").unwrap();
    not_used(&shared, "a file", |_| {}).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s25_a_cache_of_somebody_else_is_not_used() {
    let shared = Shared::new();
    used(&shared.host()).await;
    if geteuid().is_root() {
        let folder = CString::new(shared.path("cache").to_str().unwrap()).unwrap();
        let nobody = rustix::process::Uid::from_raw(65_534);
        rustix::fs::chown(&folder, Some(nobody), None).unwrap();
        not_used(&shared, "nobody's folder", |_| {}).await;
    } else {
        let folder = Path::new("/usr/share").to_owned();
        not_used(&shared, "root's folder", |setup| {
            setup.compile.cache.as_mut().unwrap().folder = folder;
        })
        .await;
    }
}

/// The cache holds machine code and no verdicts.
#[tokio::test(flavor = "multi_thread")]
async fn s01_a_cache_vouches_for_nobody() {
    let shared = Shared::new();
    used(&shared.host()).await;
    let bench = shared.host();
    let stranger = pack::write_signed(
        bench.folder(),
        "honest",
        &pack::text("honest"),
        &shared.author,
    );
    let error = bench.refused_file(&stranger).await;
    assert!(error.kind().is_trust(), "{error:?}");
    fs::remove_file(stranger.with_extension("wasm.sigstore.json")).unwrap();
    assert_eq!(bench.refused_file(&stranger).await.kind(), SignatureMissing);
}

#[tokio::test(flavor = "multi_thread")]
async fn c05_hosts_that_share_a_cache_do_not_disturb_each_other() {
    let shared = Shared::new();
    let hosts: Vec<_> = (0..4)
        .map(|_| {
            let bench = Arc::new(shared.host());
            let task = Arc::clone(&bench);
            let done = tokio::spawn(async move {
                used(&task).await;
                task.assert_serving().await;
            });
            (bench, done)
        })
        .collect();
    for (bench, done) in hosts {
        done.await.unwrap();
        for event in ["cache.rejected", "config.insecure"] {
            assert_eq!(events(&bench, event), 0, "{event}");
        }
    }
    assert_eq!(shared.entries().len(), 2);
    assert_eq!(used(&shared.host()).await, CACHED);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_cache_drops_what_was_not_used_for_longest() {
    let shared = Shared::new();
    used(&shared.host()).await;
    let honest = shared.entry();
    let size = fs::metadata(&honest).unwrap().len() * 5 / 2;
    let bench = shared.host_with(|setup| setup.compile.cache.as_mut().unwrap().size = size);
    for guest in ["post_trap", "says", "post_loop"] {
        bench
            .load(&pack::skill_name(guest), &pack::text(guest))
            .await
            .unwrap();
        let sizes = shared
            .entries()
            .into_iter()
            .map(|it| fs::metadata(it).unwrap().len());
        assert!(sizes.sum::<u64>() <= size);
    }
    assert!(!honest.exists());
    // What is too large by itself pushes nothing out.
    let before = shared.entries();
    let small = shared.host_with(|setup| setup.compile.cache.as_mut().unwrap().size = 100);
    used(&small).await;
    assert_eq!(shared.entries(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn x10_no_secret_is_kept_with_compiled_code() {
    let shared = Shared::new();
    let bench = shared.host();
    bench.assert_serving().await;
    used(&bench).await;
    let key = fs::read(shared.path("cache.key")).unwrap();
    for entry in shared.entries() {
        let mode = fs::metadata(&entry).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", entry.display());
        let bytes = fs::read(entry).unwrap();
        for secret in [SECRET.as_bytes(), &key] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
}
