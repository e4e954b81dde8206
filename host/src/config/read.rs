//! Reading files that decide what runs.

use std::fs;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::error::{Error, Kind, Result};

/// Why a file that decides what runs is not read.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// It is not there, too large, or cannot be read.
    File(io::Error),
    /// Somebody else may write it.
    Exposed,
    /// It is a link, which could lead to where somebody else writes.
    Linked,
    /// Somebody else may read it, and it is for this user alone.
    Shown,
}

/// Reads a file that decides what runs, of at most `max` bytes: only this user
/// and root may be able to write it. What is checked is the file that is read.
pub(crate) fn read_trusted(path: &Path, max: u64) -> Result<String, Unreadable> {
    read_checked(path, max, OFlags::empty(), OTHERS_WRITE)
}

/// Likewise, where the file itself must lie, and nobody else may read it.
pub(crate) fn read_private(path: &Path, max: u64) -> Result<String, Unreadable> {
    not_through_links(read_checked(path, max, OFlags::NOFOLLOW, OTHERS_USE))
}

/// Likewise, where the file itself must lie: it is written by this program and
/// by nobody who would link to another.
pub(crate) fn read_unlinked(path: &Path, max: u64) -> Result<String, Unreadable> {
    not_through_links(read_checked(path, max, OFlags::NOFOLLOW, OTHERS_WRITE))
}

fn not_through_links(read: Result<String, Unreadable>) -> Result<String, Unreadable> {
    read.map_err(|unreadable| match unreadable {
        Unreadable::File(cause) if cause.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            Unreadable::Linked
        }
        other => other,
    })
}

/// Bits of a mode that let others than the owner write.
const OTHERS_WRITE: u32 = 0o022;

/// Bits of a mode that let others than the owner do anything.
const OTHERS_USE: u32 = 0o077;

fn read_checked(
    path: &Path,
    max: u64,
    flags: OFlags,
    forbidden: u32,
) -> Result<String, Unreadable> {
    check_folder(path)?;
    let file = open_with(path, flags).map_err(Unreadable::File)?;
    let metadata = file.metadata().map_err(Unreadable::File)?;
    if is_exposed(&metadata) {
        return Err(Unreadable::Exposed);
    }
    if metadata.mode() & forbidden != 0 {
        return Err(Unreadable::Shown);
    }
    let text = take_at_most(file, max).map_err(Unreadable::File)?;
    text.ok_or_else(|| Unreadable::File(io::Error::other(format!("it is larger than {max} bytes"))))
}

/// Others must not be able to replace the file at `path`.
pub(super) fn check_folder(path: &Path) -> Result<(), Unreadable> {
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let folder = fs::metadata(folder.unwrap_or(Path::new("."))).map_err(Unreadable::File)?;
    // In a folder with the sticky bit nobody replaces or removes another's files.
    if folder.mode() & 0o1000 == 0 && is_exposed(&folder) {
        return Err(Unreadable::Exposed);
    }
    Ok(())
}

/// Reads a file that somebody names on the command line; none if it is larger.
pub(crate) fn read_bounded(path: &Path, max: u64) -> io::Result<Option<String>> {
    take_at_most(fs::File::open(path)?, max)
}

/// Whether others than this user and root may write it.
pub(super) fn is_exposed(metadata: &fs::Metadata) -> bool {
    let owner = metadata.uid();
    let own = owner == 0 || owner == rustix::process::geteuid().as_raw();
    !own || metadata.mode() & 0o022 != 0
}

/// Opens a regular file; a pipe is not waited for.
pub(super) fn open(path: &Path) -> io::Result<fs::File> {
    open_with(path, OFlags::empty())
}

fn open_with(path: &Path, flags: OFlags) -> io::Result<fs::File> {
    let flags = i32::try_from((flags | OFlags::NONBLOCK).bits()).unwrap_or_default();
    let mut options = fs::File::options();
    let file = options.read(true).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    Err(io::Error::other("it is no regular file"))
}

fn take_at_most(file: fs::File, max: u64) -> io::Result<Option<String>> {
    let mut text = String::new();
    let read = file.take(max.saturating_add(1)).read_to_string(&mut text)?;
    Ok((read as u64 <= max).then_some(text))
}

impl Unreadable {
    pub(crate) fn into_error(self, what: &str, path: &Path) -> Error {
        let folder = path.parent().unwrap_or(path);
        let path = path.display();
        match self {
            Self::File(cause) => Error::new(
                Kind::ConfigInvalid,
                format!("The {what} {path} cannot be read: {cause}."),
            ),
            Self::Exposed => Error::new(
                Kind::ConfigInsecure,
                format!("The {what} {path} may be written or replaced by others."),
            )
            .with_hint(format!(
                "Make it and its folder your own, and run `chmod go-w {path} {}`.",
                folder.display()
            )),
            Self::Linked => Error::new(
                Kind::ConfigInsecure,
                format!("The {what} {path} is a link, which could be made to mean another file."),
            )
            .with_hint(format!("Put the file itself at {path}.")),
            Self::Shown => Error::new(
                Kind::ConfigInsecure,
                format!("The {what} {path} may be read by others."),
            )
            .with_hint(format!("Run `chmod 600 {path}`.")),
        }
    }
}
