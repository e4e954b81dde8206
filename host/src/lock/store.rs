//! The lock file on disk.

use std::io;
use std::path::Path;

use super::{Lock, MAX_FILE};
use crate::config::{Unreadable, read_trusted};
use crate::error::{Error, Kind, Result};
use crate::file;

impl Lock {
    /// Reads the lock file at `path`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` if others may write the file, else as
    /// [`parse`](Self::parse).
    pub fn load(path: &Path) -> Result<Option<Self>> {
        match read_trusted(path, MAX_FILE as u64) {
            Ok(text) => Self::parse(&text, path).map(Some),
            Err(Unreadable::File(cause)) if cause.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(unreadable) => Err(unreadable.into_error("lock file", path)),
        }
    }

    /// Writes the lock file whole: a reader sees the old one or the new one.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if it cannot be written or is too large.
    pub fn save(&self, path: &Path) -> Result<()> {
        let text = self.to_text()?;
        file::replace(path, text.as_bytes()).map_err(|cause| {
            let path = path.display();
            Error::new(
                Kind::ConfigInvalid,
                format!("The lock file {path} cannot be written: {cause}."),
            )
        })
    }
}
