//! Keys compared with `==`, which takes longer the more of them agrees.

use skillhost::mcp::BearerKey;

pub fn same(one: &BearerKey, other: &BearerKey) -> bool {
    one == other
}
