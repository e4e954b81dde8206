//! A key in a message.

use skillhost::mcp::BearerKey;

pub fn message(key: &BearerKey) -> String {
    format!("the key is {key}")
}
