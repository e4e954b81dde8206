//! `skillhost audit`: what happened.

mod export;
mod show;
mod stats;
mod tail;
mod verify;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::terminal::note;
use super::{ExitStatus, Session};
use crate::error::Result;
use crate::event::audit::{Line, Lines};
use crate::event::reading::{Entry, Filter};
use crate::time::{Clock, SystemClock};

/// Read the audit log: follow it, verify it, see one call as a story, count what happened, hand it on to other programs
#[derive(Debug, Args)]
pub(super) struct Audit {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show the newest events, and those that follow
    Tail(tail::Tail),
    /// Check that nothing in the log was changed, removed, moved or put in
    Verify(verify::Verify),
    /// Tell the story of one call
    Show(show::Show),
    /// Write the log for other programs: as it is, as OCSF or as CEF
    Export(export::Export),
    /// Count calls, failures, denials and how long calls took
    Stats(stats::Stats),
}

impl Audit {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        match &self.command {
            Command::Tail(command) => command.execute(session),
            Command::Verify(command) => command.execute(session),
            Command::Show(command) => command.execute(session),
            Command::Export(command) => command.execute(session),
            Command::Stats(command) => command.execute(session),
        }
    }

    /// Whether results are wanted as JSON.
    pub(super) const fn json(&self) -> bool {
        match &self.command {
            Command::Tail(command) => command.json,
            Command::Verify(command) => command.json,
            Command::Show(command) => command.json,
            Command::Stats(command) => command.json,
            Command::Export(_) => false,
        }
    }
}

/// Which log.
#[derive(Debug, Args)]
struct Source {
    /// Read this log, with the finished files beside it [default: the log of this host]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl Source {
    fn path(&self, session: &Session) -> PathBuf {
        self.file.clone().unwrap_or_else(|| session.audit_file())
    }
}

/// Which lines.
#[derive(Debug, Args)]
struct Wanted {
    /// Only lines of which this holds; all terms must. KEY=VALUE with the keys event, skill, tool, principal, kind (in which `*` stands for anything), invocation, run (how they begin), severity, review, since, until
    #[arg(long = "filter", value_name = "KEY=VALUE")]
    terms: Vec<String>,
}

impl Wanted {
    fn filter(&self) -> Result<Filter> {
        Filter::parse(&self.terms, now())
    }
}

/// Since when.
#[derive(Debug, Args)]
struct Since {
    /// Only what happened since then: a time (RFC 3339), or so long ago, such as 1h or '7 days'
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
}

impl Since {
    fn added(&self, filter: Filter) -> Result<Filter> {
        match &self.since {
            Some(since) => filter.since(since, now()),
            None => Ok(filter),
        }
    }
}

fn now() -> Timestamp {
    SystemClock.wall()
}

/// Reads lines, and counts those that are no records.
struct Reader {
    lines: Lines,
    unread: u64,
}

impl Reader {
    fn new(lines: Lines) -> Self {
        Self { lines, unread: 0 }
    }

    /// The next record; none at the end of what is written.
    fn next(&mut self) -> Result<Option<Entry>> {
        while let Some(line) = self.lines.next_line()? {
            match entry(&line) {
                Some(entry) => return Ok(Some(entry)),
                None => self.unread += 1,
            }
        }
        Ok(None)
    }

    /// Says how many lines were left out, if any were.
    fn tell_unread(&self) {
        if self.unread > 0 {
            note(&format!(
                "{} lines are no records and were left out; `skillhost audit verify` says which",
                self.unread
            ));
        }
    }
}

fn entry(line: &Line) -> Option<Entry> {
    Entry::parse(std::str::from_utf8(&line.bytes).ok()?)
}
