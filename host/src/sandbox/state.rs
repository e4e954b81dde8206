//! `skillhost:skill/state`: what the skill keeps from call to call.
//!
//! A store may wait for the disk, so it is asked on threads that may wait. A
//! call that is stopped meanwhile leaves at most one change under way; that
//! happens as a whole, or not at all.

use std::sync::Arc;

use jiff::Timestamp;
use tokio::sync::Mutex;
use wasmtime::Result;

use super::State;
use super::bindings::skillhost::skill::state::{Entry, Error, Host};
use super::meter::Budget;
use crate::state::{Change, Page, Quota, Refused, Store};
use crate::time::Clock;

/// The store of one skill, and the clock by which entries are over.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    /// Whose turn it is: calls of one skill that all wait for its file would
    /// hold every thread on which files are read for others.
    turn: Arc<Mutex<()>>,
}

impl Kept {
    pub(crate) fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>) -> Self {
        Self {
            store,
            clock,
            turn: Arc::default(),
        }
    }
}

impl Host for State {
    async fn get(&mut self, key: String) -> Result<Result<Option<Entry>, Error>> {
        let shown = key.clone();
        let read = move |store: &dyn Store, now| store.get(&key, now);
        let entry = self.ask(&shown, read).await;
        Ok(entry.map(|entry| {
            entry.map(|entry| Entry {
                value: entry.value,
                version: entry.version,
            })
        }))
    }

    async fn set(
        &mut self,
        key: String,
        value: Vec<u8>,
        expect: Option<u64>,
        ttl_ms: Option<u64>,
    ) -> Result<Result<u64, Error>> {
        let quota = Quota::bytes(self.meter.left(Budget::StateBytes));
        let shown = key.clone();
        let write = move |store: &dyn Store, now| {
            let change = Change {
                key: &key,
                value: &value,
                expect,
                ttl_ms,
            };
            store.set(&change, &quota, now)
        };
        let stored = self.ask(&shown, write).await;
        Ok(stored.map(|stored| {
            self.meter.level(Budget::StateBytes, stored.bytes);
            stored.version
        }))
    }

    async fn delete(&mut self, key: String) -> Result<Result<(), Error>> {
        let shown = key.clone();
        let remove = move |store: &dyn Store, now| store.delete(&key, now);
        Ok(self.ask(&shown, remove).await)
    }

    async fn keys(
        &mut self,
        prefix: String,
        after: Option<String>,
        limit: u32,
    ) -> Result<Result<Vec<String>, Error>> {
        let shown = prefix.clone();
        let list = move |store: &dyn Store, now| {
            let page = Page {
                prefix: &prefix,
                after: after.as_deref(),
                limit,
            };
            store.keys(&page, now)
        };
        Ok(self.ask(&shown, list).await)
    }
}

impl State {
    /// Asks the store about `key`, which is recorded if there is none.
    async fn ask<T: Send + 'static>(
        &mut self,
        key: &str,
        question: impl FnOnce(&dyn Store, Timestamp) -> Result<T, Refused> + Send + 'static,
    ) -> Result<T, Error> {
        let Some(Kept { store, clock, turn }) = self.kept.clone() else {
            self.observer.state(key);
            return Err(Error::NotGranted);
        };
        let turn = turn.lock_owned().await;
        let asked = tokio::task::spawn_blocking(move || {
            let answer = question(&*store, clock.wall());
            drop(turn);
            answer
        });
        match asked.await {
            Ok(answer) => answer.map_err(|refused| self.refused(refused)),
            Err(failed) => Err(self.refused(Refused::Unavailable(failed.to_string()))),
        }
    }

    /// What the guest may know of it.
    fn refused(&self, refused: Refused) -> Error {
        match refused {
            Refused::Conflict => Error::Conflict,
            Refused::QuotaExceeded => {
                self.meter.exceed(Budget::StateBytes);
                Error::QuotaExceeded
            }
            Refused::Unavailable(why) => {
                let skill = self.observer.skill();
                tracing::warn!(skill, why, "a state cannot be read or written");
                Error::Unavailable("it cannot be read or written".to_owned())
            }
        }
    }
}
