//! F01, F02, F11 to F13, F18: what a path can say.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;
use skillhost_tests::bench::SECRET;
use skillhost_tests::{Bench, grant};

use super::Tree;
use super::operations::{OUTSIDE, denials, operation, perform};

/// Pieces of which a path is made up. Links lie in the tree.
const TOKENS: [&str; 17] = [
    "..",
    ".",
    "",
    "sub",
    "hello.txt",
    "deep.txt",
    "secret.txt",
    "granted",
    "granted-not",
    "out",
    "out-absolute",
    "back",
    "loop",
    "missing",
    "\u{0}",
    "sub ",
    "~",
];

/// Operations that take one path, and those that take two.
const ONE: [&str; 14] = [
    "read",
    "read-nofollow",
    "list",
    "readlink",
    "stat",
    "metadata-hash",
    "open-create",
    "open-exclusive",
    "open-truncate",
    "write",
    "set-times-at",
    "create-directory",
    "remove-directory",
    "unlink",
];
const TWO: [&str; 3] = ["link", "rename", "symlink"];

fn path(random: &mut fastrand::Rng) -> String {
    let count = random.usize(1..7);
    let mut tokens: Vec<&str> = (0..count)
        .map(|_| random.choice(TOKENS).unwrap_or_default())
        .collect();
    if random.u8(..8) == 0 {
        tokens.insert(0, "");
    }
    tokens.join("/")
}

/// Like cap-std's fuzzer: any operations on paths made of any pieces.
#[tokio::test(flavor = "multi_thread")]
async fn f01_f02_no_path_leads_out() {
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    let tree = Tree::new();
    let granted = tree.path("granted");
    std::os::unix::fs::symlink("..", granted.join("out")).unwrap();
    std::os::unix::fs::symlink(tree.root.path(), granted.join("out-absolute")).unwrap();
    std::os::unix::fs::symlink("../granted", granted.join("sub/back")).unwrap();
    std::os::unix::fs::symlink("loop", granted.join("loop")).unwrap();
    let outside = tree.outside();
    let bench = tree.bench("file_operations", "rw");
    for round in 0..12 {
        let asked: Vec<Value> = (0..200)
            .map(|_| {
                let two = random.u8(..4) == 0;
                let names = if two { &TWO[..] } else { &ONE[..] };
                let name = random.choice(names).copied().unwrap_or_default();
                operation(name, &path(&mut random), &path(&mut random))
            })
            .collect();
        let (outcomes, called) = perform(&bench, &asked).await;
        assert!(
            !outcomes.iter().any(|outcome| outcome.contains(SECRET)),
            "seed {seed}, round {round}: {asked:?}"
        );
        assert_eq!(
            tree.outside(),
            outside,
            "seed {seed}, round {round}: {asked:?}"
        );
        assert!(!called.events.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn f01_each_path_that_leads_out_is_an_event() {
    let tree = Tree::new();
    let secret = tree.path("secret.txt");
    let before = tree.contents();
    let bench = tree.bench("file_operations", "rw");
    for path in [
        "..",
        "../secret.txt",
        "sub/../../secret.txt",
        "./..",
        ".//..//secret.txt",
        "sub/./.././../granted-not/secret.txt",
        "../granted/hello.txt",
        // F02: the path is the guest's, and begins nowhere else.
        "/etc/passwd",
        "//etc/passwd",
        "/hello.txt",
        secret.to_str().unwrap(),
        // F13
        "../granted-not/secret.txt",
    ] {
        for name in [
            "read",
            "stat",
            "write",
            "unlink",
            "create-directory",
            "readlink",
            "list",
        ] {
            let (outcomes, called) = perform(&bench, &[operation(name, path, "")]).await;
            assert_eq!(outcomes, ["not-permitted"], "{name} {path}");
            let target = format!("/{path}");
            assert_eq!(denials(&called), [(target.as_str(), OUTSIDE)], "{name}");
        }
    }
    assert_eq!(tree.contents(), before);
}

/// `/data/a` is no beginning of `/data/ab`.
#[tokio::test(flavor = "multi_thread")]
async fn f13_a_directory_with_a_longer_name_is_another_one() {
    let tree = Tree::new();
    let bench = tree.granting("read_file", &["granted:/data/a:ro"]);
    for path in [
        "/data/ab/secret.txt",
        "/data/a-not/secret.txt",
        "/data/secret.txt",
        "/data",
    ] {
        let input = serde_json::json!({"path": path});
        let called = bench.call("read_file", "read", input).await;
        called.expect(skillhost::Kind::GuestFailed, &[]);
    }
    let input = serde_json::json!({"path": "/data/a/hello.txt"});
    assert_eq!(bench.call("read_file", "read", input).await.text(), "hello");
}

#[tokio::test(flavor = "multi_thread")]
async fn f12_odd_names_are_names_or_errors() {
    let tree = Tree::new();
    let bench = tree.bench("file_operations", "rw");
    let (most, over) = ("n".repeat(255), "n".repeat(256));
    let (deep, long) = ("d/".repeat(2000), "d/".repeat(2100));
    let cases = [
        ("write", "a\u{0}b", "invalid"),
        ("write", "two\nlines", "ok"),
        ("read", "two\nlines", "ok changed"),
        ("write", "\u{1b}[31mred\u{202e}", "ok"),
        ("write", most.as_str(), "ok"),
        ("write", &over, "name-too-long"),
        ("read", &deep, "no-entry"),
        ("read", &long, "name-too-long"),
        ("create-directory", &over, "name-too-long"),
        ("create-directory", "\u{0}", "invalid"),
        ("create-directory", "", "no-entry"),
        ("create-directory", ".", "exist"),
        ("create-directory", "sub/..", "exist"),
        ("read", "", "no-entry"),
        ("read", "hello.txt/", "not-directory"),
        ("read", "hello.txt/.", "not-directory"),
        ("write", "made/", "is-directory"),
        ("unlink", "hello.txt/", "not-directory"),
        ("list", "sub/", "ok deep.txt"),
        ("list", "sub//./", "ok deep.txt"),
        ("readlink", "sub/", "invalid"),
    ];
    let asked: Vec<Value> = cases
        .iter()
        .map(|(name, path, _)| operation(name, path, ""))
        .collect();
    let (outcomes, called) = perform(&bench, &asked).await;
    for ((name, path, expected), outcome) in cases.iter().zip(&outcomes) {
        assert_eq!(outcome, expected, "{name} {path:?}");
    }
    assert_eq!(denials(&called), []);
}

/// A name that is no text is left out of what a guest can say, and does not
/// hide the others.
#[tokio::test(flavor = "multi_thread")]
async fn f12_a_name_that_is_no_text_is_an_error_in_a_list() {
    let tree = Tree::new();
    let name = std::ffi::OsStr::from_bytes(b"\xff\xfe");
    fs::write(tree.path("granted/sub").join(name), "").unwrap();
    let bench = tree.bench("file_operations", "ro");
    let (outcomes, _) = perform(&bench, &[operation("list", "sub", "")]).await;
    assert_eq!(outcomes, ["ok <illegal-byte-sequence>,deep.txt"]);
}

/// The host keeps all names of a directory while it is listed.
#[tokio::test(flavor = "multi_thread")]
async fn r23_entries_that_are_listed_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..30 {
        fs::write(folder.path().join(number.to_string()), "").unwrap();
    }
    let bench = Bench::with(|setup| {
        let grant = grant(setup, "file_operations");
        grant
            .directories
            .push(folder.path().to_str().unwrap().parse().unwrap());
        grant.limits.listed = Some(50);
    });
    let list = operation("list", ".", "");
    let (outcomes, called) = perform(&bench, &[list.clone(), list]).await;
    assert!(outcomes[0].starts_with("ok "), "{outcomes:?}");
    assert_eq!(outcomes[1], "insufficient-space");
    assert_eq!(called.event("limit.exceeded")["limit"], "listed");
    // With `.` and `..`, which the guest does not see.
    assert_eq!(called.usage().spent.listed, 32);
}

/// What is refused is told on one line, in few characters.
#[tokio::test(flavor = "multi_thread")]
async fn f12_what_an_event_says_of_a_path_is_escaped_and_bounded() {
    let tree = Tree::new();
    let bench = tree.bench("file_operations", "ro");
    let path = format!("a\nb\u{1b}[31m\u{202e}{}", "c".repeat(3000));
    let (outcomes, called) = perform(&bench, &[operation("create-directory", &path, "")]).await;
    assert_eq!(outcomes, ["not-permitted"]);
    let target = called.event("capability.denied")["target"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(target.starts_with("/a"), "{target}");
    assert!(target.chars().count() <= 220, "{target}");
    assert!(
        !target.chars().any(|it| it.is_control() || it == '\u{202e}'),
        "{target}"
    );
}

/// No name is treated as another one.
#[tokio::test(flavor = "multi_thread")]
async fn f11_f18_names_that_look_alike_stay_apart() {
    let tree = Tree::new();
    let bench = tree.bench("file_operations", "rw");
    let names = [
        "Secret",
        "secret",
        "\u{ff33}ecret",
        "caf\u{e9}",
        "cafe\u{301}",
        "ma\u{df}e",
        "masse",
        // F18: what Windows reads otherwise.
        "CON",
        "nul",
        "COM\u{b9}",
        "file:stream",
        "file",
        "LONGNA~1.TXT",
        "back\\slash",
        "trailing.",
        "trailing ",
    ];
    let made: Vec<Value> = names
        .iter()
        .map(|name| operation("open-exclusive", name, ""))
        .collect();
    let (outcomes, _) = perform(&bench, &made).await;
    assert_eq!(outcomes, vec!["ok"; names.len()]);
    let (outcomes, _) = perform(&bench, &[operation("list", ".", "")]).await;
    let mut all: Vec<&str> = names.into_iter().chain(["hello.txt", "sub"]).collect();
    all.sort_unstable();
    assert_eq!(outcomes, [format!("ok {}", all.join(","))]);
}
