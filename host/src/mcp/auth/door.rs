//! The door of a host whose callers prove who they are.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use tokio::sync::Semaphore;

use super::file::KeyFile;
use super::header::credential;
use super::key::is_key;
use super::keys::Keys;
use super::oauth::Oauth;
use super::reason::{Failure, Reason, Weight};
use super::source::Source;
use super::telling::Telling;
use super::throttle::{Lock, Sentence, Throttle};
use super::{Authenticate, Page, Refused};
use crate::config::AuthConfig;
use crate::error::Result;
use crate::event::{Event, Subject};
use crate::host::{Host, Surroundings};
use crate::mcp::caller::Caller;
use crate::time::millis;

/// Answers that may be late at a time; further ones are refused at once, so that
/// waiting costs the host next to nothing.
const MAX_LATE: usize = 64;

/// After how many seconds the issuer's keys may be there.
const KEYS_SOON: u64 = 5;

/// The door of a host, by its configuration. `keys` is the file of keys, unless
/// the configuration names another.
///
/// # Errors
///
/// `ConfigInvalid` and `ConfigInsecure` for files of keys that cannot be used;
/// `Internal` if nothing can be watched.
pub fn door(config: &AuthConfig, keys: &Path, host: &Host) -> Result<Arc<dyn Authenticate>> {
    let keys = config.keys.as_deref().unwrap_or(keys);
    Ok(Arc::new(Door::open(config, keys, host.surroundings())?))
}

/// Waits for so long.
pub(super) type Sleep = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

pub(super) struct Door {
    keys: Keys,
    oauth: Option<Oauth>,
    throttle: Throttle,
    telling: Telling,
    late: Semaphore,
    /// How time passes for those who wait.
    pub(super) sleep: Sleep,
    around: Surroundings,
}

impl Door {
    pub(super) fn open(config: &AuthConfig, keys: &Path, around: Surroundings) -> Result<Self> {
        let oauth = config.oauth.clone();
        Ok(Self {
            keys: Keys::open(
                KeyFile::at(keys.to_owned()),
                Arc::clone(&around.clock),
                Arc::clone(&around.events),
            )?,
            oauth: oauth.map(|it| Oauth::open(it, &around)).transpose()?,
            throttle: Throttle::new(around.clock.monotonic()),
            telling: Telling::new(around.clock.monotonic()),
            late: Semaphore::new(MAX_LATE),
            sleep: Box::new(|time| Box::pin(tokio::time::sleep(time))),
            around,
        })
    }
}

impl Authenticate for Door {
    fn authenticate<'a>(
        &'a self,
        request: &'a Parts,
        from: SocketAddr,
    ) -> BoxFuture<'a, Result<Caller, Refused>> {
        Box::pin(async move {
            match self.holder(request).await {
                Ok(caller) => Ok(caller),
                Err(failure) => Err(self.refuse(&failure, from.into()).await),
            }
        })
    }

    fn methods(&self) -> &'static str {
        match self.oauth {
            Some(_) => "keys and oauth",
            None => "keys",
        }
    }

    fn page(&self, path: &str) -> Option<Page> {
        let body = self.oauth.as_ref()?.page(path)?;
        Some(Page {
            media_type: "application/json",
            body,
        })
    }
}

impl Door {
    async fn holder(&self, request: &Parts) -> Result<Caller, Failure> {
        let token = credential(request)?;
        match &self.oauth {
            _ if is_key(token) => self.keys.holder(token),
            Some(oauth) => Ok(oauth.holder(token).await?),
            None => Err(Reason::NoToken.into()),
        }
    }

    /// Records it, and answers as late as it deserves. Whatever is wrong with what
    /// they sent, they are told the same.
    async fn refuse(&self, failure: &Failure, source: Source) -> Refused {
        self.tell(failure, source);
        let reason = failure.reason;
        match reason.weight() {
            Weight::Asked => self.prove(reason),
            Weight::Lacks => self.lacks(reason),
            Weight::Unknown => unknown(),
            Weight::Tried => {
                let now = self.around.clock.monotonic();
                let (sentence, lock) = self.throttle.failed(source, now);
                if let Some(lock) = lock {
                    self.tell_lock(lock, source);
                }
                self.serve_out(sentence, reason).await
            }
        }
    }

    async fn serve_out(&self, sentence: Sentence, reason: Reason) -> Refused {
        match (sentence, self.late.try_acquire()) {
            (Sentence::Late(delay), Ok(_place)) => {
                (self.sleep)(delay).await;
                self.prove(reason)
            }
            (Sentence::Late(delay), Err(_full)) => locked(delay),
            (Sentence::Locked(wait), _) => locked(wait),
        }
    }

    fn prove(&self, reason: Reason) -> Refused {
        Refused {
            status: StatusCode::UNAUTHORIZED,
            challenge: self.challenge(reason),
            retry_after: None,
            message: "Prove who you are: send a valid key or token, as `Authorization: Bearer …`."
                .to_owned(),
        }
    }

    fn lacks(&self, reason: Reason) -> Refused {
        Refused {
            status: StatusCode::FORBIDDEN,
            challenge: self.challenge(reason),
            retry_after: None,
            message: "The token lacks a scope: ask the issuer for one that has it.".to_owned(),
        }
    }

    fn challenge(&self, reason: Reason) -> Option<HeaderValue> {
        match (&self.oauth, reason.weight()) {
            (Some(oauth), _) => oauth.challenge(reason),
            (None, Weight::Asked) => Some(HeaderValue::from_static("Bearer realm=\"skillhost\"")),
            (None, _) => Some(HeaderValue::from_static(
                "Bearer realm=\"skillhost\", error=\"invalid_token\"",
            )),
        }
    }

    fn tell(&self, failure: &Failure, source: Source) {
        let now = self.around.clock.monotonic();
        let Some(repeated) = self.telling.tells(source, failure.reason, now) else {
            return;
        };
        self.record(&Event::AuthFailed {
            source: source.to_string(),
            method: failure.reason.method(),
            reason: failure.reason.sentence().to_owned(),
            key: failure.key.as_ref().map(ToString::to_string),
            repeated,
        });
    }

    fn tell_lock(&self, lock: Lock, source: Source) {
        self.record(&Event::AuthThrottled {
            source: source.to_string(),
            scope: lock.scope,
            failures: lock.failures,
            wait_ms: millis(lock.wait),
        });
    }

    /// Whoever is refused is refused, on record or not.
    fn record(&self, event: &Event) {
        if let Err(error) = self.around.events.record(&Subject::default(), event) {
            tracing::warn!(internal = error.internal(), "a refusal was not recorded");
        }
    }
}

fn locked(wait: Duration) -> Refused {
    Refused {
        status: StatusCode::TOO_MANY_REQUESTS,
        challenge: None,
        retry_after: Some(millis(wait).div_ceil(1000).max(1)),
        message: "Too many attempts failed. Try again later, with a valid key or token.".to_owned(),
    }
}

fn unknown() -> Refused {
    Refused {
        status: StatusCode::SERVICE_UNAVAILABLE,
        challenge: None,
        retry_after: Some(KEYS_SOON),
        message: "Tokens cannot be checked just now. Try again later.".to_owned(),
    }
}
