//! `multi_input`, as the conformance suite of MCP calls it: what looks like the name
//! of another skill's tool cannot be given to a tool.

use std::thread::sleep;
use std::time::Duration;

use skillhost_sdk::ask::Questions;
use skillhost_sdk::prelude::*;

/// A person
#[derive(Deserialize, Schema)]
struct Person {
    name: String,
}

/// Asks two things at once, after a while.
#[tool(read_only)]
fn input() -> Result<String> {
    sleep(Duration::from_secs(1));
    let questions = Questions::new().form::<Person>("first", "Who comes first?");
    let questions = questions.form::<Person>("second", "Who comes second?");
    let replies = questions.ask()?;
    let first = replies.form::<Person>("first")?.accepted()?;
    let second = replies.form::<Person>("second")?.accepted()?;
    Ok(format!("{}, {}", first.name, second.name))
}

skillhost_sdk::export!(input);
