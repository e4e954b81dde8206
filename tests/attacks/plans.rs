//! F01 to F08: what several steps do together. `tests/fuzz` tries many more.

use std::fs;

use serde_json::{Value, json};
use skillhost_tests::{Bench, bench::SECRET, grant};

#[tokio::test(flavor = "multi_thread")]
pub(crate) async fn follow_plan() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    for name in ["work", "outside"] {
        fs::create_dir(path(name)).unwrap();
    }
    fs::write(path("outside/secret"), SECRET).unwrap();
    let bench = Bench::with(|setup| {
        let directory = format!("{}:/work:rw", path("work").display());
        grant(setup, "follow_plan")
            .directories
            .push(directory.parse().unwrap());
    });
    let step = |way: &str, from: &str, to: &str| json!({"way": way, "from_directory": 0, "from": from, "to_directory": 0, "to": to});
    let outside = path("outside/secret").display().to_string();
    let plan: Vec<Value> = vec![
        step("make-directory", "a", ""),
        step("symlink", "a/up", "../../outside"),
        step("symlink", "link", &outside),
        step("rename", "a/up", "up"),
        step("read", "up/secret", ""),
        step("read", "link", ""),
        step("link", "link", "hard"),
        step("read", "hard", ""),
        step("write", "a/../../outside/secret", ""),
        step("rename", "a", "../outside/a"),
        step("create", "made", ""),
    ];
    let said = bench
        .call("follow_plan", "follow", json!({"plan": plan}))
        .await
        .structured();
    assert_eq!(said[0], "done", "{said}");
    assert_eq!(said[10], "done", "{said}");
    assert!(!said.to_string().contains(SECRET), "{said}");
    assert_eq!(fs::read_to_string(path("outside/secret")).unwrap(), SECRET);
    assert_eq!(fs::read_dir(path("outside")).unwrap().count(), 1);
}
