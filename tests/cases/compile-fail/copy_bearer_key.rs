//! A key that is kept twice, and wiped once.

use skillhost::mcp::BearerKey;

pub fn twice(key: &BearerKey) -> BearerKey {
    Clone::clone(key)
}
