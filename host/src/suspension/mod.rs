//! Skills that run no more until an operator has looked.
//!
//! The list is a file, so that it outlives the host and holds for each way in:
//! `serve`, `run`, and what is used instead of a tool that failed. An operator
//! or a rule of [monitoring](crate::event::monitor) puts a skill on it; only an
//! operator takes it off. Hosts notice a change with the next call. Calls that
//! run already finish.

mod list;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::list::Entries;
pub(crate) use self::list::List;
pub(crate) use self::list::Suspension;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Events, Subject};
use crate::manifest::SkillName;
use crate::trust::watch::Watch;

/// How often the file is looked at where the kernel sends no notices.
const LOOK: Duration = Duration::from_secs(1);

/// The suspended skills of one host.
#[derive(Debug)]
pub(crate) struct Suspensions {
    list: Option<List>,
    state: Mutex<State>,
    /// Threads that write to the file, so that nobody waits for the disk.
    writing: Mutex<Vec<JoinHandle<()>>>,
}

#[derive(Debug, Default)]
struct State {
    /// As the file says.
    entries: Entries,
    /// Suspended by this host; not in the file yet.
    unwritten: BTreeMap<SkillName, Suspension>,
    watch: Option<Watch>,
    looked: Option<Instant>,
    /// The file cannot be used; what was known holds.
    broken: bool,
}

impl Suspensions {
    /// The list at `path`, which need not be there yet; without, one that ends
    /// with the host.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if the file is broken, `ConfigInsecure` if others may
    /// write it: a host does not start without knowing whom it must not run.
    pub(crate) fn open(path: Option<&Path>) -> Result<Arc<Self>> {
        let list = path.map(|path| List::at(path.to_owned()));
        let mut state = State::default();
        if let Some(list) = &list {
            state.watch = Some(list.watch()?);
            state.entries = list.read()?;
        }
        Ok(Arc::new(Self {
            list,
            state: Mutex::new(state),
            writing: Mutex::default(),
        }))
    }

    /// Refuses a call of a suspended skill. What changed in the file since it was
    /// last asked is taken over first, and recorded.
    ///
    /// # Errors
    ///
    /// `Suspended`; `AuditUnavailable` if a change cannot be recorded.
    pub(crate) fn check(&self, skill: &SkillName, events: &Events, now: Instant) -> Result<()> {
        let mut state = self.state();
        let told = self.refresh(&mut state, now);
        let suspended = state.suspended(skill).map(|it| refusal(skill, it));
        drop(state);
        for (subject, event) in told {
            events.record(&subject, &event)?;
        }
        suspended.map_or(Ok(()), Err)
    }

    /// Suspends a skill, from this moment on; whether it was not suspended
    /// before. The file is written by another thread.
    pub(crate) fn suspend(self: &Arc<Self>, skill: SkillName, suspension: Suspension) -> bool {
        let mut state = self.state();
        if state.suspended(&skill).is_some() {
            return false;
        }
        state.unwritten.insert(skill.clone(), suspension.clone());
        drop(state);
        self.write(skill, suspension);
        true
    }

    fn write(self: &Arc<Self>, skill: SkillName, suspension: Suspension) {
        let Some(list) = self.list.clone() else {
            return;
        };
        let state = Arc::downgrade(self);
        let write = move || {
            if let Err(error) = list.suspend(&skill, suspension) {
                tracing::error!(%skill, %error, "a suspension ends with this host");
                return;
            }
            if let Some(suspensions) = state.upgrade() {
                suspensions.written(&skill, &list);
            }
        };
        let thread = std::thread::Builder::new().name("skillhost-suspend".to_owned());
        match thread.spawn(write) {
            Ok(writing) => self.threads().push(writing),
            Err(cause) => tracing::error!(%cause, "a suspension ends with this host"),
        }
    }

    /// What is in the file now is no news when it is noticed.
    fn written(&self, skill: &SkillName, list: &List) {
        let mut state = self.state();
        if let Some(suspension) = state.unwritten.remove(skill) {
            state.entries.written(skill, suspension);
        }
        drop(state);
        tracing::debug!(%skill, path = %list.path().display(), "a suspension is on disk");
    }

    fn refresh(&self, state: &mut State, now: Instant) -> Vec<(Subject, Event)> {
        let Some(list) = &self.list else {
            return Vec::new();
        };
        if !state.is_changed(now) {
            return Vec::new();
        }
        match list.read() {
            Ok(entries) => {
                state.broken = false;
                let told = state.entries.vanished(&entries);
                state.entries = entries;
                told
            }
            Err(_) if state.broken => Vec::new(),
            Err(error) => {
                state.broken = true;
                let reason = format!("The list of suspended skills is not taken over: {error}");
                vec![(Subject::default(), Event::ConfigInsecure { reason })]
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each part is replaced whole: a panic cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A host that ends has its suspensions on disk.
impl Drop for Suspensions {
    fn drop(&mut self) {
        let own = std::thread::current().id();
        for thread in self.threads().drain(..) {
            // The last owner may be such a thread itself.
            if thread.thread().id() != own {
                // A thread that panicked has said so.
                let _ = thread.join();
            }
        }
    }
}

impl State {
    fn suspended(&self, skill: &SkillName) -> Option<&Suspension> {
        let unwritten = self.unwritten.get(skill);
        unwritten.or_else(|| self.entries.suspended(skill))
    }

    /// Whether something happened to the file. One system call if not.
    fn is_changed(&mut self, now: Instant) -> bool {
        let Some(watch) = &mut self.watch else {
            return false;
        };
        let since = self
            .looked
            .map(|looked| now.saturating_duration_since(looked));
        let due = since.is_none_or(|since| since >= LOOK);
        let changed = watch.is_noticed() || (due && (self.broken || watch.looks_changed()));
        if due || changed {
            self.looked = Some(now);
            watch.look();
        }
        changed
    }
}

fn refusal(skill: &SkillName, suspension: &Suspension) -> Error {
    Error::new(
        Kind::Suspended,
        format!("The skill `{skill}` is suspended: {}", suspension.reason),
    )
    .with_hint(format!(
        "It runs again when an operator of this host has looked: `skillhost resume {skill}`."
    ))
}

#[cfg(test)]
mod tests;
