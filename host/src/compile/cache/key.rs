//! The key of the entries: 32 random bytes in a file that only this user reads.
//!
//! It lies with the data and not in the cache, which may be restored, shared or
//! emptied by others.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::process::geteuid;
use zeroize::Zeroizing;

use super::{exposed, folder, unusable};
use crate::error::Result;

/// A key, wiped when it is no longer needed.
pub(super) struct Key(Zeroizing<[u8; 32]>);

impl Key {
    /// The key in that file, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` if somebody else may read or write it, or if it is no
    /// key; `Internal` if it can be neither read nor made.
    pub(super) fn load_or_create(path: &Path) -> Result<Self> {
        let io = |cause| unusable(path, cause);
        folder::judge_ancestors(path)?;
        if let Some(file) = open(path).map_err(io)? {
            return Self::read(path, &file);
        }
        create(path).map_err(io)?;
        // Another host may have been first: the file that lies there counts.
        let missing = || io(io::ErrorKind::NotFound.into());
        let file = open(path).map_err(io)?.ok_or_else(missing)?;
        Self::read(path, &file)
    }

    pub(super) fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    #[cfg(test)]
    pub(super) fn of(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }

    fn read(path: &Path, mut file: &File) -> Result<Self> {
        let io = |cause| unusable(path, cause);
        let metadata = file.metadata().map_err(io)?;
        if !metadata.is_file() || metadata.uid() != geteuid().as_raw() {
            return Err(exposed(path, "is not a file of your own"));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(exposed(path, "may be read or written by others"));
        }
        if metadata.len() != 32 {
            return Err(exposed(path, "is not a key"));
        }
        let mut bytes = Zeroizing::new([0; 32]);
        file.read_exact(bytes.as_mut()).map_err(io)?;
        Ok(Self(bytes))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

/// A link is not followed, and a pipe not waited for.
fn open(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => Ok(Some(File::from(file))),
        Err(Errno::NOENT) => Ok(None),
        Err(cause) => Err(cause.into()),
    }
}

/// Makes a key, unless there is one by now. Nobody sees half of it.
fn create(path: &Path) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; 32]);
    getrandom::fill(bytes.as_mut())?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder)?;
    // A temporary file has the mode 0600.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes.as_ref())?;
    file.as_file().sync_all()?;
    match file.persist_noclobber(path) {
        Err(failed) if failed.error.kind() != io::ErrorKind::AlreadyExists => Err(failed.error),
        _ => File::open(folder)?.sync_all(),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_key_is_made_once_and_is_nobody_elses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data/cache.key");
        let first = Key::load_or_create(&path).unwrap();
        let again = Key::load_or_create(&path).unwrap();
        assert_eq!(first.as_bytes(), again.as_bytes());
        assert_ne!(first.as_bytes(), &[0; 32]);
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn s25_a_key_that_others_may_read_or_that_is_none_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("cache.key");
        let kind = || Key::load_or_create(&path).unwrap_err().kind();
        Key::load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(kind(), Kind::ConfigInsecure);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        fs::write(&path, "short").unwrap();
        assert_eq!(kind(), Kind::ConfigInsecure);
        fs::rename(&path, folder.path().join("elsewhere")).unwrap();
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        assert_eq!(kind(), Kind::Internal);
    }
}
