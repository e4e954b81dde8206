//! `skillhost cache`.

use clap::{Args, Subcommand};
use serde_json::json;

use super::terminal::{print, print_json, size};
use super::{ExitStatus, Session};
use crate::error::Result;

/// Look after the compiled code that is kept, so that skills need not be compiled at each start
#[derive(Debug, Args)]
pub(super) struct Cache {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show where compiled code is kept, and how much
    Show(Show),
    /// Remove all compiled code; skills are compiled again when they are next loaded
    Clear(Clear),
}

#[derive(Debug, Args)]
struct Show {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Clear {
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

impl Cache {
    pub(super) const fn json(&self) -> bool {
        match &self.command {
            Command::Show(command) => command.json,
            Command::Clear(command) => command.json,
        }
    }

    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let Some(cache) = session.config.compile.cache(&session.places) else {
            return self.print_none();
        };
        let (usage, what) = match &self.command {
            Command::Show(_) => (cache.usage()?, "kept"),
            Command::Clear(_) => (cache.clear()?, "removed"),
        };
        if self.json() {
            print_json(&json!({
                "folder": cache.folder, "entries": usage.entries, "bytes": usage.bytes,
                "size": cache.size,
            }))?;
        } else {
            print(&format!(
                "{} {what}, {} of at most {}, in {}\n",
                components(usage.entries),
                size(usage.bytes),
                size(cache.size),
                cache.folder.display()
            ))?;
        }
        Ok(ExitStatus::Ok)
    }

    fn print_none(&self) -> Result<ExitStatus> {
        if self.json() {
            print_json(&json!({"folder": null, "entries": 0, "bytes": 0, "size": 0}))?;
        } else {
            print("no compiled code is kept: `cache = false` under [compile]\n")?;
        }
        Ok(ExitStatus::Ok)
    }
}

/// So many, in words.
fn components(entries: u64) -> String {
    match entries {
        1 => "1 component".to_owned(),
        entries => format!("{entries} components"),
    }
}
