//! The audit log: one JSON object on each line of a file that is only
//! appended to.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use super::{Record, Sink};
use crate::error::{Error, Kind, Result};

/// An append-only file of JSON lines.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    file: Mutex<File>,
    /// The last line has no end, so that the next must not follow it.
    torn: AtomicBool,
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
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
            .map_err(unavailable)?;
        Ok(Self {
            torn: AtomicBool::new(ends_within_a_line(&file).map_err(unavailable)?),
            path: path.to_owned(),
            file: Mutex::new(file),
        })
    }
}

fn ends_within_a_line(file: &File) -> std::io::Result<bool> {
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if let Some(offset) = length.checked_sub(1) {
        file.read_exact_at(&mut last, offset)?;
    }
    Ok(last != [b'\n'])
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
        if self.torn.swap(false, Ordering::Relaxed) {
            line.insert(0, b'\n');
        }
        file.write_all(&line).map_err(|cause| {
            self.torn.store(true, Ordering::Relaxed);
            unavailable(&self.path, &cause)
        })
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
