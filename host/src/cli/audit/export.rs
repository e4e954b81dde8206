//! `skillhost audit export`.

use clap::{Args, ValueEnum};

use super::{Reader, Since, Source, Wanted};
use crate::cli::terminal::print_untrusted_while_read;
use crate::cli::{ExitStatus, Session};
use crate::error::Result;
use crate::event::audit::Lines;
use crate::event::reading::{Entry, cef, ocsf};

/// Write the log to standard output, one record on each line, for other programs. What has no field in a format is kept where the format has room for it; nothing is left out but what you filter
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Export {
    /// As what
    #[arg(long, value_enum)]
    format: Format,
    #[command(flatten)]
    since: Since,
    #[command(flatten)]
    wanted: Wanted,
    #[command(flatten)]
    source: Source,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    /// The lines as they are in the log
    Jsonl,
    /// Open Cybersecurity Schema Framework 1.8.0
    Ocsf,
    /// ArcSight Common Event Format, version 0
    Cef,
}

const EXAMPLES: &str = "\
Examples:
  skillhost audit export --format ocsf --since '1 day' > yesterday.ocsf.jsonl
  skillhost audit export --format cef --filter 'severity>=warning'
  skillhost audit export --format jsonl --filter skill=notes";

impl Export {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let filter = self.since.added(self.wanted.filter()?)?;
        let mut reader = Reader::new(Lines::open(&self.source.path(session))?);
        while let Some(entry) = reader.next()? {
            if filter.wants(&entry) && !print_untrusted_while_read(&self.format.of(&entry))? {
                return Ok(ExitStatus::Ok);
            }
        }
        reader.tell_unread();
        Ok(ExitStatus::Ok)
    }
}

impl Format {
    fn of(self, entry: &Entry) -> String {
        let text = match self {
            Self::Jsonl => entry.raw().to_owned(),
            Self::Ocsf => ocsf::of(entry).to_string(),
            Self::Cef => cef::of(entry),
        };
        text + "\n"
    }
}
