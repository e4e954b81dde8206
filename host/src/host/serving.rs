//! What those need to know who serve a host's tools: whether the first skills
//! are loaded, and when their list may have changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Host;
use crate::invocation::Principal;
use crate::manifest::SkillName;
use crate::mcp::TaskUse;

/// The most that wait for changes, in all and of one caller.
const MAX_LISTENERS: usize = 256;
const MAX_LISTENERS_OF_ONE: usize = 8;

/// Until it is [`done`](Self::done), the first skills are not loaded. Where that
/// fails, they never are.
#[derive(Debug)]
pub struct FirstLoad {
    host: Arc<Host>,
}

impl FirstLoad {
    /// Says that they are loaded.
    pub fn done(self) {
        self.host.ready.send_replace(true);
    }
}

impl Host {
    /// Says that skills will be loaded now: who asks for a list of tools before
    /// that is done waits for it, for a while.
    pub fn begin_loading(self: &Arc<Self>) -> FirstLoad {
        self.ready.send_replace(false);
        FirstLoad {
            host: Arc::clone(self),
        }
    }

    /// Whether the first skills are loaded.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.ready.borrow()
    }

    /// Whether the operator lets clients hear the log of any skill.
    pub(crate) fn may_log_to_clients(&self) -> bool {
        let now = self.current.get();
        now.terms.skills.values().any(|it| it.log_to_client) || now.terms.others.log_to_client
    }

    /// Waits until the first skills are loaded, for that long at most; whether
    /// they are.
    pub async fn until_ready(&self, within: Duration) -> bool {
        if self.is_ready() {
            return true;
        }
        let mut ready = self.ready.subscribe();
        let waited = tokio::time::timeout(within, ready.wait_for(|ready| *ready));
        waited.await.is_ok()
    }

    /// Whether calls of that tool may outlive their requests, and for whom.
    pub(crate) fn task_use(&self, skill: &SkillName, tool: &str) -> Option<TaskUse> {
        let now = self.current.get();
        let mut used = now.terms.policy_of(skill).tasks.iter();
        used.find_map(|(name, used)| (name.as_str() == tool).then_some(*used))
    }

    /// Serving ends: nobody waits for changes any longer.
    pub(crate) fn end_listening(&self) {
        self.listeners.over.cancel();
    }

    /// Waits for changes on behalf of a caller; none if too many do already.
    pub(crate) fn listen(&self, principal: &Principal) -> Option<Listener> {
        let changes = self.changes();
        let place = self.listeners.take(principal)?;
        Some(Listener {
            changes,
            over: self.listeners.over.clone(),
            _place: place,
        })
    }
}

/// Somebody who waits for changes.
#[derive(Debug)]
pub(crate) struct Listener {
    pub(crate) changes: watch::Receiver<u64>,
    /// Cancelled when there will be no more.
    pub(crate) over: CancellationToken,
    _place: Place,
}

/// How many wait for changes, by caller: each costs memory and a task for as long
/// as it likes.
#[derive(Debug, Clone, Default)]
pub(super) struct Listeners {
    counts: Arc<Mutex<BTreeMap<String, usize>>>,
    over: CancellationToken,
}

#[derive(Debug)]
struct Place {
    listeners: Listeners,
    of: String,
}

impl Listeners {
    fn take(&self, principal: &Principal) -> Option<Place> {
        let mut counts = self.counts();
        let of = principal.to_string();
        let own = counts.get(&of).copied().unwrap_or_default();
        if own >= MAX_LISTENERS_OF_ONE || counts.values().sum::<usize>() >= MAX_LISTENERS {
            return None;
        }
        counts.insert(of.clone(), own + 1);
        Some(Place {
            listeners: self.clone(),
            of,
        })
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, usize>> {
        // Each count is replaced whole.
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.listeners.counts();
        if let Some(count) = counts.get_mut(&self.of) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                counts.remove(&self.of);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_caller_has_a_few_places_and_leaves_some_to_the_others() {
        let listeners = Listeners::default();
        let named = |name: String| Principal::Named(name.parse().unwrap());
        let own: Vec<Place> = std::iter::from_fn(|| listeners.take(&Principal::Stdio)).collect();
        assert_eq!(own.len(), MAX_LISTENERS_OF_ONE);
        let others: Vec<Place> = (0..MAX_LISTENERS)
            .filter_map(|number| listeners.take(&named(format!("caller-{number}"))))
            .collect();
        assert_eq!(own.len() + others.len(), MAX_LISTENERS);
        assert!(listeners.take(&named("late".to_owned())).is_none());
        drop(own);
        assert!(listeners.take(&Principal::Stdio).is_some());
        drop(others);
        assert!(listeners.counts().is_empty());
    }
}
