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
