//! skillhost runs a chat assistant's tools ("skills") as WebAssembly
//! components. No code runs that was not verified at that moment, with no
//! right that was not granted, past no limit that was not set, without a
//! record that it ran.
//!
//! [`Host::invoke`] is the one way in. The modules stand in the order in which
//! a call passes through them.

pub mod config;
pub mod manifest;
pub mod secret;
mod strict;
pub mod invocation;
pub mod log;
pub mod question;
mod registry;
pub mod admission;
pub mod policy;
pub mod consent;
pub mod artifact;
pub mod verify;
pub mod lock;
pub mod trust;
pub mod compile;
pub mod state;
mod sandbox;
mod run;
pub mod recovery;
mod suspension;
pub mod event;
pub mod metrics;
pub mod answer;
mod host;
pub mod mcp;
pub mod cli;

pub mod selftest;

pub mod build;
mod file;
pub mod sign;
pub mod tuf;

pub mod error;
mod panic;
pub mod time;

pub use admission::capacity::Capacity;
pub use answer::Answer;
pub use error::{Error, Kind, Result};
pub use host::{FirstLoad, Host, Setup, SkillPolicy, Terms};
pub use invocation::Invocation;
pub use registry::Loaded;
pub use sandbox::network::gateway::OwnListener;
pub use sandbox::network::{Network, NetworkFuture, SystemNetwork};
pub use trust::{TrustFiles, TrustSource};
