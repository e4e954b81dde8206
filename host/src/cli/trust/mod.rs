//! `skillhost trust`: the Sigstore trusted root of this host.

mod update;

use clap::{Args, Subcommand};

use super::{ExitStatus, Session};
use crate::error::Result;

/// Look after the Sigstore trusted root: whose certificates and logs count
#[derive(Debug, Args)]
pub(super) struct Trust {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch the newest trusted root and verify it through TUF
    Update(update::Update),
}

impl Trust {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        match &self.command {
            Command::Update(command) => command.execute(session),
        }
    }

    /// Whether results are wanted as JSON.
    pub(super) const fn json(&self) -> bool {
        match &self.command {
            Command::Update(command) => command.json,
        }
    }
}
