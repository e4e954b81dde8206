//! What lies in a folder, so that a test can see that nothing changed.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Every entry below `root` with its kind, mode, links and content; what lies
/// in `except` is left out.
#[must_use]
pub fn snapshot(root: &Path, except: &Path) -> BTreeMap<PathBuf, String> {
    let mut found = BTreeMap::new();
    collect(root, except, &mut found);
    found
}

fn collect(folder: &Path, except: &Path, found: &mut BTreeMap<PathBuf, String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path == except {
            continue;
        }
        let metadata = fs::symlink_metadata(&path).unwrap();
        let content = if metadata.is_symlink() {
            format!("{:?}", fs::read_link(&path).unwrap())
        } else if metadata.is_file() {
            String::from_utf8_lossy(&fs::read(&path).unwrap()).into_owned()
        } else {
            String::new()
        };
        let (mode, links) = (metadata.mode(), metadata.nlink());
        if metadata.is_dir() {
            collect(&path, except, found);
        }
        found.insert(path, format!("{mode:o} {links} {content}"));
    }
}

/// Permissions, setuid and setgid included, of a file or directory.
#[must_use]
pub fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}
