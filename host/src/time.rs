//! The clock, injected so that tests decide what time it is.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;

/// Where the host gets the time from.
pub trait Clock: fmt::Debug + Send + Sync {
    /// Time of day, for records and expiry.
    fn wall(&self) -> Timestamp;
    /// Never goes back; for deadlines and durations.
    fn monotonic(&self) -> Instant;
}

/// The clock of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the one place that reads it")]
    fn monotonic(&self) -> Instant {
        Instant::now()
    }
}

/// The clock of the machine, shared.
#[must_use]
pub fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Whole milliseconds, for records and answers.
#[must_use]
pub fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
