//! R23 and R24: how much a call may write, make and hold open.

use std::fs;
use std::os::unix::fs::MetadataExt;

use serde_json::{Value, json};
use skillhost::event::Spent;
use skillhost_tests::{Bench, Called};

use super::Tree;

const PIECE: u64 = 4096;

/// Every way of writing, and how many times it fits into 1 MiB.
const WRITES: [(&str, u64); 4] = [
    ("write", 256),
    ("stream", 256),
    ("append", 256),
    ("overwrite", 256),
];

/// Ways to make a file longer than what is written to it.
const HOLES: [&str; 3] = ["sparse", "hole", "hole-stream"];

async fn fill(
    tree: &Tree,
    way: &str,
    change: impl FnOnce(&mut skillhost::policy::limits::Limits),
) -> Called {
    let grants = ["granted:/:rw"];
    let bench = tree.limited("disk_filler", &grants, change);
    let input = json!({"way": way, "times": 100_000});
    bench.call("disk_filler", "fill", input).await
}

fn expect_limit(called: &Called, limit: &str, done: u64) {
    let filled = called.structured();
    assert_eq!(filled["error"], "insufficient-space", "{filled}");
    assert_eq!(filled["done"], done, "{filled}");
    assert_eq!(called.between(), ["limit.exceeded"]);
    assert_eq!(called.event("limit.exceeded")["limit"], limit);
}

fn spent(called: &Called) -> Spent {
    called.usage().spent
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn disk_filler() {
    let mib = 1 << 20;
    for (way, times) in WRITES {
        let tree = Tree::new();
        let outside = tree.outside();
        let called = fill(&tree, way, |limits| limits.disk_bytes = mib).await;
        expect_limit(&called, "disk-bytes", times);
        assert_eq!(spent(&called).disk_bytes, times * PIECE, "{way}");
        let written = fs::metadata(tree.path("granted/filled")).unwrap().len();
        assert!(written <= mib, "{way}: {written}");
        assert_eq!(tree.outside(), outside);
    }
    for way in HOLES {
        let tree = Tree::new();
        let called = fill(&tree, way, |limits| limits.disk_bytes = mib).await;
        expect_limit(&called, "disk-bytes", 0);
        assert_eq!(fs::metadata(tree.path("granted/filled")).unwrap().len(), 0);
    }
    // What is given up again was used all the same.
    let tree = Tree::new();
    let called = fill(&tree, "grow-and-shrink", |limits| {
        limits.disk_bytes = 8 * mib
    })
    .await;
    expect_limit(&called, "disk-bytes", 8);
}

#[tokio::test(flavor = "multi_thread")]
async fn r23_files_directories_and_links_are_counted() {
    // The file that every way begins with is one of them.
    for (way, times) in [
        ("files", 19),
        ("directories", 19),
        ("links", 19),
        ("create-and-remove", 19),
    ] {
        let tree = Tree::new();
        let called = fill(&tree, way, |limits| limits.disk_files = 20).await;
        expect_limit(&called, "disk-files", times);
        assert_eq!(spent(&called).disk_files, 20, "{way}");
        assert!(fs::read_dir(tree.path("granted")).unwrap().count() <= 22);
    }
}

/// What could not be made costs nothing.
#[tokio::test(flavor = "multi_thread")]
async fn r23_what_fails_is_given_back() {
    let tree = Tree::new();
    let bench = tree.limited("file_operations", &["granted:/:rw"], |limits| {
        limits.disk_files = 3
    });
    let mut asked: Vec<Value> = Vec::new();
    for _ in 0..5 {
        asked.push(super::operations::operation("open-create", "none/made", ""));
        asked.push(super::operations::operation("create-directory", "sub", ""));
        asked.push(super::operations::operation("link", "none", "linked"));
        asked.push(super::operations::operation(
            "open-exclusive",
            "hello.txt",
            "",
        ));
    }
    asked.push(super::operations::operation("open-exclusive", "made", ""));
    let (outcomes, called) = super::operations::perform(&bench, &asked).await;
    assert_eq!(outcomes.last().unwrap(), "ok");
    assert_eq!(spent(&called).disk_files, 1);
    assert_eq!(called.between(), Vec::<&str>::new());
}

/// A quota is of one call, and the next one has its own.
#[tokio::test(flavor = "multi_thread")]
async fn r23_a_call_does_not_use_up_the_quota_of_the_next() {
    let tree = Tree::new();
    let bench = tree.limited("disk_filler", &["granted:/:rw"], |limits| {
        limits.disk_bytes = 4 * PIECE;
    });
    for _ in 0..2 {
        let input = json!({"way": "stream", "times": 4});
        let called = bench.call("disk_filler", "fill", input).await;
        assert_eq!(called.structured(), json!({"done": 4, "error": null}));
    }
    let blocks = fs::metadata(tree.path("granted/filled")).unwrap().blocks();
    assert!(blocks * 512 <= 8 * PIECE);
}

async fn hoard(bench: &Bench, path: &str, way: &str, count: u64) -> Called {
    let input = json!({"path": path, "count": count, "way": way, "hold_ms": 0});
    bench.call("descriptor_hoarder", "hoard", input).await
}

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn descriptor_hoarder() {
    let tree = Tree::new();
    let bench = tree.limited("descriptor_hoarder", &["granted:/:ro"], |limits| {
        limits.open_files = 20;
    });
    for (path, way) in [
        ("hello.txt", "files"),
        ("sub", "files"),
        ("hello.txt", "streams"),
    ] {
        let called = hoard(&bench, path, way, 1000).await;
        assert_eq!(
            called.structured(),
            json!({"held": 20, "error": "quota"}),
            "{way}"
        );
        assert_eq!(called.between(), ["limit.exceeded"]);
        assert_eq!(called.event("limit.exceeded")["limit"], "open-files");
        assert_eq!(spent(&called).open_files, 20);
    }
    // What is closed does not count.
    let called = hoard(&bench, "hello.txt", "close", 100).await;
    assert_eq!(called.structured(), json!({"held": 0, "error": null}));
    assert_eq!(spent(&called).open_files, 1);
}

/// Nothing of a call stays open behind it.
#[tokio::test(flavor = "multi_thread")]
async fn r24_a_call_leaves_no_file_open() {
    let tree = Tree::new();
    let bench = tree.bench("descriptor_hoarder", "ro");
    for way in ["files", "streams"] {
        hoard(&bench, "hello.txt", way, 50).await;
    }
    let name = tree.path("granted/hello.txt");
    let open = fs::read_dir("/proc/self/fd").unwrap().filter(|file| {
        let file = file.as_ref().unwrap().path();
        fs::read_link(file).is_ok_and(|target| target == name)
    });
    assert_eq!(open.count(), 0);
}
