//! The audit log: one JSON object on each line of files that are only appended
//! to, each line bound to the one before.
//!
//! [`AuditLog`] writes it, as one of several processes that may share it;
//! [`verify`] says whether it is as it was written, and [`Lines`] reads it.

mod chain;
mod checkpoint;
mod commit;
mod degraded;
mod files;
mod head;
mod keeper;
mod lines;
mod report;
mod resume;
mod rotate;
mod runs;
mod segments;
#[cfg(test)]
mod tests;
mod verify;
mod writer;

use std::fmt;
use std::future::Future;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use self::commit::Committer;
pub use self::degraded::{MAX_KEPT, RESERVE};
pub use self::head::HeadKey;
use self::keeper::Keeper;
pub use self::lines::{Line, Lines, MAX_LINE};
pub use self::report::{Broken, Checked, Damage, HeadCheck, Keys, MAX_BROKEN, Report};
pub use self::runs::{LOST, folder as runs_folder};
pub use self::segments::{Segment, segments};
pub use self::verify::verify;
use self::writer::Writer;
use super::{Event, Record, Sink, Subject};
use crate::error::{Error, Kind, Result};
use crate::sign::PrivateKey;

/// Something that a log has to record about itself.
#[derive(Debug, Clone)]
pub struct Due {
    /// Whom it is about.
    pub subject: Subject,
    /// What happened.
    pub event: Event,
}

impl Due {
    fn own(event: Event) -> Self {
        Self {
            subject: Subject::default(),
            event,
        }
    }
}

/// When what was written before is on disk; none if that is not waited for.
pub type Settling<'a> = Option<Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>>;

/// The record of a host. What is not written here has not happened.
///
/// Any [`Sink`] is one that forgets itself with the process, which is enough for
/// tests.
pub trait Audit: fmt::Debug + Send + Sync {
    /// A run of a host begins.
    fn begin(&self, _run: &str, _now: Timestamp) -> Result<()> {
        Ok(())
    }

    /// What is to be written before the next record, one after the other. With
    /// it a batch begins, which [`end`](Self::end) ends.
    fn due(&self, _now: Timestamp) -> Option<Due> {
        None
    }

    /// Takes one record. An error means that it is lost.
    fn write(&self, record: &Record<'_>) -> Result<()>;

    /// The batch is over. What the other sinks are to be told, since the log
    /// itself cannot be.
    fn end(&self) -> Option<Event> {
        None
    }

    /// The run ends: what is to be written last, one after the other.
    fn closing(&self, _now: Timestamp) -> Option<Due> {
        None
    }

    /// Waits until everything that was written before is on disk.
    fn settle(&self) -> Settling<'_> {
        None
    }
}

impl<S: Sink> Audit for S {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        Sink::write(self, record)
    }
}

/// When a record counts as written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Durability {
    /// When the disk has it: nothing that was answered is lost with the power.
    Fsync,
    /// When the system has it: it outlives this process.
    Flush,
}

/// How a log is kept.
///
/// # Defaults
///
/// [`new`](Self::new): a new file after 64 MiB or 24 hours, and no old file is
/// removed.
#[derive(Debug)]
pub struct AuditOptions {
    /// Signs the log.
    pub key: PrivateKey,
    /// When a record counts as written.
    pub durability: Durability,
    /// Bytes after which a new file is begun.
    pub rotate_size: u64,
    /// The time after which a new file is begun.
    pub rotate_age: Duration,
    /// How many old files are kept; none: all.
    pub keep: Option<u32>,
}

impl AuditOptions {
    /// The defaults, and what they leave open.
    #[must_use]
    pub const fn new(key: PrivateKey, durability: Durability) -> Self {
        Self {
            key,
            durability,
            rotate_size: 64 * 1024 * 1024,
            rotate_age: Duration::from_secs(24 * 60 * 60),
            keep: None,
        }
    }
}

/// A log on disk, to be written by one run of a host.
#[derive(Debug)]
pub struct AuditLog {
    path: PathBuf,
    durability: Durability,
    writer: Arc<Mutex<Writer>>,
    keeper: Keeper,
    committer: Arc<Committer>,
}

impl AuditLog {
    /// Opens the log for appending, or makes it with mode 0600.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable` if that cannot be done.
    pub fn open(path: &Path, options: AuditOptions) -> Result<Self> {
        let committer = Arc::new(Committer::new());
        let durability = options.durability;
        let writer = Writer::open(path, options, Arc::clone(&committer))
            .map_err(|cause| at(unavailable(&cause), path))?;
        Ok(Self {
            path: path.to_owned(),
            durability,
            writer: Arc::new(Mutex::new(writer)),
            keeper: Keeper::default(),
            committer,
        })
    }

    /// Whether the log can be written. Makes it if it is not there.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable` if not.
    pub fn check(path: &Path) -> Result<()> {
        let opened = files::Place::open(path).and_then(|mut place| place.open_log());
        opened
            .map(drop)
            .map_err(|cause| at(unavailable(&cause), path))
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Audit for AuditLog {
    fn begin(&self, run: &str, now: Timestamp) -> Result<()> {
        let begun = self.writer().begin(run, now);
        begun.map_err(|cause| at(unavailable(&cause), &self.path))
    }

    fn due(&self, now: Timestamp) -> Option<Due> {
        self.writer().due(now)
    }

    fn write(&self, record: &Record<'_>) -> Result<()> {
        let written = self.writer().write(record);
        written.map_err(|error| at(error, &self.path))
    }

    fn end(&self) -> Option<Event> {
        let mut writer = self.writer();
        let behind = writer.leave();
        let news = writer.news();
        drop(writer);
        if behind && let Err(cause) = self.keeper.wake(&self.writer) {
            self.writer().give_up();
            tracing::warn!(%cause, "the head of the audit log is written late");
        }
        news
    }

    fn closing(&self, now: Timestamp) -> Option<Due> {
        self.writer().closing(now)
    }

    fn settle(&self) -> Settling<'_> {
        match self.durability {
            Durability::Flush => None,
            Durability::Fsync => Some(Box::pin(self.committer.settle())),
        }
    }
}

impl Drop for AuditLog {
    fn drop(&mut self) {
        self.keeper.close();
        self.writer().seal();
    }
}

fn at(error: Error, path: &Path) -> Error {
    let cause = error.internal().unwrap_or_default().to_owned();
    error.with_internal(format_args!("{}: {cause}", path.display()))
}

fn unavailable(cause: &io::Error) -> Error {
    Error::new(
        Kind::AuditUnavailable,
        "The audit log cannot be written, so nothing is run.",
    )
    .with_hint("Make room for it or mend its permissions; `skillhost doctor` says where it is.")
    .with_internal(cause)
}
