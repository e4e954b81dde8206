//! Group commit: one thread brings to disk what was written, for all who wait.

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use super::unavailable;
use crate::error::Result;

/// How far the log of this process is on disk.
#[derive(Debug, Clone, Copy, Default)]
struct Settled {
    /// Lines that are, or that could not be brought there.
    lines: u64,
    /// The last line that could not.
    failed: u64,
}

/// Shared by who writes, who waits, and the thread.
#[derive(Debug)]
struct Shared {
    written: AtomicU64,
    wanted: AtomicU64,
    closed: AtomicBool,
    /// The file that is written. Files before it were brought to disk when it
    /// was begun.
    file: Mutex<Option<Arc<File>>>,
    settled: watch::Sender<Settled>,
}

/// Brings lines to disk.
#[derive(Debug)]
pub(super) struct Committer {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Committer {
    pub(super) fn new() -> Self {
        Self {
            shared: Arc::new(Shared {
                written: AtomicU64::new(0),
                wanted: AtomicU64::new(0),
                closed: AtomicBool::new(false),
                file: Mutex::new(None),
                settled: watch::Sender::new(Settled::default()),
            }),
            thread: Mutex::new(None),
        }
    }

    /// A line was written to the current file.
    pub(super) fn count(&self) {
        self.shared.written.fetch_add(1, Ordering::Release);
    }

    /// From now on, lines go to that file; those before are on disk.
    pub(super) fn follow(&self, file: &Arc<File>) {
        *self.shared.file() = Some(Arc::clone(file));
    }

    /// Waits until every line that was counted is on disk.
    pub(super) async fn settle(&self) -> Result<()> {
        let mine = self.shared.written.load(Ordering::Acquire);
        let mut settled = self.shared.settled.subscribe();
        if settled.borrow().lines < mine {
            self.shared.wanted.fetch_max(mine, Ordering::AcqRel);
            self.wake().map_err(|cause| unavailable(&cause))?;
        }
        // The sender lives as long as `self`.
        let reached = settled.wait_for(|settled| settled.lines >= mine).await;
        match reached {
            Ok(settled) if settled.failed < mine || mine == 0 => Ok(()),
            _ => Err(unavailable(&io::Error::other(
                "it cannot be brought to disk",
            ))),
        }
    }

    /// The thread is started when somebody waits for the first time.
    fn wake(&self) -> io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.as_ref() {
            thread.thread().unpark();
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let started = thread::Builder::new()
            .name("audit".to_owned())
            .spawn(move || shared.work())?;
        *thread = Some(started);
        Ok(())
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Release);
        let thread = self.thread.get_mut();
        if let Some(thread) = thread.unwrap_or_else(PoisonError::into_inner).take() {
            thread.thread().unpark();
            // It ends after at most one more sync, and does not panic.
            let _ = thread.join();
        }
    }
}

impl Shared {
    fn file(&self) -> std::sync::MutexGuard<'_, Option<Arc<File>>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        while !self.closed.load(Ordering::Acquire) {
            if self.wanted.load(Ordering::Acquire) <= self.settled.borrow().lines {
                thread::park();
                continue;
            }
            // Counted before the file is taken: what was counted stands in this
            // file, or in one that was brought to disk before this one began.
            let written = self.written.load(Ordering::Acquire);
            let file = self.file().clone();
            let synced = file.map_or(Ok(()), |file| file.sync_data());
            self.settled.send_modify(|settled| {
                settled.lines = written;
                if let Err(cause) = synced {
                    tracing::error!(%cause, "the audit log cannot be brought to disk");
                    settled.failed = written;
                }
            });
        }
    }
}
