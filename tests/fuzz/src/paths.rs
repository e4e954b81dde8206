use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::{LazyLock, Mutex};

use serde_json::{Value, json};
use skillhost_tests::bench::SECRET;
use tempfile::TempDir;

use crate::stage::{Stage, empty, grant};

/// As a plan of what to do with files in two directories, one of which is to be
/// read only: whatever the order, nothing outside them is read, and nothing
/// outside the other is changed.
pub fn paths(data: &[u8]) {
    let stage = STAGE.lock().unwrap();
    let plan = stage.plan(data);
    stage.lay();
    let before = stage.others();
    let said = stage.host.ask("follow", json!({"plan": plan}));
    assert!(!said.to_string().contains(SECRET), "{plan:#?}: {said:#}");
    assert_eq!(stage.others(), before, "{plan:#?}: {said:#}");
}

/// The most steps of one plan.
const MAX_STEPS: usize = 24;

/// What a guest can do with one or two paths.
const WAYS: [&str; 14] = [
    "read",
    "write",
    "truncate",
    "create",
    "append",
    "remove",
    "make-directory",
    "remove-directory",
    "rename",
    "link",
    "symlink",
    "list",
    "look",
    "times",
];

/// What paths are made of. The last stands for the outside folder, as the host
/// has it.
const PARTS: [&str; 16] = [
    "a",
    "b",
    "folder",
    "file",
    "out",
    "up",
    "loop",
    "..",
    ".",
    "",
    "/",
    "work",
    "outside",
    "secret",
    "\u{ff0e}\u{ff0e}",
    "HOST",
];

struct Ground {
    folder: TempDir,
    host: Stage,
}

static STAGE: LazyLock<Mutex<Ground>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    for name in ["work", "docs", "outside"] {
        fs::create_dir(folder.path().join(name)).unwrap();
    }
    let host = Stage::guest("follow_plan", |setup| {
        let granted = |name: &str, access: &str| {
            let path = folder.path().join(name);
            format!("{}:/{name}:{access}", path.display())
                .parse()
                .unwrap()
        };
        let directories = &mut grant(setup, "follow_plan").directories;
        directories.extend([granted("work", "rw"), granted("docs", "ro")]);
    });
    Mutex::new(Ground { folder, host })
});

impl Ground {
    /// Steps of a way, and two paths, each of a directory and up to four parts.
    fn plan(&self, data: &[u8]) -> Value {
        let mut bytes = data.iter().copied();
        let mut steps = Vec::new();
        while let Some(way) = bytes.next()
            && steps.len() < MAX_STEPS
        {
            let directories = bytes.next().unwrap_or_default();
            let from = self.path(&mut bytes);
            let to = self.path(&mut bytes);
            steps.push(json!({
                "way": WAYS[usize::from(way) % WAYS.len()],
                "from_directory": directories & 1, "from": from,
                "to_directory": directories >> 1 & 1, "to": to,
            }));
        }
        steps.into()
    }

    fn path(&self, bytes: &mut impl Iterator<Item = u8>) -> String {
        let count = bytes.next().unwrap_or_default() % 5;
        let parts: Vec<String> = bytes
            .take(count.into())
            .map(|byte| match PARTS[usize::from(byte) % PARTS.len()] {
                "HOST" => self.outside().display().to_string(),
                part => part.to_owned(),
            })
            .collect();
        parts.join("/")
    }

    fn outside(&self) -> PathBuf {
        self.folder.path().join("outside")
    }

    /// The same ground for each plan: links that lead out lie there already.
    fn lay(&self) {
        let root = self.folder.path();
        let (work, docs, outside) = (root.join("work"), root.join("docs"), self.outside());
        empty(&work);
        fs::create_dir(work.join("folder")).unwrap();
        fs::write(work.join("file"), "text").unwrap();
        symlink("../outside", work.join("out")).unwrap();
        symlink(outside.join("secret"), work.join("up")).unwrap();
        symlink("loop", work.join("loop")).unwrap();
        if !docs.join("file").exists() {
            fs::write(docs.join("file"), "text").unwrap();
            symlink("../outside/secret", docs.join("out")).unwrap();
            fs::write(outside.join("secret"), SECRET).unwrap();
            fs::create_dir(outside.join("folder")).unwrap();
        }
    }

    /// All but the directory that may be changed.
    fn others(&self) -> BTreeMap<PathBuf, String> {
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(self.folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if !path.ends_with("work") {
                describe(&path, &mut found);
            }
        }
        found
    }
}

/// Everything about a file but when it was read.
fn describe(path: &Path, found: &mut BTreeMap<PathBuf, String>) {
    let metadata = fs::symlink_metadata(path).unwrap();
    let content = if metadata.is_file() {
        fs::read_to_string(path).unwrap()
    } else if metadata.is_symlink() {
        fs::read_link(path).unwrap().display().to_string()
    } else {
        for entry in fs::read_dir(path).unwrap() {
            describe(&entry.unwrap().path(), found);
        }
        String::new()
    };
    let (mode, links) = (metadata.mode(), metadata.nlink());
    let changed = (metadata.mtime_nsec(), metadata.ctime_nsec());
    found.insert(
        path.to_owned(),
        format!("{mode:o} {links} {changed:?} {content}"),
    );
}
