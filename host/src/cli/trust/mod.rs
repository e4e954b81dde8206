//! `skillhost trust`: who and what this host believes.

mod check;
mod show;
mod update;

use clap::{Args, Subcommand};

use super::{ExitStatus, Session};
use crate::error::Result;

/// Show and check whom this host trusts to say that a skill may run, and fetch the newest Sigstore trusted root
#[derive(Debug, Args)]
pub(super) struct Trust {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show signers, rules, trusted root, deny list and lock file as `serve` takes them
    Show(show::Show),
    /// Check all of that, and whether each installed skill would run
    Check(check::Check),
    /// Fetch the newest trusted root and verify it through TUF
    Update(update::Update),
}

impl Trust {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        match &self.command {
            Command::Show(command) => command.execute(session),
            Command::Check(command) => command.execute(session),
            Command::Update(command) => command.execute(session),
        }
    }

    /// Whether results are wanted as JSON.
    pub(super) const fn json(&self) -> bool {
        match &self.command {
            Command::Show(command) => command.json,
            Command::Check(command) => command.json,
            Command::Update(command) => command.json,
        }
    }
}
