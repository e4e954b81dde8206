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
mod budget;
mod course;
mod kinds;
mod policy;

use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) use self::advice::told;
pub(crate) use self::budget::Budget;
pub(crate) use self::course::{Course, Decision, Failure, Left, Why};
pub use self::kinds::RETRYABLE;
pub(crate) use self::policy::Recovery;
pub use self::policy::{
    Backoff, Breaking, Budgeting, Fallback, MAX_ATTEMPTS, MAX_FALLBACKS, RecoveryChange,
    SkillRecovery,
};
use crate::error::{Error, Kind, Result};
use crate::manifest::{Manifest, ToolName};

/// The rules for each tool of a skill, and what its calls may spend together.
#[derive(Debug)]
pub(crate) struct Rules {
    tools: BTreeMap<ToolName, Arc<Recovery>>,
    pub(crate) budget: Arc<Budget>,
}

impl Rules {
    /// What an operator decided about a skill, and for all skills. A budget goes
    /// on when a skill is loaded anew.
    pub(crate) fn new(
        manifest: &Manifest,
        skill: &SkillRecovery,
        all: &RecoveryChange,
        known: Option<&Self>,
    ) -> Self {
        let tools = manifest.tools.iter().map(|tool| {
            let recovery = skill.of(&tool.name, tool.annotations, all);
            (tool.name.clone(), Arc::new(recovery))
        });
        Self {
            tools: tools.collect(),
            budget: known.map_or_else(
                || Arc::new(Budget::new(skill.budget)),
                |known| Arc::clone(&known.budget),
            ),
        }
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
