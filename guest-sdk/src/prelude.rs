//! What nearly every skill uses: `use skillhost_sdk::prelude::*;`.
//!
//! The derives of `Serialize` and `Deserialize` are the SDK's own: they do what
//! serde's do, without a dependency on serde in the skill.

pub use crate::{Error, Output, Result};
pub use serde::de::Deserialize;
pub use serde::ser::Serialize;
pub use skillhost_sdk_macros::{Deserialize, Schema, Serialize, tool};

pub use crate::schema::Schema;
