//! How often calls may be made: the generic cell rate algorithm of `governor`, on
//! the host's own clock.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use governor::clock::Clock as _;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};

use super::rules::Rate;
use crate::time::{Clock, millis};

/// The shortest time between two calls: a rate cannot be finer.
const FINEST: Duration = Duration::from_nanos(1);

/// Counts calls against one rate.
#[derive(Debug)]
pub(super) struct Limiter {
    cells: RateLimiter<NotKeyed, InMemoryState, Since, NoOpMiddleware<Duration>>,
    clock: Since,
    /// After that time without a call it is as if there had been none.
    forgets: Duration,
    /// Milliseconds of the last call.
    last: AtomicU64,
    /// The line of the configuration.
    pub(super) rule: Box<str>,
}

/// Time since something began, which never goes back.
#[derive(Debug, Clone)]
pub(super) struct Since {
    start: Instant,
    clock: Arc<dyn Clock>,
}

impl Since {
    pub(super) fn now_on(clock: Arc<dyn Clock>) -> Self {
        Self {
            start: clock.monotonic(),
            clock,
        }
    }
}

impl governor::clock::Clock for Since {
    type Instant = Duration;

    fn now(&self) -> Duration {
        let now = self.clock.monotonic();
        now.saturating_duration_since(self.start)
    }
}

impl Limiter {
    pub(super) fn new(rate: Rate, table: &str, clock: Since) -> Self {
        let (pause, burst) = (rate.pause().max(FINEST), rate.burst());
        let quota = Quota::with_period(pause)
            .unwrap_or(Quota::per_second(NonZeroU32::MIN))
            .allow_burst(burst);
        Self {
            cells: RateLimiter::direct_with_clock(quota, clock.clone()),
            forgets: pause.saturating_mul(burst.get()),
            last: AtomicU64::new(0),
            rule: rule(rate, table).into(),
            clock,
        }
    }

    /// Counts a call; if there were too many, the time after which there may be
    /// another.
    pub(super) fn check(&self) -> Result<(), Duration> {
        let now = self.clock.now();
        self.last.store(millis(now), Relaxed);
        self.cells
            .check()
            .map_err(|not_until| not_until.wait_time_from(now))
    }

    /// Whether it would judge the next call like a fresh one.
    pub(super) fn is_rested(&self) -> bool {
        let last = Duration::from_millis(self.last.load(Relaxed));
        self.clock.now().saturating_sub(last) >= self.forgets
    }
}

fn rule(rate: Rate, table: &str) -> String {
    match rate.burst {
        None => format!("`rate = \"{rate}\"` under `{table}`"),
        Some(burst) => format!("`rate = \"{rate}\"` and `burst = {burst}` under `{table}`"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use jiff::Timestamp;

    use super::*;
    use crate::time::SystemClock;

    /// A clock that somebody turns on.
    #[derive(Debug)]
    struct Turned(Mutex<Instant>);

    impl Turned {
        fn by(&self, time: Duration) {
            *self.0.lock().unwrap() += time;
        }
    }

    impl Clock for Turned {
        fn wall(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Instant {
            *self.0.lock().unwrap()
        }
    }

    #[test]
    fn calls_are_counted_in_the_time_of_the_host() {
        let clock = Arc::new(Turned(Mutex::new(SystemClock.monotonic())));
        let mut rate: Rate = "60/min".parse().unwrap();
        rate.burst = NonZeroU32::new(2);
        let since = Since::now_on(Arc::clone(&clock) as Arc<dyn Clock>);
        let limiter = Limiter::new(rate, "[principal.ci]", since);
        assert_eq!(
            &*limiter.rule,
            "`rate = \"60/min\"` and `burst = 2` under `[principal.ci]`"
        );
        assert_eq!((limiter.check(), limiter.check()), (Ok(()), Ok(())));
        assert_eq!(limiter.check(), Err(Duration::from_secs(1)));
        clock.by(Duration::from_millis(400));
        assert_eq!(limiter.check(), Err(Duration::from_millis(600)));
        clock.by(Duration::from_millis(600));
        assert_eq!(limiter.check(), Ok(()));
        assert!(limiter.check().is_err() && !limiter.is_rested());
        clock.by(Duration::from_secs(2));
        assert!(limiter.is_rested());
        assert_eq!((limiter.check(), limiter.check()), (Ok(()), Ok(())));
        assert!(limiter.check().is_err());
    }
}
