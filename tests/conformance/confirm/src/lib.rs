//! `confirm_delete`, as the conformance suite of MCP calls it: what looks like the name
//! of another skill's tool cannot be given to a tool.

use std::thread::sleep;
use std::time::Duration;

use skillhost_sdk::ask;
use skillhost_sdk::prelude::*;

/// Whether to go on
#[derive(Deserialize, Schema)]
struct Confirmation {
    confirm: bool,
}

/// Asks after a while whether a file shall go. There is none.
#[tool(read_only)]
fn delete(filename: String) -> Result<String> {
    sleep(Duration::from_secs(1));
    let confirmed: Confirmation = ask::form("confirm", "Shall the file go?")?;
    let fate = if confirmed.confirm {
        "would go"
    } else {
        "stays"
    };
    Ok(format!("{filename} {fate}."))
}

skillhost_sdk::export!(delete);
