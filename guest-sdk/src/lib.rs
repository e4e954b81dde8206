//! Write a skill for skillhost: a function with [`#[tool]`](tool).
//!
//! The doc comments become descriptions, the Rust types become JSON Schemas,
//! and [`export!`] puts both into the component while it compiles. Natively a
//! tool is a plain function, so `cargo test` works, and [`testing`] calls it
//! through JSON as the host does.
//!
//! ```
//! use skillhost_sdk::prelude::*;
//!
//! /// What a text is made of.
//! #[derive(Serialize, Schema)]
//! struct Stats {
//!     /// Words, separated by white space
//!     words: usize,
//!     /// The first words
//!     first: Vec<String>,
//! }
//!
//! /// Counts the words of a text.
//! #[tool(title = "Count words", read_only, idempotent, open_world = false)]
//! fn count_words(
//!     /// The text to look at
//!     #[schema(max_length = 1_000_000)]
//!     text: String,
//!     /// How many of the first words to list
//!     #[schema(maximum = 100, default = 1)]
//!     top: u8,
//! ) -> Result<Stats> {
//!     if text.trim().is_empty() {
//!         return Err(Error::invalid_arguments("The text has no words. Send some."));
//!     }
//!     let words: Vec<&str> = text.split_whitespace().collect();
//!     let first = words.iter().take(top.into()).map(|word| (*word).to_owned()).collect();
//!     Ok(Stats { words: words.len(), first })
//! }
//!
//! skillhost_sdk::export!(count_words);
//!
//! use skillhost_sdk::{serde_json::json, testing};
//! let answer = testing::call(&SKILL, "count-words", json!({ "text": "to be or not" })).unwrap();
//! assert_eq!(answer.structured_value(), Some(json!({ "words": 4, "first": ["to"] })));
//! ```
//!
//! Build it with `cargo build --release --target wasm32-wasip2`.

extern crate self as skillhost_sdk;

// What an author writes.
mod error;
mod output;
pub mod prelude;
pub mod schema;
mod tool;

// What the host offers to a tool while it runs.
pub mod ask;
pub mod call;
pub mod config;
pub mod http;
pub mod log;
pub mod secrets;
pub mod state;

// How a tool becomes a skill.
mod export;
mod host;
mod json;
mod manifest;
mod reader;
#[cfg(not(target_family = "wasm"))]
pub mod testing;

pub use call::{is_cancelled, progress, remaining};
pub use error::{Error, ErrorKind, Result};
pub use output::{Content, EmbeddedResource, Output, ResourceBody, ResourceLink};
pub use schema::Schema;
pub use serde;
pub use serde_json;
pub use skillhost_sdk_macros::{Deserialize, Schema, Serialize, tool};
pub use tool::{Annotations, IntoOutput, Skill, Tool};

/// What the macros write. No part of the API.
#[doc(hidden)]
pub mod __private {
    #[cfg(target_family = "wasm")]
    pub use crate::host::bindings;
    pub use crate::tool::{ExportedTool, ToolResult, call, default_value};
}

#[cfg(doctest)]
mod refusals;
