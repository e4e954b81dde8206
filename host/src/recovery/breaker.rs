//! Circuit breakers: a tool that keeps failing is left alone for a while, and
//! then one call may try.
//!
//! There is one for each component, tool and principal. What a caller sends can
//! make nearly any tool fail, so one caller must not be able to take a tool away
//! from another; and a component that is replaced begins afresh.

use std::collections::{BTreeMap, VecDeque};
use std::num::NonZeroU8;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::kinds::Health;
use super::policy::Breaking;
use crate::event::Event;
use crate::time::millis;

/// When to come back while another call tries whether the tool works again.
const PROBING: Duration = Duration::from_secs(1);

/// The most circuits that are kept; those of tools that work are not.
const MAX_CIRCUITS: usize = 10_000;

/// Whose calls of what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Circuit {
    pub(crate) digest: Arc<str>,
    pub(crate) tool: Arc<str>,
    pub(crate) principal: Arc<str>,
}

/// The breakers of a host.
#[derive(Debug, Default)]
pub(crate) struct Breakers {
    states: Mutex<BTreeMap<Circuit, State>>,
    /// How many states there are: without any, nobody asks for the lock.
    count: AtomicUsize,
}

#[derive(Debug)]
enum State {
    /// When it failed, in a row.
    Closed(VecDeque<Instant>),
    /// Until when it is left alone.
    Open(Instant),
    /// Whether a call is trying.
    HalfOpen(bool),
}

/// Leave to call. Dropped before it is settled, it lets the next call try.
#[derive(Debug)]
pub(crate) struct Pass<'a> {
    breakers: &'a Breakers,
    /// Of a call that tries whether the tool works again.
    probe: Option<Circuit>,
}

/// A tool is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shut {
    pub(crate) retry_after: Duration,
}

/// What became of a breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Opened(Duration),
    HalfOpened,
    Closed,
}

impl Breakers {
    /// Every tool of a component begins afresh.
    pub(crate) fn forget(&self, digest: &str) {
        let mut states = self.lock();
        states.retain(|circuit, _| *circuit.digest != *digest);
        self.count.store(states.len(), Ordering::Release);
    }

    /// Asks for leave to call.
    pub(crate) fn enter(
        &self,
        rules: Breaking,
        circuit: impl FnOnce() -> Circuit,
        now: Instant,
    ) -> Result<(Pass<'_>, Option<Change>), Shut> {
        if rules == Breaking::Off || self.count.load(Ordering::Acquire) == 0 {
            return Ok((self.pass(None), None));
        }
        let circuit = circuit();
        let mut states = self.lock();
        let Some(state) = states.get_mut(&circuit) else {
            return Ok((self.pass(None), None));
        };
        let change = match state {
            State::Closed(_) => return Ok((self.pass(None), None)),
            State::Open(until) if now < *until => {
                return Err(Shut {
                    retry_after: until.saturating_duration_since(now),
                });
            }
            State::HalfOpen(true) => {
                return Err(Shut {
                    retry_after: PROBING,
                });
            }
            State::Open(_) => Some(Change::HalfOpened),
            State::HalfOpen(false) => None,
        };
        *state = State::HalfOpen(true);
        Ok((self.pass(Some(circuit)), change))
    }

    const fn pass(&self, probe: Option<Circuit>) -> Pass<'_> {
        Pass {
            breakers: self,
            probe,
        }
    }

    /// A call that was not a probe failed or not.
    fn count_one(
        &self,
        rules: Breaking,
        circuit: Circuit,
        health: Health,
        now: Instant,
    ) -> Option<Change> {
        let Breaking::After {
            failures,
            window,
            open,
        } = rules
        else {
            return None;
        };
        let mut states = self.lock();
        let change = match (health, states.get_mut(&circuit)) {
            (Health::Well, Some(State::Closed(_))) => {
                states.remove(&circuit);
                None
            }
            (Health::Ill, None) => {
                make_room(&mut states, now);
                let mut state = State::Closed(VecDeque::new());
                let change = state.fail(failures, window, open, now);
                states.insert(circuit, state);
                change
            }
            (Health::Ill, Some(state)) => state.fail(failures, window, open, now),
            // What began before it opened says nothing of now.
            _ => None,
        };
        self.count.store(states.len(), Ordering::Release);
        change
    }

    /// The probe came back.
    fn end_probe(
        &self,
        circuit: &Circuit,
        rules: Breaking,
        health: Health,
        now: Instant,
    ) -> Option<Change> {
        let mut states = self.lock();
        let change = match (health, rules) {
            (Health::Ill, Breaking::After { open, .. }) => {
                states.insert(circuit.clone(), State::Open(now + open));
                Some(Change::Opened(open))
            }
            (Health::Unknown, _) => {
                if let Some(state) = states.get_mut(circuit) {
                    *state = State::HalfOpen(false);
                }
                None
            }
            _ => {
                states.remove(circuit);
                Some(Change::Closed)
            }
        };
        self.count.store(states.len(), Ordering::Release);
        change
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Circuit, State>> {
        // Each state is replaced whole.
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn fail(
        &mut self,
        failures: NonZeroU8,
        window: Duration,
        open: Duration,
        now: Instant,
    ) -> Option<Change> {
        let Self::Closed(failed) = self else {
            return None;
        };
        failed.retain(|at| now.saturating_duration_since(*at) < window);
        failed.push_back(now);
        if failed.len() < usize::from(failures.get()) {
            return None;
        }
        *self = Self::Open(now + open);
        Some(Change::Opened(open))
    }

    /// Whether it would make a difference to forget it.
    fn matters(&self, now: Instant) -> bool {
        match self {
            Self::Closed(_) => false,
            Self::Open(until) => now < *until,
            Self::HalfOpen(probing) => *probing,
        }
    }
}

/// A host of very many callers forgets tools that failed a little.
fn make_room(states: &mut BTreeMap<Circuit, State>, now: Instant) {
    if states.len() >= MAX_CIRCUITS {
        states.retain(|_, state| state.matters(now));
    }
    if states.len() >= MAX_CIRCUITS {
        states.pop_first();
    }
}

impl Pass<'_> {
    /// Says what the call tells about its tool.
    pub(crate) fn settle(
        mut self,
        rules: Breaking,
        circuit: impl FnOnce() -> Circuit,
        health: Health,
        now: Instant,
    ) -> Option<Change> {
        if let Some(probe) = self.probe.take() {
            return self.breakers.end_probe(&probe, rules, health, now);
        }
        let is_known = self.breakers.count.load(Ordering::Acquire) > 0;
        match health {
            Health::Ill => {}
            Health::Well if is_known => {}
            Health::Well | Health::Unknown => return None,
        }
        self.breakers.count_one(rules, circuit(), health, now)
    }
}

impl Drop for Pass<'_> {
    /// Nobody knows what came of the probe; another call may try.
    fn drop(&mut self) {
        if let Some(probe) = self.probe.take()
            && let Some(state) = self.breakers.lock().get_mut(&probe)
        {
            *state = State::HalfOpen(false);
        }
    }
}

impl Change {
    /// As it is recorded.
    pub(crate) fn event(self) -> Event {
        let (state, reason, retry_after) = match self {
            Self::Opened(open) => ("open", "The tool keeps failing, and is left alone.", open),
            Self::HalfOpened => (
                "half-open",
                "One call tries whether the tool works again.",
                Duration::ZERO,
            ),
            Self::Closed => ("closed", "The tool works again.", Duration::ZERO),
        };
        Event::BreakerChanged {
            state,
            reason: reason.to_owned(),
            retry_after_ms: millis(retry_after),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rules() -> Breaking {
        Breaking::After {
            failures: NonZeroU8::new(3).unwrap(),
            window: 10 * SECOND,
            open: 5 * SECOND,
        }
    }

    fn circuit(principal: &str) -> Circuit {
        Circuit {
            digest: "d".into(),
            tool: "t".into(),
            principal: principal.into(),
        }
    }

    fn call(breakers: &Breakers, health: Health, now: Instant) -> Option<Change> {
        let own = || circuit("own");
        let (pass, _) = breakers.enter(rules(), own, now).unwrap();
        pass.settle(rules(), own, health, now)
    }

    fn is_shut(breakers: &Breakers, who: &str, now: Instant) -> bool {
        breakers.enter(rules(), || circuit(who), now).is_err()
    }

    fn opened(now: Instant) -> Breakers {
        let breakers = Breakers::default();
        assert_eq!(call(&breakers, Health::Ill, now), None);
        assert_eq!(call(&breakers, Health::Ill, now), None);
        let change = call(&breakers, Health::Ill, now);
        assert_eq!(change, Some(Change::Opened(5 * SECOND)));
        breakers
    }

    #[test]
    fn it_opens_after_failures_in_a_row_within_a_window() {
        let (breakers, now) = (Breakers::default(), Instant::now());
        let then = |seconds| now + SECOND * seconds;
        for (seconds, health) in [
            (0, Health::Ill),
            (1, Health::Ill),
            (2, Health::Well),
            (3, Health::Ill),
            (4, Health::Ill),
            (4, Health::Unknown),
            (13, Health::Ill),
            (15, Health::Ill),
        ] {
            assert_eq!(call(&breakers, health, then(seconds)), None, "{seconds}");
        }
        assert!(call(&breakers, Health::Ill, then(16)).is_some());
    }

    #[test]
    fn c09_after_a_while_one_call_tries_and_decides() {
        let now = Instant::now();
        let breakers = opened(now);
        let shut = breakers.enter(rules(), || circuit("own"), now + SECOND);
        assert_eq!(shut.unwrap_err().retry_after, 4 * SECOND);
        let later = now + 5 * SECOND;
        let (probe, change) = breakers.enter(rules(), || circuit("own"), later).unwrap();
        assert_eq!(change, Some(Change::HalfOpened));
        assert!(is_shut(&breakers, "own", later));
        let change = probe.settle(rules(), || circuit("own"), Health::Ill, later);
        assert_eq!(change, Some(Change::Opened(5 * SECOND)));
        let change = call(&breakers, Health::Well, now + 10 * SECOND);
        assert_eq!(change, Some(Change::Closed));
        assert!(!is_shut(&breakers, "own", later));
        assert_eq!(breakers.count.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn c02_a_probe_that_is_dropped_or_says_nothing_lets_the_next_call_try() {
        let now = Instant::now();
        let breakers = opened(now);
        let later = now + 5 * SECOND;
        drop(breakers.enter(rules(), || circuit("own"), later).unwrap());
        assert_eq!(call(&breakers, Health::Unknown, later), None);
        assert_eq!(call(&breakers, Health::Well, later), Some(Change::Closed));
    }

    #[test]
    fn one_caller_does_not_take_a_tool_from_another() {
        let now = Instant::now();
        let breakers = opened(now);
        assert!(is_shut(&breakers, "own", now));
        assert!(!is_shut(&breakers, "other", now));
    }

    #[test]
    fn what_began_before_it_opened_does_not_close_it() {
        let (breakers, now) = (Breakers::default(), Instant::now());
        let (early, _) = breakers.enter(rules(), || circuit("own"), now).unwrap();
        for _ in 0..3 {
            call(&breakers, Health::Ill, now);
        }
        assert_eq!(
            early.settle(rules(), || circuit("own"), Health::Well, now),
            None
        );
        assert!(is_shut(&breakers, "own", now));
    }

    #[test]
    fn breakers_of_very_many_callers_are_bounded() {
        let (breakers, now) = (Breakers::default(), Instant::now());
        for number in 0..MAX_CIRCUITS + 10 {
            let who = || circuit(&number.to_string());
            let (pass, _) = breakers.enter(rules(), who, now).unwrap();
            pass.settle(rules(), who, Health::Ill, now);
        }
        assert!(breakers.lock().len() <= MAX_CIRCUITS);
    }
}
