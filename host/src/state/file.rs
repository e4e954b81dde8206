//! The file that a store lies in: its owner's alone, made whole, and the file
//! that was checked is the one that is used.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::fs::OFlags;

/// Why a file is not used.
#[derive(Debug)]
pub(super) enum Unusable {
    /// It cannot be opened, or is no regular file.
    File(io::Error),
    /// Others may read or write it.
    Exposed,
}

impl From<io::Error> for Unusable {
    fn from(cause: io::Error) -> Self {
        Self::File(cause)
    }
}

/// Opens a file that only this user may read and write; none if there is none.
pub(super) fn open(path: &Path) -> Result<Option<File>, Unusable> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut options = File::options();
    options.read(true).write(true);
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    let file = match options.open(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file").into());
    }
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o077 != 0 {
        return Err(Unusable::Exposed);
    }
    Ok(Some(file))
}

/// Makes a file that `fill` fills, and puts it into place whole: after a crash
/// it is there as it should be, or not at all. If another host was faster, its
/// file stays.
pub(super) fn create<E: From<io::Error>>(
    path: &Path,
    fill: impl FnOnce(File) -> Result<(), E>,
) -> Result<(), E> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let staged = tempfile::Builder::new()
        .permissions(Permissions::from_mode(0o600))
        .tempfile_in(folder)?;
    fill(staged.reopen()?)?;
    staged.as_file().sync_all()?;
    match staged.persist_noclobber(path) {
        Err(taken) if taken.error.kind() == io::ErrorKind::AlreadyExists => {}
        persisted => {
            persisted.map_err(|failed| failed.error)?;
        }
    }
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Makes a folder that only this user may enter, or sees that it is one.
pub(super) fn private_folder(path: &Path) -> Result<(), Unusable> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    let metadata = fs::metadata(path)?;
    if metadata.uid() != rustix::process::geteuid().as_raw() || metadata.mode() & 0o022 != 0 {
        return Err(Unusable::Exposed);
    }
    Ok(())
}
