//! `grants.json` on disk.

use std::fs;
use std::io;
use std::path::Path;

use super::Consents;
use crate::config::{Unreadable, read_unlinked};
use crate::error::{Error, Kind, Result};
use crate::file;

/// The largest grants file, in bytes.
pub const MAX_FILE: u64 = 4 << 20;

impl Consents {
    /// Reads the grants file at `path`; without one nothing is granted.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` if others may write or replace it, or it is a link;
    /// else as [`parse`](Self::parse).
    pub fn load(path: &Path) -> Result<Self> {
        match read(path)? {
            Some(text) => Self::parse(&text, path),
            None => Ok(Self::default()),
        }
    }

    /// Changes the grants file at `path`, alone: two who write at once do so one
    /// after the other, and a reader sees the old file or the new one. Only this
    /// user can read what is written.
    ///
    /// # Errors
    ///
    /// Those of `change`, of [`load`](Self::load), and `ConfigInvalid` if it
    /// cannot be written; nothing is changed then.
    pub fn change<T>(path: &Path, change: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        let unwritable = |cause: io::Error| {
            let message = format!(
                "The grants file {} cannot be written: {cause}.",
                path.display()
            );
            Error::new(Kind::ConfigInvalid, message)
        };
        let lock = file::lock(&path.with_added_extension("lock")).map_err(unwritable)?;
        let before = Self::load(path)?;
        let mut consents = before.clone();
        let result = change(&mut consents)?;
        if consents != before {
            file::replace_private(path, consents.to_text()?.as_bytes()).map_err(unwritable)?;
        }
        drop::<fs::File>(lock);
        Ok(result)
    }
}

/// The text of the file; none if there is no file.
pub(super) fn read(path: &Path) -> Result<Option<String>> {
    match read_unlinked(path, MAX_FILE) {
        Ok(text) => Ok(Some(text)),
        Err(Unreadable::File(cause)) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(unreadable) => Err(unreadable.into_error("grants file", path)),
    }
}
