//! `skillhost trust update`.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::cli::spinner::Spinner;
use crate::cli::terminal::{note, print_json, print_untrusted};
use crate::cli::{ExitStatus, Session, block_on};
use crate::error::{Error, Kind, Result};
use crate::time::{Clock, SystemClock};
use crate::tuf::{self, Change, Difference, Source, Updated};

/// The largest root metadata that is read, in bytes; the TUF library takes no
/// larger one from a repository.
const MAX_ROOT: u64 = 512_000;

/// Fetch the newest Sigstore trusted root and verify it through TUF. This is the only time that the host asks for one; if anything is wrong, nothing changes
#[derive(Debug, Args)]
pub(super) struct Update {
    /// The TUF repository: of a private instance, or a mirror of the public one [default: https://tuf-repo-cdn.sigstore.dev]
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// The TUF root metadata in which trust in a private instance begins [default: the public instance's, which is built in]
    #[arg(long, value_name = "ROOT.json", requires = "url")]
    root: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Update {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let path = session.places.trusted_root();
        let update = tuf::Update::new(self.source()?, &path);
        let work = update.run(SystemClock.wall());
        let updated = block_on(Spinner::new("updating").during(work))??;
        if self.json {
            print_json(&as_json(&updated, &path))?;
        } else {
            print_untrusted(&updated.changes.iter().map(line).collect::<String>())?;
            note(&summary(&updated, &path));
            if let Some(other) = configured(session) {
                note(&format!(
                    "The configuration names {}, which stays in use instead.",
                    other.display()
                ));
            }
        }
        Ok(ExitStatus::Ok)
    }

    fn source(&self) -> Result<Source> {
        let url = self.url.as_deref().unwrap_or(Source::PUBLIC_GOOD);
        match &self.root {
            Some(path) => Source::new(url, read(path)?),
            None => Source::public_good(url),
        }
    }
}

/// The trusted root that the configuration names.
fn configured(session: &Session) -> Option<&Path> {
    session.config.trust.as_ref()?.root.as_deref()
}

/// The root metadata that the operator names.
fn read(path: &Path) -> Result<Vec<u8>> {
    let wrong = |problem: &dyn Display| {
        let message = format!("{} cannot be used: {problem}.", path.display());
        Error::new(Kind::InvalidRequest, message)
    };
    let file = File::open(path).map_err(|cause| wrong(&cause))?;
    let mut bytes = Vec::new();
    let mut limited = file.take(MAX_ROOT + 1);
    let read = limited.read_to_end(&mut bytes);
    match read.map_err(|cause| wrong(&cause))? as u64 {
        ..=MAX_ROOT => Ok(bytes),
        _ => Err(wrong(&format!("it is larger than {MAX_ROOT} bytes"))),
    }
}

fn line(change: &Change) -> String {
    let Change {
        difference,
        part,
        name,
        ..
    } = change;
    let window = window(change);
    format!("{:8} {part} {name}{window}\n", difference.to_string())
}

/// When it counts, as far as that is what is told.
fn window(change: &Change) -> String {
    let from = change
        .from
        .filter(|_| change.difference != Difference::Ended);
    let mut text = String::new();
    for (word, time) in [("from", from), ("until", change.until)] {
        if let Some(time) = time {
            text += &format!(" {word} {}", day(time));
        }
    }
    text
}

/// In UTC.
fn day(time: Timestamp) -> String {
    time.strftime("%Y-%m-%d").to_string()
}

fn summary(updated: &Updated, path: &Path) -> String {
    let path = path.display();
    let valid = format!("its metadata is valid until {}", day(updated.valid_until));
    if updated.changes.is_empty() {
        format!("The trusted root {path} has not changed; {valid}.")
    } else {
        format!("The trusted root {path} is up to date; {valid}.")
    }
}

fn as_json(updated: &Updated, path: &Path) -> Value {
    let changes = updated.changes.iter().map(|change| {
        json!({
            "change": change.difference.to_string(), "part": change.part.to_string(),
            "name": change.name, "from": time(change.from), "until": time(change.until),
        })
    });
    json!({
        "outcome": "ok", "trusted_root": path, "changes": Value::from_iter(changes),
        "root_version": updated.root_version, "valid_until": updated.valid_until.to_string(),
    })
}

fn time(time: Option<Timestamp>) -> Value {
    time.map_or(Value::Null, |time| time.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tuf::Part;

    fn told(difference: Difference, from: Option<&str>, until: Option<&str>) -> String {
        line(&Change {
            difference,
            part: Part::TransparencyLog,
            name: "https://log.test".to_owned(),
            from: from.map(|text| text.parse().unwrap()),
            until: until.map(|text| text.parse().unwrap()),
        })
    }

    #[test]
    fn a_change_is_told_in_one_line() {
        let (start, end) = (Some("2025-01-02T03:04:05Z"), Some("2026-12-31T23:59:59Z"));
        for (line, expected) in [
            (
                told(Difference::Added, start, None),
                "added    transparency log https://log.test from 2025-01-02\n",
            ),
            (
                told(Difference::Removed, start, end),
                "removed  transparency log https://log.test from 2025-01-02 until 2026-12-31\n",
            ),
            (
                told(Difference::Ended, start, end),
                "ended    transparency log https://log.test until 2026-12-31\n",
            ),
            (
                told(Difference::Changed, None, None),
                "changed  transparency log https://log.test\n",
            ),
        ] {
            assert_eq!(line, expected);
        }
    }
}
