//! File descriptors of this process, shared between calls: guests never hold
//! so many that the host itself cannot open a file or a connection.

use std::sync::Arc;

use rustix::process::{Resource, getrlimit};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::policy::limits::Limits;
use crate::sandbox::meter::Held;

/// How many files guests may hold open in one host.
#[derive(Debug, Clone)]
pub(crate) struct Descriptors {
    each: usize,
    all: Arc<Semaphore>,
}

impl Descriptors {
    /// Half of what this process may open, and for each call a quarter: beside
    /// the greediest call there is room for another, and for the host.
    pub(crate) fn of_process(limits: &Limits) -> Self {
        let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let shares = Self::of(crate::sandbox::bytes(limit));
        if limits.open_files > shares.each as u64 {
            tracing::warn!(
                "this process may open {limit} files, so each call may hold {} of them open, and not {}; raise `ulimit -n`",
                shares.each,
                limits.open_files
            );
        }
        shares
    }

    fn of(limit: usize) -> Self {
        let all = (limit / 2).min(Semaphore::MAX_PERMITS);
        Self {
            each: all / 2,
            all: Arc::new(Semaphore::new(all)),
        }
    }
}

/// What one call has of them.
pub(super) struct Allowance {
    all: Descriptors,
    own: Option<Arc<Semaphore>>,
}

impl Allowance {
    pub(super) fn of(all: &Descriptors) -> Self {
        Self {
            all: all.clone(),
            own: None,
        }
    }

    /// Room for one more open file; none if this call or all calls together
    /// have as many as there may be.
    pub(super) fn take(&mut self, held: Held) -> Option<Slot> {
        let own = self
            .own
            .get_or_insert_with(|| Arc::new(Semaphore::new(self.all.each)));
        Some(Slot {
            _held: held,
            _own: Arc::clone(own).try_acquire_owned().ok()?,
            _all: Arc::clone(&self.all.all).try_acquire_owned().ok()?,
        })
    }
}

/// One open file, until neither its descriptor nor a stream on it is left.
pub(super) struct Slot {
    _held: Held,
    _own: OwnedSemaphorePermit,
    _all: OwnedSemaphorePermit,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sandbox::meter::{Budget, Meter};

    #[test]
    fn r24_guests_leave_files_to_the_host_and_to_each_other() {
        let meter = Meter::new(&Limits {
            open_files: 1000,
            ..Limits::default()
        });
        let all = Descriptors::of(128);
        let take = |call: &mut Allowance| call.take(meter.hold(Budget::OpenFiles).unwrap());
        let mut greedy = Allowance::of(&all);
        let held: Vec<Slot> = std::iter::from_fn(|| take(&mut greedy)).collect();
        assert_eq!(held.len(), 32);
        let mut other = Allowance::of(&all);
        let more: Vec<Slot> = std::iter::from_fn(|| take(&mut other)).collect();
        assert_eq!(more.len(), 32);
        assert!(take(&mut Allowance::of(&all)).is_none());
        drop(held);
        assert!(take(&mut greedy).is_some());
    }
}
