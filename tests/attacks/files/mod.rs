//! F01 to F18, R22 to R24: the filesystem.

mod links;
mod modes;
mod names;
mod operations;
mod quotas;
mod races;

pub(crate) use self::operations::file_operations;
pub(crate) use self::quotas::{descriptor_hoarder, disk_filler};
pub(crate) use self::races::race_reader;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use serde_json::{Value, json};
use skillhost::Kind::{ConfigInsecure, Denied, GuestFailed};
use skillhost::manifest::Source;
use skillhost::policy::limits::Limits;
use skillhost_tests::bench::SECRET;
use skillhost_tests::tree::snapshot;
use skillhost_tests::{Bench, Called, grant, guests, pack};
use tempfile::TempDir;

/// A granted directory with files, and beside it what nobody granted.
struct Tree {
    root: TempDir,
}

impl Tree {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        for folder in ["granted/sub", "other", "granted-not"] {
            fs::create_dir_all(root.path().join(folder)).unwrap();
        }
        for (file, text) in [
            ("granted/hello.txt", "hello"),
            ("granted/sub/deep.txt", "deep"),
            ("granted-not/secret.txt", SECRET),
            ("secret.txt", SECRET),
        ] {
            fs::write(root.path().join(file), text).unwrap();
        }
        Self { root }
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.root.path().join(name)
    }

    /// A host that grants the directory to the guest, as `access` says.
    fn bench(&self, guest: &str, access: &str) -> Bench {
        self.granting(guest, &[&format!("granted:/:{access}")])
    }

    /// Everything.
    fn contents(&self) -> Snapshot {
        snapshot(self.root.path(), Path::new(""))
    }

    /// What nobody granted.
    fn outside(&self) -> Snapshot {
        snapshot(self.root.path(), &self.path("granted"))
    }

    /// A host that grants these directories to the guest.
    fn granting(&self, guest: &str, directories: &[&str]) -> Bench {
        self.limited(guest, directories, |_| {})
    }

    /// Likewise, with other limits.
    fn limited(
        &self,
        guest: &str,
        directories: &[&str],
        change: impl FnOnce(&mut Limits),
    ) -> Bench {
        Bench::with(|setup| {
            setup.limits.timeout = Duration::from_secs(5);
            change(&mut setup.limits);
            let grant = grant(setup, guest);
            for directory in directories {
                let text = format!("{}/{directory}", self.root.path().display());
                grant.directories.push(text.parse().unwrap());
            }
        })
    }
}

type Snapshot = std::collections::BTreeMap<std::path::PathBuf, String>;

/// Nothing was found, and each attempt has an error.
#[track_caller]
fn assert_nothing_found(attempts: &Value) {
    for attempt in attempts.as_array().unwrap() {
        assert_eq!(
            attempt.get("found").unwrap_or(&Value::Null),
            &Value::Null,
            "{attempt}"
        );
        assert!(!attempt["error"].as_str().unwrap().is_empty(), "{attempt}");
    }
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn read_file() {
    let tree = Tree::new();
    let bench = tree.bench("read_file", "ro");
    for (path, text) in [
        ("/hello.txt", "hello"),
        ("hello.txt", "hello"),
        ("/sub/../sub/deep.txt", "deep"),
    ] {
        let called = bench.call("read_file", "read", json!({"path": path})).await;
        assert_eq!(called.text(), text, "{path}");
    }
    let called = bench.call("read_file", "list", json!({"path": "/"})).await;
    assert_eq!(called.structured(), json!(["hello.txt", "sub"]));
    let called = bench
        .call("read_file", "read", json!({"path": "/missing"}))
        .await;
    called.expect(GuestFailed, &[]);
}

/// What would change a file is an event with the grant that would help.
fn expect_refused(called: &Called, way: &str) {
    assert_eq!(called.between(), ["capability.denied"], "{way}");
    assert_eq!(called.kind(), Denied, "{way}");
    let denied = called.event("capability.denied");
    let grant = denied["grant"].as_str().unwrap();
    assert!(grant.contains("`--allow-dir DIR:rw`"), "{way}: {denied}");
    let rule = "the directory is granted for reading only";
    assert_eq!(denied["rule"], rule, "{way}");
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn write_file() {
    let ways = [
        "write",
        "append",
        "truncate",
        "set-length",
        "remove",
        "rename",
    ];
    let tree = Tree::new();
    let before = tree.contents();
    let bench = tree.bench("write_file", "ro");
    for way in ways {
        let called = bench
            .call(
                "write_file",
                "change",
                json!({"path": "/hello.txt", "way": way}),
            )
            .await;
        expect_refused(&called, way);
    }
    for way in ["create", "make-directory", "write"] {
        let called = bench
            .call(
                "write_file",
                "change",
                json!({"path": "/created", "way": way}),
            )
            .await;
        expect_refused(&called, way);
    }
    assert_eq!(tree.contents(), before);

    let bench = tree.bench("write_file", "rw");
    let called = bench
        .call(
            "write_file",
            "change",
            json!({"path": "/hello.txt", "way": "write"}),
        )
        .await;
    assert_eq!(called.text(), "write");
    assert_eq!(
        fs::read_to_string(tree.path("granted/hello.txt")).unwrap(),
        "changed"
    );
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn escape() {
    let tree = Tree::new();
    let secret = tree.path("secret.txt");
    for (link, target) in [
        ("relative", Path::new("../secret.txt")),
        ("absolute", &secret),
        ("through", Path::new("relative")),
        ("folder", Path::new("..")),
        ("loop", Path::new("loop")),
    ] {
        symlink(target, tree.path("granted").join(link)).unwrap();
    }
    let bench = tree.bench("escape", "rw");
    let paths = json!([
        "../secret.txt",
        "/../secret.txt",
        "sub/../../secret.txt",
        "./../secret.txt",
        "//..//secret.txt",
        "sub/../../granted-not/secret.txt",
        "../granted-not/secret.txt",
        secret,
        "/etc/passwd",
        "//etc/passwd",
        "/proc/self/environ",
        "/dev/null",
        "relative",
        "absolute",
        "through",
        "folder/secret.txt",
        "folder/granted/hello.txt",
        "loop",
        "",
        "/",
        "sub",
        "hello.txt/",
        "a\u{0}b",
        "x".repeat(300),
        "y/".repeat(3000),
    ]);
    let called = bench.call("escape", "read", json!({"paths": paths})).await;
    assert_nothing_found(&called.structured());

    let targets = json!([
        "../secret.txt",
        secret,
        "/etc/passwd",
        "../granted-not/secret.txt",
        "/proc/self/environ"
    ]);
    let called = bench
        .call("escape", "symlink", json!({"targets": targets}))
        .await;
    assert_nothing_found(&called.structured());
    assert_eq!(fs::read_to_string(secret).unwrap(), SECRET);
}

/// A pipe without a writer blocks whoever opens it.
#[tokio::test(flavor = "multi_thread")]
async fn f10_r22_a_pipe_is_refused_and_blocks_nobody() {
    let tree = Tree::new();
    let pipe = tree.path("granted/pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let bench = tree.bench("read_file", "ro");
    let called = bench
        .call("read_file", "read", json!({"path": "/pipe"}))
        .await;
    // Lets go of a thread that waits, so that the test ends either way.
    let _release = rustix::fs::open(&pipe, OFlags::RDWR | OFlags::NONBLOCK, Mode::empty()).unwrap();
    called.expect(Denied, &["capability.denied"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn f15_a_directory_is_the_one_that_was_opened() {
    let tree = Tree::new();
    let bench = tree.bench("read_file", "ro");
    bench.ensure_loaded("read_file").await;
    fs::rename(tree.path("granted"), tree.path("moved")).unwrap();
    symlink(tree.path("granted-not"), tree.path("granted")).unwrap();
    let called = bench
        .call("read_file", "read", json!({"path": "/hello.txt"}))
        .await;
    assert_eq!(called.text(), "hello");
    let called = bench
        .call("read_file", "read", json!({"path": "/secret.txt"}))
        .await;
    called.expect(GuestFailed, &[]);
}

/// Nor does an update open what somebody has put in its place.
#[tokio::test(flavor = "multi_thread")]
async fn f15_an_update_gets_no_other_directory() {
    let tree = Tree::new();
    let bench = tree.bench("read_file", "ro");
    bench.ensure_loaded("read_file").await;
    fs::rename(tree.path("granted"), tree.path("moved")).unwrap();
    symlink(tree.path("granted-not"), tree.path("granted")).unwrap();
    let update = Source {
        version: Some("9.0.0".parse().unwrap()),
        ..pack::source("read_file")
    };
    let update = pack::with_manifest(&guests::rust("read_file"), update);
    bench.replace("read_file", &update);
    let input = json!({"path": "/secret.txt"});
    let called = bench.call("read_file", "read", input).await;
    assert_eq!(called.kind(), ConfigInsecure, "{called:?}");
    assert_eq!(called.event("skill.rejected")["kind"], "ConfigInsecure");
    // The operator puts the right one back.
    fs::remove_file(tree.path("granted")).unwrap();
    fs::rename(tree.path("moved"), tree.path("granted")).unwrap();
    let input = json!({"path": "/hello.txt"});
    let called = bench.call("read_file", "read", input).await;
    assert_eq!(called.text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn wants_filesystem() {
    let called = Bench::new()
        .call("wants_filesystem", "run", json!({}))
        .await;
    called.expect(Denied, &["policy.denied"]);
    assert_eq!(
        called.error().message(),
        "wants-filesystem wants to read and write files and was granted no directory: To keep notes."
    );
    assert_eq!(
        called.hint(),
        "Allow it with `--allow-dir DIR:rw`, `skillhost grant wants-filesystem directory=DIR:rw`, or `directories = [\"DIR:/:rw\"]` under `[skill.wants-filesystem]` in skillhost.toml."
    );
    assert_eq!(called.event("policy.denied")["capability"], "filesystem");
    assert_eq!(called.usage().attempts, 0);

    let tree = Tree::new();
    let called = tree
        .bench("wants_filesystem", "ro")
        .call("wants_filesystem", "run", json!({}))
        .await;
    assert_eq!(called.text(), "started");
}
