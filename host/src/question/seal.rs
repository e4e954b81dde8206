//! What a client keeps for the host between two rounds of a call: encrypted, so
//! that nobody reads a skill's state; for one caller, one tool and the same
//! arguments; for a while, and for one use.
//!
//! The key ends with the process. So does the list of what was used, and what
//! the time is counted from.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Earlier, Questions};
use crate::artifact::Digest;
use crate::error::{Error, Kind, Result};
use crate::invocation::{Invocation, InvocationId, Principal};
use crate::policy::capability::Capability;
use crate::time::{Clock, millis};

/// The longest text that is looked at, in bytes.
const MAX_TEXT: usize = 512 * 1024;

/// How many a caller may use within the time that one holds. Each is
/// remembered for that time.
const MAX_USED: usize = 1024;

/// Between two times that what is over is forgotten, in milliseconds.
const SWEEP: u64 = 1000;

/// What is put to a human before a call goes on: what a skill asks, and the
/// host's own questions about capabilities.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Asks {
    pub(crate) questions: Questions,
    /// Which of these keys ask for which capability.
    pub(crate) consents: BTreeMap<String, Capability>,
}

impl Asks {
    /// The requests as MCP has them, each with who asks.
    pub(crate) fn requests(&self, skill: &str) -> BTreeMap<String, serde_json::Value> {
        let each = self.questions.each.iter();
        each.map(|(key, question)| {
            let who = match self.consents.contains_key(key) {
                true => String::new(),
                false => format!("The skill {skill} asks: "),
            };
            (key.clone(), question.request(&who))
        })
        .collect()
    }
}

/// A call that waits for its next round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pending {
    /// Of the component that asked.
    pub(crate) digest: String,
    pub(crate) asks: Asks,
    pub(crate) earlier: Earlier,
}

#[derive(Serialize, Deserialize)]
struct Letter {
    id: String,
    /// Milliseconds after the host began.
    until: u64,
    pending: Pending,
}

/// What was opened, for as long as it could be opened again.
#[derive(Debug, Default)]
struct Used {
    by: BTreeMap<Principal, BTreeMap<String, u64>>,
    /// When what is over is forgotten next, in milliseconds.
    sweep: u64,
}

impl Used {
    /// Forgets what is over, at most once in [`SWEEP`].
    fn forget(&mut self, now: u64) {
        if now < self.sweep {
            return;
        }
        self.sweep = now.saturating_add(SWEEP);
        self.by.retain(|_, used| {
            used.retain(|_, until| *until > now);
            !used.is_empty()
        });
    }
}

/// Seals calls that wait, and opens each once.
pub(crate) struct Seals {
    key: RandomizedNonceKey,
    clock: Arc<dyn Clock>,
    began: Instant,
    used: Mutex<Used>,
}

impl Seals {
    /// With a key that nobody else has.
    ///
    /// # Errors
    ///
    /// `Internal` without random numbers.
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Result<Self> {
        let mut key = zeroize::Zeroizing::new([0; 32]);
        getrandom::fill(key.as_mut()).map_err(failed)?;
        Ok(Self {
            key: RandomizedNonceKey::new(&AES_256_GCM_SIV, key.as_ref()).map_err(failed)?,
            began: clock.monotonic(),
            clock,
            used: Mutex::default(),
        })
    }

    /// Seals what belongs to this call, for that time.
    ///
    /// # Errors
    ///
    /// `Internal`.
    pub(crate) fn seal(
        &self,
        call: &Invocation,
        pending: Pending,
        holds: Duration,
    ) -> Result<String> {
        let letter = Letter {
            id: InvocationId::random()?.to_string(),
            until: self.now().saturating_add(millis(holds)),
            pending,
        };
        let mut text = serde_json::to_vec(&letter).map_err(failed)?;
        let nonce = self
            .key
            .seal_in_place_append_tag(Aad::from(bound(call)), &mut text);
        let mut sealed = nonce.map_err(failed)?.as_ref().to_vec();
        sealed.append(&mut text);
        Ok(URL_SAFE_NO_PAD.encode(sealed))
    }

    /// Opens what was sealed for the same caller, tool and arguments, once.
    ///
    /// # Errors
    ///
    /// `InvalidRequest`, with what the client can do.
    pub(crate) fn open(&self, call: &Invocation, sealed: &str) -> Result<Pending> {
        let letter = self.read(call, sealed).ok_or_else(foreign)?;
        if letter.until <= self.now() {
            return Err(refused("The time to answer is over."));
        }
        self.take(&call.principal, letter.id, letter.until)?;
        Ok(letter.pending)
    }

    fn read(&self, call: &Invocation, sealed: &str) -> Option<Letter> {
        if sealed.len() > MAX_TEXT {
            return None;
        }
        let sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut text = text.to_vec();
        let opened = self
            .key
            .open_in_place(nonce, Aad::from(bound(call)), &mut text);
        serde_json::from_slice(opened.ok()?).ok()
    }

    fn take(&self, principal: &Principal, id: String, until: u64) -> Result<()> {
        let now = self.now();
        let mut all = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        all.forget(now);
        let used = all.by.entry(principal.clone()).or_default();
        if used.len() >= MAX_USED {
            used.retain(|_, until| *until > now);
        }
        if used.contains_key(&id) {
            return Err(refused("This state was used before."));
        }
        if used.len() >= MAX_USED {
            return Err(refused("Too many questions were answered in a short time."));
        }
        used.insert(id, until);
        Ok(())
    }

    fn now(&self) -> u64 {
        millis(self.clock.monotonic().saturating_duration_since(self.began))
    }
}

/// Whose it is: other callers, tools and arguments have another text. Each part
/// has its length before it, so that none reaches into the next.
fn bound(call: &Invocation) -> Vec<u8> {
    let digest = Digest::of(call.input.text().as_bytes()).to_string();
    let parts = [
        call.principal.as_str(),
        call.skill.as_str(),
        &call.tool,
        &digest,
    ];
    let mut bound = Vec::new();
    for part in parts {
        bound.extend((part.len() as u64).to_be_bytes());
        bound.extend(part.as_bytes());
    }
    bound
}

fn foreign() -> Error {
    refused("This state was not given to you for this tool and these arguments.")
}

pub(crate) fn refused(why: &str) -> Error {
    Error::new(Kind::InvalidRequest, why)
        .with_hint("Call the tool again without `requestState` and `inputResponses`.")
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::Internal, "What a call waits for cannot be sealed.").with_internal(cause)
}

impl std::fmt::Debug for Seals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seals").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
