//! What a call may take over all of its attempts, and what they took.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::record::Attempted;
use super::snapshot::Snapshot;
use crate::admission::Caller;
use crate::event::Usage;
use crate::invocation::Principal;
use crate::policy::limits::Limits;
use crate::recovery::Left;
use crate::time::millis;

/// One deadline, one budget of fuel, and one of everything else that is counted,
/// however often a call is tried: a limit times the number of attempts would be
/// none.
pub(super) struct Whole {
    start: Instant,
    /// Those of the tool that was asked for, once it is known.
    limits: Option<Limits>,
    tried: bool,
    usage: Usage,
    /// Units of fuel, those included that the engine may have lost.
    charged: u64,
    /// Since when a guest runs.
    running: Option<Instant>,
    /// Who calls, once that is judged.
    pub(super) caller: Option<Arc<Caller>>,
    /// What it works with, whatever changes meanwhile.
    pub(super) snapshot: Arc<Snapshot>,
}

impl Whole {
    pub(super) const fn new(start: Instant, snapshot: Arc<Snapshot>) -> Self {
        Self {
            start,
            limits: None,
            tried: false,
            usage: Usage::NOTHING,
            charged: 0,
            running: None,
            caller: None,
            snapshot,
        }
    }

    /// When the call began.
    pub(super) const fn start(&self) -> Instant {
        self.start
    }

    /// What it began with may no longer run: it goes on with all that there is
    /// now, whoever calls included, and never with a part of both.
    pub(super) fn go_on_with(&mut self, snapshot: Arc<Snapshot>, principal: &Principal) {
        if !Arc::ptr_eq(&snapshot.admission, &self.snapshot.admission) {
            self.caller = Some(Arc::new(snapshot.admission.again(principal)));
        }
        self.snapshot = snapshot;
    }

    /// Whether there was an attempt before.
    pub(super) const fn has_tried(&self) -> bool {
        self.tried
    }

    /// The first tool that is admitted sets the limits of the call; whether it is
    /// the first.
    pub(super) fn begin(&mut self, limits: &Limits) -> bool {
        let is_first = self.limits.is_none();
        self.limits.get_or_insert(*limits);
        is_first
    }

    /// Limits and deadline of the next attempt, of a tool with limits of its own.
    pub(super) fn bounds(&self, own: &Limits, longest: Option<Duration>) -> (Limits, Instant) {
        let whole = self.limits.unwrap_or(*own);
        let end = self.start + whole.timeout;
        let mut limits = *own;
        let mut longest = longest;
        if self.tried {
            limits = self.rest(own, &whole);
            longest = Some(longest.unwrap_or(own.timeout).min(own.timeout));
        }
        match longest.map(|longest| (longest, Instant::now() + longest)) {
            Some((longest, at)) if at < end => {
                limits.timeout = longest;
                (limits, at)
            }
            _ => {
                limits.timeout = whole.timeout;
                (limits, end)
            }
        }
    }

    /// What is left of each limit that is counted over the call; what is held for
    /// a while was given back.
    fn rest(&self, own: &Limits, whole: &Limits) -> Limits {
        let spent = &self.usage.spent;
        let rest = |limit: fn(&Limits) -> u64, spent: u64| {
            limit(own).min(limit(whole).saturating_sub(spent))
        };
        Limits {
            fuel: rest(|it| it.fuel, self.charged),
            host_calls: rest(|it| it.host_calls, spent.host_calls),
            random_total: rest(|it| it.random_total, spent.random_bytes),
            stdout: rest(|it| it.stdout, spent.stdout_bytes),
            stderr: rest(|it| it.stderr, spent.stderr_bytes),
            log: rest(|it| it.log, spent.log_bytes),
            log_lines: rest(|it| it.log_lines, spent.log_lines),
            disk_bytes: rest(|it| it.disk_bytes, spent.disk_bytes),
            disk_files: rest(|it| it.disk_files, spent.disk_files),
            listed: rest(|it| it.listed, spent.listed),
            http_requests: rest(|it| it.http_requests, spent.http_requests),
            connects: rest(|it| it.connects, spent.connects),
            ..*own
        }
    }

    /// A guest is entered.
    pub(super) fn runs(&mut self) {
        self.running = Some(Instant::now());
    }

    /// Adds what an attempt took.
    pub(super) fn took(&mut self, attempted: &Attempted) {
        self.tried = true;
        self.running = None;
        self.usage = self.usage.and(&attempted.usage);
        self.charged = self.charged.saturating_add(attempted.charged);
    }

    /// What is left for further attempts. Without a tool that was admitted, the
    /// limits of the host count.
    pub(super) fn left(&self) -> Left {
        let limits = self.limits.as_ref();
        let limits = limits.unwrap_or(&self.snapshot.terms.limits);
        Left {
            time: limits.timeout.saturating_sub(self.start.elapsed()),
            fuel: limits.fuel.saturating_sub(self.charged),
        }
    }

    /// What was used, as far as that is known while a guest runs.
    pub(super) fn usage(&self) -> Usage {
        let Some(since) = self.running else {
            return self.usage;
        };
        self.usage.and(&Usage {
            attempts: 1,
            wall_ms: millis(since.elapsed()),
            ..Usage::NOTHING
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Error, Kind};
    use crate::event::Spent;

    const SECOND: Duration = Duration::from_secs(1);

    fn own() -> Limits {
        Limits {
            fuel: 1000,
            timeout: 30 * SECOND,
            http_requests: 5,
            disk_bytes: 100,
            ..Limits::default()
        }
    }

    fn attempted(charged: u64, spent: Spent) -> Attempted {
        Attempted {
            usage: Usage {
                fuel: 100,
                attempts: 1,
                spent,
                ..Usage::NOTHING
            },
            charged,
            ..Attempted::failed(Error::new(Kind::Trapped, "It crashed."))
        }
    }

    fn begun() -> (Whole, Instant) {
        let start = Instant::now();
        let mut whole = Whole::new(start, Snapshot::of_nothing());
        assert!(whole.begin(&own()));
        assert!(!whole.begin(&own()));
        (whole, start)
    }

    #[test]
    fn the_first_attempt_has_all_of_it() {
        let (whole, start) = begun();
        assert_eq!(whole.bounds(&own(), None), (own(), start + 30 * SECOND));
        let (limits, deadline) = whole.bounds(&own(), Some(SECOND));
        assert_eq!(limits.timeout, SECOND);
        assert!(deadline < start + 5 * SECOND);
    }

    #[test]
    fn r35_what_was_used_is_missing_for_the_next_attempt() {
        let (mut whole, start) = begun();
        let spent = Spent {
            http_requests: 2,
            disk_bytes: 60,
            open_files: 9,
            ..Spent::default()
        };
        whole.took(&attempted(300, spent));
        let (limits, deadline) = whole.bounds(&own(), None);
        assert_eq!((limits.fuel, limits.http_requests), (700, 3));
        assert_eq!(
            (limits.disk_bytes, limits.open_files),
            (40, own().open_files)
        );
        assert_eq!(deadline, start + 30 * SECOND);
        whole.took(&attempted(u64::MAX, spent));
        let (limits, _) = whole.bounds(&own(), None);
        assert_eq!(
            (limits.fuel, limits.http_requests, limits.disk_bytes),
            (0, 1, 0)
        );
        assert_eq!(whole.left().fuel, 0);
        let usage = whole.usage();
        assert_eq!((usage.attempts, usage.fuel), (2, 200));
        assert_eq!((usage.spent.http_requests, usage.spent.open_files), (4, 9));
    }

    #[test]
    fn r35_a_fallback_has_no_more_than_is_left_and_no_more_than_its_own() {
        let (mut whole, start) = begun();
        whole.took(&attempted(900, Spent::default()));
        let wide = Limits {
            fuel: u64::MAX,
            timeout: 3600 * SECOND,
            disk_bytes: 1,
            ..Limits::default()
        };
        let (limits, deadline) = whole.bounds(&wide, None);
        assert_eq!((limits.fuel, limits.http_requests), (100, 5));
        assert_eq!(limits.disk_bytes, 1);
        assert_eq!(deadline, start + 30 * SECOND);
    }

    #[test]
    fn c02_what_runs_is_counted_when_it_is_dropped() {
        let (mut whole, _) = begun();
        assert_eq!(whole.usage().attempts, 0);
        whole.runs();
        assert_eq!(whole.usage().attempts, 1);
    }
}
