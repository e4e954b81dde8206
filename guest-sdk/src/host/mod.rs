//! The boundary to the host: one function for each that the WIT has.
//!
//! In a component they are the host's imports; natively they are answered by
//! [`testing::Host`](crate::testing::Host).

#[cfg(target_family = "wasm")]
mod component;
#[cfg(not(target_family = "wasm"))]
mod native;

#[cfg(target_family = "wasm")]
pub use component::*;
#[cfg(not(target_family = "wasm"))]
pub(crate) use native::*;
