//! The audit log: one JSON object on each line of a file that is only
//! appended to.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::{Record, Sink};
use crate::error::{Error, Kind, Result};

/// An append-only file of JSON lines.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: Mutex<File>,
}

impl AuditLog {
    /// Opens the file for appending, or makes it with mode 0600.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable` if that cannot be done.
    pub fn open(path: &Path) -> Result<Self> {
        let unavailable = |cause| unavailable(path, &cause);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(unavailable)?;
        }
        let file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(unavailable)?;
        Ok(Self {
            path: path.to_owned(),
            file: Mutex::new(file),
        })
    }
}

impl Sink for AuditLog {
    /// Writes the line with one system call, so that lines of several
    /// processes do not mix.
    fn write(&self, record: &Record<'_>) -> Result<()> {
        let mut line =
            serde_json::to_vec(record).map_err(|cause| unavailable(&self.path, &cause.into()))?;
        line.push(b'\n');
        // A line is whole or not written: nothing is left half-done by a panic.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(&line)
            .map_err(|cause| unavailable(&self.path, &cause))
    }
}

fn unavailable(path: &Path, cause: &std::io::Error) -> Error {
    Error::new(
        Kind::AuditUnavailable,
        "The audit log cannot be written, so nothing is run.",
    )
    .with_hint("Make room for it or mend its permissions; `skillhost doctor` says where it is.")
    .with_internal(format_args!("{}: {cause}", path.display()))
}
