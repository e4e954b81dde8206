//! `skillhost suspend` and `skillhost resume`.

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::terminal::{note, print_json, print_untrusted};
use super::{ExitStatus, Session};
use crate::consent;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject};
use crate::manifest::SkillName;
use crate::manifest::text::one_line;
use crate::suspension::{List, Suspension};
use crate::time::{Clock, SystemClock};

/// Let a skill run no more until you have looked. Running hosts take it up with the next call; calls that run already finish.
#[derive(Debug, Args)]
#[command(after_help = SUSPEND)]
pub(super) struct Suspend {
    /// The skill's name
    #[arg(required_unless_present = "list", requires = "reason")]
    skill: Option<SkillName>,
    /// Why, in one sentence that its callers see
    #[arg(long, value_name = "TEXT", requires = "skill")]
    reason: Option<String>,
    /// List the suspended skills, since when, by whom and why
    #[arg(long, conflicts_with = "skill")]
    list: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

const SUSPEND: &str = "\
Examples:
  skillhost suspend notes --reason 'It asks for files that it has no use for.'
  skillhost suspend --list";

/// Let a suspended skill run again, from the next call on. Look first at why it was suspended: `skillhost suspend --list`, and `skillhost audit tail --filter skill=NAME`
#[derive(Debug, Args)]
pub(super) struct Resume {
    /// The skill's name
    skill: SkillName,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Suspend {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let list = List::at(session.places.suspended());
        let (Some(skill), Some(reason)) = (&self.skill, &self.reason) else {
            return self.show(&list).map(|()| ExitStatus::Ok);
        };
        let events = session.events()?;
        let suspension = Suspension {
            at: now(),
            by: consent::operator(),
            reason: sentence(reason),
        };
        let event = Event::SkillSuspended {
            reason: format!("{} By {}.", suspension.reason, suspension.by),
        };
        if !list.suspend(skill, suspension)? {
            return self.done(skill, "suspended already");
        }
        events.record(&about(skill), &event)?;
        if !is_installed(session, skill) {
            note("There is no file of that name among the installed skills.");
        }
        self.done(skill, "suspended")
    }

    fn done(&self, skill: &SkillName, what: &str) -> Result<ExitStatus> {
        done(skill, what, self.json)
    }

    fn show(&self, list: &List) -> Result<()> {
        let suspended = list.suspended()?;
        if self.json {
            let rows = suspended.iter().map(|(skill, it)| {
                json!({"skill": skill, "at": it.at, "by": it.by, "reason": it.reason})
            });
            return print_json(&rows.collect::<Vec<_>>());
        }
        if suspended.is_empty() {
            note("No skill is suspended.");
        }
        let rows = suspended.iter().map(|(skill, it)| {
            format!("{skill}  since {:.0} by {}: {}\n", it.at, it.by, it.reason)
        });
        print_untrusted(&rows.collect::<String>())
    }
}

fn is_installed(session: &Session, skill: &SkillName) -> bool {
    let file = session.skills_folder().join(format!("{skill}.wasm"));
    file.exists()
}

impl Resume {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let list = List::at(session.places.suspended());
        let suspended = list.suspended()?;
        if !suspended.iter().any(|(skill, _)| *skill == self.skill) {
            let message = format!("The skill `{}` is not suspended.", self.skill);
            return Err(Error::new(Kind::InvalidRequest, message)
                .with_hint("`skillhost suspend --list` shows those that are."));
        }
        let by = consent::operator();
        // On record first: what runs again is known to have been allowed.
        let event = Event::SkillResumed { by: by.clone() };
        session.events()?.record(&about(&self.skill), &event)?;
        list.resume(&self.skill, now(), &by)?;
        done(&self.skill, "resumed", self.json)
    }
}

fn done(skill: &SkillName, what: &str, json: bool) -> Result<ExitStatus> {
    if json {
        print_json(&json!({"skill": skill, "done": what}))?;
    } else {
        note(&format!("The skill {skill} is {what}."));
    }
    Ok(ExitStatus::Ok)
}

fn about(skill: &SkillName) -> Subject {
    Subject {
        skill: Some(skill.as_str().into()),
        ..Subject::default()
    }
}

fn sentence(reason: &str) -> String {
    let reason = one_line(reason.trim(), 300);
    if reason.ends_with(['.', '!', '?']) {
        reason
    } else {
        format!("{reason}.")
    }
}

fn now() -> Timestamp {
    SystemClock.wall()
}
