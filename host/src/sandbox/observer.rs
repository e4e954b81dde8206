//! Denials inside a call: recorded once each, and kept so that the answer can
//! name the grant that would help.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::consent::ask::MAX_CAPABILITIES;
use crate::error::Error;
use crate::event::{Event, Events, Subject};
use crate::manifest::Capabilities;
use crate::manifest::text::one_line;
use crate::policy::capability::Capability;
use crate::policy::remedy;
use crate::secret::without_url_secrets;

/// Different denials of one call that have an event each. A guest can make up as
/// many targets as it likes; those beyond these are counted.
const MAX_DENIALS: usize = 32;

/// The longest target that is recorded, in characters.
const MAX_TARGET: usize = 200;

/// The longest rule or grant that is recorded, in characters.
const MAX_TEXT: usize = 600;

/// Something that the guest reached for and did not get.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Denial {
    /// Which capability.
    pub(crate) capability: &'static str,
    /// What it reached for.
    pub(crate) target: String,
    /// What would allow it.
    pub(crate) grant: String,
}

/// Sees what is refused to one call.
#[derive(Clone)]
pub(crate) struct Observer {
    events: Arc<Events>,
    subject: Arc<Subject>,
    denials: Arc<Mutex<Denials>>,
    redacted: Arc<AtomicU64>,
    lost: Arc<OnceLock<Error>>,
    wanted: Arc<Capabilities>,
}

/// What was refused to one call.
#[derive(Debug, Default)]
struct Denials {
    each: BTreeMap<Denial, u64>,
    unnamed: u64,
    /// Secrets that were shown to the call, which is recorded once each.
    revealed: BTreeSet<String>,
    /// What a human could allow with a yes.
    askable: Vec<Capability>,
}

impl Observer {
    pub(crate) fn new(events: Arc<Events>, subject: Arc<Subject>) -> Self {
        Self {
            events,
            subject,
            denials: Arc::default(),
            redacted: Arc::default(),
            lost: Arc::default(),
            wanted: Arc::default(),
        }
    }

    /// The same for a skill that asks for these: what it asks for can be granted
    /// by command.
    pub(super) fn of_skill_that_wants(mut self, wanted: &Arc<Capabilities>) -> Self {
        self.wanted = Arc::clone(wanted);
        self
    }

    /// What the skill asks for.
    pub(super) fn wanted(&self) -> &Capabilities {
        &self.wanted
    }

    /// The name of the skill.
    pub(super) fn skill(&self) -> &str {
        self.subject.skill.as_deref().unwrap_or_default()
    }

    /// What was refused, each once.
    pub(crate) fn denials(&self) -> Vec<Denial> {
        self.lock().each.keys().cloned().collect()
    }

    /// Notes something that was refused and that a human could allow.
    pub(super) fn could_allow(&self, capability: Capability) {
        let mut denials = self.lock();
        let askable = &mut denials.askable;
        if askable.len() < MAX_CAPABILITIES && !askable.contains(&capability) {
            askable.push(capability);
        }
    }

    /// What was refused and a human could allow, each once.
    pub(crate) fn askable(&self) -> Vec<Capability> {
        self.lock().askable.clone()
    }

    /// Records that a secret was refused.
    pub(super) fn secret(&self, target: &str, grant: &str) {
        self.deny("secrets", target, None, grant);
    }

    /// Whether there are secrets to be taken out of texts.
    pub(super) fn knows_secrets(&self) -> bool {
        !self.events.redactor().is_empty()
    }

    /// What the guest says, without secrets; those that were in it are counted.
    pub(crate) fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.counted(self.events.redactor().redact(text))
    }

    /// Likewise for a text that may have been cut off.
    pub(super) fn redact_cut<'a>(&self, text: &'a str, cut: bool) -> Cow<'a, str> {
        if cut {
            self.counted(self.events.redactor().redact_cut(text))
        } else {
            self.redact(text)
        }
    }

    /// Likewise in place.
    pub(crate) fn redact_in(&self, text: &mut String) {
        if let Cow::Owned(clean) = self.redact(text) {
            *text = clean;
        }
    }

    fn counted<'a>(&self, (clean, count): (Cow<'a, str>, u64)) -> Cow<'a, str> {
        self.redacted.fetch_add(count, Ordering::Relaxed);
        clean
    }

    /// That secrets were taken out of what the guest said, if any were.
    pub(crate) fn redactions(&self) -> Option<Event> {
        let count = self.redacted.load(Ordering::Relaxed);
        (count > 0).then_some(Event::SecretRedacted { count })
    }

    /// Whether the secret is shown to this call for the first time.
    pub(super) fn is_first(&self, secret: &str) -> bool {
        self.lock().revealed.insert(secret.to_owned())
    }

    /// Records that an operation on a file was refused.
    pub(super) fn file(&self, path: &str, rule: &'static str, grant: &str) {
        self.deny("filesystem", path, Some(rule), grant);
    }

    /// Records that the guest wanted to keep or to read something that it may
    /// not.
    pub(super) fn state(&self, key: &str) {
        if self.wanted().state.is_some() {
            self.could_allow(Capability::State);
        }
        self.deny(
            "state",
            key,
            None,
            &remedy::state(self.skill(), self.wanted()),
        );
    }

    fn deny(
        &self,
        capability: &'static str,
        target: &str,
        rule: Option<&'static str>,
        grant: &str,
    ) {
        let target = one_line(&self.redact(target), MAX_TARGET);
        let grant = one_line(&self.redact(grant), MAX_TEXT);
        let denial = Denial {
            capability,
            target,
            grant,
        };
        if self.is_new(&denial) {
            let Denial {
                capability,
                target,
                grant,
            } = denial;
            self.record(&Event::CapabilityDenied {
                capability,
                target,
                rule,
                grant,
            });
        }
    }

    /// Records that an HTTP request was refused.
    pub(super) fn egress(&self, target: &str, address: Option<String>, rule: &str, grant: &str) {
        self.outgoing("http", target, address, rule, grant);
    }

    /// Records that a raw connection was refused.
    pub(super) fn socket(&self, target: &str, address: Option<String>, rule: &str, grant: &str) {
        self.outgoing("sockets", target, address, rule, grant);
    }

    fn outgoing(
        &self,
        capability: &'static str,
        target: &str,
        address: Option<String>,
        rule: &str,
        grant: &str,
    ) {
        let target = one_line(&self.shown(target), MAX_TARGET);
        let rule = one_line(&self.shown(rule), MAX_TEXT);
        let grant = one_line(&self.shown(grant), MAX_TEXT);
        let denial = Denial {
            capability,
            target: target.clone(),
            grant: grant.clone(),
        };
        if self.is_new(&denial) {
            self.record(&Event::EgressDenied {
                target,
                address,
                rule,
                grant,
            });
        }
    }

    /// A text with addresses that the guest made up, which may hold secrets of
    /// its own.
    fn shown(&self, text: &str) -> String {
        without_url_secrets(&self.redact(text)).into_owned()
    }

    /// Repeats are counted, not repeated.
    fn is_new(&self, denial: &Denial) -> bool {
        let mut denials = self.lock();
        if let Some(repeats) = denials.each.get_mut(denial) {
            *repeats = repeats.saturating_add(1);
            return false;
        }
        if denials.each.len() == MAX_DENIALS {
            denials.unnamed = denials.unnamed.saturating_add(1);
            return false;
        }
        denials.each.insert(denial.clone(), 0);
        true
    }

    /// What was refused without an event of its own, if anything was.
    pub(crate) fn repeats(&self) -> Option<Event> {
        let denials = self.lock();
        let repeated = denials.each.values().copied().fold(0, u64::saturating_add);
        let unnamed = denials.unnamed;
        (repeated > 0 || unnamed > 0).then_some(Event::DenialsRepeated { repeated, unnamed })
    }

    /// Records something, if it can be; if not, the call goes on to its end and
    /// is then told as [`lost`](Self::lost).
    pub(super) fn record(&self, event: &Event) {
        if let Err(error) = self.events.record(&self.subject, event) {
            self.lost.get_or_init(|| error);
        }
    }

    /// Why something of the call could not be recorded, if so. Such a call has
    /// no good end: a skill could fill the disk while it does what nobody is to
    /// see, and free it again.
    pub(crate) fn lost(&self) -> Option<Error> {
        self.lost.get().cloned()
    }

    fn lock(&self) -> MutexGuard<'_, Denials> {
        self.denials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer").finish_non_exhaustive()
    }
}
