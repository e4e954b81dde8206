//! `skillhost audit show`.

use std::collections::BTreeMap;

use clap::Args;

use super::{Reader, Source};
use crate::cli::terminal::{print, print_json};
use crate::cli::{ExitStatus, Session};
use crate::error::{Error, Kind, Result};
use crate::event::audit::Lines;
use crate::event::reading::{Entry, Story};

/// How many calls that begin alike are named.
const MAX_NAMED: usize = 5;

/// Tell the story of one call: who called what, what it was trusted by, its attempts, what was denied and what would allow it, how it ended and what it took
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Show {
    /// The call: its id, or how it begins
    invocation: String,
    #[command(flatten)]
    source: Source,
    /// Print one JSON object: a summary, and the records
    #[arg(long)]
    pub(super) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  skillhost audit show 3bb22bef          as `audit tail` and answers name it
  skillhost audit show 3bb22bef --json";

impl Show {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        if self.invocation.is_empty() {
            return Err(self.none());
        }
        let mut reader = Reader::new(Lines::open(&self.source.path(session))?);
        let found = self.find(&mut reader)?;
        reader.tell_unread();
        let story = self.only(found)?;
        if self.json {
            print_json(&story.json())?;
        } else {
            print(&story.text())?;
        }
        Ok(ExitStatus::Ok)
    }

    /// The records of the first few calls that begin so.
    fn find(&self, reader: &mut Reader) -> Result<BTreeMap<String, Vec<Entry>>> {
        let mut found: BTreeMap<String, Vec<Entry>> = BTreeMap::new();
        while let Some(entry) = reader.next()? {
            let Some(id) = entry
                .text("invocation")
                .filter(|id| id.starts_with(&self.invocation))
            else {
                continue;
            };
            if found.len() <= MAX_NAMED || found.contains_key(id) {
                found.entry(id.to_owned()).or_default().push(entry);
            }
        }
        Ok(found)
    }

    fn only(&self, mut found: BTreeMap<String, Vec<Entry>>) -> Result<Story> {
        let Some((id, entries)) = found.pop_first() else {
            return Err(self.none());
        };
        if found.is_empty() {
            return Ok(Story::new(&id, entries));
        }
        let more = found.len() >= MAX_NAMED;
        let names: Vec<String> = std::iter::once(id)
            .chain(found.into_keys())
            .take(MAX_NAMED)
            .collect();
        let mut message = format!(
            "Several calls begin with `{}`: {}",
            self.invocation,
            names.join(", ")
        );
        message.push_str(if more { ", and others." } else { "." });
        Err(Error::new(Kind::InvalidRequest, message).with_hint("Give more of the id."))
    }

    fn none(&self) -> Error {
        let message = format!("The log holds nothing of a call `{}`.", self.invocation);
        Error::new(Kind::InvalidRequest, message)
            .with_hint("`skillhost audit tail` and each answer show the ids of calls.")
    }
}
