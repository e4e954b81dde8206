//! Where the issuer's keys come from, and when they are read anew.
//!
//! Keys of an address are fetched when a token names one that is not known, and
//! when they are older than ten minutes, at most once a minute: nobody who makes
//! up ids has this host send more than that. What was fetched stays while the
//! issuer does not answer. A fetch that was begun goes on without whoever made
//! it begin: nobody who hangs up keeps the keys from others.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::jwks::{Found, KeySet};
use super::settings::KeySource;
use super::token::Token;
use crate::config::read_trusted;
use crate::error::{Error, Kind, Result};
use crate::event::sink::{Target, get};
use crate::event::{Event, Subject};
use crate::host::Surroundings;
use crate::mcp::auth::watched::Watched;

/// The largest set of keys, in bytes.
const MAX_SET: usize = 256 * 1024;

/// Between two fetches.
const PAUSE: Duration = Duration::from_secs(60);

/// Between two fetches as long as there was no answer yet.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// The age at which keys are fetched anew, so that one which the issuer gave up
/// does not count for long.
const OLD: Duration = Duration::from_secs(600);

/// The keys of the issuer, as they were last read.
#[derive(Debug)]
pub(super) struct IssuerKeys {
    source: Source,
    around: Surroundings,
    state: Mutex<State>,
    /// Held while keys are fetched: others wait for what comes of it.
    fetching: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug)]
enum Source {
    File(PathBuf),
    Url(Target),
}

#[derive(Debug, Default)]
struct State {
    set: KeySet,
    watched: Option<Watched>,
    /// The file cannot be used; the keys from before count.
    broken: bool,
    tried: Option<Instant>,
    fetched: Option<Instant>,
}

impl IssuerKeys {
    /// # Errors
    ///
    /// `ConfigInvalid` and `ConfigInsecure` for a file that cannot be used. What
    /// stands at an address is fetched with the first token.
    pub(super) fn open(source: &KeySource, around: &Surroundings) -> Result<Arc<Self>> {
        let mut state = State::default();
        let source = match source {
            KeySource::Url(target) => Source::Url(target.clone()),
            KeySource::File(path) => {
                state.watched = Some(Watched::new(path)?);
                state.set = read(path)?;
                Source::File(path.clone())
            }
        };
        Ok(Arc::new(Self {
            source,
            around: around.clone(),
            state: Mutex::new(state),
            fetching: Arc::default(),
        }))
    }

    /// The keys that a token may be signed with.
    pub(super) async fn fitting(self: &Arc<Self>, token: &Token<'_>) -> Found {
        match &self.source {
            Source::File(path) => self.reread(path),
            Source::Url(_) if self.is_old() => {
                let keys = Arc::clone(self);
                tokio::spawn(async move { keys.fetch(OLD).await });
            }
            Source::Url(_) => {}
        }
        let keys = self.state().set.fitting(token);
        if !keys.is_empty() {
            return Found::Keys(keys);
        }
        self.fetch(Duration::ZERO).await;
        let state = self.state();
        match state.set.fitting(token) {
            _ if state.set.is_empty() => Found::NotToBeHad,
            keys if keys.is_empty() => Found::None,
            keys => Found::Keys(keys),
        }
    }

    fn is_old(&self) -> bool {
        let now = self.now();
        let state = self.state();
        let old = |fetched: Instant| now.saturating_duration_since(fetched) >= OLD;
        state.fetched.is_some_and(old) && state.may_fetch(now)
    }

    /// Fetches the keys, if they are that old and there was a pause. Whoever
    /// stops waiting for it stops nothing else.
    async fn fetch(self: &Arc<Self>, age: Duration) {
        let Source::Url(target) = &self.source else {
            return;
        };
        let alone = Arc::clone(&self.fetching).lock_owned().await;
        let now = self.now();
        if !self.state().begins_fetch(now, age) {
            return;
        }
        let (keys, target) = (Arc::clone(self), target.clone());
        let fetching = tokio::spawn(async move {
            let _alone = alone;
            keys.fetch_from(&target, now).await;
        });
        if let Err(cause) = fetching.await {
            tracing::warn!(%cause, "the keys of the issuer cannot be fetched");
        }
    }

    async fn fetch_from(&self, target: &Target, now: Instant) {
        let fetched = get(&self.around.dialer, target, MAX_SET).await;
        match fetched.and_then(|text| KeySet::parse(&text)) {
            Ok(set) => {
                let mut state = self.state();
                state.set = set;
                state.fetched = Some(now);
            }
            Err(problem) => tracing::warn!(problem, "the keys of the issuer cannot be fetched"),
        }
    }

    /// Takes over a file that changed. One that cannot be used changes nothing,
    /// which is recorded once.
    fn reread(&self, path: &Path) {
        let mut state = self.state();
        let now = self.now();
        if !state.watched.as_mut().is_some_and(|it| it.is_changed(now)) {
            return;
        }
        match read(path) {
            Ok(set) => {
                state.set = set;
                state.broken = false;
            }
            Err(error) => {
                if !std::mem::replace(&mut state.broken, true) {
                    drop(state);
                    let reason = format!("The keys of the issuer stay what they were: {error}");
                    let event = Event::ConfigInsecure { reason };
                    if self
                        .around
                        .events
                        .record(&Subject::default(), &event)
                        .is_err()
                    {
                        tracing::warn!("a file of the issuer's keys is broken, unrecorded");
                    }
                }
            }
        }
    }

    fn now(&self) -> Instant {
        self.around.clock.monotonic()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each part is replaced whole: a panic cannot leave half of one.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Whether a fetch begins now: the keys are that old, and there was a pause.
    fn begins_fetch(&mut self, now: Instant, age: Duration) -> bool {
        let age_is = |fetched: Instant| now.saturating_duration_since(fetched);
        let is_young = self.fetched.is_some_and(|fetched| age_is(fetched) < age);
        if is_young || !self.may_fetch(now) {
            return false;
        }
        self.tried = Some(now);
        true
    }

    fn may_fetch(&self, now: Instant) -> bool {
        let pause = if self.set.is_empty() {
            FIRST_PAUSE
        } else {
            PAUSE
        };
        let since = |tried: Instant| now.saturating_duration_since(tried);
        self.tried.is_none_or(|tried| since(tried) >= pause)
    }
}

fn read(path: &Path) -> Result<KeySet> {
    let max = u64::try_from(MAX_SET).unwrap_or(u64::MAX);
    let text = read_trusted(path, max)
        .map_err(|unreadable| unreadable.into_error("file of the issuer's keys", path))?;
    KeySet::parse(text.as_bytes()).map_err(|problem| {
        let path = path.display();
        Error::new(
            Kind::ConfigInvalid,
            format!("The file of the issuer's keys {path} is not valid: {problem}."),
        )
        .with_hint("Put a JWK set there, as the issuer offers it at its `jwks_uri`.")
    })
}
