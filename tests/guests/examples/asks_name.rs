//! Asks before it answers: well, in several rounds, and in ways that are not
//! allowed.

use skillhost_sdk::ask::{self, Questions, Reply};
use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::{Value, json};
use skillhost_sdk::state;

/// How to call somebody
#[derive(Deserialize, Schema)]
struct Person {
    /// Your name
    #[schema(min_length = 1, max_length = 40)]
    name: String,
    /// How often to greet
    #[schema(maximum = 3)]
    times: Option<u8>,
}

/// Greets whoever answers.
#[tool]
fn greet(greeting: Option<String>) -> Result<String> {
    let person = match ask::reply::<Person>("person", "What is your name?")? {
        Reply::Accepted(person) => person,
        Reply::Declined => return Ok("Hello, stranger!".to_owned()),
        Reply::Cancelled => return Ok("Is there anybody?".to_owned()),
    };
    let greeting = greeting.unwrap_or_else(|| "Hello".to_owned());
    let times = usize::from(person.times.unwrap_or(1));
    Ok(vec![format!("{greeting}, {}!", person.name); times].join(" "))
}

/// Asks twice, one thing after the other, and counts its rounds.
#[tool]
fn twice() -> Result<String> {
    let rounds = ask::state().map_or(0, |state| state.len());
    let next = vec![b'x'; rounds + 1];
    let first = Questions::new()
        .form_of("first", "First?", yes())
        .state(next.clone());
    let first: Value = first.ask()?.json("first")?;
    let second = Questions::new()
        .form_of("second", "Second?", yes())
        .state(next);
    let second: Value = second.ask()?.json("second")?;
    Ok(format!("{first} {second} after {rounds}"))
}

/// Asks without end.
#[tool]
fn endless() -> Result<String> {
    Err(Questions::new().form_of("more", "More?", yes()).again())
}

/// Asks the person, the model and the client.
#[tool]
fn everybody() -> Result<String> {
    let questions = Questions::new()
        .form_of("person", "Go on?", yes())
        .model("model", "What is the capital of France?", 100)
        .roots("roots");
    let replies = questions.ask()?;
    let roots: Value = replies.json("roots")?;
    Ok(format!("{} {roots}", replies.model("model")?))
}

/// Asks with a message and a schema of the caller's choice.
#[tool]
fn anything(message: String, schema: String) -> Result<String> {
    let schema = skillhost_sdk::serde_json::from_str(&schema)?;
    let replies = Questions::new().form_of("any", &message, schema).ask()?;
    Ok(replies.json::<Value>("any")?.to_string())
}

/// Sends somebody to an address.
#[tool]
fn visit(url: String) -> Result<String> {
    let replies = Questions::new()
        .url("visit", "Sign in there.", &url)
        .ask()?;
    Ok(format!("{:?}", replies.url("visit")?))
}

/// Keeps more than it may, or asks too much at once.
#[tool]
fn too_much(questions: usize, state: usize) -> Result<String> {
    let mut asked = Questions::new().state(vec![b'x'; state]);
    for number in 0..questions {
        asked = asked.form_of(&format!("q{number}"), "Go on?", yes());
    }
    Err(asked.again())
}

/// Keeps a word, which makes no difference the second time.
#[tool(idempotent)]
fn keep(word: String) -> Result<String> {
    state::set("word", word.as_bytes())?;
    Ok(format!("kept {word}"))
}

/// Keeps one word more each time.
#[tool]
fn keep_more() -> Result<String> {
    state::set("words", b"more")?;
    Ok("kept".to_owned())
}

/// Greets whoever answers, but asks only after a while.
#[tool]
fn later() -> Result<String> {
    std::thread::sleep(std::time::Duration::from_secs(1));
    greet(None)
}

fn yes() -> Value {
    json!({"type": "object", "properties": {"yes": {"type": "boolean"}}})
}

skillhost_sdk::export!(
    greet, twice, endless, everybody, anything, visit, too_much, keep, keep_more, later
);
