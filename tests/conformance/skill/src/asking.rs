//! Tools that ask before they answer.

use skillhost_sdk::ask::{self, Questions};
use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::Value;

/// What is kept from the first question of [`multi_round`] to the second, and from
/// there to the answer.
const STEPS: [&[u8]; 2] = [b"first", b"second"];

/// A person
#[derive(Deserialize, Schema)]
struct Person {
    name: String,
}

/// A colour
#[derive(Deserialize, Schema)]
struct Colour {
    color: String,
}

/// Whether to go on
#[derive(Deserialize, Schema)]
struct Confirmation {
    ok: bool,
}

/// Greets whoever sits there.
#[tool(read_only)]
pub(crate) fn elicitation() -> Result<String> {
    let person: Person = ask::form("user_name", "What is your name?")?;
    Ok(format!("Hello, {}!", person.name))
}

/// Asks the client's model.
#[tool(read_only)]
pub(crate) fn sampling() -> Result<String> {
    let questions = Questions::new();
    let questions = questions.model("capital_question", "What is the capital of France?", 100);
    questions.ask()?.model("capital_question")
}

/// Asks which folders the client works in.
#[tool(read_only)]
pub(crate) fn list_roots() -> Result<String> {
    let replies = Questions::new().roots("client_roots").ask()?;
    let folders: Value = replies.json("client_roots")?;
    Ok(format!("The folders are {folders}."))
}

/// Keeps something from the question to the answer.
#[tool(read_only)]
pub(crate) fn request_state() -> Result<String> {
    let questions = Questions::new().form::<Confirmation>("confirm", "Please confirm");
    let replies = questions.state("kept").ask()?;
    let confirmed = replies.form::<Confirmation>("confirm")?.accepted()?;
    match ask::state().as_deref() {
        Some(b"kept") if confirmed.ok => Ok("state-ok".to_owned()),
        _ => Err(Error::failed("What was kept is lost.")),
    }
}

/// Asks three things at once.
#[tool(read_only)]
pub(crate) fn multiple_inputs() -> Result<String> {
    let questions = Questions::new().form::<Person>("user_name", "What is your name?");
    let questions = questions.model("greeting", "Generate a greeting", 50);
    let replies = questions.roots("client_roots").state("asked").ask()?;
    let person = replies.form::<Person>("user_name")?.accepted()?;
    Ok(format!("{}, {}", person.name, replies.model("greeting")?))
}

/// Asks one thing after the other.
#[tool(read_only)]
pub(crate) fn multi_round() -> Result<String> {
    let [first, second] = STEPS;
    if ask::state().as_deref() != Some(second) {
        let questions = Questions::new().form::<Person>("step1", "Step 1: What is your name?");
        questions.state(first).ask()?;
    }
    let questions = Questions::new();
    let questions = questions.form::<Colour>("step2", "Step 2: What is your favorite color?");
    let replies = questions.state(second).ask()?;
    let colour = replies.form::<Colour>("step2")?.accepted()?;
    Ok(format!("Somebody likes {}.", colour.color))
}

// What follows is called by more than one name, each for another scenario.

/// Greets whoever sits there.
#[tool(read_only)]
pub(crate) fn streaming_elicitation() -> Result<String> {
    elicitation()
}

/// Keeps something from the question to the answer.
#[tool(read_only)]
pub(crate) fn tampered_state() -> Result<String> {
    request_state()
}

/// Asks the client's model.
#[tool(read_only)]
pub(crate) fn capabilities() -> Result<String> {
    sampling()
}

/// Asks the client's model.
#[tool(read_only)]
pub(crate) fn missing_capability() -> Result<String> {
    sampling()
}
