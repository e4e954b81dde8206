//! Begins a skill, turns its source folder into a component, and knows what
//! that takes.
//!
//! Nothing here runs a skill or judges one: what comes out is a file like any
//! other, which is signed and verified before it runs. This is the only module
//! that starts other programs, all of them through `program`.

pub mod cargo;
pub mod doctor;
pub mod new;
pub mod report;
pub mod toolchain;

mod program;

pub use cargo::{BuildError, CargoOutput, compile};
pub use doctor::{Finding, Status, diagnose};
pub use new::{NewError, SdkSource, scaffold};
pub use program::ProgramError;
pub use report::{Lines, Report, Spinner};
pub use toolchain::{Route, Toolchain, ToolchainError, ensure, find};

/// The Rust target that skills are built for.
pub const TARGET: &str = "wasm32-wasip2";
