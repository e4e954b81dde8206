//! F03 to F06, F10, F14, F17: links, and what is no file.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use serde_json::Value;
use skillhost::Kind;
use skillhost_tests::tree;

use super::Tree;
use super::operations::{OUTSIDE, across, denials, operation, perform};

const LINK: &str = "skills make no symbolic links";
const ACROSS: &str = "nothing is moved or linked from one granted directory into another";
const SPECIAL: &str = "only regular files and directories are offered";

/// Whatever it leads to.
#[tokio::test(flavor = "multi_thread")]
async fn f03_a_guest_makes_no_symbolic_link() {
    let tree = Tree::new();
    let before = tree.contents();
    let bench = tree.bench("file_operations", "rw");
    for target in ["hello.txt", "../secret.txt", "/etc/passwd", "sub/../..", ""] {
        let (outcomes, called) = perform(&bench, &[operation("symlink", "made", target)]).await;
        assert_eq!(outcomes, ["not-permitted"], "{target}");
        assert_eq!(denials(&called), [("/made", LINK)]);
    }
    assert_eq!(tree.contents(), before);
}

/// Links that lie there already.
#[tokio::test(flavor = "multi_thread")]
async fn f03_a_link_that_leads_out_is_not_followed_by_any_operation() {
    let tree = Tree::new();
    let secret = tree.path("secret.txt");
    let granted = tree.path("granted");
    symlink("../secret.txt", granted.join("relative")).unwrap();
    symlink(&secret, granted.join("absolute")).unwrap();
    symlink("relative", granted.join("through")).unwrap();
    symlink("..", granted.join("up")).unwrap();
    symlink("/proc/self/fd", granted.join("descriptors")).unwrap();
    let before = tree.outside();
    let bench = tree.bench("file_operations", "rw");
    for path in [
        "relative",
        "absolute",
        "through",
        "up/secret.txt",
        "descriptors/0",
    ] {
        let mut asked = Vec::new();
        for name in [
            "read",
            "open-write",
            "open-truncate",
            "open-create",
            "write",
            "stat",
        ] {
            asked.push(operation(name, path, ""));
        }
        let (outcomes, called) = perform(&bench, &asked).await;
        assert_eq!(outcomes, ["not-permitted"; 6], "{path}");
        let target = format!("/{path}");
        assert_eq!(denials(&called), [(target.as_str(), OUTSIDE)]);
    }
    // Behind a folder that is a link nothing can be made, moved or removed.
    let behind = [
        operation("create-directory", "up/made", ""),
        operation("unlink", "up/secret.txt", ""),
        operation("remove-directory", "up/other", ""),
        operation("rename", "up/secret.txt", "got"),
        operation("rename", "hello.txt", "up/hello.txt"),
        operation("link", "up/secret.txt", "got"),
        operation("link", "hello.txt", "up/hello.txt"),
        operation("set-times-at", "up/secret.txt", ""),
        operation("metadata-hash", "up/secret.txt", ""),
        operation("open-exclusive", "up/made", ""),
        operation("readlink", "up/granted/up", ""),
    ];
    let (outcomes, called) = perform(&bench, &behind).await;
    assert_eq!(outcomes, ["not-permitted"; 11]);
    assert!(denials(&called).iter().all(|(_, rule)| *rule == OUTSIDE));
    assert_eq!(tree.outside(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn f04_a_loop_of_links_ends() {
    let tree = Tree::new();
    let granted = tree.path("granted");
    symlink("loop", granted.join("loop")).unwrap();
    for number in 0..60 {
        symlink(
            format!("hop-{}", number + 1),
            granted.join(format!("hop-{number}")),
        )
        .unwrap();
    }
    fs::write(granted.join("hop-60"), "reached").unwrap();
    let bench = tree.bench("file_operations", "rw");
    let mut asked = Vec::new();
    for name in [
        "read",
        "stat",
        "write",
        "list",
        "set-times",
        "metadata-hash",
    ] {
        asked.push(operation(name, "loop", ""));
        asked.push(operation(name, "hop-0", ""));
        asked.push(operation(name, "loop/x", ""));
    }
    let (outcomes, called) = perform(&bench, &asked).await;
    assert_eq!(outcomes, vec!["loop"; asked.len()]);
    assert!(called.usage().wall_ms < 2000, "{:?}", called.usage());
    // 40 hops are what the kernel follows.
    let (outcomes, _) = perform(&bench, &[operation("read", "hop-30", "")]).await;
    assert_eq!(outcomes, ["ok reached"]);
}

/// In each direction, and whatever both may do.
#[tokio::test(flavor = "multi_thread")]
async fn f05_f06_nothing_is_linked_or_moved_across_grants() {
    let tree = Tree::new();
    fs::write(tree.path("other/there.txt"), "there").unwrap();
    let before = tree.contents();
    for (one, other, rule) in [
        ("ro", "rw", super::operations::READ_ONLY),
        ("rw", "ro", super::operations::READ_ONLY),
        ("ro", "ro", super::operations::READ_ONLY),
        ("rw", "rw", ACROSS),
    ] {
        let grants = [
            format!("granted:/one:{one}"),
            format!("other:/other:{other}"),
        ];
        let bench = tree.granting("file_operations", &[&grants[0], &grants[1]]);
        for name in ["link", "rename"] {
            for (from, to) in [
                (("/one", "hello.txt"), ("/other", "got")),
                (("/other", "there.txt"), ("/one", "got")),
                (("/one", "sub/deep.txt"), ("/other", "got")),
                (("/one", "hello.txt"), ("/other", "there.txt")),
            ] {
                let (outcomes, called) = perform(&bench, &[across(name, from, to)]).await;
                assert_eq!(outcomes, ["not-permitted"], "{one} {other} {name}");
                assert_eq!(called.event("capability.denied")["rule"], rule);
            }
        }
    }
    assert_eq!(tree.contents(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn f10_only_regular_files_and_directories_are_opened() {
    let tree = Tree::new();
    let granted = tree.path("granted");
    let owner = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, granted.join("pipe"), FileType::Fifo, owner, 0).unwrap();
    let _socket = UnixListener::bind(granted.join("socket")).unwrap();
    symlink("pipe", granted.join("to-pipe")).unwrap();
    let bench = tree.bench("file_operations", "rw");
    for path in ["pipe", "socket", "to-pipe"] {
        let names = [
            "read",
            "open-write",
            "open-create",
            "open-truncate",
            "write",
        ];
        let asked: Vec<Value> = names.iter().map(|name| operation(name, path, "")).collect();
        let (outcomes, called) = perform(&bench, &asked).await;
        // Lets go of a thread that waits, so that the test ends either way.
        let _release = rustix::fs::open(
            granted.join("pipe"),
            OFlags::RDWR | OFlags::NONBLOCK,
            Mode::empty(),
        );
        assert_eq!(outcomes, ["not-permitted"; 5], "{path}");
        let target = format!("/{path}");
        assert_eq!(denials(&called), [(target.as_str(), SPECIAL)]);
    }
}

/// Something that is mounted as long as this lives.
struct Mounted(PathBuf);

impl Mounted {
    /// None where this process may mount nothing.
    fn new(arguments: &[&str], at: &Path) -> Option<Self> {
        let done = program("mount").args(arguments).arg(at).status();
        let mounted = done.is_ok_and(|status| status.success());
        mounted.then(|| Self(at.to_owned()))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let done = program("umount").arg("--lazy").arg(&self.0).status();
        assert!(done.unwrap().success());
    }
}

#[expect(clippy::disallowed_methods, reason = "nothing else here may mount")]
fn program(name: &str) -> Command {
    let mut program = Command::new(name);
    program.stderr(Stdio::null());
    program
}

/// A file system of the kernel's is mounted by root alone, and a device made by
/// root alone: elsewhere there is nothing to refuse.
#[tokio::test(flavor = "multi_thread")]
async fn f09_f10_what_is_the_kernels_is_refused_wherever_it_is_mounted() {
    let tree = Tree::new();
    let (proc, null) = (tree.path("granted/proc"), tree.path("granted/null"));
    fs::create_dir(&proc).unwrap();
    fs::write(&null, "").unwrap();
    let mounted = Mounted::new(&["-t", "proc", "proc"], &proc);
    let device = Mounted::new(&["--bind", "/dev/null"], &null);
    let bench = tree.bench("file_operations", "ro");
    let asked = [
        operation("list", "proc", ""),
        operation("read", "proc/self/environ", ""),
        operation("read", "proc/self/cmdline", ""),
        operation("readlink", "proc/self/exe", ""),
        operation("readlink", "proc/self/root", ""),
    ];
    let (outcomes, _) = perform(&bench, &asked).await;
    let expected = if mounted.is_some() {
        ["not-permitted"; 5]
    } else {
        ["ok", "no-entry", "no-entry", "no-entry", "no-entry"]
    };
    assert_eq!(outcomes, expected);
    let (outcomes, _) = perform(&bench, &[operation("read", "null", "")]).await;
    assert_eq!(
        outcomes,
        [if device.is_some() {
            "not-permitted"
        } else {
            "ok"
        }]
    );

    let bench = tree.granting("file_operations", &["granted/proc:/:ro"]);
    let component = skillhost_tests::pack::rust("file_operations");
    let loaded = bench.load("file-operations", &component).await;
    let refused = mounted.map(|_| Kind::ConfigInsecure);
    assert_eq!(loaded.err().map(|error| error.kind()), refused);
}

/// The same tree by another path: a bind mount, where one can be made.
#[tokio::test(flavor = "multi_thread")]
async fn f14_directories_that_overlap_by_a_mount_are_refused() {
    let tree = Tree::new();
    let inner = tree.path("granted/sub");
    let mounted = Mounted::new(&["--bind", inner.to_str().unwrap()], &tree.path("other"));
    let bench = tree.granting("file_operations", &["granted:/one:ro", "other:/other:rw"]);
    let component = skillhost_tests::pack::rust("file_operations");
    let loaded = bench.load("file-operations", &component).await;
    let refused = mounted.map(|_| Kind::ConfigInvalid);
    assert_eq!(loaded.err().map(|error| error.kind()), refused);
}

/// The text of a link is told if it leads to something in the directory.
#[tokio::test(flavor = "multi_thread")]
async fn f17_a_link_tells_no_path_of_the_host() {
    let tree = Tree::new();
    let granted = tree.path("granted");
    let root = tree.root.path().to_str().unwrap().to_owned();
    let up = format!("../{}/secret.txt", root.rsplit('/').next().unwrap());
    for (name, target) in [
        ("inside", "sub/deep.txt"),
        ("sub/back", "../hello.txt"),
        ("absolute", root.as_str()),
        ("absolute-inside", &format!("{root}/granted/hello.txt")),
        ("up", &format!("../{up}")),
        ("down-and-up", &format!("sub/../../{up}")),
        ("nothing", "missing/../../there"),
    ] {
        symlink(target, granted.join(name)).unwrap();
    }
    let bench = tree.bench("file_operations", "rw");
    let outcomes = [
        ("inside", "ok sub/deep.txt"),
        ("sub/back", "ok ../hello.txt"),
        ("absolute", "not-permitted"),
        ("absolute-inside", "not-permitted"),
        ("up", "not-permitted"),
        ("down-and-up", "not-permitted"),
        ("nothing", "no-entry"),
        ("hello.txt", "invalid"),
    ];
    let asked = outcomes.map(|(path, _)| operation("readlink", path, ""));
    let (found, called) = perform(&bench, &asked).await;
    assert_eq!(found, outcomes.map(|(_, outcome)| outcome));
    let seen = format!("{} {:?}", called.json(), called.events);
    assert!(!seen.contains(&root), "{seen}");
}

/// Whoever may write a file that runs with other rights has those rights.
#[tokio::test(flavor = "multi_thread")]
async fn f16_what_runs_with_the_rights_of_others_is_not_written_to() {
    use std::os::unix::fs::PermissionsExt;
    let tree = Tree::new();
    for (name, mode) in [("setuid", 0o4755), ("setgid", 0o2755)] {
        let path = tree.path("granted").join(name);
        fs::write(&path, "program").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        let bench = tree.bench("file_operations", "rw");
        let names = [
            "open-write",
            "open-truncate",
            "open-create",
            "write",
            "read",
        ];
        let asked = names.map(|it| operation(it, name, ""));
        let (outcomes, _) = perform(&bench, &asked).await;
        assert_eq!(outcomes[..4], ["not-permitted"; 4]);
        assert_eq!(outcomes[4], "ok program");
        assert_eq!(tree::mode(&path), mode);
    }
}
