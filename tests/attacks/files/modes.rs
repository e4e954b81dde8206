//! F16: what a guest makes is its owner's alone, and runs nowhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use skillhost_tests::tree::mode;

use super::Tree;
use super::operations::{operation, perform};

#[tokio::test(flavor = "multi_thread")]
async fn f16_files_are_0600_and_directories_0700() {
    let tree = Tree::new();
    let granted = tree.path("granted");
    // Whatever the directory is: open to all, and handing down its group.
    fs::set_permissions(&granted, fs::Permissions::from_mode(0o2777)).unwrap();
    let bench = tree.bench("file_operations", "rw");
    let files = [".bashrc", "library.so", "run.sh", "crontab", "sub/deep.sh"];
    for (name, file) in [
        "open-create",
        "open-exclusive",
        "write",
        "write-stream",
        "open-create",
    ]
    .into_iter()
    .zip(files)
    {
        let (outcomes, _) = perform(&bench, &[operation(name, file, "")]).await;
        assert_eq!(outcomes, ["ok"], "{file}");
        assert_eq!(mode(&granted.join(file)), 0o600, "{file}");
    }
    let folders = [operation("create-directory", "sub/folder", "")];
    let (outcomes, _) = perform(&bench, &folders).await;
    assert_eq!(outcomes, ["ok"]);
    assert_eq!(mode(&granted.join("sub/folder")), 0o700);
}

/// Neither more nor less than it was.
#[tokio::test(flavor = "multi_thread")]
async fn f16_what_is_written_to_keeps_its_mode() {
    let tree = Tree::new();
    let path = tree.path("granted/hello.txt");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let bench = tree.bench("file_operations", "rw");
    let asked = [
        operation("open-create", "hello.txt", ""),
        operation("write", "hello.txt", ""),
        operation("open-truncate", "hello.txt", ""),
    ];
    let (outcomes, _) = perform(&bench, &asked).await;
    assert_eq!(outcomes, ["ok"; 3]);
    assert_eq!(mode(&path), 0o644);
}
