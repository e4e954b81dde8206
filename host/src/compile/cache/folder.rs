//! The folder of a cache: whose it is, and what goes when it is full.

use std::fs::{self, DirBuilder, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf, absolute};
use std::time::{Duration, SystemTime};

use rustix::process::geteuid;

use super::{exposed, unusable};
use crate::error::Result;

/// What the names of files begin with that are being written.
pub(super) const UNFINISHED: &str = ".unfinished-";

/// How long an unfinished file is left alone: another host may be writing it.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Makes the folder if it is not there, and sees that it is this user's and
/// that nobody else can put anything into it or into its place.
///
/// # Errors
///
/// `ConfigInsecure` if somebody else can; `Internal` if it cannot be made.
pub(super) fn secure(folder: &Path) -> Result<()> {
    judge_ancestors(folder)?;
    let metadata = make(folder).map_err(|cause| unusable(folder, cause))?;
    if !metadata.is_dir() {
        return Err(exposed(folder, "is a link or a file, and no folder"));
    }
    if metadata.uid() != geteuid().as_raw() {
        return Err(exposed(folder, "belongs to somebody else"));
    }
    if metadata.mode() & 0o022 != 0 {
        return Err(exposed(folder, "may be written by others"));
    }
    Ok(())
}

/// What lies at that path; a folder for this user alone if nothing did.
fn make(folder: &Path) -> io::Result<Metadata> {
    if fs::symlink_metadata(folder).is_err() {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)?;
    }
    fs::symlink_metadata(folder)
}

/// Sees that nobody but this user and root can replace what a path leads to:
/// neither a folder above it, nor one above where links among those lead.
pub(super) fn judge_ancestors(path: &Path) -> Result<()> {
    let path = absolute(path).map_err(|cause| unusable(path, cause))?;
    let Some(parent) = path.ancestors().skip(1).find(|parent| parent.exists()) else {
        return Ok(());
    };
    let real = fs::canonicalize(parent).map_err(|cause| unusable(parent, cause))?;
    for ancestor in parent.ancestors().chain(real.ancestors()) {
        let metadata = fs::metadata(ancestor).map_err(|cause| unusable(ancestor, cause))?;
        if is_replaceable(&metadata) {
            return Err(exposed(ancestor, "may be written by others"));
        }
    }
    Ok(())
}

/// Whether others may rename or remove what lies in a folder. In one with the
/// sticky bit nobody touches another's files.
fn is_replaceable(folder: &Metadata) -> bool {
    let owner = folder.uid();
    let own = owner == 0 || owner == geteuid().as_raw();
    let open = folder.mode() & 0o022 != 0 && folder.mode() & 0o1000 == 0;
    !own || open
}

/// A file in a cache.
#[derive(Debug)]
pub(super) struct Kept {
    path: PathBuf,
    used: SystemTime,
    pub(super) bytes: u64,
}

/// All files of a cache, except those that another host may be writing.
pub(super) fn files(folder: &Path) -> io::Result<Vec<Kept>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        // Another host may have removed it in between.
        let Ok(metadata) = entry.metadata() else {
            continue;
        };
        let used = metadata.modified()?;
        let unfinished = entry.file_name().to_string_lossy().starts_with(UNFINISHED);
        let young = used.elapsed().unwrap_or_default() < PATIENCE;
        if metadata.is_file() && !(unfinished && young) {
            files.push(Kept {
                path: entry.path(),
                used,
                bytes: metadata.len(),
            });
        }
    }
    Ok(files)
}

/// Removes files, those first that were not used for longest, until the rest is
/// no more than `size` bytes.
pub(super) fn make_room(folder: &Path, size: u64) -> io::Result<()> {
    let mut files = files(folder)?;
    files.sort_unstable_by_key(|file| file.used);
    let mut bytes: u64 = files.iter().map(|file| file.bytes).sum();
    for file in files {
        if bytes <= size {
            break;
        }
        match fs::remove_file(&file.path) {
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => bytes = bytes.saturating_sub(file.bytes),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::error::Kind;

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn kind(folder: &Path) -> Option<Kind> {
        secure(folder).err().map(|error| error.kind())
    }

    #[test]
    fn s25_a_folder_is_made_for_this_user_alone() {
        let above = tempfile::tempdir().unwrap();
        assert_eq!(kind(&above.path().join("a/b")), None);
        for made in ["a", "a/b"] {
            let mode = fs::metadata(above.path().join(made)).unwrap().mode();
            assert_eq!(mode & 0o777, 0o700, "{made}");
        }
    }

    #[test]
    fn s25_a_folder_that_others_can_write_or_replace_is_refused() {
        let above = tempfile::tempdir().unwrap();
        let middle = above.path().join("middle");
        let folder = middle.join("cache");
        assert_eq!(kind(&folder), None);
        for (mode, expected) in [
            (0o755, None),
            (0o770, Some(Kind::ConfigInsecure)),
            (0o707, Some(Kind::ConfigInsecure)),
            (0o1777, Some(Kind::ConfigInsecure)),
            (0o700, None),
        ] {
            chmod(&folder, mode);
            assert_eq!(kind(&folder), expected, "{mode:o}");
        }
        for (mode, expected) in [
            (0o777, Some(Kind::ConfigInsecure)),
            (0o775, Some(Kind::ConfigInsecure)),
            (0o1777, None),
        ] {
            chmod(&middle, mode);
            assert_eq!(kind(&folder), expected, "above: {mode:o}");
        }
    }

    #[test]
    fn s25_a_link_is_no_folder_and_does_not_hide_where_it_leads() {
        let above = tempfile::tempdir().unwrap();
        let at = |name: &str| above.path().join(name);
        fs::create_dir_all(at("open/inner")).unwrap();
        chmod(&at("open"), 0o777);
        symlink(at("open/inner"), at("cache")).unwrap();
        assert_eq!(kind(&at("cache")), Some(Kind::ConfigInsecure));
        assert_eq!(kind(&at("cache/below")), Some(Kind::ConfigInsecure));
        fs::create_dir(at("real")).unwrap();
        symlink(at("real"), at("link")).unwrap();
        assert_eq!(kind(&at("link/below")), None);
    }

    #[test]
    fn what_was_not_used_for_longest_goes_first() {
        let folder = tempfile::tempdir().unwrap();
        let now = fs::metadata(folder.path()).unwrap().modified().unwrap();
        for (name, age) in [("old", 30), ("new", 10), ("middle", 20)] {
            let path = folder.path().join(name);
            fs::write(&path, [0; 100]).unwrap();
            let file = fs::File::options().write(true).open(&path).unwrap();
            file.set_modified(now - Duration::from_secs(age)).unwrap();
        }
        let young = folder.path().join(format!("{UNFINISHED}1"));
        fs::write(&young, [0; 100]).unwrap();
        make_room(folder.path(), 250).unwrap();
        assert!(!folder.path().join("old").exists());
        assert!(folder.path().join("middle").exists());
        make_room(folder.path(), 0).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(young.exists());
    }
}
