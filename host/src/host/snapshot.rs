//! What a call works with from its beginning to its end: the terms of the
//! operator, and the skills as they were loaded on those terms.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use tokio::sync::watch;

use super::SkillPolicy;
use crate::admission::Admission;
use crate::admission::rules::AdmissionRules;
use crate::event::monitor::Rules;
use crate::manifest::SkillName;
use crate::policy::ceiling::LevelCeiling;
use crate::policy::limits::Limits;
use crate::policy::requirement::Requirements;
use crate::recovery::RecoveryChange;
use crate::registry::Registry;
use crate::verify::TrustLevel;

/// What an operator decided, and can decide anew while the host runs: see
/// [`Host::reload`](super::Host::reload).
#[derive(Debug, Clone, Default)]
pub struct Terms {
    /// Limits of every call, unless a skill's policy says otherwise.
    pub limits: Limits,
    /// What no skill of a level of trust goes beyond.
    pub ceilings: BTreeMap<TrustLevel, LevelCeiling>,
    /// What is required of every skill.
    pub requirements: Requirements,
    /// What each caller may do, and what arguments are searched for.
    pub admission: AdmissionRules,
    /// How often tools are tried, unless a skill's policy says otherwise.
    pub recovery: RecoveryChange,
    /// What each skill may use.
    pub skills: BTreeMap<SkillName, SkillPolicy>,
    /// What a skill may use that is not named.
    pub others: SkillPolicy,
    /// Which events, in which number, are an alert.
    pub monitor: Rules,
}

impl Terms {
    /// What the operator decided about a skill.
    pub(super) fn policy_of(&self, skill: &SkillName) -> &SkillPolicy {
        self.skills.get(skill).unwrap_or(&self.others)
    }
}

/// Everything that can change while a host runs, as it was at one moment. It
/// never changes: whatever changes makes another one, and calls that run keep
/// theirs.
#[derive(Debug, Clone)]
pub(super) struct Snapshot {
    pub(super) terms: Arc<Terms>,
    /// Counts the terms from 0.
    pub(super) generation: u64,
    pub(super) admission: Arc<Admission>,
    pub(super) skills: Registry,
}

impl Snapshot {
    /// Without skills.
    pub(super) fn new(terms: Terms, admission: Admission) -> Self {
        Self {
            terms: Arc::new(terms),
            generation: 0,
            admission: Arc::new(admission),
            skills: Registry::default(),
        }
    }

    /// On the same terms with other skills.
    pub(super) fn with(&self, skills: Registry) -> Self {
        Self {
            skills,
            ..self.clone()
        }
    }
}

/// The newest snapshot there is.
#[derive(Debug)]
pub(super) struct Current {
    snapshot: RwLock<Arc<Snapshot>>,
    changes: watch::Sender<u64>,
}

impl Current {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot: RwLock::new(Arc::new(snapshot)),
            changes: watch::Sender::new(0),
        }
    }

    pub(super) fn get(&self) -> Arc<Snapshot> {
        // Replaced whole: a panic cannot leave half of one.
        Arc::clone(&self.snapshot.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whoever asks from now on gets that one. Only who holds the turn of
    /// [`Loading::registering`](super::loading::Loading::registering) may do this:
    /// what two make of the same snapshot would lose what one of them added.
    pub(super) fn replace(&self, next: Snapshot) {
        let next = Arc::new(next);
        let before = std::mem::replace(
            &mut *self
                .snapshot
                .write()
                .unwrap_or_else(PoisonError::into_inner),
            next,
        );
        self.changes.send_modify(|changes| *changes += 1);
        // What only it held is closed without the lock.
        drop(before);
    }

    /// Tells when there is another snapshot.
    pub(super) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
impl Snapshot {
    /// Of a host that knows nothing.
    pub(super) fn of_nothing() -> Arc<Self> {
        let (terms, clock) = (Terms::default(), crate::time::system());
        let capacity = crate::admission::capacity::Capacity::default();
        let admission = Admission::new(capacity, &terms.admission, &terms.skills, &clock);
        Arc::new(Self::new(terms, admission.unwrap()))
    }
}
