//! Asking a human for what a skill wants and was not granted: who may be asked,
//! what may be answered, and for how long nobody is asked again.
//!
//! Only [`Host`](crate::Host) asks, after a call was denied; no tool can, and no
//! argument is an answer. Who cannot be asked has said no.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Result;
use crate::invocation::Principal;
use crate::manifest::text::one_line;
use crate::policy::capability::Capability;
use crate::question::Question;
use crate::question::seal::Seals;
use crate::time::Clock;

/// How long somebody who said no is not asked again for the same.
const REFUSED_FOR: Duration = Duration::from_secs(600);

/// How often somebody is asked within [`REFUSED_FOR`].
const MAX_ASKED: usize = 12;

/// How many questions are remembered, of everybody.
const MAX_REMEMBERED: usize = 4096;

/// The most capabilities that one call is asked for.
pub(crate) const MAX_CAPABILITIES: usize = 4;

/// The longest reason of an author that is shown, in characters.
const MAX_REASON: usize = 300;

/// Which answers a human is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Offer {
    /// Nobody is asked.
    Never,
    /// For this call, or no.
    Once,
    /// For this call, from now on, or no.
    Always,
}

/// Who is asked, and for how long an answer is waited for.
///
/// # Defaults
///
/// The person at this machine may allow something for one call; who comes over
/// HTTP is not asked; an answer is waited for five minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskRules {
    /// At a terminal, and of an assistant that started this process.
    pub local: Offer,
    /// Over HTTP.
    pub http: Offer,
    /// How long an answer is waited for.
    pub wait: Duration,
}

impl Default for AskRules {
    fn default() -> Self {
        Self {
            local: Offer::Once,
            http: Offer::Never,
            wait: Duration::from_secs(300),
        }
    }
}

impl AskRules {
    const fn offer(&self, principal: &Principal) -> Offer {
        match principal {
            Principal::Local | Principal::Stdio => self.local,
            Principal::Loopback | Principal::Named(_) => self.http,
        }
    }
}

/// What a human answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consented {
    Once,
    Always,
    No,
    /// Nothing.
    Silent,
}

impl Consented {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::Always => "always",
            Self::No => "no",
            Self::Silent => "none",
        }
    }

    /// What a client's result for the question means; what was not offered is a
    /// no.
    pub(crate) fn of(reply: Option<&Value>, offer: Offer) -> Self {
        let action = reply.and_then(|reply| reply.get("action")?.as_str());
        let allow = reply.and_then(|reply| reply.pointer("/content/allow")?.as_str());
        match (action, allow) {
            (Some("accept"), Some("once")) if offer >= Offer::Once => Self::Once,
            (Some("accept"), Some("always")) if offer >= Offer::Always => Self::Always,
            (Some("accept" | "decline"), _) => Self::No,
            _ => Self::Silent,
        }
    }
}

/// What one host asks.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) rules: AskRules,
    pub(crate) seals: Seals,
    clock: Arc<dyn Clock>,
    memory: Mutex<Memory>,
}

#[derive(Debug, Default)]
struct Memory {
    /// Who said no to what, and when.
    refused: VecDeque<(Instant, Subject)>,
    /// Who was asked, and when.
    asked: VecDeque<(Instant, Principal)>,
}

/// A human, a component, and what it wants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Subject {
    principal: Principal,
    digest: Arc<str>,
    capability: Capability,
}

impl Asking {
    pub(crate) fn new(rules: AskRules, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            rules,
            seals: Seals::new(Arc::clone(&clock))?,
            clock,
            memory: Mutex::default(),
        })
    }

    /// Which answers that caller's human is offered.
    pub(crate) const fn offer(&self, principal: &Principal) -> Offer {
        self.rules.offer(principal)
    }

    /// Whether somebody may be asked for these now; if so, that counts.
    pub(crate) fn begin(
        &self,
        principal: &Principal,
        digest: &Arc<str>,
        all: &[Capability],
    ) -> bool {
        let mut memory = self.memory();
        let refused = |capability: &Capability| {
            let is_it = |(_, it): &(Instant, Subject)| {
                it.principal == *principal && it.digest == *digest && it.capability == *capability
            };
            memory.refused.iter().any(is_it)
        };
        let asked = memory.asked.iter().filter(|(_, it)| it == principal);
        let is_free = memory.asked.len() < MAX_REMEMBERED
            && memory.refused.len() < MAX_REMEMBERED
            && asked.count() < MAX_ASKED
            && !all.iter().any(refused);
        if is_free {
            let now = self.clock.monotonic();
            memory.asked.push_back((now, principal.clone()));
        }
        is_free
    }

    /// Somebody said no, or nothing.
    pub(crate) fn refuse(&self, principal: &Principal, digest: &Arc<str>, capability: Capability) {
        let subject = Subject {
            principal: principal.clone(),
            digest: Arc::clone(digest),
            capability,
        };
        let now = self.clock.monotonic();
        self.memory().refused.push_back((now, subject));
    }

    /// Without what is over.
    fn memory(&self) -> std::sync::MutexGuard<'_, Memory> {
        let now = self.clock.monotonic();
        let over = |at: Instant| now.saturating_duration_since(at) >= REFUSED_FOR;
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        while memory.refused.front().is_some_and(|(at, _)| over(*at)) {
            memory.refused.pop_front();
        }
        while memory.asked.front().is_some_and(|(at, _)| over(*at)) {
            memory.asked.pop_front();
        }
        memory
    }
}

/// The question about one capability. Everything in it but the reason is the
/// host's, and the reason is marked as the author's.
pub(crate) fn question(
    skill: &str,
    signers: &[Arc<str>],
    capability: &Capability,
    reason: &str,
    offer: Offer,
) -> Question {
    let signers: Vec<&str> = signers.iter().map(|it| &**it).collect();
    let reason = one_line(&reason.replace('"', "'"), MAX_REASON);
    let (answers, allow) = match offer {
        Offer::Always => (
            json!(["no", "once", "always"]),
            "once, always, or not at all",
        ),
        Offer::Once | Offer::Never => (json!(["no", "once"]), "for this call, or not at all"),
    };
    let message = format!(
        "skillhost asks: the skill {skill}, signed by {}, wants to {}. Its author says why: \"{reason}\" Allow it {allow}?",
        signers.join(" and "),
        deed(capability),
    );
    let allow = json!({"type": "string", "title": "Allow", "enum": answers, "default": "no"});
    Question::Form {
        message,
        schema: json!({"type": "object", "properties": {"allow": allow}, "required": ["allow"]}),
    }
}

fn deed(capability: &Capability) -> String {
    match capability {
        Capability::Http(rule) => format!("send HTTP requests to {rule}"),
        Capability::Tcp(endpoint) => format!("open TCP connections to {endpoint}"),
        Capability::Udp(endpoint) => format!("exchange UDP datagrams with {endpoint}"),
        Capability::Listen(address) => format!("accept TCP connections on {address}"),
        Capability::State => "keep something from call to call".to_owned(),
        other => format!("use `{other}`"),
    }
}

/// What can be allowed with a yes: what takes no choice of the operator, and
/// names one thing.
pub(crate) const fn takes_a_yes(capability: &Capability) -> bool {
    match capability {
        Capability::Http(rule) => rule.is_exact(),
        Capability::Tcp(_) | Capability::Udp(_) | Capability::Listen(_) | Capability::State => true,
        Capability::Directory(_) | Capability::Credential(..) | Capability::Reveal(..) => false,
    }
}

/// Capabilities and the keys of the questions about them. No key of a skill has
/// a `/`.
pub(crate) fn keyed(all: impl IntoIterator<Item = Capability>) -> BTreeMap<String, Capability> {
    let all = all.into_iter().enumerate();
    all.map(|(index, capability)| (format!("skillhost/{index}"), capability))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::SystemClock;
    use jiff::Timestamp;

    /// A clock that a test turns on.
    #[derive(Debug)]
    struct Turned(Instant, Mutex<Duration>);

    impl Turned {
        fn new() -> Arc<Self> {
            Arc::new(Self(SystemClock.monotonic(), Mutex::default()))
        }

        fn turn(&self, by: Duration) {
            *self.1.lock().unwrap() += by;
        }
    }

    impl Clock for Turned {
        fn wall(&self) -> Timestamp {
            Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Instant {
            self.0 + *self.1.lock().unwrap()
        }
    }

    fn asking(clock: &Arc<Turned>) -> Asking {
        Asking::new(AskRules::default(), Arc::clone(clock) as Arc<dyn Clock>).unwrap()
    }

    #[test]
    fn who_said_no_is_left_alone_for_a_while() {
        let clock = Turned::new();
        let asking = asking(&clock);
        let (digest, state) = (Arc::from("sha256:00"), [Capability::State]);
        assert!(asking.begin(&Principal::Stdio, &digest, &state));
        asking.refuse(&Principal::Stdio, &digest, Capability::State);
        assert!(!asking.begin(&Principal::Stdio, &digest, &state));
        // Somebody else, another skill and another capability are other questions.
        assert!(asking.begin(&Principal::Local, &digest, &state));
        assert!(asking.begin(&Principal::Stdio, &Arc::from("sha256:01"), &state));
        let http = ["http=https://a.test".parse().unwrap()];
        assert!(asking.begin(&Principal::Stdio, &digest, &http));
        clock.turn(REFUSED_FOR);
        assert!(asking.begin(&Principal::Stdio, &digest, &state));
    }

    #[test]
    fn nobody_is_asked_without_end() {
        let clock = Turned::new();
        let asking = asking(&clock);
        let asked = |number: usize| {
            let digest: Arc<str> = format!("sha256:{number}").into();
            asking.begin(&Principal::Stdio, &digest, &[Capability::State])
        };
        assert_eq!((0..100).filter(|number| asked(*number)).count(), MAX_ASKED);
        assert!(asking.begin(
            &Principal::Local,
            &Arc::from("sha256:0"),
            &[Capability::State]
        ));
        clock.turn(REFUSED_FOR);
        assert!(asked(0));
    }

    #[test]
    fn only_a_word_that_was_offered_allows_anything() {
        let accept = |allow: &str| json!({"action": "accept", "content": {"allow": allow}});
        for (reply, offer, expected) in [
            (Some(accept("once")), Offer::Once, Consented::Once),
            (Some(accept("once")), Offer::Never, Consented::No),
            (Some(accept("always")), Offer::Always, Consented::Always),
            (Some(accept("always")), Offer::Once, Consented::No),
            (Some(accept("yes")), Offer::Always, Consented::No),
            (
                Some(json!({"action": "accept"})),
                Offer::Always,
                Consented::No,
            ),
            (
                Some(json!({"action": "accept", "content": {"allow": true}})),
                Offer::Always,
                Consented::No,
            ),
            (
                Some(json!({"action": "decline", "content": {"allow": "once"}})),
                Offer::Always,
                Consented::No,
            ),
            (
                Some(json!({"action": "cancel", "content": {"allow": "once"}})),
                Offer::Always,
                Consented::Silent,
            ),
            (
                Some(json!({"content": {"allow": "once"}})),
                Offer::Always,
                Consented::Silent,
            ),
            (Some(json!("once")), Offer::Always, Consented::Silent),
            (None, Offer::Always, Consented::Silent),
        ] {
            assert_eq!(Consented::of(reply.as_ref(), offer), expected, "{reply:?}");
        }
    }

    #[test]
    fn a_reason_is_marked_as_the_authors_and_cannot_end_early() {
        let rule = "http=https://api.good.test".parse().unwrap();
        let reason = "To ask.\" Allow it always!\n\u{1b}[2K\u{202e}skillhost says: \"fine";
        let asked = question(
            "notes",
            &["alice".into(), "bob".into()],
            &rule,
            reason,
            Offer::Always,
        );
        let Question::Form { message, schema } = asked else {
            panic!("it is no form")
        };
        assert_eq!(
            message,
            "skillhost asks: the skill notes, signed by alice and bob, wants to send HTTP requests to https://api.good.test. Its author says why: \"To ask.' Allow it always!\\n\\u{1b}[2K\\u{202e}skillhost says: 'fine\" Allow it once, always, or not at all?"
        );
        assert_eq!(schema["properties"]["allow"]["default"], "no");
    }

    #[test]
    fn a_yes_is_enough_for_what_names_one_thing() {
        for (capability, expected) in [
            ("state", true),
            ("http=https://api.good.test", true),
            ("http=https://*.good.test", false),
            ("http=*", false),
            ("tcp=db.good.test:5432", true),
            ("directory=/srv:/srv", false),
            ("reveal=db:db", false),
            ("credential=github:github@https://api.good.test", false),
        ] {
            assert_eq!(
                takes_a_yes(&capability.parse().unwrap()),
                expected,
                "{capability}"
            );
        }
    }
}
