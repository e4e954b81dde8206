//! Notices when a file changes, without asking the disk for each call.
//!
//! The kernel queues a notice before the system call that changes a file
//! returns (inotify(7)), so that one read that does not block tells whether
//! anything happened since. Where there are no notices, as on network file
//! systems, [`Watch::looks_changed`] compares the files themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify;

/// Watches files by name, in folders that are there.
#[derive(Debug)]
pub(crate) struct Watch {
    notices: OwnedFd,
    names: BTreeSet<OsString>,
    files: Vec<(PathBuf, Option<Identity>)>,
}

/// Which file it is, and when it was last changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity(u64, u64, i64, i64, u64);

impl Watch {
    /// Watches `files`, which need not be there yet.
    pub(crate) fn new(files: &BTreeSet<PathBuf>) -> io::Result<Self> {
        let flags = inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK;
        let mut watch = Self {
            notices: inotify::init(flags)?,
            names: BTreeSet::new(),
            files: Vec::new(),
        };
        watch.follow(files)?;
        Ok(watch)
    }

    /// Watches these files instead. They were read before they are watched, so
    /// that those not known before are taken for changed.
    pub(crate) fn follow(&mut self, files: &BTreeSet<PathBuf>) -> io::Result<()> {
        let known: BTreeMap<_, _> = std::mem::take(&mut self.files).into_iter().collect();
        let identity = |file: &PathBuf| known.get(file).copied().flatten();
        self.files = files
            .iter()
            .map(|file| (file.clone(), identity(file)))
            .collect();
        self.names = files
            .iter()
            .filter_map(|file| file.file_name())
            .map(OsStr::to_owned)
            .collect();
        let wanted = inotify::WatchFlags::CREATE
            | inotify::WatchFlags::CLOSE_WRITE
            | inotify::WatchFlags::MODIFY
            | inotify::WatchFlags::MOVE
            | inotify::WatchFlags::DELETE
            | inotify::WatchFlags::DELETE_SELF
            | inotify::WatchFlags::MOVE_SELF
            | inotify::WatchFlags::ATTRIB;
        let folders: BTreeSet<&Path> = files.iter().filter_map(|file| file.parent()).collect();
        for folder in folders {
            match inotify::add_watch(&self.notices, folder, wanted) {
                // What is not there is looked for each second.
                Ok(_) | Err(rustix::io::Errno::NOENT) => {}
                Err(cause) => return Err(cause.into()),
            }
        }
        Ok(())
    }

    /// Another descriptor of the notices, to wait for them.
    pub(crate) fn notices(&self) -> io::Result<OwnedFd> {
        self.notices.try_clone()
    }

    /// Takes the files as they are for known.
    pub(crate) fn look(&mut self) {
        for (path, known) in &mut self.files {
            *known = identity(path);
        }
    }

    /// Whether something happened to one of the files since this was last
    /// asked. One system call if not.
    pub(crate) fn is_noticed(&self) -> bool {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut notices = inotify::Reader::new(&self.notices, &mut buffer);
        let mut noticed = false;
        loop {
            match notices.next() {
                Ok(notice) => noticed |= self.concerns(&notice),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return noticed,
                // Without notices nothing is known: look.
                Err(_) => return true,
            }
        }
    }

    fn concerns(&self, notice: &inotify::Event<'_>) -> bool {
        let all = inotify::ReadFlags::QUEUE_OVERFLOW | inotify::ReadFlags::IGNORED;
        let name = notice
            .file_name()
            .map(|name| OsStr::from_bytes(name.to_bytes()));
        notice.events().intersects(all) || name.is_none_or(|name| self.names.contains(name))
    }

    /// Whether one of the files is not the one that it was.
    pub(crate) fn looks_changed(&self) -> bool {
        let changed = |(path, known): &(PathBuf, Option<Identity>)| identity(path) != *known;
        self.files.iter().any(changed)
    }
}

/// What tells a file from another, and from itself before it changed; none if it
/// is not there.
pub(crate) fn identity(path: &Path) -> Option<Identity> {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).ok()?;
    Some(Identity(
        metadata.dev(),
        metadata.ino(),
        metadata.ctime(),
        metadata.ctime_nsec(),
        metadata.len(),
    ))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_change_is_noticed_at_once_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let mut watch = Watch::new(&BTreeSet::from([file.clone()])).unwrap();
        watch.look();
        assert!(!watch.is_noticed() && !watch.looks_changed());
        fs::write(folder.path().join("other"), "x").unwrap();
        assert!(!watch.is_noticed());
        fs::write(&file, "x").unwrap();
        assert!(watch.is_noticed() && watch.looks_changed());
        assert!(!watch.is_noticed());
        fs::write(folder.path().join("new"), "y").unwrap();
        fs::rename(folder.path().join("new"), &file).unwrap();
        assert!(watch.is_noticed());
        fs::remove_file(&file).unwrap();
        assert!(watch.is_noticed());
    }

    #[test]
    fn a_folder_that_is_not_there_is_looked_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("later/a");
        let watch = Watch::new(&BTreeSet::from([file.clone()])).unwrap();
        assert!(!watch.looks_changed());
        fs::create_dir(folder.path().join("later")).unwrap();
        fs::write(&file, "x").unwrap();
        assert!(watch.looks_changed());
    }
}
