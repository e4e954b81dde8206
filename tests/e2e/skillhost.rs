//! The `skillhost` command, for tests that run it.

use std::process::ExitCode;

fn main() -> ExitCode {
    skillhost::cli::main()
}
