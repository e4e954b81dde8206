//! `skillhost permissions`.

use std::path::PathBuf;

use clap::Args;

use super::table::Table;
use crate::cli::terminal::{print_json, print_untrusted};
use crate::cli::{ExitStatus, Session};
use crate::consent::Consents;
use crate::error::Result;
use crate::time::{Clock, SystemClock};

/// Show what a skill wants and why, what it was granted, what it gets, what lapsed, and the command for everything that is missing
#[derive(Debug, Args)]
pub(in crate::cli) struct Permissions {
    /// The name of an installed skill, or a component file
    skill: PathBuf,
    /// As `skillhost run` judges it, which trusts your own key
    #[arg(long)]
    run: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

impl Permissions {
    pub(in crate::cli) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let looked = session.look_at(&self.skill, self.run)?;
        let consents = Consents::load(&session.grants_file());
        let table = Table::of(&looked, &consents, session, SystemClock.wall());
        if self.json {
            print_json(&table)?;
        } else {
            print_untrusted(&table.text())?;
        }
        Ok(ExitStatus::Ok)
    }
}
