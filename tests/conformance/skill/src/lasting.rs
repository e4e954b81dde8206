//! Tools whose calls may outlive their requests, and one that is at once.

use std::thread::sleep;
use std::time::Duration;

use skillhost_sdk::ask::{self, Questions};
use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::Value;

/// Longer than the host waits before it makes a call a task.
const WHILE: Duration = Duration::from_secs(1);

/// A person
#[derive(Deserialize, Schema)]
struct Person {
    name: String,
}

/// Greets somebody at once.
#[tool(read_only)]
pub(crate) fn greet(name: String) -> Result<String> {
    Ok(format!("Hello, {name}!"))
}

/// Needs after a while what a client may be unable to tell: its folders. That is an
/// error of the protocol, and not of the tool.
#[tool(read_only)]
pub(crate) fn protocol_error_job() -> Result<String> {
    sleep(WHILE);
    let replies = Questions::new().roots("client_roots").ask()?;
    let folders: Value = replies.json("client_roots")?;
    Ok(format!("The folders are {folders}."))
}

/// Asks at once who it is for, and answers after a while.
#[tool(read_only)]
pub(crate) fn tool_with_task() -> Result<String> {
    let person: Person = ask::form("user_name", "What is your name?")?;
    sleep(WHILE);
    Ok(format!("Hello, {}!", person.name))
}
