//! What an operator decides about attempts, and what holds if nothing is said.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU8;
use std::str::FromStr;
use std::time::Duration;

use crate::error::Kind;
use crate::manifest::{SkillName, Tool, ToolName};
use crate::policy::limits::parse_timeout;

/// The most attempts of one tool in one call.
pub const MAX_ATTEMPTS: u8 = 10;

/// The most fallbacks of one tool.
pub const MAX_FALLBACKS: usize = 4;

/// Some settings of recovery, by name: an operator's for all skills, for a
/// skill, or for a tool. What is named closest to the tool counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RecoveryChange {
    /// How often a tool is tried in one call, the first time included.
    pub attempts: Option<NonZeroU8>,
    /// How long one attempt may take, within the deadline of the call.
    pub attempt_timeout: Option<Duration>,
    /// Pauses between attempts.
    pub backoff: Option<Backoff>,
    /// After which failures a tool is tried again.
    pub retry_on: Option<Vec<Kind>>,
    /// Whether a second call with the same arguments changes nothing more,
    /// whatever the author claims.
    pub idempotent: Option<bool>,
    /// What is used instead, in this order.
    pub fallback: Option<Vec<Fallback>>,
    /// When a tool that keeps failing is left alone.
    pub breaker: Option<Breaking>,
    /// How many more attempts all calls of a skill together may make; not for
    /// single tools.
    pub budget: Option<Budgeting>,
}

/// What an operator decides about the attempts of one skill.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SkillRecovery {
    /// For all of its tools.
    pub all: RecoveryChange,
    /// For single tools.
    pub tools: BTreeMap<ToolName, RecoveryChange>,
}

/// Pauses between attempts: each longer than the one before.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Backoff {
    /// The first pause. Default: 100 ms.
    pub first: Duration,
    /// By how much the next one is longer. Default: 2.
    pub factor: f32,
    /// The longest. Default: 5 s.
    pub max: Duration,
    /// Whether a pause is cut to a random length between the half and the whole,
    /// so that callers who failed together do not come back together. Default:
    /// yes.
    pub jitter: bool,
}

impl Default for Backoff {
    fn default() -> Self {
        Self {
            first: Duration::from_millis(100),
            factor: 2.0,
            max: Duration::from_secs(5),
            jitter: true,
        }
    }
}

/// What takes the place of a tool that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fallback {
    /// Another tool, of the same skill if none is named.
    Tool {
        /// Whose.
        skill: Option<SkillName>,
        /// Which.
        tool: ToolName,
    },
    /// What the tool answered to the same caller and the same arguments, if that
    /// is not longer ago.
    LastGood(Duration),
}

/// When a tool that keeps failing is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaking {
    /// Never.
    Off,
    /// After so many failures in a row.
    After {
        /// How many.
        failures: NonZeroU8,
        /// Within this time.
        window: Duration,
        /// For how long.
        open: Duration,
    },
}

impl Default for Breaking {
    /// Five failures within 30 s, for 30 s.
    fn default() -> Self {
        Self::After {
            failures: NonZeroU8::MIN.saturating_add(4),
            window: Duration::from_secs(30),
            open: Duration::from_secs(30),
        }
    }
}

/// How many more attempts than calls a skill may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budgeting {
    /// For each hundred calls. Default: 10.
    pub percent: u32,
    /// And in each second; those of ten seconds are kept. Default: 3.
    pub per_second: u32,
}

impl Default for Budgeting {
    fn default() -> Self {
        Self {
            percent: 10,
            per_second: 3,
        }
    }
}

/// What holds for one tool.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recovery {
    pub(crate) attempts: u8,
    pub(crate) attempt_timeout: Option<Duration>,
    pub(crate) backoff: Backoff,
    pub(crate) retry_on: Vec<Kind>,
    pub(crate) idempotent: bool,
    pub(crate) fallback: Vec<Fallback>,
    pub(crate) breaker: Breaking,
}

impl RecoveryChange {
    /// These settings, and those of `other` that are not among them.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        Self {
            attempts: self.attempts.or(other.attempts),
            attempt_timeout: self.attempt_timeout.or(other.attempt_timeout),
            backoff: self.backoff.or(other.backoff),
            retry_on: self.retry_on.or_else(|| other.retry_on.clone()),
            idempotent: self.idempotent.or(other.idempotent),
            fallback: self.fallback.or_else(|| other.fallback.clone()),
            breaker: self.breaker.or(other.breaker),
            budget: self.budget.or(other.budget),
        }
    }
}

impl SkillRecovery {
    /// What is used instead of a tool, by its own list or that of its skill. The
    /// list of a skill is not for the tools that stand in it.
    pub(super) fn fallbacks_of(
        &self,
        skill: &SkillName,
        tool: &ToolName,
    ) -> Option<&Vec<Fallback>> {
        let own = self.tools.get(tool).and_then(|it| it.fallback.as_ref());
        let is_other = |list: &&Vec<Fallback>| !list.iter().any(|it| it.is(skill, tool));
        own.or_else(|| self.all.fallback.as_ref().filter(is_other))
    }

    /// What holds for a tool of the skill of that name.
    pub(crate) fn of(&self, skill: &SkillName, tool: &Tool, host: &RecoveryChange) -> Recovery {
        let own = self.tools.get(&tool.name).cloned().unwrap_or_default();
        // Whoever names the last good answer for one tool knows what it does.
        let names_last_good = own.fallback.is_some();
        let set = own.or(&self.all).or(host);
        let claims = tool.annotations;
        let claimed = claims.idempotent.unwrap_or(false) || claims.read_only.unwrap_or(false);
        let idempotent = set.idempotent.unwrap_or(claimed);
        let mut fallback = self.fallbacks_of(skill, &tool.name).cloned();
        let fallback = fallback.get_or_insert_default();
        fallback.retain(|it| idempotent || names_last_good || !it.is_last_good());
        Recovery {
            attempts: set
                .attempts
                .map_or(1 + u8::from(idempotent), NonZeroU8::get),
            attempt_timeout: set.attempt_timeout,
            backoff: set.backoff.unwrap_or_default(),
            retry_on: set.retry_on.unwrap_or_else(|| vec![Kind::GuestFailed]),
            idempotent,
            fallback: std::mem::take(fallback),
            breaker: set.breaker.unwrap_or_default(),
        }
    }
}

impl Recovery {
    /// Whether its good answers are kept.
    pub(crate) fn keeps_answers(&self) -> bool {
        self.fallback.iter().any(Fallback::is_last_good)
    }
}

impl Fallback {
    /// Whether it is that tool, as the configuration of `own` means it.
    fn is(&self, own: &SkillName, name: &ToolName) -> bool {
        matches!(self, Self::Tool { skill, tool } if tool == name && skill.as_ref().is_none_or(|it| it == own))
    }

    const fn is_last_good(&self) -> bool {
        matches!(self, Self::LastGood(_))
    }
}

impl FromStr for Fallback {
    type Err = String;

    /// `skill/tool`, `tool`, or `last-good(15m)`.
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |problem: String| {
            format!(
                "{text:?} is no fallback: {problem}; write `skill/tool`, `tool` or `last-good(15m)`"
            )
        };
        if let Some(age) = text.strip_prefix("last-good(") {
            let age = age.strip_suffix(')').ok_or("a `)` is missing".to_owned());
            let age = age.and_then(parse_timeout).map_err(wrong)?;
            return Ok(Self::LastGood(age));
        }
        let (skill, tool) = match text.split_once('/') {
            Some((skill, tool)) => (Some(skill), tool),
            None => (None, text),
        };
        Ok(Self::Tool {
            skill: skill.map(str::parse).transpose().map_err(wrong)?,
            tool: tool.parse().map_err(wrong)?,
        })
    }
}

impl fmt::Display for Fallback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tool { skill: None, tool } => write!(f, "{tool}"),
            Self::Tool {
                skill: Some(skill),
                tool,
            } => write!(f, "{skill}/{tool}"),
            Self::LastGood(_) => f.write_str("last-good"),
        }
    }
}
