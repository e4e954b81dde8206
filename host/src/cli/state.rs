//! `skillhost state`: what skills keep from call to call.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::terminal::{count, note, print_json, print_untrusted, size};
use super::{ExitStatus, Session};
use crate::error::Result;
use crate::manifest::SkillName;
use crate::state::{Files, Kept};

/// Show and clear what skills keep from call to call
#[derive(Debug, Args)]
pub(super) struct State {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the skills that keep something, how much, and who signed every release that used it
    List(List),
    /// Remove all that a skill keeps
    Clear(One),
    /// Let a skill's next release have what it keeps, whoever signed that one
    HandOver(One),
}

#[derive(Debug, Args)]
struct List {
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct One {
    /// The skill's name
    skill: SkillName,
    #[command(flatten)]
    which: Which,
}

#[derive(Debug, Args)]
struct Which {
    /// What skills keep under `skillhost run` instead of `skillhost serve`
    #[arg(long)]
    run: bool,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl State {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        match &self.command {
            Command::List(list) => list.execute(session)?,
            Command::Clear(one) => {
                one.which.files(session).clear(&one.skill)?;
                one.done("cleared")?;
            }
            Command::HandOver(one) => {
                one.which.files(session).hand_over(&one.skill)?;
                one.done("handed over")?;
            }
        }
        Ok(ExitStatus::Ok)
    }

    /// Whether results are wanted as JSON.
    pub(super) const fn json(&self) -> bool {
        match &self.command {
            Command::List(list) => list.which.json,
            Command::Clear(one) | Command::HandOver(one) => one.which.json,
        }
    }
}

impl List {
    fn execute(&self, session: &Session) -> Result<()> {
        let files = self.which.files(session);
        let skills = files.skills()?;
        let kept = skills.iter().map(|skill| (skill, files.kept(skill)));
        if self.which.json {
            return print_json(
                &kept
                    .map(|(skill, kept)| as_json(skill, kept))
                    .collect::<Vec<_>>(),
            );
        }
        if skills.is_empty() {
            note("No skill keeps anything.");
        }
        print_untrusted(
            &kept
                .map(|(skill, kept)| as_text(skill, kept))
                .collect::<String>(),
        )
    }
}

impl One {
    fn done(&self, what: &str) -> Result<()> {
        if self.which.json {
            return print_json(&json!({"skill": self.skill, "done": what}));
        }
        note(&format!("The state of {} is {what}.", self.skill));
        Ok(())
    }
}

impl Which {
    fn files(&self, session: &Session) -> Files {
        Files::new(if self.run {
            session.places.state_of_run()
        } else {
            session.places.state()
        })
    }
}

fn as_text(skill: &SkillName, kept: Result<Kept>) -> String {
    match kept {
        Ok(kept) => format!(
            "{skill}  {} entries, {}  owned by: {}\n",
            count(kept.entries),
            size(kept.bytes),
            owners(&kept).join(", ")
        ),
        Err(error) => format!("{skill}  {error}\n"),
    }
}

fn as_json(skill: &SkillName, kept: Result<Kept>) -> Value {
    match kept {
        Ok(kept) => json!({
            "skill": skill, "entries": kept.entries, "bytes": kept.bytes, "owners": kept.owners,
        }),
        Err(error) => json!({"skill": skill, "kind": error.kind(), "message": error.message()}),
    }
}

fn owners(kept: &Kept) -> Vec<&str> {
    match kept.owners.as_slice() {
        [] => vec!["whoever signs the next release"],
        [unsigned] if unsigned.is_empty() => vec!["nobody"],
        owners => owners.iter().map(String::as_str).collect(),
    }
}
