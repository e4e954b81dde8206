//! Rules that watch events, and say when somebody should look.
//!
//! The one place where all events pass asks the `Monitor` about each. It
//! counts in a bounded memory, by names that the host gives and no guest can
//! choose, and never looks at what it caused itself: there is no alert about
//! alerts. What it orders beside an alert is that a skill is
//! suspended.

mod rule;
mod window;

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use jiff::Timestamp;

pub use self::rule::{Action, MAX_COUNT, MAX_RULES, Per, Rule, RuleName, Rules};
use self::window::Windows;
use super::{Event, Subject};
use crate::suspension::{Suspension, Suspensions};
use crate::time::millis;

/// Counts events by rules.
#[derive(Debug)]
pub(crate) struct Monitor {
    watched: RwLock<Arc<[Arc<Watched>]>>,
    suspensions: Arc<Suspensions>,
}

#[derive(Debug)]
struct Watched {
    rule: Rule,
    windows: Mutex<Windows>,
}

impl Watched {
    fn by(rule: &Rule) -> Arc<Self> {
        Arc::new(Self {
            windows: Mutex::new(Windows::new(rule.count, millis(rule.within))),
            rule: rule.clone(),
        })
    }
}

/// When an event happened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// Milliseconds since the host started.
    pub(crate) monotonic_ms: u64,
    /// Time of day.
    pub(crate) wall: Timestamp,
}

/// What the host has to record because of an event.
pub(crate) type Consequence = (Subject, Event);

impl Monitor {
    /// Watches by these rules. Skills are suspended in `suspensions`.
    pub(crate) fn new(rules: &Rules, suspensions: Arc<Suspensions>) -> Self {
        let watched = rules.iter().map(Watched::by).collect();
        Self {
            watched: RwLock::new(watched),
            suspensions,
        }
    }

    /// Watches by other rules from now on. One that stays as it was counts on.
    pub(crate) fn follow(&self, rules: &Rules) {
        let known = self.watched();
        let counting = |rule: &Rule| known.iter().find(|known| known.rule == *rule).cloned();
        let watched = rules
            .iter()
            .map(|rule| counting(rule).unwrap_or_else(|| Watched::by(rule)));
        let watched = watched.collect();
        *self.watched.write().unwrap_or_else(PoisonError::into_inner) = watched;
    }

    fn watched(&self) -> Arc<[Arc<Watched>]> {
        // Replaced whole: a panic cannot leave half of it.
        Arc::clone(&self.watched.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Counts an event. What comes of it is recorded by the caller and is not
    /// shown to the monitor again.
    pub(crate) fn see(&self, subject: &Subject, event: &Event, now: Moment) -> Vec<Consequence> {
        let name = event.name();
        let watched = self.watched();
        let concerned = watched.iter().filter(|it| it.rule.event == name);
        concerned
            .flat_map(|watched| self.apply(watched, subject, now))
            .collect()
    }

    fn apply(&self, watched: &Watched, subject: &Subject, now: Moment) -> Vec<Consequence> {
        let rule = &watched.rule;
        let Some(key) = rule.per.key(subject) else {
            return Vec::new();
        };
        // Replaced whole: a panic cannot leave half of a window.
        let mut windows = watched
            .windows
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if !windows.mark(&key, now.monotonic_ms) {
            return Vec::new();
        }
        drop(windows);
        let reason = rule.reason(&key);
        let mut consequences = vec![(rule.per.subject(subject), rule.alert(reason.clone()))];
        consequences.extend(self.suspend(rule, subject, reason, now));
        consequences
    }

    /// Suspends the skill that ran, if the rule says so. An event that belongs
    /// to no call of a verified skill suspends nobody: its name may be one that
    /// somebody else's file claims.
    fn suspend(
        &self,
        rule: &Rule,
        subject: &Subject,
        reason: String,
        now: Moment,
    ) -> Option<Consequence> {
        let ran = subject.invocation.is_some() && subject.digest.is_some();
        let skill = subject.skill.as_deref()?.parse().ok()?;
        if rule.action != Action::Suspend || !ran {
            return None;
        }
        let suspension = Suspension {
            at: now.wall,
            by: format!("the rule `{}`", rule.name),
            reason: reason.clone(),
        };
        let about = Subject {
            invocation: None,
            principal: None,
            tool: None,
            ..subject.clone()
        };
        let is_news = self.suspensions.suspend(skill, suspension);
        is_news.then_some((about, Event::SkillSuspended { reason }))
    }
}

#[cfg(test)]
mod tests;
