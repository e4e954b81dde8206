//! `skillhost completions`.

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::terminal::print;
use super::{Arguments, ExitStatus, report};

/// Print completions, for example `skillhost completions bash > ~/.local/share/bash-completion/completions/skillhost`
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// For which shell
    shell: Shell,
}

impl Completions {
    pub(super) fn execute(self) -> ExitStatus {
        let mut script = Vec::new();
        clap_complete::generate(
            self.shell,
            &mut Arguments::command(),
            "skillhost",
            &mut script,
        );
        match print(&String::from_utf8_lossy(&script)) {
            Ok(()) => ExitStatus::Ok,
            Err(error) => report::failure(&error, false),
        }
    }
}
