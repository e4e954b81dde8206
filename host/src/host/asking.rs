//! What is put to a human when a call ends without an answer, and how the call
//! goes on.
//!
//! Each round is a call of its own, with an id, limits, admission and a record
//! of its own. What carries over is what was answered, what the skill kept, and
//! what was allowed for this call.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Host, Terms};
use crate::answer::Answer;
use crate::consent::ask::{self, Consented, MAX_CAPABILITIES, Offer};
use crate::error::{Kind, Result};
use crate::event::{Event, Subject};
use crate::invocation::{Invocation, InvocationId};
use crate::lock::Release;
use crate::policy::capability::Capability;
use crate::policy::ceiling::Ceiling;
use crate::policy::wish::Wish;
use crate::policy::{self, OperatorGrant};
use crate::question::seal::{Asks, Pending, Seals, refused};
use crate::question::{MAX_ROUNDS, Question, Questions};
use crate::registry::Loaded;

/// A human who can be asked while a call waits.
pub(crate) trait Human: Send + Sync {
    /// How, as events have it.
    const HOW: &'static str;

    /// Whether that can be asked.
    fn can(&self, question: &Question) -> bool;

    /// Puts the questions, each with who asks; the answers, as MCP has them.
    fn ask(
        &self,
        requests: BTreeMap<String, Value>,
    ) -> impl Future<Output = BTreeMap<String, Value>> + Send;
}

/// What may follow a call.
pub(crate) enum Next {
    /// It has its answer.
    Done,
    /// What it needs cannot be asked here.
    Unable(Questions),
    /// Somebody has to answer first.
    Ask(Box<Pending>),
}

impl Host {
    /// How long an answer is waited for.
    pub(crate) const fn patience(&self) -> Duration {
        self.asking.rules.wait
    }

    /// Seals what waits for an answer.
    pub(crate) const fn seals(&self) -> &Seals {
        &self.asking.seals
    }

    /// Calls a tool, and puts to a human what it asks, until it answers.
    pub(crate) async fn converse<H: Human>(&self, mut call: Invocation, human: &H) -> Answer {
        loop {
            let answer = self.invoke(call.clone()).await;
            let next = self.next(&call, &answer, H::HOW, |question| human.can(question));
            let Ok(Next::Ask(pending)) = next else {
                return answer;
            };
            let requests = pending.asks.requests(call.skill.as_str());
            let replies = tokio::select! {
                biased;
                () = call.cancelled.cancelled() => return answer,
                replies = human.ask(requests) => replies,
            };
            match self.resume(&call, *pending, &replies) {
                Ok(next) => call = next,
                Err(error) => {
                    return Answer {
                        outcome: Err(error),
                        ..answer
                    };
                }
            }
        }
    }

    /// What has to be asked before a call can go on that ended with `answer`,
    /// of what `can` be asked. That somebody is asked for a capability is
    /// recorded.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable`.
    pub(crate) fn next(
        &self,
        call: &Invocation,
        answer: &Answer,
        how: &'static str,
        can: impl Fn(&Question) -> bool,
    ) -> Result<Next> {
        let Ok(loaded) = self.current.get().skills.get(&call.skill) else {
            return Ok(Next::Done);
        };
        if call.earlier.round >= MAX_ROUNDS || call.cancelled.is_cancelled() {
            return Ok(Next::Done);
        }
        let answered = answer.skill.as_ref();
        if answered.is_some_and(|skill| skill.digest != loaded.info().digest) {
            // What it kept and asked is not for the one that has replaced it.
            return Ok(Next::Done);
        }
        let pending = |asks| Pending {
            digest: loaded.info().digest.to_string(),
            asks,
            earlier: call.earlier.clone(),
        };
        if let Some(questions) = answer.questions() {
            let mut asked = questions.clone();
            asked.each.retain(|_, question| can(question));
            if asked.each.is_empty() {
                return Ok(Next::Unable(questions.clone()));
            }
            let asks = Asks {
                questions: asked,
                ..Asks::default()
            };
            return Ok(Next::Ask(Box::new(pending(asks))));
        }
        let denied = matches!(&answer.outcome, Err(error) if error.kind() == Kind::Denied);
        if !denied {
            return Ok(Next::Done);
        }
        let asks = self.ask_for_rights(call, answer, &loaded, how, can)?;
        Ok(asks.map_or(Next::Done, |asks| Next::Ask(Box::new(pending(asks)))))
    }

    /// The next round of a call, after these replies. What a human allows is
    /// recorded before it counts.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` if the skill is another one by now; `AuditUnavailable`;
    /// those of writing a grant.
    pub(crate) fn resume(
        &self,
        call: &Invocation,
        pending: Pending,
        replies: &BTreeMap<String, Value>,
    ) -> Result<Invocation> {
        let Pending {
            digest,
            asks,
            earlier,
        } = pending;
        let loaded = self.current.get().skills.get(&call.skill)?;
        if *loaded.info().digest != *digest {
            return Err(refused("The skill was replaced since it asked."));
        }
        let mut next = call.clone();
        next.id = InvocationId::random()?;
        let Asks {
            mut questions,
            consents,
        } = asks;
        if consents.is_empty() {
            next.earlier = earlier.answered(&questions, replies);
            return Ok(next);
        }
        // A skill's own round goes on where it was.
        questions.state.clone_from(&earlier.state);
        next.earlier = earlier.answered(
            &Questions {
                each: BTreeMap::new(),
                ..questions
            },
            replies,
        );
        for (key, capability) in consents {
            if self.consented(call, &loaded, &capability, replies.get(&key))? == Consented::Once {
                next.earlier.once.push(capability);
            }
        }
        Ok(next)
    }

    fn ask_for_rights(
        &self,
        call: &Invocation,
        answer: &Answer,
        loaded: &Arc<Loaded>,
        how: &'static str,
        can: impl Fn(&Question) -> bool,
    ) -> Result<Option<Asks>> {
        let (offer, ran) = (self.offer(call, loaded), answer.usage.attempts > 0);
        let wishes = match offer {
            Offer::Never => return Ok(None),
            _ if ran => self.refused_rights(call, answer, loaded),
            _ => self.missing(call, loaded),
        };
        if wishes.is_empty() || wishes.len() > MAX_CAPABILITIES {
            return Ok(None);
        }
        let info = loaded.info();
        let consents = ask::keyed(wishes.iter().map(|(capability, _)| capability.clone()));
        let questions = consents
            .keys()
            .zip(&wishes)
            .map(|(key, (capability, reason))| {
                (
                    key.clone(),
                    ask::question(&info.name, &info.signers, capability, reason, offer),
                )
            });
        let each: BTreeMap<String, Question> = questions.collect();
        let all: Vec<Capability> = consents.values().cloned().collect();
        if !each.values().all(can) || !self.asking.begin(&call.principal, &info.digest, &all) {
            return Ok(None);
        }
        let subject = about(call, loaded);
        for capability in &all {
            let capability = capability.to_string();
            self.events
                .record(&subject, &Event::ConsentAsked { capability, how })?;
        }
        let questions = Questions { each, state: None };
        Ok(Some(Asks {
            questions,
            consents,
        }))
    }

    /// What a skill cannot do without and was not granted, if a yes to each of it
    /// would let it run.
    fn missing(&self, call: &Invocation, loaded: &Loaded) -> Vec<(Capability, String)> {
        if loaded.granted.is_ok() {
            return Vec::new();
        }
        let (manifest, verdict) = (loaded.manifest(), loaded.verdict());
        let (terms, level) = (self.terms(), verdict.level());
        let ceiling = Ceiling::of(
            level,
            terms.ceilings.get(&level),
            &terms.requirements.denied,
        );
        let release = Release::of(manifest, verdict.digest(), verdict.signers());
        let (effect, _) = self.consents.effect(&release);
        let operator = &terms.policy_of(&manifest.name).grant;
        let operator = operator
            .with(effect.capabilities())
            .with(&call.earlier.once);
        let wishes = missing(loaded, &operator);
        let with = operator.with(wishes.iter().map(|(capability, _)| capability));
        match policy::decide(manifest, &with, &terms.limits, &ceiling) {
            Ok(_) => wishes,
            Err(_) => Vec::new(),
        }
    }

    /// What a call was refused while it ran, if it may run again: nobody knows
    /// what it did before.
    fn refused_rights(
        &self,
        call: &Invocation,
        answer: &Answer,
        loaded: &Loaded,
    ) -> Vec<(Capability, String)> {
        let rules = loaded.recovery.shared(&call.tool);
        if !rules.is_some_and(|rules| rules.idempotent) {
            return Vec::new();
        }
        let (terms, level) = (self.terms(), loaded.verdict().level());
        let ceiling = Ceiling::of(
            level,
            terms.ceilings.get(&level),
            &terms.requirements.denied,
        );
        let wishes = Wish::all(&loaded.manifest().capabilities);
        let refused = answer.wants.rights.iter().filter_map(|right| {
            let wish = wishes.iter().find(|wish| wish.concerns(right))?;
            let is_new = !call.earlier.once.contains(right);
            let fits = is_new && ask::takes_a_yes(right) && ceiling.admits(right.right());
            fits.then(|| (right.clone(), wish.reason.clone()))
        });
        refused.collect()
    }

    /// Which answers may be given about a skill. About one that nobody signed
    /// there are none, and what lapsed has to be looked at before anything is
    /// granted for good.
    fn offer(&self, call: &Invocation, loaded: &Loaded) -> Offer {
        let (offer, verdict) = (self.asking.offer(&call.principal), loaded.verdict());
        if verdict.is_unsigned() {
            return Offer::Never;
        }
        let release = Release::of(loaded.manifest(), verdict.digest(), verdict.signers());
        if self.consents.takes(&release) {
            return offer;
        }
        offer.min(Offer::Once)
    }

    fn consented(
        &self,
        call: &Invocation,
        loaded: &Arc<Loaded>,
        capability: &Capability,
        reply: Option<&Value>,
    ) -> Result<Consented> {
        // What may be answered now counts, not what was offered.
        let offer = self.offer(call, loaded);
        let answer = Consented::of(reply, offer);
        let subject = about(call, loaded);
        let event = Event::ConsentAnswered {
            capability: capability.to_string(),
            answer: answer.as_str(),
        };
        self.events.record(&subject, &event)?;
        match answer {
            Consented::Once => {}
            Consented::Always => {
                let verdict = loaded.verdict();
                let release = Release::of(loaded.manifest(), verdict.digest(), verdict.signers());
                self.consents
                    .give(&release, capability, &call.principal, &subject)?;
            }
            Consented::No | Consented::Silent => {
                let digest = &loaded.info().digest;
                self.asking
                    .refuse(&call.principal, digest, capability.clone());
            }
        }
        Ok(answer)
    }

    /// The skill with what is allowed for this call only. That is no more than it
    /// asks for, and no more than the ceiling leaves.
    pub(super) fn with_once(
        &self,
        loaded: &Arc<Loaded>,
        call: &Invocation,
        terms: &Terms,
        subject: &Subject,
    ) -> Result<Arc<Loaded>> {
        if call.earlier.once.is_empty() {
            return Ok(Arc::clone(loaded));
        }
        let (manifest, verdict) = (Arc::clone(&loaded.manifest), loaded.verdict());
        let (operator, consent) = self.granted_to(&manifest, verdict, terms, subject)?;
        let operator = operator.with(&call.earlier.once);
        let granted = self.grant(&manifest, verdict, &operator, terms, Some(loaded))?;
        Ok(Arc::new(Loaded {
            granted: Arc::new(granted),
            consent,
            ..Loaded::clone(loaded)
        }))
    }
}

/// What is wanted, not optional, and granted in no part.
fn missing(loaded: &Loaded, operator: &OperatorGrant) -> Vec<(Capability, String)> {
    let wanted = &loaded.manifest().capabilities;
    let granted = operator.capabilities();
    let all = Wish::all(wanted)
        .into_iter()
        .filter(|wish| !wish.optional && !granted.iter().any(|it| wish.concerns(it)));
    let capability = |wish: Wish| {
        let capability = wish.words().parse::<Capability>().ok()?;
        let fits = ask::takes_a_yes(&capability) && capability.check_wanted(wanted).is_ok();
        // `HOST` and the like stand for what the operator chooses.
        let is_whole = capability.to_string().eq_ignore_ascii_case(&wish.words());
        let chosen = wish.words().contains("HOST");
        (fits && is_whole && !chosen).then_some((capability, wish.reason))
    };
    all.filter_map(capability).collect()
}

fn about(call: &Invocation, loaded: &Arc<Loaded>) -> Subject {
    let mut subject = Subject::of(call);
    subject.describe(loaded);
    subject
}
