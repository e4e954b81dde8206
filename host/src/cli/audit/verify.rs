//! `skillhost audit verify`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::Source;
use crate::cli::options::signing;
use crate::cli::spinner::Spinner;
use crate::cli::terminal::{count, print, print_json};
use crate::cli::{ExitStatus, Session, block_on};
use crate::config::read_bounded;
use crate::error::{Error, Kind, Result};
use crate::event::audit::{self, HeadCheck, Keys, Report};
use crate::manifest::text::one_line;
use crate::sign::PrivateKey;
use crate::verify::PublicKey;

/// The largest file of a public key, in bytes.
const MAX_KEY: u64 = 64 * 1024;

/// Check that the log is as the host wrote it: each line follows from the one before, and checkpoints are signed with the host's key. Exit code 0 if so, 3 if a place is broken, which is then named
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    #[command(flatten)]
    source: Source,
    /// Check the signatures with this public key of the host that wrote the log; for a log of another machine [default: the key of this host]
    #[arg(long, value_name = "HOST.pub")]
    key: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  skillhost audit verify
  skillhost audit verify --file copies/audit.jsonl --key host.pub   a log of another machine";

impl Verify {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let log = self.source.path(session);
        let keys = self.keys(session)?;
        let report = block_on(Spinner::new("verifying").during(async move {
            let verified = tokio::task::spawn_blocking(move || audit::verify(&log, &keys)).await;
            verified.map_err(|cause| {
                Error::new(Kind::Internal, "The verifier failed.").with_internal(cause)
            })?
        }))??;
        if report.unchecked > 0 {
            return Err(no_key());
        }
        if report.lines == 0 {
            return Err(no_lines());
        }
        if self.json {
            print_json(&json!({"intact": report.is_intact(), "report": report}))?;
        } else {
            print(&text(&report))?;
        }
        Ok(if report.is_intact() {
            ExitStatus::Ok
        } else {
            ExitStatus::Untrusted
        })
    }

    /// A host that has no key yet has signed nothing.
    fn keys(&self, session: &Session) -> Result<Keys> {
        if let Some(path) = &self.key {
            return public_key(path).map(Keys::public);
        }
        let path = session.places.host_key().with_extension("key");
        if path.exists() {
            let key = PrivateKey::load(&path).map_err(signing)?;
            return Ok(Keys::of(&key));
        }
        let public = path.with_extension("pub");
        if public.exists() {
            return public_key(&public).map(Keys::public);
        }
        Ok(Keys::none())
    }
}

/// An empty log looks like one that was removed with all that belongs to it.
fn no_lines() -> Error {
    let message = "The audit log has no lines, so there is nothing to verify.";
    Error::new(Kind::InvalidRequest, message)
        .with_hint("If skills were called here, somebody removed it: look for a copy.")
}

/// Who can write a log can chain it anew: without its key nothing is proved.
fn no_key() -> Error {
    let message = "The audit log is signed, and there is no key here to check it with.";
    Error::new(Kind::InvalidRequest, message)
        .with_hint("Name the public key of its host: `skillhost audit verify --key host.pub`.")
}

fn public_key(path: &Path) -> Result<PublicKey> {
    let wrong = |cause: String| {
        let message = format!("The public key {} cannot be read: {cause}.", path.display());
        Error::new(Kind::InvalidRequest, message)
    };
    let text = read_bounded(path, MAX_KEY).map_err(|cause| wrong(cause.to_string()))?;
    let text = text.ok_or_else(|| wrong("it is too large".to_owned()))?;
    PublicKey::from_pem(&text).map_err(|cause| wrong(cause.to_string()))
}

/// Writing to a text does not fail.
fn text(report: &Report) -> String {
    let mut text = String::new();
    for broken in &report.broken {
        let _ = writeln!(text, "broken: {}", one_line(&broken.to_string(), 600));
    }
    if report.unnamed > 0 {
        let _ = writeln!(text, "broken: {} more places", count(report.unnamed));
    }
    let verdict = if report.is_intact() {
        "intact"
    } else {
        "BROKEN"
    };
    let _ = writeln!(
        text,
        "{verdict}: {} files, {} lines, {} checkpoints that the host signed",
        report.files.len(),
        count(report.lines),
        count(report.checkpoints)
    );
    for checked in &report.files {
        let name = checked.file.display().to_string();
        let _ = writeln!(
            text,
            "  {} lines  {}",
            count(checked.lines),
            one_line(&name, 300)
        );
    }
    for remark in remarks(report) {
        let _ = writeln!(text, "  {remark}");
    }
    text
}

/// What is no damage, and yet worth knowing.
fn remarks(report: &Report) -> Vec<String> {
    let counted = [
        (
            report.removed,
            "lines of older files were removed by the host itself, since it keeps no more",
        ),
        (
            report.unchecked,
            "checkpoints were not checked: give the key of the host that wrote the log (`--key`)",
        ),
        (report.unsigned, "lines follow the last signed checkpoint"),
        (
            report.unsealed,
            "lines are newer than the head beside the log: a host writes now, or was killed",
        ),
        (report.gaps, "records found no room on the disk"),
    ];
    let counted = counted.into_iter().filter(|(number, _)| *number > 0);
    let mut remarks: Vec<String> = counted
        .map(|(number, what)| format!("{} {what}", count(number)))
        .collect();
    match report.head {
        HeadCheck::Absent => remarks.push(
            "There is no head beside the log: lines that were cut off its end would not be missed"
                .to_owned(),
        ),
        HeadCheck::Unchecked => remarks.push(
            "The head beside the log was not checked: that takes the host's own key".to_owned(),
        ),
        HeadCheck::Good | HeadCheck::Forged => {}
    }
    remarks
}
