//! What must hold of anything that comes from outside: a function for each way
//! in, which takes any bytes and panics if a promise does not hold of them.
//!
//! Only the public interface of the host is used, so that what is fuzzed is
//! what runs. `tests/replay.rs` runs each function over `corpus/` and over
//! mutants of it; `cargo-fuzz/` has a program for each, for libFuzzer.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a panic is how a target says what does not hold"
)]

mod audit;
mod bundle;
mod config;
mod egress;
mod input;
mod manifest;
mod message;
pub mod mutate;
mod origin;
mod paths;
mod stage;

pub use audit::audit;
pub use bundle::bundle;
pub use config::config;
pub use egress::egress;
pub use input::input;
pub use manifest::manifest;
pub use message::message;
pub use origin::origin;
pub use paths::paths;

/// A way in.
pub type Target = fn(&[u8]);

/// Each way in, and its name, which is that of its corpus.
pub const TARGETS: [(&str, Target); 9] = [
    ("audit", audit),
    ("bundle", bundle),
    ("config", config),
    ("egress", egress),
    ("input", input),
    ("manifest", manifest),
    ("message", message),
    ("origin", origin),
    ("paths", paths),
];
