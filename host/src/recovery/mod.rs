//! What to do after an attempt that failed: try the tool again after a pause,
//! use something else instead, or give up. It decides; nothing here runs or
//! waits.
//!
//! The rules, and the order in which they are asked:
//!
//! 1. Trust, denial and what a caller did wrong are neither retried nor replaced.
//! 2. A tool that may have had effects is tried again only if a second time
//!    changes nothing more, or if it said itself that nothing happened yet.
//! 3. All attempts of a call share one deadline, one budget of fuel and one of
//!    everything else that is counted.
//! 4. All calls of a skill share one budget of further attempts.

mod advice;
mod breaker;
mod budget;
mod circle;
mod course;
mod kinds;
mod last_good;
mod policy;
#[cfg(test)]
mod storm;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use self::advice::told;
pub(crate) use self::breaker::{Breakers, Circuit, Pass, Shut};
pub(crate) use self::budget::Budget;
pub use self::circle::MAX_DEPTH;
pub(crate) use self::circle::problem;
pub(crate) use self::course::{Course, Decision, Failure, Left, Why};
pub use self::kinds::RETRYABLE;
pub(crate) use self::kinds::{Health, health};
pub(crate) use self::last_good::{LastGood, Question};
pub(crate) use self::policy::Recovery;
pub use self::policy::{
    Backoff, Breaking, Budgeting, Fallback, MAX_ATTEMPTS, MAX_FALLBACKS, RecoveryChange,
    SkillRecovery,
};
use crate::error::{Error, Kind, Result};
use crate::manifest::{Manifest, SkillName, ToolName};

/// The rules for each tool of a skill, and what its calls may spend together.
#[derive(Debug)]
pub(crate) struct Rules {
    tools: BTreeMap<ToolName, Arc<Recovery>>,
    pub(crate) budget: Arc<Budget>,
    /// Whether good answers of any tool are kept.
    pub(crate) keeps_answers: bool,
}

impl Rules {
    /// What an operator decided about a skill, and for all skills. A budget goes
    /// on when a skill is loaded anew.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a fallback of the skill itself that it does not offer.
    pub(crate) fn new(
        manifest: &Manifest,
        skill: &SkillRecovery,
        all: &RecoveryChange,
        known: Option<&Self>,
    ) -> Result<Self> {
        let tools = manifest.tools.iter().map(|tool| {
            let recovery = skill.of(&manifest.name, tool, all);
            (tool.name.clone(), Arc::new(recovery))
        });
        let tools: BTreeMap<ToolName, Arc<Recovery>> = tools.collect();
        let budget = skill.all.budget.or(all.budget).unwrap_or_default();
        let known = known.filter(|known| known.budget.is_by(budget));
        let rules = Self {
            keeps_answers: tools.values().any(|rules| rules.keeps_answers()),
            tools,
            budget: known.map_or_else(
                || Arc::new(Budget::new(budget)),
                |known| Arc::clone(&known.budget),
            ),
        };
        rules.check_own(&manifest.name)?;
        Ok(rules)
    }

    /// Whether these are the same rules for each tool.
    pub(crate) fn are_those_of(&self, other: &Self) -> bool {
        self.tools == other.tools
    }

    fn check_own(&self, own: &SkillName) -> Result<()> {
        let mut targets = self.targets(own);
        let missing =
            targets.find(|(_, skill, tool)| *skill == own && !self.tools.contains_key(*tool));
        let Some((from, _, tool)) = missing else {
            return Ok(());
        };
        Err(Error::new(
            Kind::ConfigInvalid,
            format!("{own}/{from} falls back to `{tool}`, which is no tool of {own}."),
        )
        .with_hint("Name a tool of the skill, or another skill's as `skill/tool`."))
    }

    /// Each tool, and each that takes its place.
    pub(crate) fn targets<'a>(
        &'a self,
        own: &'a SkillName,
    ) -> impl Iterator<Item = (&'a ToolName, &'a SkillName, &'a ToolName)> {
        self.tools.iter().flat_map(move |(from, rules)| {
            rules.fallback.iter().filter_map(move |it| match it {
                Fallback::Tool { skill, tool } => Some((from, skill.as_ref().unwrap_or(own), tool)),
                Fallback::LastGood(_) => None,
            })
        })
    }

    /// The rules for a tool of the skill.
    pub(crate) fn of(&self, tool: &ToolName) -> Result<&Recovery> {
        let rules = self.tools.get(tool).map(|rules| &**rules);
        rules.ok_or_else(|| Error::new(Kind::Internal, "The tool has no rules of recovery."))
    }

    /// Likewise, for a name as a caller wrote it.
    pub(crate) fn shared(&self, tool: &str) -> Option<Arc<Recovery>> {
        let mut tools = self.tools.iter();
        let found = tools.find(|(name, _)| name.as_str() == tool);
        found.map(|(_, rules)| Arc::clone(rules))
    }
}
