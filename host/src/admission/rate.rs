//! How often calls may be made: the generic cell rate algorithm (ITU-T I.371),
//! on the host's own clock. All that is kept of a rate is one number: the time at
//! which it would be rested. A call puts that off by the pause between two calls,
//! and is refused if it were put off beyond a whole burst.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::rules::Rate;
use crate::time::Clock;

/// Counts calls against one rate.
#[derive(Debug)]
pub(super) struct Limiter {
    clock: Since,
    /// Nanoseconds from one call to the next, at least one.
    pause: u64,
    /// Nanoseconds of a whole burst.
    burst: u64,
    /// When it is rested, in nanoseconds of the clock; shared with the limiter
    /// that took its place when the configuration changed.
    rested: Arc<AtomicU64>,
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

    pub(super) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    pub(super) fn now(&self) -> Duration {
        let now = self.clock.monotonic();
        now.saturating_duration_since(self.start)
    }
}

/// Five hundred years fit.
fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl Limiter {
    pub(super) fn new(rate: Rate, table: &str, clock: Since) -> Self {
        let pause = nanos(rate.pause()).max(1);
        Self {
            clock,
            pause,
            burst: pause.saturating_mul(rate.burst().get().into()),
            rested: Arc::default(),
            rule: rule(rate, table).into(),
        }
    }

    /// Counts on where another left off, whatever the rate of that was.
    pub(super) fn after(mut self, known: Option<&Self>) -> Self {
        if let Some(known) = known {
            self.rested = Arc::clone(&known.rested);
        }
        self
    }

    /// Counts a call; if there were too many, the time after which there may be
    /// another. A refused call is not counted.
    pub(super) fn check(&self) -> Result<(), Duration> {
        let now = nanos(self.clock.now());
        let put_off = |rested: u64| rested.max(now).saturating_add(self.pause);
        let allowed = |rested: u64| {
            let rested = put_off(rested);
            (rested - now <= self.burst).then_some(rested)
        };
        let counted = self.rested.fetch_update(Relaxed, Relaxed, allowed);
        counted.map(|_before| ()).map_err(|rested| {
            let wait = put_off(rested).saturating_sub(now.saturating_add(self.burst));
            Duration::from_nanos(wait)
        })
    }

    /// Whether it would judge the next call like a fresh one.
    pub(super) fn is_rested(&self) -> bool {
        self.rested.load(Relaxed) <= nanos(self.clock.now())
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
    use std::num::NonZeroU32;
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
        clock.by(Duration::from_millis(1999));
        assert!(!limiter.is_rested());
        clock.by(Duration::from_millis(1));
        assert!(limiter.is_rested());
        assert_eq!((limiter.check(), limiter.check()), (Ok(()), Ok(())));
        assert!(limiter.check().is_err());
    }

    #[test]
    fn callers_on_many_threads_share_one_rate() {
        let clock = Arc::new(Turned(Mutex::new(SystemClock.monotonic())));
        let since = Since::now_on(Arc::clone(&clock) as Arc<dyn Clock>);
        let limiter = Limiter::new("500/day".parse().unwrap(), "[principal.ci]", since);
        let passed = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1000 {
                        passed.fetch_add(u64::from(limiter.check().is_ok()), Relaxed);
                    }
                });
            }
        });
        assert_eq!(passed.into_inner(), 500);
    }

    #[test]
    fn the_shortest_and_the_longest_rate_hold() {
        let clock = Arc::new(Turned(Mutex::new(SystemClock.monotonic())));
        let limiter = |rate: &str| {
            let since = Since::now_on(Arc::clone(&clock) as Arc<dyn Clock>);
            Limiter::new(rate.parse().unwrap(), "[principal.ci]", since)
        };
        let slow = limiter("1/day");
        assert_eq!(slow.check(), Ok(()));
        assert_eq!(slow.check(), Err(Duration::from_secs(24 * 3600)));
        let fast = limiter("4294967295/s");
        assert!((0..1000).all(|_| fast.check().is_ok()));
    }
}
