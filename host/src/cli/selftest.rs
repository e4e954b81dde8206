//! `skillhost selftest`: the sandbox holds on this machine, or it does not.

use std::io::{self, IsTerminal};

use anstyle::{AnsiColor, Style};
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::terminal::{print, print_json};
use super::{ExitStatus, block_on};
use crate::error::Result;
use crate::manifest::text::one_line;
use crate::selftest::{self, Outcome, Report, RowReport};

/// The most of what happened that a line of the table shows, in characters.
const MAX_HAPPENED: usize = 80;

const ABOUT: &str = "\
Try hostile skills against this host, and show how each is stopped

Each row is a skill that loops, floods, reaches for files, addresses or secrets, or is \
not what was signed. It is signed with a key made for this run, verified, and called as \
`run` and `serve` call skills, in a temporary folder. Nothing leaves this machine, and \
your configuration, keys, skills and audit log are not touched.

After each row the host must have recorded exactly one end of each call, on time; an \
honest skill must still be served; and nothing outside of a grant may have been \
written, reached or shown. Rows are named after the families of attacks: R resources, \
F files, N network, X secrets and sights, M output, S signatures.";

const EXAMPLES: &str = "\
Examples:
  skillhost selftest                   every row, as a table
  skillhost selftest --only R,F03      a family, and one attack
  skillhost selftest --verbose         what must happen as well, row by row
  skillhost selftest --json | jq '.rows[] | select(.outcome != \"held\")'

Exit codes: 0 no row failed   2 there is no such row   6 a row failed, or the host does not start.
A row that is skipped says why this machine cannot try it; that is no pass.";

/// Try hostile skills against this host, and show how each is stopped
#[derive(Debug, Args)]
#[command(long_about = ABOUT, after_help = EXAMPLES)]
pub(super) struct Selftest {
    /// Only these rows: ids such as R05, or families such as R
    #[arg(long, value_name = "ROWS", value_delimiter = ',')]
    only: Vec<String>,
    /// Print one JSON object: outcome, held, failed, skipped, ms, and rows with id, attack, must, outcome, happened, reason, ms
    #[arg(long)]
    pub(super) json: bool,
}

impl Selftest {
    /// Needs no configuration, and reads none. Exit code 6 if a row failed.
    pub(super) fn execute(&self, verbose: bool) -> Result<ExitStatus> {
        let mut rows = selftest::Selftest::all();
        if !self.only.is_empty() {
            rows = rows.only(&self.only)?;
        }
        let bar = bar(rows.count());
        let report = block_on(rows.run(|row| {
            bar.set_message(row.id);
            bar.inc(1);
        }))??;
        bar.finish_and_clear();
        if self.json {
            print_json(&report)?;
        } else {
            print(&table(&report, verbose))?;
        }
        Ok(match report.outcome {
            Outcome::Failed => ExitStatus::Host,
            _ => ExitStatus::Ok,
        })
    }
}

/// Shown on a terminal only.
fn bar(rows: usize) -> ProgressBar {
    let target = if io::stderr().is_terminal() {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(rows as u64), target);
    if let Ok(style) = ProgressStyle::with_template("trying {wide_bar} {pos} of {len} {msg:>4}") {
        bar.set_style(style);
    }
    bar
}

fn table(report: &Report, verbose: bool) -> String {
    let width = report
        .rows
        .iter()
        .map(|row| row.attack.len())
        .max()
        .unwrap_or_default();
    let mut text: String = report
        .rows
        .iter()
        .map(|row| line(row, width, verbose))
        .collect();
    let Report {
        held,
        failed,
        skipped,
        ms,
        ..
    } = report;
    text += &format!("\n{held} held, {failed} failed, {skipped} skipped, in {ms} ms\n");
    text
}

/// Paths and the engine's words are long: their end is for those who ask.
fn shown(text: &str, all: bool) -> String {
    one_line(text, if all { usize::MAX } else { MAX_HAPPENED })
}

fn line(row: &RowReport, width: usize, verbose: bool) -> String {
    let (word, colour) = match row.outcome {
        Outcome::Held => ("held", AnsiColor::Green),
        Outcome::Failed => ("FAILED", AnsiColor::Red),
        Outcome::Skipped => ("skipped", AnsiColor::Yellow),
    };
    let style = Style::new().bold().fg_color(Some(colour.into()));
    let happened = match row.outcome {
        Outcome::Skipped => row.reason.as_deref().unwrap_or_default(),
        _ => &row.happened,
    };
    let mut text = format!(
        "{style}{word:8}{style:#}{:4} {:width$} {:>5} ms  {}\n",
        row.id,
        row.attack,
        row.ms,
        shown(happened, verbose)
    );
    if verbose || row.outcome == Outcome::Failed {
        text += &format!("{:13}must: {}\n", "", row.must);
    }
    if let (Outcome::Failed, Some(reason)) = (row.outcome, &row.reason) {
        text += &format!("{:13}but: {}\n", "", shown(reason, true));
    }
    text
}
