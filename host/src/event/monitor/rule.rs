//! One rule, and those that we ship.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _};

use crate::event::catalogue::{Cause, described};
use crate::event::{Event, Subject};

/// The most rules of one host.
pub const MAX_RULES: usize = 32;

/// The highest number of events that a rule waits for: for each name it keeps
/// so many times.
pub const MAX_COUNT: u32 = 1000;

/// The longest time that a rule looks back.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// The shortest.
const SHORTEST: Duration = Duration::from_secs(1);

/// A rule's name, in letters, digits and `-`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleName(String);

impl FromStr for RuleName {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) {
            return Err(format!(
                "`{name}` is no name of a rule: 1 to 64 lower-case letters, digits and `-`"
            ));
        }
        Ok(Self(name.to_owned()))
    }
}

impl<'de> Deserialize<'de> for RuleName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(D::Error::custom)
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whose events are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Those of each skill.
    Skill,
    /// Those of each caller.
    Principal,
    /// Those of each tool of each skill.
    Tool,
    /// All.
    Host,
}

impl Per {
    /// The name under which an event of that subject is counted; none if it is
    /// not about any.
    pub(super) fn key(self, subject: &Subject) -> Option<String> {
        match self {
            Self::Skill => Some(subject.skill.as_deref()?.to_owned()),
            Self::Principal => Some(subject.principal.as_deref()?.to_owned()),
            Self::Tool => {
                let skill = subject.skill.as_deref()?;
                Some(format!("{skill}/{}", subject.tool.as_deref()?))
            }
            Self::Host => Some(String::new()),
        }
    }

    /// Whom an alert is about: what all its events have in common.
    pub(super) fn subject(self, subject: &Subject) -> Subject {
        let skill = subject.skill.as_ref().map(Arc::clone);
        match self {
            Self::Skill => Subject {
                skill,
                ..Subject::default()
            },
            Self::Principal => Subject {
                principal: subject.principal.as_ref().map(Arc::clone),
                ..Subject::default()
            },
            Self::Tool => Subject {
                skill,
                tool: subject.tool.as_ref().map(Arc::clone),
                ..Subject::default()
            },
            Self::Host => Subject::default(),
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Skill => "skill",
            Self::Principal => "caller",
            Self::Tool => "tool",
            Self::Host => "host",
        }
    }
}

/// What a rule does beside counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// It records `alert`.
    #[default]
    Alert,
    /// It records `alert` and suspends the skill.
    Suspend,
}

/// So many events of one kind within a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// As alerts have it.
    pub(super) name: RuleName,
    pub(super) event: &'static str,
    pub(super) per: Per,
    pub(super) count: u32,
    pub(super) within: Duration,
    pub(super) action: Action,
}

impl Rule {
    /// A rule that sees `event` that often.
    ///
    /// # Errors
    ///
    /// In words, if there is no such event, a number is out of bounds, or the
    /// rule would suspend skills for what others do.
    pub fn new(
        name: RuleName,
        event: &str,
        per: Per,
        count: u32,
        within: Duration,
        action: Action,
    ) -> Result<Self, String> {
        let known = watchable(event)?;
        if count == 0 || count > MAX_COUNT {
            return Err(format!("`count` is from 1 to {MAX_COUNT}"));
        }
        if within < SHORTEST || within > LONGEST {
            return Err("`within` is from `1s` to `1 day`".to_owned());
        }
        if action == Action::Suspend && (per != Per::Skill || known.1 != Cause::Skill) {
            return Err("this rule cannot suspend: that takes `per = \"skill\"` and an event that a running skill alone makes happen; docs/EVENTS.md says which".to_owned());
        }
        Ok(Self {
            name,
            event: known.0,
            per,
            count,
            within,
            action,
        })
    }

    pub(super) fn alert(&self, reason: String) -> Event {
        Event::Alert {
            rule: self.name.to_string(),
            reason,
            count: self.count.into(),
            within_ms: crate::time::millis(self.within),
        }
    }

    /// Why it speaks up, in one sentence.
    pub(super) fn reason(&self, key: &str) -> String {
        let whose = match self.per {
            Per::Host => "on this host".to_owned(),
            per => format!("of the {} `{key}`", per.word()),
        };
        format!(
            "{} events `{}` {whose} within {} s.",
            self.count,
            self.event,
            self.within.as_secs()
        )
    }
}

/// The event of that name, if rules may watch it. What the monitor itself
/// records is no event to watch.
fn watchable(event: &str) -> Result<(&'static str, Cause), String> {
    let known = described(event).filter(|known| !is_own(known.name));
    known.map(|known| (known.name, known.cause)).ok_or_else(|| {
        format!("there is no event `{event}` that a rule can watch; docs/EVENTS.md lists them")
    })
}

fn is_own(event: &str) -> bool {
    matches!(event, "alert" | "skill.suspended" | "skill.resumed")
}

/// All rules of a host.
///
/// # Defaults
///
/// Those that we ship; each only alerts. They stand in `docs/OPERATING.md`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules(Vec<Rule>);

/// Name, event, whose, how many, within how many seconds.
const SHIPPED: [(&str, &str, Per, u32, u64); 11] = [
    ("denials", "capability.denied", Per::Skill, 20, 60),
    ("egress", "egress.denied", Per::Skill, 20, 60),
    ("signatures", "verify.failed", Per::Host, 5, 60),
    ("caches", "cache.rejected", Per::Host, 3, 600),
    ("breakers", "breaker.changed", Per::Tool, 6, 600),
    ("limits", "limit.exceeded", Per::Skill, 20, 60),
    ("traps", "guest.trapped", Per::Skill, 5, 60),
    ("requests", "request.rejected", Per::Principal, 50, 60),
    ("inputs", "input.flagged", Per::Principal, 20, 60),
    ("overload", "host.overloaded", Per::Host, 100, 60),
    ("authentication", "auth.failed", Per::Host, 20, 60),
];

impl Default for Rules {
    fn default() -> Self {
        let shipped = SHIPPED
            .into_iter()
            .filter_map(|(name, event, per, count, seconds)| {
                let within = Duration::from_secs(seconds);
                Rule::new(name.parse().ok()?, event, per, count, within, Action::Alert).ok()
            });
        Self(shipped.collect())
    }
}

impl Rules {
    /// Watches nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// These rules and no others.
    #[must_use]
    pub const fn of(rules: Vec<Rule>) -> Self {
        Self(rules)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Rule> {
        self.0.iter()
    }

    /// With these as well, and instead of those of the same name.
    #[must_use]
    pub fn with(mut self, rules: Vec<Rule>) -> Self {
        self.0
            .retain(|rule| rules.iter().all(|other| other.name != rule.name));
        self.0.extend(rules);
        self
    }
}
