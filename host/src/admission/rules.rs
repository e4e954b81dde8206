//! What the operator wrote about callers, skills and tools.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use super::screening::{Kind as FieldKind, ScreeningRules};
use crate::invocation::Principal;
use crate::manifest::{SkillName, ToolName};

/// Rules of admission for a whole host. The default has no rates and no budgets;
/// shipped rules of screening flag, and tools called like interpreters are
/// blocked.
#[derive(Debug, Clone, Default)]
pub struct AdmissionRules {
    /// For each caller, as far as its own rules say nothing else.
    pub everyone: PrincipalRules,
    /// For single callers.
    pub principals: BTreeMap<Principal, PrincipalRules>,
    /// What arguments are searched for.
    pub screening: ScreeningRules,
    /// Where it is kept what was used of daily budgets; none: in memory.
    pub ledger: Option<PathBuf>,
}

/// What one caller may do.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PrincipalRules {
    /// The tools that it may call. Default: all. An empty list allows none.
    pub allow: Option<Vec<ToolPattern>>,
    /// The tools that it may not call, whatever is allowed. Default: none.
    pub deny: Vec<ToolPattern>,
    /// How much it may do.
    pub traffic: Traffic,
    /// Calls that wait. Default: a quarter of all that may wait; of `local` and
    /// `stdio`, who have their host for themselves, all.
    pub queue: Option<u32>,
}

/// What one skill lets be done with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SkillRules {
    /// All callers together.
    pub traffic: Traffic,
    /// Tools that may be called although they are named like an interpreter.
    pub interpreters: BTreeSet<ToolName>,
    /// Of single tools.
    pub tools: BTreeMap<ToolName, ToolRules>,
}

/// What one tool lets be done with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolRules {
    /// How often it may be called. Default: no rule.
    pub rate: Option<Rate>,
    /// Calls that run at once. Default: as many as the skill's.
    pub concurrency: Option<NonZeroU32>,
    /// What its arguments are, where the author does not say so.
    pub fields: BTreeMap<String, FieldKind>,
}

/// How much may be done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How often. Default: no rule.
    pub rate: Option<Rate>,
    /// Calls that run at once. Default: three quarters of those of the host; of
    /// `local`, `stdio` and skills, all.
    pub concurrency: Option<NonZeroU32>,
    /// Fuel and time from midnight to midnight (UTC). Default: no rule.
    pub budget: DailyBudget,
}

/// How much may be used from midnight to midnight (UTC).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DailyBudget {
    /// Units of fuel.
    pub fuel: Option<u64>,
    /// Time that calls run, added up.
    pub time: Option<Duration>,
}

impl DailyBudget {
    pub(super) const fn is_none(&self) -> bool {
        self.fuel.is_none() && self.time.is_none()
    }
}

/// So many calls in a time, written `60/min`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub calls: NonZeroU32,
    /// In which time.
    pub per: Period,
    /// How many at once after a pause. Default: as many as in that time.
    pub burst: Option<NonZeroU32>,
}

/// The time of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each name is its own description")]
pub enum Period {
    Second,
    Minute,
    Hour,
    Day,
}

impl Period {
    const WORDS: [(&'static str, Self); 4] = [
        ("s", Self::Second),
        ("min", Self::Minute),
        ("h", Self::Hour),
        ("day", Self::Day),
    ];

    /// How long it is.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
            Self::Day => 24 * 3600,
        })
    }
}

impl Rate {
    pub(super) fn burst(&self) -> NonZeroU32 {
        self.burst.unwrap_or(self.calls)
    }

    /// Until the next call may be made, when none is left.
    pub(super) fn pause(&self) -> Duration {
        self.per.duration() / self.calls.get()
    }
}

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(calls, per)| {
            let period = Period::WORDS.iter().find(|(word, _)| *word == per.trim())?;
            Some((calls.trim().parse().ok()?, period.1))
        });
        let Some((calls, per)) = parsed else {
            return Err(format!(
                "`{text}` is no rate; write for example `10/s`, `60/min`, `500/h` or `1000/day`"
            ));
        };
        Ok(Self {
            calls,
            per,
            burst: None,
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Period::WORDS.iter().find(|(_, per)| *per == self.per);
        write!(f, "{}/{}", self.calls, word.map_or("?", |(word, _)| word))
    }
}

/// Tools by name: `skill/tool`, `skill/*` or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolPattern {
    skill: Option<SkillName>,
    tool: Option<ToolName>,
}

impl ToolPattern {
    /// Whether it names that tool.
    #[must_use]
    pub fn covers(&self, skill: &SkillName, tool: &str) -> bool {
        self.skill.as_ref().is_none_or(|it| it == skill)
            && self.tool.as_ref().is_none_or(|it| it.as_str() == tool)
    }

    /// Whether it names every tool.
    #[must_use]
    pub const fn covers_all(&self) -> bool {
        self.skill.is_none() && self.tool.is_none()
    }
}

impl FromStr for ToolPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{text}` names no tool; write `skill/tool`, `skill/*` for all tools of a skill, or `*`"
            )
        };
        if text == "*" {
            return Ok(Self {
                skill: None,
                tool: None,
            });
        }
        let (skill, tool) = text.split_once('/').ok_or_else(wrong)?;
        let skill = skill.parse().map_err(|_cause| wrong())?;
        let tool = match tool {
            "*" => None,
            tool => Some(tool.parse().map_err(|_cause| wrong())?),
        };
        Ok(Self {
            skill: Some(skill),
            tool,
        })
    }
}

impl fmt::Display for ToolPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.skill, &self.tool) {
            (None, _) => f.write_str("*"),
            (Some(skill), None) => write!(f, "{skill}/*"),
            (Some(skill), Some(tool)) => write!(f, "{skill}/{tool}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_read_and_written_the_same() {
        for (text, pause) in [
            ("10/s", 100),
            ("60/min", 1000),
            ("1/h", 3_600_000),
            ("1000/day", 86_400),
        ] {
            let rate: Rate = text.parse().unwrap();
            assert_eq!(rate.to_string(), text);
            assert_eq!(rate.pause(), Duration::from_millis(pause), "{text}");
        }
        for wrong in ["", "60", "60/m", "0/s", "-1/s", "1.5/s", "60/", "/min"] {
            assert!(wrong.parse::<Rate>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn patterns_cover_what_they_name_and_nothing_else() {
        let covers = |pattern: &str, skill: &str, tool: &str| {
            let pattern: ToolPattern = pattern.parse().unwrap();
            pattern.covers(&skill.parse().unwrap(), tool)
        };
        assert!(covers("*", "a", "b") && covers("a/*", "a", "b") && covers("a/b", "a", "b"));
        assert!(!covers("a/*", "ab", "b") && !covers("a/b", "a", "bc") && !covers("a/b", "a", "B"));
        for wrong in ["", "a", "a/", "/b", "*/b", "a/b/c", "a*/b", "A/b", "a/b*"] {
            assert!(wrong.parse::<ToolPattern>().is_err(), "{wrong}");
        }
    }
}
