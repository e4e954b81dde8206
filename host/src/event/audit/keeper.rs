//! Writes the head, soon after lines were: to overwrite it for each line would
//! cost as much as the line. It also gives up the lock that a busy writer keeps.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::writer::Writer;

/// For how long the head may not know of a line.
pub(super) const LATE: Duration = Duration::from_millis(5);

/// For how long a lock that was given up is not kept again: others look for it
/// each 50 us to 1 ms.
const GAP: Duration = Duration::from_millis(1);

/// The thread that writes the head.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    closed: Arc<AtomicBool>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Keeper {
    /// There is something to write. The thread is started at the first time.
    pub(super) fn wake(&self, writer: &Arc<Mutex<Writer>>) -> io::Result<()> {
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.as_ref() {
            thread.thread().unpark();
            return Ok(());
        }
        let (writer, closed) = (Arc::clone(writer), Arc::clone(&self.closed));
        let work = move || {
            while !closed.load(Ordering::Acquire) {
                thread::park_timeout(LATE);
                // Asked again: the pause may have used up the call to end.
                if closed.load(Ordering::Acquire) {
                    break;
                }
                if lock(&writer).seal() {
                    thread::sleep(GAP);
                    lock(&writer).keep_again();
                } else {
                    thread::park();
                }
            }
        };
        *thread = Some(
            thread::Builder::new()
                .name("audit-head".to_owned())
                .spawn(work)?,
        );
        Ok(())
    }

    /// Ends the thread.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
        let mut thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(thread) = thread.take() {
            thread.thread().unpark();
            // It does not panic.
            let _ = thread.join();
        }
    }
}

fn lock(writer: &Mutex<Writer>) -> MutexGuard<'_, Writer> {
    writer.lock().unwrap_or_else(PoisonError::into_inner)
}
