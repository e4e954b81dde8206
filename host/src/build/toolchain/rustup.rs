//! The usual way: rustup adds the target to the active toolchain.

use std::time::Duration;

use super::RouteError;
use super::compiler::Compiler;
use crate::build::TARGET;
use crate::build::program::Program;
use crate::build::report::Report;

/// Some networks swallow what they do not allow; then rustup would wait long.
const LIMIT: Duration = Duration::from_secs(90);

/// Adds the target to the toolchain of that compiler.
pub(super) fn add_target(compiler: &Compiler, report: &dyn Report) -> Result<(), RouteError> {
    report.step("Setting up the guest toolchain: asking rustup for the standard library for WASI");
    let toolchain = compiler.sysroot.file_name().unwrap_or_default();
    Program::new("rustup")
        .args(["target", "add", TARGET, "--toolchain"])
        .arg(toolchain)
        // Offline, the first attempt has the answer of all the others.
        .env("RUSTUP_MAX_RETRIES", "0")
        .capture_within(LIMIT)
        .map(drop)
        .map_err(RouteError::Rustup)
}
