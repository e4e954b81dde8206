//! `skillhost audit stats`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;

use super::{Reader, Since, Source, Wanted};
use crate::cli::terminal::{count, note, print, print_json};
use crate::cli::{ExitStatus, Session};
use crate::error::Result;
use crate::event::audit::Lines;
use crate::event::reading::{self, Tally};
use crate::manifest::text::one_line;

/// How many rows of a table a person is shown.
const MAX_ROWS: usize = 20;

/// Count calls by tool and outcome, failures by kind, denials by capability, and say how long calls took
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Stats {
    #[command(flatten)]
    since: Since,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    source: Source,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  skillhost audit stats --since '7 days'
  skillhost audit stats --filter skill=notes --json";

impl Stats {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let filter = self.since.added(self.wanted.filter()?)?;
        let mut reader = Reader::new(Lines::open(&self.source.path(session))?);
        let mut stats = reading::Stats::default();
        while let Some(entry) = reader.next()? {
            if filter.wants(&entry) {
                stats.count(&entry);
            }
        }
        reader.tell_unread();
        if self.json {
            print_json(&stats)?;
        } else if stats.lines == 0 {
            note("The log holds no such event.");
        } else {
            print(&table(&stats))?;
        }
        Ok(ExitStatus::Ok)
    }
}

/// Writing to a text does not fail.
fn table(stats: &reading::Stats) -> String {
    let mut text = format!(
        "{} calls began, {} ended, {} retries, {} fallbacks\n",
        count(stats.started),
        count(stats.finished),
        count(stats.retries),
        count(stats.fallbacks)
    );
    if stats.unfinished() > 0 {
        let _ = writeln!(
            text,
            "{} calls run still, or their end is not in this part of the log",
            count(stats.unfinished())
        );
    }
    let _ = writeln!(
        text,
        "\n{:<40} {:>8} {:>8} {:>8} {:>8} {:>8} {:>16}",
        "tool", "ok", "failed", "p50 ms", "p95 ms", "p99 ms", "fuel"
    );
    let mut tools: Vec<_> = stats.tools.iter().collect();
    tools.sort_by_key(|(_, tally)| std::cmp::Reverse(tally.calls()));
    for (name, tally) in tools.iter().take(MAX_ROWS) {
        text += &row(&one_line(name, 40), tally);
    }
    text += &row("all", &stats.all);
    if tools.len() > MAX_ROWS {
        let _ = writeln!(
            text,
            "({} more tools; see them with --json)",
            tools.len() - MAX_ROWS
        );
    }
    let skills = stats
        .skills()
        .into_iter()
        .map(|(name, calls)| (name.to_owned(), calls));
    text += &counts("busiest skills", skills.collect());
    text += &counts("failures", sorted(&stats.failures));
    text += &counts("denials", sorted(&stats.denials));
    text += &counts("limits exceeded", sorted(&stats.limits));
    text += &counts("alerts", sorted(&stats.alerts));
    text
}

fn row(name: &str, tally: &Tally) -> String {
    format!(
        "{name:<40} {:>8} {:>8} {:>8} {:>8} {:>8} {:>16}\n",
        count(tally.ok()),
        count(tally.failed()),
        count(tally.percentile(50)),
        count(tally.percentile(95)),
        count(tally.percentile(99)),
        count(tally.fuel())
    )
}

/// The most frequent first.
fn sorted(table: &BTreeMap<String, u64>) -> Vec<(String, u64)> {
    let mut rows: Vec<_> = table
        .iter()
        .map(|(name, times)| (name.clone(), *times))
        .collect();
    rows.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
    rows
}

fn counts(title: &str, rows: Vec<(String, u64)>) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let rows = rows.into_iter().take(MAX_ROWS);
    let rows =
        rows.map(|(name, times)| format!("  {:<38} {:>8}\n", one_line(&name, 38), count(times)));
    format!("\n{title}\n{}", rows.collect::<String>())
}
