//! Tools whose calls may outlive their requests.

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

/// Whether to go on
#[derive(Deserialize, Schema)]
struct Confirmation {
    confirm: bool,
}

/// Greets somebody at once.
#[tool(read_only)]
pub(crate) fn greet(name: String) -> Result<String> {
    Ok(format!("Hello, {name}!"))
}

/// Answers after some seconds.
#[tool(read_only)]
pub(crate) fn slow_compute(seconds: u32, label: Option<String>) -> Result<String> {
    sleep(Duration::from_secs(seconds.into()));
    Ok(format!(
        "{} is computed.",
        label.unwrap_or_else(|| "It".to_owned())
    ))
}

/// Fails after a while.
#[tool(read_only)]
pub(crate) fn failing_job() -> Result<String> {
    sleep(WHILE);
    Err(Error::failed("This job always fails."))
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

/// Asks after a while whether to go on.
#[tool(read_only)]
pub(crate) fn confirm_delete(filename: String) -> Result<String> {
    if ask::state().is_none() {
        sleep(WHILE);
    }
    let questions = Questions::new();
    let questions = questions.form::<Confirmation>("confirm", "Shall the file go?");
    let replies = questions.state("asked").ask()?;
    let confirmed = replies.form::<Confirmation>("confirm")?.accepted()?;
    let done = if confirmed.confirm {
        "would go"
    } else {
        "stays"
    };
    Ok(format!("{filename} {done}."))
}

/// Asks two things at once after a while.
#[tool(read_only)]
pub(crate) fn multi_input() -> Result<String> {
    if ask::state().is_none() {
        sleep(WHILE);
    }
    let questions = Questions::new().form::<Person>("first", "Who comes first?");
    let questions = questions.form::<Person>("second", "Who comes second?");
    let replies = questions.state("asked").ask()?;
    let first = replies.form::<Person>("first")?.accepted()?;
    let second = replies.form::<Person>("second")?.accepted()?;
    Ok(format!("{}, {}", first.name, second.name))
}

/// Asks at once who it is for, and answers after a while.
#[tool(read_only)]
pub(crate) fn tool_with_task() -> Result<String> {
    let person: Person = ask::form("user_name", "What is your name?")?;
    sleep(WHILE);
    Ok(format!("Hello, {}!", person.name))
}
