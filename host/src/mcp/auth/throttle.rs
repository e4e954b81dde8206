//! What failed attempts cost whoever makes them, and nobody else.
//!
//! Keys and tokens are looked at first, and one that is valid is always taken:
//! whoever shares an address with an attacker is served on, and so is everybody
//! while all together are throttled. What is throttled is the answer to what is
//! not valid. That lets an attacker go on guessing, which is hopeless with 256
//! random bits; it takes away that guessing fills the log, costs work, or is of
//! use to lock others out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::source::{Source, Table};

/// Failed attempts of a source whose answer is only late.
const PATIENCE: u32 = 5;

/// How late the first answer is; each further one is twice as late.
const FIRST_DELAY: Duration = Duration::from_millis(100);

/// The first lock-out; each further one is twice as long.
const FIRST_LOCK: Duration = Duration::from_secs(2);

/// The longest lock-out of a source.
const LONGEST_LOCK: Duration = Duration::from_secs(15 * 60);

/// After so long without a failed attempt nothing is held against a source.
const FORGIVEN: Duration = Duration::from_secs(3600);

/// Sources that are told apart.
const SOURCES: usize = 8192;

/// Failed attempts of all sources together within [`WINDOW`] before all are
/// throttled.
const TOTAL: u32 = 600;

/// The time over which those are counted.
const WINDOW: Duration = Duration::from_secs(60);

/// The first lock-out of all, and the longest.
const TOTAL_LOCKS: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(60)];

/// How a failed attempt is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sentence {
    /// After so long.
    Late(Duration),
    /// At once: come back after so long.
    Locked(Duration),
}

/// A lock-out that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lock {
    /// `source` or `all`.
    pub(super) scope: &'static str,
    pub(super) failures: u64,
    pub(super) wait: Duration,
}

/// Counts failed attempts.
#[derive(Debug)]
pub(super) struct Throttle {
    start: Instant,
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    sources: Table<Source, Offender>,
    all: Total,
}

/// What is held against one source. Times are since the throttle began.
#[derive(Debug, Default)]
struct Offender {
    failures: u32,
    last: Duration,
    locked_until: Duration,
}

/// What is held against all.
#[derive(Debug, Default)]
struct Total {
    begun: Duration,
    failures: u32,
    locks: u32,
    locked_until: Duration,
}

impl Throttle {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            start: now,
            counts: Mutex::new(Counts {
                sources: Table::new(SOURCES),
                all: Total::default(),
            }),
        }
    }

    /// Counts a failed attempt: how it is answered, and the lock-out that begins
    /// with it.
    pub(super) fn failed(&self, source: Source, now: Instant) -> (Sentence, Option<Lock>) {
        let now = now.saturating_duration_since(self.start);
        // Numbers alone: a panic cannot leave what is worse than a wrong count.
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(wait) = left(counts.all.locked_until, now) {
            return (Sentence::Locked(wait), None);
        }
        let offender = counts.sources.of(source);
        if let Some(wait) = offender.as_ref().and_then(|it| left(it.locked_until, now)) {
            // Or one source that tries on would have all others throttled.
            return (Sentence::Locked(wait), None);
        }
        let (sentence, lock) = match offender {
            Some(offender) => offender.failed(now),
            None => (Sentence::Locked(LONGEST_LOCK), None),
        };
        match counts.all.failed(now) {
            Some(all) => (Sentence::Locked(all.wait), Some(all)),
            None => (sentence, lock),
        }
    }
}

impl Offender {
    /// Not for what comes while it is locked out: that counts for nothing, or
    /// whoever tries on would be locked out for as long as they like.
    fn failed(&mut self, now: Duration) -> (Sentence, Option<Lock>) {
        let quiet_since = self.last.max(self.locked_until);
        if now.saturating_sub(quiet_since) > FORGIVEN {
            *self = Self::default();
        }
        self.failures = self.failures.saturating_add(1);
        self.last = now;
        if self.failures <= PATIENCE {
            let delay = doubled(FIRST_DELAY, self.failures - 1);
            return (Sentence::Late(delay), None);
        }
        let wait = doubled(FIRST_LOCK, self.failures - PATIENCE - 1).min(LONGEST_LOCK);
        self.locked_until = now + wait;
        let lock = Lock {
            scope: "source",
            failures: self.failures.into(),
            wait,
        };
        (Sentence::Locked(wait), Some(lock))
    }
}

impl Total {
    fn failed(&mut self, now: Duration) -> Option<Lock> {
        if now.saturating_sub(self.begun) > WINDOW {
            let is_quiet = self.failures <= TOTAL / 2;
            self.begun = now;
            self.failures = 0;
            self.locks = if is_quiet { 0 } else { self.locks };
        }
        self.failures = self.failures.saturating_add(1);
        if self.failures <= TOTAL {
            return None;
        }
        let failures = self.failures.into();
        let [first, longest] = TOTAL_LOCKS;
        let wait = doubled(first, self.locks).min(longest);
        self.locks = self.locks.saturating_add(1);
        self.locked_until = now + wait;
        Some(Lock {
            scope: "all",
            failures,
            wait,
        })
    }
}

fn left(until: Duration, now: Duration) -> Option<Duration> {
    until.checked_sub(now).filter(|left| !left.is_zero())
}

fn doubled(first: Duration, times: u32) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times.min(20)))
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use super::*;

    fn source(last: u32) -> Source {
        let ip = IpAddr::V4((0x0a00_0000 + last).into());
        SocketAddr::new(ip, 1).into()
    }

    #[test]
    fn m03_failed_attempts_are_answered_late_and_then_locked_out_ever_longer() {
        let start = crate::time::system().monotonic();
        let throttle = Throttle::new(start);
        let mut now = start;
        for delay in [100, 200, 400, 800, 1600] {
            let expected = Sentence::Late(Duration::from_millis(delay));
            assert_eq!(throttle.failed(source(1), now), (expected, None));
        }
        for seconds in [2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900] {
            let wait = Duration::from_secs(seconds);
            let (sentence, lock) = throttle.failed(source(1), now);
            assert_eq!(sentence, Sentence::Locked(wait));
            assert_eq!(lock.map(|it| (it.scope, it.wait)), Some(("source", wait)));
            // Trying on meanwhile neither helps nor makes it longer.
            now += wait / 2;
            let (sentence, lock) = throttle.failed(source(1), now);
            assert_eq!((sentence, lock), (Sentence::Locked(wait / 2), None));
            now += wait / 2;
        }
        now += FORGIVEN + Duration::from_secs(1);
        let (sentence, _) = throttle.failed(source(1), now);
        assert_eq!(sentence, Sentence::Late(FIRST_DELAY), "it is forgiven");
    }

    #[test]
    fn m03_one_source_that_is_locked_out_locks_out_no_other() {
        let now = crate::time::system().monotonic();
        let throttle = Throttle::new(now);
        for _ in 0..50 {
            throttle.failed(source(1), now);
        }
        let (sentence, _) = throttle.failed(source(2), now);
        assert_eq!(sentence, Sentence::Late(FIRST_DELAY));
    }

    #[test]
    fn m03_one_source_that_tries_on_has_nobody_else_throttled() {
        let now = crate::time::system().monotonic();
        let throttle = Throttle::new(now);
        for _ in 0..TOTAL * 2 {
            throttle.failed(source(1), now);
        }
        let (sentence, lock) = throttle.failed(source(1), now);
        assert_eq!((sentence, lock), (Sentence::Locked(FIRST_LOCK), None));
        let (sentence, _) = throttle.failed(source(2), now);
        assert_eq!(sentence, Sentence::Late(FIRST_DELAY));
    }

    #[test]
    fn m03_so_many_from_everywhere_are_throttled_together() {
        let start = crate::time::system().monotonic();
        let throttle = Throttle::new(start);
        let from_everywhere = |now, first: u32| {
            let attempts = (first..first + TOTAL + 1).map(|it| throttle.failed(source(it), now));
            attempts.filter_map(|(_, lock)| lock).collect::<Vec<_>>()
        };
        let locks = from_everywhere(start, 0);
        assert_eq!(locks.len(), 1);
        assert_eq!(
            (locks[0].scope, locks[0].failures),
            ("all", u64::from(TOTAL) + 1)
        );
        let locked = Sentence::Locked(Duration::from_secs(1));
        assert_eq!(throttle.failed(source(5000), start), (locked, None));
        // Whoever goes on when it is over is locked out for longer.
        let now = start + Duration::from_secs(1);
        let (sentence, lock) = throttle.failed(source(5001), now);
        assert_eq!(sentence, Sentence::Locked(Duration::from_secs(2)));
        assert_eq!(lock.unwrap().scope, "all");
        // A quiet minute later it counts anew.
        let later = now + Duration::from_secs(63);
        assert_eq!(
            throttle.failed(source(5002), later).0,
            Sentence::Late(FIRST_DELAY)
        );
        let quiet = later + WINDOW + Duration::from_secs(1);
        assert_eq!(from_everywhere(quiet, 6000)[0].wait, Duration::from_secs(1));
    }
}
