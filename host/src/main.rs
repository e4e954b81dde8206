//! The `skillhost` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    skillhost::cli::main()
}
