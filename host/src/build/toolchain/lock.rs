//! One set-up at a time on a cache folder.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::Path;

use crate::build::report::Report;

/// Held while a toolchain is set up; the system lets go of it when the process
/// ends, however it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Waits for the process that holds it, and says so.
    pub(super) fn take(cache_dir: &Path, report: &dyn Report) -> io::Result<Self> {
        fs::create_dir_all(cache_dir)?;
        let file = File::create(cache_dir.join("lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                report.step("Waiting for another process that is setting up the guest toolchain");
                file.lock()?;
            }
            Err(TryLockError::Error(source)) => return Err(source),
        }
        Ok(Self { _file: file })
    }
}
