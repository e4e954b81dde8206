//! `skillhost audit tail`.

use std::collections::VecDeque;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::Args;

use super::{Reader, Source, Wanted};
use crate::cli::terminal::{print_untrusted_while_read, print_while_read};
use crate::cli::{ExitStatus, Session};
use crate::error::Result;
use crate::event::Severity;
use crate::event::audit::Lines;
use crate::event::reading::{Entry, Filter};

/// How often the log is looked at for what follows.
const LOOK: Duration = Duration::from_millis(200);

/// How much of an invocation's id is shown: enough for `audit show`.
const SHORT: usize = 8;

/// Show the newest events, one line each: when, how much it matters, whom it is about, what happened, and in which call
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Tail {
    /// How many
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    lines: u64,
    /// Go on with what follows, across files, until interrupted
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    source: Source,
    /// Print the lines as they are in the log
    #[arg(long)]
    pub(super) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  skillhost audit tail --follow                             what happens now
  skillhost audit tail --filter 'severity>=high'            what somebody should look at
  skillhost audit tail -n 100 --filter 'event=*.denied' --filter skill=notes --filter since=1h
  skillhost audit tail --json --filter event=verify.failed  as it was written";

impl Tail {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let filter = self.wanted.filter()?;
        let log = self.source.path(session);
        let everything = filter == Filter::default();
        let mut reader = Reader::new(if everything {
            Lines::last(&log, self.lines)?
        } else {
            Lines::open(&log)?
        });
        for entry in self.newest(&mut reader, &filter)? {
            if !self.print(&entry)? {
                return Ok(ExitStatus::Ok);
            }
        }
        reader.tell_unread();
        if self.follow {
            self.go_on(&mut reader, &filter)?;
        }
        Ok(ExitStatus::Ok)
    }

    fn newest(&self, reader: &mut Reader, filter: &Filter) -> Result<VecDeque<Entry>> {
        let mut newest = VecDeque::new();
        while let Some(entry) = reader.next()? {
            if filter.wants(&entry) {
                newest.push_back(entry);
            }
            if newest.len() as u64 > self.lines {
                newest.pop_front();
            }
        }
        Ok(newest)
    }

    /// Ends when nobody reads any more.
    fn go_on(&self, reader: &mut Reader, filter: &Filter) -> Result<()> {
        loop {
            while let Some(entry) = reader.next()? {
                if filter.wants(&entry) && !self.print(&entry)? {
                    return Ok(());
                }
            }
            std::thread::sleep(LOOK);
        }
    }

    fn print(&self, entry: &Entry) -> Result<bool> {
        if self.json {
            print_untrusted_while_read(&format!("{}\n", entry.raw()))
        } else {
            print_while_read(&one_line(entry))
        }
    }
}

/// One event for a person.
fn one_line(entry: &Entry) -> String {
    let (colour, word) = match entry.severity() {
        Severity::Info => (AnsiColor::Cyan, "info"),
        Severity::Warning => (AnsiColor::Yellow, "warning"),
        Severity::High => (AnsiColor::Red, "high"),
    };
    let style = Style::new().fg_color(Some(colour.into()));
    let time = entry
        .time()
        .map_or_else(|| "?".to_owned(), |time| format!("{time:.0}"));
    let about = about(entry);
    let words = entry.words();
    let call: String = entry
        .shown("invocation")
        .map(|id| id.chars().take(SHORT).collect())
        .unwrap_or_default();
    let call = if call.is_empty() {
        call
    } else {
        format!("  [{call}]")
    };
    format!("{time} {style}{word:<7}{style:#} {about}: {words}{call}\n")
}

/// Whom an event is about: a tool, a skill, a caller, or the host.
fn about(entry: &Entry) -> String {
    let shown = |field| entry.shown(field);
    match (shown("skill"), shown("tool"), shown("principal")) {
        (Some(skill), Some(tool), _) => format!("{skill}/{tool}"),
        (Some(skill), None, _) => skill,
        (None, _, Some(principal)) => principal,
        (None, ..) => "host".to_owned(),
    }
}
