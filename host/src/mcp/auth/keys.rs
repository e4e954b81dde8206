//! The keys of a host that serves: read when the file changes, before the next
//! request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::file::{KeyFile, KnownKey};
use super::key::{KeyDigest, KeyId, id_of};
use super::reason::{Failure, Reason};
use super::watched::Watched;
use crate::admission::Scope;
use crate::error::Result;
use crate::event::{Event, Events, Subject};
use crate::invocation::Principal;
use crate::mcp::caller::Caller;
use crate::time::Clock;

/// All keys that count now.
#[derive(Debug)]
pub(super) struct Keys {
    file: KeyFile,
    clock: Arc<dyn Clock>,
    events: Arc<Events>,
    page: Mutex<Page>,
}

#[derive(Debug)]
struct Page {
    watched: Watched,
    held: Arc<BTreeMap<KeyId, Held>>,
    /// The file cannot be used: no key counts.
    broken: bool,
}

#[derive(Debug)]
struct Held {
    known: KnownKey,
    scope: Arc<Scope>,
}

impl Keys {
    /// Reads the keys, and begins to watch their file, which need not be there.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if it is broken, `ConfigInsecure` if others may read or
    /// write it.
    pub(super) fn open(file: KeyFile, clock: Arc<dyn Clock>, events: Arc<Events>) -> Result<Self> {
        let watched = Watched::new(file.path())?;
        let keys = Self {
            page: Mutex::new(Page {
                watched,
                held: Arc::default(),
                broken: false,
            }),
            file,
            clock,
            events,
        };
        let held = keys.read(&BTreeMap::new())?;
        keys.page().held = Arc::new(held);
        Ok(keys)
    }

    /// Whose key it is. The same is done for a key that nobody has.
    pub(super) fn holder(&self, token: &str) -> Result<Caller, Failure> {
        let held = self.now();
        let id = id_of(token);
        let found = id.as_ref().and_then(|id| held.get(id));
        let presented = KeyDigest::of(token);
        let nothing = KeyDigest::of_nothing();
        let is_it = presented.is(found.map_or(&nothing, |it| &it.known.digest));
        match found {
            Some(found) if is_it => self.judge(id, found),
            found => Err(Failure::of_key(
                Reason::WrongKey,
                id.filter(|_| found.is_some()),
            )),
        }
    }

    fn judge(&self, id: Option<KeyId>, held: &Held) -> Result<Caller, Failure> {
        let terms = &held.known.terms;
        if terms.expires.is_some_and(|end| end <= self.clock.wall()) {
            return Err(Failure::of_key(Reason::ExpiredKey, id));
        }
        let principal = Principal::Named(terms.holder.clone());
        Ok(Caller::within(principal, Arc::clone(&held.scope)))
    }

    /// The keys as the file has them now.
    fn now(&self) -> Arc<BTreeMap<KeyId, Held>> {
        let mut page = self.page();
        if page.watched.is_changed(self.clock.monotonic()) {
            self.refresh(&mut page);
        }
        Arc::clone(&page.held)
    }

    /// What cannot be read lets nobody in, or a key that was revoked would count
    /// on. That is recorded once.
    fn refresh(&self, page: &mut Page) {
        match self.read(&page.held) {
            Ok(held) => {
                page.held = Arc::new(held);
                page.broken = false;
            }
            Err(error) => {
                page.held = Arc::default();
                if !std::mem::replace(&mut page.broken, true) {
                    let reason = format!("No key is taken: {error}");
                    self.record(&Event::ConfigInsecure { reason });
                }
            }
        }
    }

    fn record(&self, event: &Event) {
        if let Err(error) = self.events.record(&Subject::default(), event) {
            tracing::warn!(
                internal = error.internal(),
                "a file of keys is broken, unrecorded"
            );
        }
    }

    /// A key that did not change keeps its scope, and so what is counted of its
    /// rate.
    fn read(&self, before: &BTreeMap<KeyId, Held>) -> Result<BTreeMap<KeyId, Held>> {
        let keep = |(id, known): (KeyId, KnownKey)| {
            let same = before
                .get(&id)
                .filter(|it| it.known.written == known.written);
            let scope = match same {
                Some(held) => Arc::clone(&held.scope),
                None => Arc::new(self.scope(&id, &known)),
            };
            (id, Held { known, scope })
        };
        Ok(self.file.read()?.into_iter().map(keep).collect())
    }

    fn scope(&self, id: &KeyId, known: &KnownKey) -> Scope {
        let origin = format!("the key {id}");
        let terms = &known.terms;
        Scope::new(&origin, terms.tools.clone(), terms.rate, &self.clock)
    }

    fn page(&self) -> std::sync::MutexGuard<'_, Page> {
        // Each part is replaced whole: a panic cannot leave half of one.
        self.page.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
