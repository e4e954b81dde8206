//! The course of one call after its first failure: what was tried, and what is
//! to be done next. It decides and runs nothing; time, budget and chance are
//! given to it.

use std::sync::Arc;
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};

use super::advice;
use super::kinds::{falls_back, takes_last_good};
use super::policy::{Backoff, Fallback, Recovery};
use crate::error::{Again, Kind, Retry};

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) kind: Kind,
    /// The guest said `unavailable`, and by that, that it did nothing yet.
    pub(crate) unavailable: bool,
    /// The guest was entered.
    pub(crate) ran: bool,
    /// When the tool, or the host, wants to be asked again.
    pub(crate) retry_after: Option<Duration>,
}

/// What a call has left for further attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) time: Duration,
    pub(crate) fuel: u64,
}

/// What is done after an attempt that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The tool is tried again after this pause.
    Retry(Duration),
    /// This takes its place.
    FallBack(Fallback),
    /// The failure is the answer.
    GiveUp(Why),
}

/// Why a tool is not tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// A failure of that kind is not retried, by rule or by configuration.
    Kind,
    /// It was tried as often as it may be.
    Attempts,
    /// It may have had effects, and a second one is not the same as one.
    Effects,
    /// What is left of the deadline is shorter than the pause.
    Time,
    /// No fuel is left.
    Fuel,
    /// The skill's budget of further attempts is spent.
    Budget,
}

/// What a call has tried so far.
#[derive(Debug)]
pub(crate) struct Course {
    recovery: Arc<Recovery>,
    pauses: ExponentialBackoff,
    tried: u8,
    /// A failure that may be retried once was.
    once: bool,
    /// How many fallbacks were taken.
    fallbacks: usize,
    /// How the tool itself failed last, and why it is not tried again.
    failed: Option<(Failure, Why)>,
}

impl Course {
    /// Of a call whose tool failed for the first time; `seed` is chance.
    pub(crate) fn new(recovery: Arc<Recovery>, seed: u64) -> Self {
        Self {
            pauses: pauses(recovery.backoff, seed),
            recovery,
            tried: 0,
            once: false,
            fallbacks: 0,
            failed: None,
        }
    }

    /// What is to be done after a failure. `take` takes one further attempt from
    /// the skill's budget. A fallback is tried once, whatever its own rules say.
    pub(crate) fn after(
        &mut self,
        failure: Failure,
        left: Left,
        take: impl FnOnce() -> bool,
    ) -> Decision {
        if self.fallbacks == 0 {
            match self.retry(failure, left, take) {
                Ok(pause) => return Decision::Retry(pause),
                Err(why) => self.failed = Some((failure, why)),
            }
        }
        if Self::is_over_by(failure.kind) {
            return Decision::GiveUp(self.why());
        }
        self.instead(left)
    }

    /// The next fallback that may be used, if there is one.
    pub(crate) fn instead(&mut self, left: Left) -> Decision {
        let can_run = !left.time.is_zero() && left.fuel > 0;
        while let (Some((failed, _)), Some(fallback)) =
            (self.failed, self.recovery.fallback.get(self.fallbacks))
        {
            self.fallbacks += 1;
            let fits = match fallback {
                Fallback::Tool { .. } => can_run && falls_back(failed.kind),
                Fallback::LastGood(_) => takes_last_good(failed.kind),
            };
            if fits {
                return Decision::FallBack(fallback.clone());
            }
        }
        Decision::GiveUp(self.why())
    }

    /// How the tool itself failed last.
    pub(crate) fn failed(&self) -> Option<Kind> {
        self.failed.map(|(failure, _)| failure.kind)
    }

    /// Whether the same call is of use again, after it ran so often in vain.
    pub(crate) fn advice(&self, runs: u32) -> Option<Again> {
        let (failure, why) = self.failed?;
        advice::after(failure, why, runs, self.recovery.idempotent)
    }

    /// After a failure of that kind nothing more is tried, whoever failed.
    pub(crate) const fn is_over_by(kind: Kind) -> bool {
        matches!(kind, Kind::Cancelled | Kind::AuditUnavailable)
    }

    fn why(&self) -> Why {
        self.failed.map_or(Why::Kind, |(_, why)| why)
    }

    fn retry(
        &mut self,
        failure: Failure,
        left: Left,
        take: impl FnOnce() -> bool,
    ) -> Result<Duration, Why> {
        self.tried = self.tried.saturating_add(1);
        if !self.is_retried(failure) {
            return Err(Why::Kind);
        }
        let once = failure.kind.retry() == Retry::Once;
        if self.tried >= self.recovery.attempts || (once && self.once) {
            return Err(Why::Attempts);
        }
        if failure.ran && !failure.unavailable && !self.recovery.idempotent {
            return Err(Why::Effects);
        }
        let pause = self.pause(failure.retry_after);
        if pause >= left.time {
            return Err(Why::Time);
        }
        if left.fuel == 0 {
            return Err(Why::Fuel);
        }
        if !take() {
            return Err(Why::Budget);
        }
        self.once |= once;
        Ok(pause)
    }

    fn is_retried(&self, failure: Failure) -> bool {
        let says_so = failure.kind != Kind::GuestFailed || failure.unavailable;
        says_so
            && failure.kind.retry() != Retry::Never
            && self.recovery.retry_on.contains(&failure.kind)
    }

    /// Those who are told the same time do not come back at the same moment.
    fn pause(&mut self, retry_after: Option<Duration>) -> Duration {
        let pause = self.pauses.next().unwrap_or_default();
        pause.saturating_add(retry_after.unwrap_or_default())
    }
}

impl Failure {
    /// Nobody knows how far the tool came.
    pub(super) const fn may_have_had_effects(self) -> bool {
        self.ran
            && !self.unavailable
            && matches!(self.kind.retry(), Retry::Once | Retry::ByPolicy)
            && !matches!(self.kind, Kind::GuestFailed)
    }
}

impl Why {
    /// In one sentence, if the tool would have been tried again otherwise.
    pub(crate) const fn refusal(self) -> Option<&'static str> {
        match self {
            Self::Kind | Self::Attempts => None,
            Self::Effects => Some("The call may have had effects, and its tool is not idempotent."),
            Self::Time => Some("The next attempt would begin after the deadline of the call."),
            Self::Fuel => Some("The call has no fuel left."),
            Self::Budget => Some("The skill's budget of further attempts is spent."),
        }
    }
}

/// `backon` adds up to a whole to a pause; of the half that is the whole at most.
fn pauses(backoff: Backoff, seed: u64) -> ExponentialBackoff {
    let builder = ExponentialBuilder::new()
        .with_factor(backoff.factor)
        .without_max_times();
    if backoff.jitter {
        builder
            .with_min_delay(backoff.first / 2)
            .with_max_delay(backoff.max / 2)
            .with_jitter()
            .with_jitter_seed(seed)
            .build()
    } else {
        builder
            .with_min_delay(backoff.first)
            .with_max_delay(backoff.max)
            .build()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recovery::{Breaking, RETRYABLE};

    const LEFT: Left = Left {
        time: Duration::from_secs(10),
        fuel: 1,
    };

    fn recovery(attempts: u8, idempotent: bool, fallback: &str) -> Recovery {
        Recovery {
            attempts,
            attempt_timeout: None,
            backoff: Backoff::default(),
            retry_on: RETRYABLE.to_vec(),
            idempotent,
            fallback: fallback
                .split_whitespace()
                .map(|it| it.parse().unwrap())
                .collect(),
            breaker: Breaking::Off,
        }
    }

    fn failure(kind: Kind) -> Failure {
        Failure {
            kind,
            unavailable: false,
            ran: true,
            retry_after: None,
        }
    }

    fn unavailable(retry_after: Option<Duration>) -> Failure {
        Failure {
            unavailable: true,
            retry_after,
            ..failure(Kind::GuestFailed)
        }
    }

    fn first(rules: Recovery, failure: Failure) -> Decision {
        Course::new(Arc::new(rules), 7).after(failure, LEFT, || true)
    }

    /// Kind, whether it is retried if the tool is idempotent, if it is not, and
    /// whether something else may take its place.
    #[test]
    fn what_each_kind_means() {
        let table = [
            (Kind::Trapped, true, false, true),
            (Kind::Internal, true, false, true),
            (Kind::DeadlineExceeded, true, false, true),
            (Kind::InvalidOutput, true, false, true),
            (Kind::GuestFailed, false, false, true),
            (Kind::BreakerOpen, false, false, true),
            (Kind::Suspended, false, false, true),
            (Kind::FuelExhausted, false, false, true),
            (Kind::MemoryLimit, false, false, true),
            (Kind::StackExhausted, false, false, true),
            (Kind::OutputLimit, false, false, true),
            (Kind::HostcallLimit, false, false, true),
            (Kind::ResourceLimit, false, false, true),
            (Kind::ComponentInvalid, false, false, true),
            (Kind::ManifestInvalid, false, false, true),
            (Kind::CompileLimit, false, false, true),
            (Kind::Overloaded, true, false, true),
        ];
        for kind in Kind::ALL {
            let row = table.iter().find(|row| row.0 == kind);
            let (_, idempotent, other, replaced) =
                row.copied().unwrap_or((kind, false, false, false));
            for (is_idempotent, retried) in [(true, idempotent), (false, other)] {
                let decision = first(recovery(3, is_idempotent, "x"), failure(kind));
                match decision {
                    Decision::Retry(_) => assert!(retried, "{kind}"),
                    Decision::FallBack(_) => assert!(!retried && replaced, "{kind}"),
                    Decision::GiveUp(_) => assert!(!retried && !replaced, "{kind}"),
                }
            }
        }
    }

    #[test]
    fn what_did_not_run_or_says_that_it_did_nothing_is_tried_again() {
        let not_run = Failure {
            ran: false,
            ..failure(Kind::Overloaded)
        };
        for failure in [not_run, unavailable(None)] {
            let decision = first(recovery(2, false, ""), failure);
            assert!(matches!(decision, Decision::Retry(_)), "{failure:?}");
        }
    }

    #[test]
    fn why_it_is_not_tried_again_is_told() {
        let spent = |left: Left, take: bool, failure: Failure| {
            let rules = recovery(2, false, "");
            Course::new(Arc::new(rules), 7).after(failure, left, || take)
        };
        let now = unavailable(None);
        let no_time = Left {
            time: Duration::from_millis(10),
            ..LEFT
        };
        let no_fuel = Left { fuel: 0, ..LEFT };
        for (decision, why) in [
            (spent(LEFT, true, failure(Kind::Trapped)), Why::Effects),
            (spent(LEFT, true, failure(Kind::Denied)), Why::Kind),
            (spent(no_time, true, now), Why::Time),
            (spent(no_fuel, true, now), Why::Fuel),
            (spent(LEFT, false, now), Why::Budget),
            (spent(LEFT, true, unavailable(Some(LEFT.time))), Why::Time),
            (
                spent(LEFT, true, unavailable(Some(Duration::MAX))),
                Why::Time,
            ),
        ] {
            assert_eq!(decision, Decision::GiveUp(why));
        }
    }

    #[test]
    fn a_crash_is_tried_again_once_whatever_is_allowed() {
        let mut course = Course::new(Arc::new(recovery(9, true, "")), 7);
        let crash = failure(Kind::Trapped);
        assert!(matches!(
            course.after(crash, LEFT, || true),
            Decision::Retry(_)
        ));
        assert_eq!(
            course.after(crash, LEFT, || true),
            Decision::GiveUp(Why::Attempts)
        );
    }

    #[test]
    fn c09_pauses_grow_up_to_the_longest_and_differ() {
        let pauses = |seed| {
            let mut course = Course::new(Arc::new(recovery(10, true, "")), seed);
            let mut pause = || match course.after(unavailable(None), LEFT, || true) {
                Decision::Retry(pause) => pause,
                other => panic!("{other:?}"),
            };
            (0..9).map(|_| pause()).collect::<Vec<_>>()
        };
        let whole = [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000];
        for (pause, whole) in pauses(1).into_iter().zip(whole) {
            let whole = Duration::from_millis(whole);
            assert!(pause >= whole / 2 && pause <= whole, "{pause:?} {whole:?}");
        }
        assert_ne!(pauses(1), pauses(2));
    }

    #[test]
    fn a_time_that_a_tool_names_is_waited_for() {
        let second = Duration::from_secs(1);
        let decision = first(recovery(2, false, ""), unavailable(Some(second)));
        let Decision::Retry(pause) = decision else {
            panic!("{decision:?}")
        };
        assert!(pause >= second && pause <= second + Duration::from_millis(100));
    }

    #[test]
    fn fallbacks_are_taken_in_order_and_tried_once() {
        let rules = recovery(1, true, "x last-good(1m) b/y");
        let mut course = Course::new(Arc::new(rules), 7);
        let mut next = |kind| match course.after(failure(kind), LEFT, || true) {
            Decision::FallBack(fallback) => fallback.to_string(),
            other => format!("{other:?}"),
        };
        assert_eq!(next(Kind::Trapped), "x");
        assert_eq!(next(Kind::SignatureMissing), "last-good");
        assert_eq!(next(Kind::Denied), "b/y");
        assert_eq!(next(Kind::Trapped), "GiveUp(Attempts)");
        assert_eq!(course.failed(), Some(Kind::Trapped));
    }

    #[test]
    fn without_time_or_fuel_only_an_earlier_answer_is_left() {
        for left in [
            Left { fuel: 0, ..LEFT },
            Left {
                time: Duration::ZERO,
                ..LEFT
            },
        ] {
            let rules = Arc::new(recovery(1, true, "x last-good(1m)"));
            let decision = Course::new(rules, 7).after(failure(Kind::FuelExhausted), left, || true);
            let expected = Fallback::LastGood(Duration::from_secs(60));
            assert_eq!(decision, Decision::FallBack(expected));
        }
    }

    #[test]
    fn nothing_follows_a_call_that_was_given_up() {
        let rules = Arc::new(recovery(3, true, "x y"));
        let mut course = Course::new(rules, 7);
        course.after(failure(Kind::FuelExhausted), LEFT, || true);
        let decision = course.after(failure(Kind::Cancelled), LEFT, || true);
        assert!(matches!(decision, Decision::GiveUp(_)));
    }
}
