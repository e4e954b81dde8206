//! Changing what a host runs, and on which terms, while it runs.

use std::sync::Arc;

use tokio::sync::watch;

use super::load::schemas;
use super::snapshot::Snapshot;
use super::{Host, Terms, check_fallbacks};
use crate::admission;
use crate::error::{Kind, Result};
use crate::event::{Event, Subject};
use crate::manifest::SkillName;
use crate::recovery::Rules;
use crate::registry::{Loaded, Registry};

/// Counts what skills are judged by: what is trusted, the terms, what was granted
/// by command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Circumstances {
    trust: u64,
    terms: u64,
    grants: u64,
}

/// A skill on other terms, or why it cannot run on them.
type Remade = (Arc<Loaded>, Result<Loaded>);

impl Host {
    /// Runs on other terms from now on. Every skill's grant is made anew, and
    /// nothing is compiled. A call that began before ends on the terms with which
    /// it began. What was counted counts on: rates, budgets, breakers.
    ///
    /// A skill of which more is required now than it fulfils is unloaded; that is
    /// recorded before it happens.
    ///
    /// # Errors
    ///
    /// Nothing is changed if there is one: `ConfigInvalid` and `ConfigInsecure` for
    /// terms on which a skill cannot run; `AuditUnavailable`.
    pub fn reload(&self, terms: Terms) -> Result<()> {
        check_fallbacks(&terms.skills)?;
        let _turn = self.loading.registering();
        let now = self.current.get();
        let generation = now.generation.saturating_add(1);
        let remade = self.remade(&now, &terms, generation)?;
        self.tell_refused(&remade)?;
        let skills: Registry = remade
            .iter()
            .filter_map(|(_, remade)| remade.as_ref().ok())
            .map(|loaded| Arc::new(loaded.clone()))
            .collect();
        self.events.watch_by(&terms.monitor);
        let admission = now.admission.after(&terms.admission, &terms.skills);
        self.current.replace(Snapshot {
            terms: Arc::new(terms),
            generation,
            admission: Arc::new(admission),
            skills,
        });
        self.forget_changed(&remade);
        Ok(())
    }

    /// Takes a skill out of service. Calls that run end as they would have.
    ///
    /// # Errors
    ///
    /// `UnknownTool` if there is none of that name; `AuditUnavailable`, and it is
    /// out of service all the same.
    pub fn unload(&self, name: &SkillName) -> Result<()> {
        let turn = self.loading.registering();
        let now = self.current.get();
        let loaded = now.skills.get(name)?;
        self.current.replace(now.with(now.skills.without(name)));
        drop(turn);
        self.events.record(&about(&loaded), &Event::SkillRemoved {})
    }

    /// Judges a skill again if what was verified no longer stands, as the next
    /// call would.
    ///
    /// # Errors
    ///
    /// Those with which that call would be refused, recorded.
    pub async fn renew_if_needed(&self, name: &SkillName) -> Result<Arc<Loaded>> {
        let loaded = self.current.get().skills.get(name)?;
        if self.upholds(&loaded) {
            return Ok(loaded);
        }
        self.renew(name, &about(&loaded)).await
    }

    /// Advances when the tools that callers find in a list may have changed: a
    /// skill was loaded, replaced or unloaded, is trusted or granted otherwise, or
    /// the terms changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.current.changes()
    }

    /// The terms on which calls begin now.
    #[must_use]
    pub fn terms(&self) -> Arc<Terms> {
        Arc::clone(&self.current.get().terms)
    }

    /// On what it depends, besides its files, whether a skill may run.
    pub(crate) fn circumstances(&self) -> Circumstances {
        Circumstances {
            trust: self.authority.generation(),
            terms: self.current.get().generation,
            grants: self.consents.generation(),
        }
    }

    /// Records what belongs to no skill.
    pub(crate) fn record(&self, event: &Event) -> Result<()> {
        self.events.record(&Subject::default(), event)
    }

    fn remade(&self, now: &Snapshot, terms: &Terms, generation: u64) -> Result<Vec<Remade>> {
        let skills = now.skills.iter().map(|(_, loaded)| loaded);
        let remake = |loaded: &Arc<Loaded>| match self.on_terms(loaded, terms, generation) {
            Err(error) if error.kind() != Kind::Denied => Err(error),
            remade => Ok((Arc::clone(loaded), remade)),
        };
        skills.map(remake).collect()
    }

    /// The same skill on these terms.
    pub(super) fn on_terms(
        &self,
        loaded: &Loaded,
        terms: &Terms,
        generation: u64,
    ) -> Result<Loaded> {
        let (manifest, verdict) = (&loaded.manifest, loaded.verdict());
        let (policy, subject) = (terms.policy_of(&manifest.name), about(loaded));
        let (operator, consent) = self.granted_to(manifest, verdict, terms, &subject)?;
        let granted = self.grant(manifest, verdict, &operator, terms, Some(loaded))?;
        let on = (terms, &subject);
        self.check_requirements(&loaded.path, manifest, verdict, &granted, on)?;
        let known = Some(&*loaded.recovery);
        let recovery = Rules::new(manifest, &policy.recovery, &terms.recovery, known)?;
        let settings = admission::settings(manifest, &policy.settings)?;
        Ok(Loaded {
            schemas: Arc::new(schemas(manifest, policy)?),
            recovery: Arc::new(recovery),
            granted: Arc::new(granted),
            consent,
            settings: Arc::new(settings),
            environment: policy.environment.clone().into_iter().collect(),
            names: Arc::new(policy.names.clone()),
            log_to_client: policy.log_to_client,
            terms: generation,
            ..loaded.clone()
        })
    }

    /// A tool under other rules of recovery begins afresh.
    fn forget_changed(&self, remade: &[Remade]) {
        for (before, now) in remade {
            let same = now
                .as_ref()
                .is_ok_and(|now| now.recovery.are_those_of(&before.recovery));
            if !same {
                self.breakers.forget(&before.info.digest);
                self.last_good.forget(&before.info.digest);
            }
        }
    }

    fn tell_refused(&self, remade: &[Remade]) -> Result<()> {
        for (before, now) in remade {
            let Err(error) = now else { continue };
            let event = Event::SkillRejected {
                kind: error.kind(),
                reason: error.message().to_owned(),
            };
            self.events.record(&about(before), &event)?;
        }
        Ok(())
    }
}

/// Whom events are about that belong to no call.
pub(super) fn about(loaded: &Loaded) -> Subject {
    let mut subject = Subject::default();
    subject.describe(loaded);
    subject
}
