//! `skillhost verify`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::options::existing;
use super::terminal::{print, print_json};
use super::{ExitStatus, Session};
use crate::artifact::Artifact;
use crate::error::Result;

/// Check a component's signatures against the configuration's `[trust]`, or against your own key if there is none. Exit code 0 if it may run, 3 if not
#[derive(Debug, Args)]
pub(super) struct Verify {
    /// The component, with its bundles beside it
    file: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Verify {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let artifact = Artifact::open(&existing(&self.file)?)?;
        let verified = session.verifier()?.verify(artifact)?;
        let verdict = verified.verdict();
        let signers: Vec<&str> = verdict.signers().iter().map(|name| name.as_str()).collect();
        if self.json {
            print_json(
                &json!({"outcome": "ok", "digest": verdict.digest().to_string(), "signers": signers}),
            )?;
        } else {
            print(&format!(
                "{} signed by {}\n",
                verdict.digest(),
                signers.join(", ")
            ))?;
        }
        Ok(ExitStatus::Ok)
    }
}
