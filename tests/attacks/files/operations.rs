//! Every operation, where it is allowed and where it is not.

use serde_json::{Value, json};
use skillhost_tests::{Bench, Called};

use super::Tree;

/// One operation of the guest `file_operations` in the directory `/`.
pub(super) fn operation(name: &str, path: &str, other: &str) -> Value {
    across(name, ("/", path), ("", other))
}

/// One operation on two directories.
pub(super) fn across(name: &str, from: (&str, &str), to: (&str, &str)) -> Value {
    json!({
        "name": name, "directory": from.0, "path": from.1,
        "other_directory": to.0, "other": to.1,
    })
}

/// Does operations in one call; how each ended.
pub(super) async fn perform(bench: &Bench, operations: &[Value]) -> (Vec<String>, Called) {
    let input = json!({"operations": operations});
    let called = bench.call("file_operations", "run", input).await;
    let outcomes = serde_json::from_value(called.structured()).unwrap();
    (outcomes, called)
}

/// Each refusal as an event: what was named, by which rule.
pub(super) fn denials(called: &Called) -> Vec<(&str, &str)> {
    let denied = called
        .events
        .iter()
        .filter(|record| record["event"] == "capability.denied");
    denied
        .map(|record| {
            let text = |field: &str| record[field].as_str().unwrap_or_default();
            (text("target"), text("rule"))
        })
        .collect()
}

pub(super) const READ_ONLY: &str = "the directory is granted for reading only";
pub(super) const OUTSIDE: &str = "the path leads out of the granted directory";

/// Everything that changes something, and a path for it.
const CHANGES: [(&str, &str, &str); 20] = [
    ("open-write", "hello.txt", ""),
    ("open-truncate", "hello.txt", ""),
    ("open-create", "hello.txt", ""),
    ("open-create", "made", ""),
    ("open-exclusive", "made", ""),
    ("write", "hello.txt", ""),
    ("write-stream", "hello.txt", ""),
    ("write-to-read", "hello.txt", ""),
    ("write-stream-to-read", "hello.txt", ""),
    ("append-stream-to-read", "hello.txt", ""),
    ("set-size", "hello.txt", ""),
    ("set-times", "hello.txt", ""),
    ("set-times", "sub", ""),
    ("set-times-at", "hello.txt", ""),
    ("create-directory", "made", ""),
    ("remove-directory", "sub", ""),
    ("unlink", "hello.txt", ""),
    ("symlink", "made", "hello.txt"),
    ("link", "hello.txt", "made"),
    ("rename", "hello.txt", "made"),
];

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn file_operations() {
    let tree = Tree::new();
    let before = tree.contents();
    let bench = tree.granting("file_operations", &["granted:/docs:ro"]);
    for (name, path, other) in CHANGES {
        let change = across(name, ("/docs", path), ("", other));
        let (outcomes, called) = perform(&bench, &[change]).await;
        assert_eq!(outcomes, ["not-permitted"], "{name} {path}");
        let target = format!("/docs/{path}");
        assert_eq!(denials(&called), [(target.as_str(), READ_ONLY)], "{name}");
        let denied = called.event("capability.denied");
        assert_eq!(
            denied["grant"],
            "`--allow-dir DIR:/docs:rw`, `skillhost grant file-operations directory=DIR:/docs:rw`, or `directories = [\"DIR:/docs:rw\"]` under `[skill.file-operations]` in skillhost.toml",
        );
    }
    assert_eq!(tree.contents(), before);

    let reads = [
        ("read", "hello.txt", "ok hello"),
        ("stat", "hello.txt", "ok 5"),
        ("metadata-hash", "hello.txt", "ok"),
        ("list", ".", "ok hello.txt,sub"),
        ("open-mutable", "sub", "ok"),
    ];
    let asked: Vec<Value> = reads
        .iter()
        .map(|(name, path, _)| across(name, ("/docs", path), ("", "")))
        .collect();
    let (outcomes, called) = perform(&bench, &asked).await;
    assert_eq!(outcomes, reads.map(|(.., outcome)| outcome));
    assert_eq!(denials(&called), []);
}

/// All but a symbolic link, once it is granted.
#[tokio::test(flavor = "multi_thread")]
async fn f07_what_is_granted_works() {
    let tree = Tree::new();
    let outside = tree.outside();
    let bench = tree.bench("file_operations", "rw");
    let done = [
        ("open-exclusive", "made", "", "ok"),
        ("open-exclusive", "made", "", "exist"),
        ("open-create", "made", "", "ok"),
        ("write", "made", "", "ok"),
        ("read", "made", "", "ok changed"),
        ("write-stream", "hello.txt", "", "ok"),
        ("read", "hello.txt", "", "ok changed"),
        ("open-truncate", "hello.txt", "", "ok"),
        ("stat", "hello.txt", "", "ok 0"),
        // Allowed in the directory, but not by the descriptor.
        ("write-to-read", "hello.txt", "", "bad-descriptor"),
        ("append-stream-to-read", "hello.txt", "", "bad-descriptor"),
        ("set-size", "hello.txt", "", "bad-descriptor"),
        ("set-times", "made", "", "ok"),
        ("set-times-at", "made", "", "ok"),
        ("create-directory", "folder/", "", "ok"),
        ("create-directory", "folder", "", "exist"),
        ("create-directory", "folder/a", "", "ok"),
        ("create-directory", "none/a", "", "no-entry"),
        ("remove-directory", "folder", "", "not-empty"),
        ("remove-directory", "folder/a", "", "ok"),
        ("link", "made", "folder/linked", "ok"),
        ("rename", "made", "folder/moved", "ok"),
        ("list", "folder", "", "ok linked,moved"),
        ("unlink", "folder/linked", "", "ok"),
        ("unlink", "folder/linked", "", "no-entry"),
        ("open-write", "folder", "", "is-directory"),
        ("open-directory", "hello.txt", "", "not-directory"),
    ];
    let asked: Vec<Value> = done
        .iter()
        .map(|(name, path, other, _)| operation(name, path, other))
        .collect();
    let (outcomes, called) = perform(&bench, &asked).await;
    for ((name, path, _, expected), outcome) in done.iter().zip(&outcomes) {
        assert_eq!(outcome, expected, "{name} {path}");
    }
    assert_eq!(denials(&called), []);
    assert_eq!(tree.outside(), outside);
}

/// What the operating system refuses to the host is told as that.
#[tokio::test(flavor = "multi_thread")]
async fn each_refusal_of_the_system_is_an_event() {
    let tree = Tree::new();
    // A name of a kind that no file system takes, whoever asks.
    let bench = tree.bench("file_operations", "rw");
    let (outcomes, called) = perform(&bench, &[operation("unlink", "..", "")]).await;
    assert_eq!(outcomes, ["not-permitted"]);
    assert_eq!(denials(&called), [("/..", OUTSIDE)]);
}
