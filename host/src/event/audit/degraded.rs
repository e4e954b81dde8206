//! While the log cannot be written: what is kept, and what is refused.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::path::PathBuf;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::Errno;

use super::files::Place;
use super::segments::beside;

/// The most ends of calls that are kept in memory while the log cannot be
/// written; about 700 bytes each.
pub const MAX_KEPT: usize = 4_096;

/// Bytes that are set aside on the disk for the ends of calls that run when it
/// gets full.
pub const RESERVE: u64 = 1024 * 1024;

/// Since when something could not be written, until everything could be.
#[derive(Debug, Default)]
pub(super) struct Degraded {
    /// Why; until it is told.
    pub(super) untold: Option<String>,
    /// Records that were refused.
    pub(super) refused: u64,
    /// Records that were kept, those that are written by now as well.
    pub(super) kept: u64,
    /// Those that are not written yet.
    pub(super) waiting: VecDeque<Vec<u8>>,
}

impl Degraded {
    pub(super) fn because(cause: &io::Error) -> Self {
        Self {
            untold: Some(format!("The audit log cannot be written: {cause}.")),
            ..Self::default()
        }
    }

    /// Whether there was room for it.
    pub(super) fn keep(&mut self, record: &[u8]) -> bool {
        let room = self.waiting.len() < MAX_KEPT;
        if room {
            self.waiting.push_back(record.to_vec());
            self.kept += 1;
        }
        room
    }
}

/// Room on the disk that is given up when there is no other.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    held: bool,
}

impl Reserve {
    pub(super) fn new(place: &Place) -> Self {
        Self {
            path: beside(&place.log, ".reserve"),
            held: false,
        }
    }

    /// Sets the room aside. Where that cannot be done for another reason than
    /// that there is none, the log works without.
    pub(super) fn take(&mut self, place: &mut Place) -> io::Result<()> {
        if self.held {
            return Ok(());
        }
        let taken = place
            .open_beside(&self.path)
            .and_then(|file| allocate(&file));
        match taken {
            Err(cause) if is_full(&cause) => {
                self.held = true;
                self.give_up();
                Err(cause)
            }
            taken => {
                self.held = taken.is_ok();
                Ok(())
            }
        }
    }

    /// Frees the room.
    pub(super) fn give_up(&mut self) {
        if !std::mem::take(&mut self.held) {
            return;
        }
        if let Err(cause) = std::fs::remove_file(&self.path) {
            tracing::debug!(%cause, "no room was set aside for the audit log");
        }
    }
}

/// Whether there is no room on the disk.
pub(super) fn is_full(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

fn allocate(file: &File) -> io::Result<()> {
    if file.metadata()?.len() >= RESERVE {
        return Ok(());
    }
    match fallocate(file, FallocateFlags::empty(), 0, RESERVE) {
        Err(Errno::OPNOTSUPP) => Ok(()),
        done => done.map_err(io::Error::from),
    }
}
