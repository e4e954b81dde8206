//! How many compilers run at once.

use std::sync::{Condvar, Mutex, PoisonError};

/// The most compilers at once. Each uses all cores by itself; two, so that one
/// that takes long does not hold up the others.
const MAX_COMPILERS: u32 = 2;

/// Lets so many through, and the others wait.
#[derive(Debug, Default)]
pub(super) struct Turns {
    running: Mutex<u32>,
    freed: Condvar,
}

impl Turns {
    /// Does the work when its turn has come.
    pub(super) fn take<T>(&self, work: impl FnOnce() -> T) -> T {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let mut running = self
            .freed
            .wait_while(running, |running| *running >= MAX_COMPILERS)
            .unwrap_or_else(PoisonError::into_inner);
        *running += 1;
        drop(running);
        let _turn = Turn(self);
        work()
    }
}

/// Given back when it is dropped, also after a panic.
struct Turn<'a>(&'a Turns);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let running = &self.0.running;
        *running.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        self.0.freed.notify_one();
    }
}
