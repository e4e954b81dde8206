//! Opening and locking the files of a log.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{AtFlags, FlockOperation, Stat, fstat, statat};
use rustix::io::Errno;

use super::segments::folder;

/// How long a lock is waited for that others hold for microseconds: 2 s in all.
/// Whoever was stopped while it held one must not stop this host for ever.
const TRIES: u32 = 2_100;

/// Which file it is, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) inode: u64,
    pub(super) bytes: u64,
    /// It has one name. A file that was deleted, or in whose place another was
    /// put, has none.
    pub(super) is_named_once: bool,
}

impl Seen {
    fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino,
            bytes: u64::try_from(stat.st_size).unwrap_or(0),
            is_named_once: stat.st_nlink == 1,
        }
    }

    /// What stands in the file, whatever its name is by now; none if that cannot
    /// be told.
    pub(super) fn in_file(file: &File) -> Option<Self> {
        fstat(file).ok().map(|stat| Self::of(&stat))
    }
}

/// The folder of a log, and the name in it.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) log: PathBuf,
    folder: File,
    name: OsString,
    /// A descriptor that is given up when there are no others, so that a file
    /// can be opened all the same.
    spare: Option<File>,
}

impl Place {
    /// Makes the folder if it is not there.
    pub(super) fn open(log: &Path) -> io::Result<Self> {
        let parent = folder(log);
        fs::create_dir_all(parent)?;
        Ok(Self {
            log: log.to_owned(),
            folder: File::open(parent)?,
            name: log
                .file_name()
                .unwrap_or(OsStr::new("audit.jsonl"))
                .to_owned(),
            spare: Some(File::open(parent)?),
        })
    }

    /// What stands under the log's name now.
    pub(super) fn look(&self) -> io::Result<Option<Seen>> {
        match statat(&self.folder, &self.name, AtFlags::empty()) {
            Ok(stat) => Ok(Some(Seen::of(&stat))),
            Err(Errno::NOENT) => Ok(None),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Opens the log for appending, or makes it with mode 0600. A device is no
    /// log: some have no end when they are read.
    pub(super) fn open_log(&mut self) -> io::Result<File> {
        let path = self.log.clone();
        let mut options = File::options();
        let file = self.open_with(&path, options.read(true).append(true).create(true))?;
        if file.metadata()?.is_file() {
            return Ok(file);
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is a device, and must be a file",
        ))
    }

    /// Opens a file beside the log, and makes it if it is not there.
    pub(super) fn open_beside(&mut self, path: &Path) -> io::Result<File> {
        let mut options = File::options();
        self.open_with(path, options.read(true).write(true).create(true))
    }

    /// Makes a file that is not there yet, to be appended to.
    pub(super) fn create(&mut self, path: &Path) -> io::Result<File> {
        self.open_with(
            path,
            File::options().read(true).append(true).create_new(true),
        )
    }

    fn open_with(&mut self, path: &Path, options: &mut fs::OpenOptions) -> io::Result<File> {
        let options = options.mode(0o600);
        let opened = match options.open(path) {
            Err(cause) if is_exhausted(&cause) && self.spare.take().is_some() => options.open(path),
            opened => opened,
        };
        self.take_spare();
        opened
    }

    /// Another descriptor for the next time, if there is one by now.
    pub(super) fn take_spare(&mut self) {
        if self.spare.is_none() {
            self.spare = self.folder.try_clone().ok();
        }
    }

    /// Names are on disk only once their folder is.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.folder.sync_all()
    }
}

fn is_exhausted(cause: &io::Error) -> bool {
    let errno = cause.raw_os_error().map(Errno::from_raw_os_error);
    matches!(errno, Some(Errno::MFILE | Errno::NFILE))
}

/// Which file that is.
pub(super) fn inode(file: &File) -> io::Result<u64> {
    Ok(file.metadata()?.ino())
}

/// Waits for the lock of a file.
pub(super) fn lock(file: &File) -> io::Result<()> {
    for tried in 0..TRIES {
        if try_lock(file)? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_micros(if tried < 200 { 50 } else { 1_000 }));
    }
    Err(io::Error::new(
        io::ErrorKind::TimedOut,
        "another process holds the audit log",
    ))
}

/// Whether it could be locked at once.
pub(super) fn try_lock(file: &File) -> io::Result<bool> {
    match rustix::fs::flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

pub(super) fn unlock(file: &File) {
    if let Err(errno) = rustix::fs::flock(file, FlockOperation::Unlock) {
        tracing::debug!(%errno, "the audit log stays locked until it is closed");
    }
}
