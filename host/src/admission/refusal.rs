//! How a call is refused: what its caller is told, and what is recorded.

use std::time::Duration;

use super::budget::Exhausted;
use super::gate::{Load, TurnedAway};
use super::principal::{NotAllowed, in_words};
use super::screening::Finding;
use crate::error::{Error, Kind};
use crate::event::{Event, Events, Subject};
use crate::manifest::text::one_line;
use crate::manifest::{SkillName, ToolName};
use crate::policy::Denied;
use crate::time::millis;

/// A call that is not let in.
#[derive(Debug)]
pub(crate) struct Refusal {
    error: Error,
    events: Vec<Event>,
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self {
            error,
            events: Vec::new(),
        }
    }
}

impl Refusal {
    /// Records it. What cannot be recorded is the failure that is told.
    pub(crate) fn recorded(self, events: &Events, subject: &Subject) -> Error {
        let recorded = self
            .events
            .iter()
            .try_for_each(|event| events.record(subject, event));
        recorded.err().unwrap_or(self.error)
    }

    /// What the caller is told.
    pub(crate) fn error(self) -> Error {
        self.error
    }

    pub(super) fn too_often(who: &str, rule: &str, wait: Duration) -> Self {
        let message = format!("{who} more calls than the operator allows.");
        let hint = format!("Try again in {}.", in_words(wait));
        let error = Error::new(Kind::RateLimited, message).with_hint(hint);
        Self::by_rule(error.with_retry_after(wait), rule.to_owned())
    }

    pub(super) fn used_up(exhausted: &Exhausted) -> Self {
        let wait = exhausted.retry_after;
        let error = Error::new(
            Kind::RateLimited,
            "What may be used in a day is used up, or set aside for calls that run.",
        )
        .with_hint(format!(
            "Try again in {}, or ask the operator to raise {}.",
            in_words(wait),
            exhausted.rule
        ));
        Self::by_rule(error.with_retry_after(wait), exhausted.rule.clone())
    }

    pub(super) fn not_allowed(skill: &SkillName, tool: &str, not: NotAllowed) -> Self {
        let tool = one_line(tool, 80);
        let message = format!("You may not call the tool `{tool}` of {skill}.");
        let error = Error::new(Kind::Forbidden, message).with_hint(not.hint);
        Self::by_rule(error, not.rule)
    }

    pub(super) fn interpreter(skill: &SkillName, tool: &ToolName) -> Self {
        let line = format!("`interpreters = [\"{tool}\"]` under `[skill.{skill}]`");
        let error = Error::new(
            Kind::Forbidden,
            format!(
                "The tool `{tool}` of {skill} is called like an interpreter, and those are blocked."
            ),
        )
        .with_hint(format!(
            "If the operator knows what it does, {line} in skillhost.toml allows it."
        ));
        Self::by_rule(error, format!("{line} is missing"))
    }

    pub(super) fn denied(denied: &Denied) -> Self {
        let event = Event::PolicyDenied {
            capability: denied.capability,
            reason: denied.message.clone(),
            grant: denied.grant.clone(),
        };
        let hint = format!("Allow it with {}.", denied.grant);
        Self {
            error: Error::new(Kind::Denied, denied.message.clone()).with_hint(hint),
            events: vec![event],
        }
    }

    /// `flags` are the events of all that was found.
    pub(super) fn screened(finding: &Finding, flags: Vec<Event>) -> Self {
        let Finding { rule, field, .. } = finding;
        let error = if finding.action == "skip" {
            Error::new(
                Kind::InputTooLarge,
                format!("The argument `{field}` is too long to be searched by the rule `{rule}`."),
            )
            .with_hint("Send less.")
        } else {
            Error::new(
                Kind::InvalidInput,
                format!("The argument `{field}` is refused by the rule `{rule}` of the operator."),
            )
            .with_hint("Correct the argument and call again.")
        };
        Self {
            error,
            events: flags,
        }
    }

    pub(super) fn turned_away(turned_away: TurnedAway) -> Self {
        match turned_away {
            TurnedAway::Cancelled => Error::new(Kind::Cancelled, "The call was cancelled.").into(),
            TurnedAway::Full(load) => Self::overloaded(load),
            TurnedAway::Share(rule, load) => {
                let wait = load.retry_after;
                let error = Error::new(
                    Kind::RateLimited,
                    "As many calls run or wait as the operator allows at once.",
                )
                .with_hint(format!("Try again in {} ms.", millis(wait)));
                Self::by_rule(error.with_retry_after(wait), rule.into())
            }
        }
    }

    fn overloaded(load: Load) -> Self {
        let error = Error::new(
            Kind::Overloaded,
            "The host is busy with as many calls as it takes.",
        )
        .with_hint(format!("Try again in {} ms.", millis(load.retry_after)))
        .with_retry_after(load.retry_after);
        let event = Event::HostOverloaded {
            running: load.running,
            waiting: load.waiting,
            memory_bytes: load.memory,
        };
        Self {
            error,
            events: vec![event],
        }
    }

    fn by_rule(error: Error, rule: String) -> Self {
        let event = Event::RequestRejected {
            kind: error.kind(),
            reason: error.message().to_owned(),
            rule,
        };
        Self {
            error,
            events: vec![event],
        }
    }
}
