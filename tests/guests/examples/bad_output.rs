//! I12: promises a number and answers with a text.

use skillhost_sdk::prelude::*;
use skillhost_sdk::serde::ser::{SerializeMap, Serializer};

#[derive(Schema)]
struct Count {
    #[expect(dead_code, reason = "only the schema is wanted")]
    n: u32,
}

impl Serialize for Count {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("n", "many")?;
        map.end()
    }
}

/// Does not keep its promise.
#[tool]
fn count() -> Result<Count> {
    Ok(Count { n: 0 })
}

skillhost_sdk::export!(count);
