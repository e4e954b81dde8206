//! What a skill is granted at this moment, and what is required of it.

use std::path::Path;
use std::sync::Arc;

use super::{Host, Terms};
use crate::consent::{Effect, Stamp};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject};
use crate::lock::Release;
use crate::manifest::Manifest;
use crate::policy::requirement::{Facts, Requirement};
use crate::policy::{Denied, OperatorGrant};
use crate::registry::{Granted, Loaded};
use crate::secret::shape;
use crate::verify::Verdict;

impl Host {
    /// What the configuration grants to a skill by name, and what counts of the
    /// grants that were given by command. What does not count is recorded.
    pub(super) fn granted_to(
        &self,
        manifest: &Manifest,
        verdict: &Verdict,
        terms: &Terms,
        subject: &Subject,
    ) -> Result<(OperatorGrant, Stamp)> {
        let release = Release::of(manifest, verdict.digest(), verdict.signers());
        let (effect, stamp) = self.consents.effect(&release);
        self.tell_lapsed(&effect, subject)?;
        let configured = &terms.policy_of(&manifest.name).grant;
        Ok((configured.with(effect.capabilities()), stamp))
    }

    fn tell_lapsed(&self, effect: &Effect, subject: &Subject) -> Result<()> {
        for lapsed in &effect.lapsed {
            let event = Event::GrantLapsed {
                capability: lapsed.given.capability.to_string(),
                reason: lapsed.why.to_string(),
            };
            self.events.record(subject, &event)?;
        }
        Ok(())
    }

    /// The same skill with what it is granted now.
    pub(super) fn grant_anew(
        &self,
        renewed: &mut Loaded,
        current: &Loaded,
        terms: &Terms,
        subject: &Subject,
    ) -> Result<()> {
        let (manifest, verdict) = (Arc::clone(&renewed.manifest), renewed.verdict().clone());
        let (operator, consent) = self.granted_to(&manifest, &verdict, terms, subject)?;
        let granted = self.grant(&manifest, &verdict, &operator, terms, Some(current))?;
        renewed.granted = Arc::new(granted);
        renewed.consent = consent;
        Ok(())
    }

    /// Refuses a skill of which something is required that is not so.
    ///
    /// # Errors
    ///
    /// `Denied`, with what to do about the first.
    pub(super) fn check_requirements(
        &self,
        path: &Path,
        manifest: &Manifest,
        verdict: &Verdict,
        granted: &Result<Granted, Denied>,
        (terms, subject): (&Terms, &Subject),
    ) -> Result<()> {
        if terms.requirements.require.is_empty() {
            return Ok(());
        }
        let granted = granted.as_ref().ok();
        let facts = self.facts(path, manifest, verdict, granted, terms);
        let unmet = terms.requirements.unmet(&facts);
        for unmet in &unmet {
            let event = Event::PolicyUnmet {
                requirement: unmet.requirement.to_string(),
                reason: format!("{} {}", unmet.reason, unmet.remedy),
            };
            self.events.record(subject, &event)?;
        }
        match unmet.into_iter().next() {
            None => Ok(()),
            Some(unmet) => {
                let requires = refused(unmet.requirement, &unmet.reason);
                Err(Error::new(Kind::Denied, requires).with_hint(unmet.remedy))
            }
        }
    }

    fn facts(
        &self,
        path: &Path,
        manifest: &Manifest,
        verdict: &Verdict,
        granted: Option<&Granted>,
        terms: &Terms,
    ) -> Facts {
        let policy = terms.policy_of(&manifest.name);
        let rules = granted.map_or(&[][..], |granted| granted.grant.http());
        // Callers read this: they learn the file's name, not where it lies.
        let file = path.file_name().unwrap_or_default();
        Facts {
            skill: manifest.name.to_string(),
            file: file.to_string_lossy().into_owned(),
            pinned: self.authority.is_pinned(manifest, verdict),
            signed: !verdict.is_unsigned(),
            provenance: self.authority.asks_for_provenance(&manifest.name),
            plaintext: shape::found_in_policy(&policy.settings, &policy.environment),
            wildcards: rules
                .iter()
                .filter(|rule| !rule.is_exact())
                .map(ToString::to_string)
                .collect(),
        }
    }
}

fn refused(requirement: Requirement, reason: &str) -> String {
    format!("The operator requires `{requirement}` of every skill: {reason}")
}
