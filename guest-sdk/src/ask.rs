//! Asking the person behind the call, in the middle of it.
//!
//! [`form`] asks for a few values, as a type with [`Schema`] describes them.
//! As long as there is no answer, the tool ends with the question: return what
//! `?` returns. The host asks, and calls the tool again with the same arguments;
//! then [`form`] returns the answer. So a tool must do nothing before its last
//! question that must not be done twice.
//!
//! ```
//! use skillhost_sdk::prelude::*;
//! use skillhost_sdk::ask;
//!
//! /// How to call somebody
//! #[derive(Deserialize, Schema)]
//! struct Person {
//!     /// Your name
//!     name: String,
//! }
//!
//! /// Greets whoever sits there.
//! #[tool]
//! fn greet() -> Result<String> {
//!     let person: Person = ask::form("person", "What is your name?")?;
//!     Ok(format!("Hello, {}!", person.name))
//! }
//! # skillhost_sdk::export!(greet);
//!
//! use skillhost_sdk::{serde_json::json, testing::{self, Host}};
//! let asked = testing::call(&SKILL, "greet", json!({})).unwrap_err();
//! assert_eq!(asked.questions().unwrap().keys().collect::<Vec<_>>(), ["person"]);
//!
//! let host = Host::new().accepts("person", json!({"name": "Ada"}));
//! let answer = host.run(|| testing::call(&SKILL, "greet", json!({})));
//! assert_eq!(answer.unwrap().to_text(), "Hello, Ada!");
//! ```
//!
//! Several questions at once, questions to the client's model, and state that
//! travels along are [`Questions`]. A form has strings, numbers, booleans and
//! choices, and no fields within fields; a secret cannot be asked for in one:
//! that is what [`Questions::url`] is for. The host says who asks, and not every
//! client can be asked: a tool should work without, if it can.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::json::Writer;
use crate::reader::from_json;
use crate::schema::{self, Direction, Schema};
use crate::{Error, Result, host};

/// What somebody answered to a form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<T> {
    /// These values.
    Accepted(T),
    /// No.
    Declined,
    /// Nothing: the question was closed, or nobody answered in time.
    Cancelled,
}

impl<T> Reply<T> {
    /// The values; anything else is the end of the tool.
    ///
    /// # Errors
    ///
    /// `denied` with the code `declined` or `cancelled`.
    pub fn accepted(self) -> Result<T> {
        match self {
            Self::Accepted(values) => Ok(values),
            Self::Declined => {
                Err(Error::denied("The person who was asked declined.").code("declined"))
            }
            Self::Cancelled => {
                Err(Error::denied("The person who was asked gave no answer.").code("cancelled"))
            }
        }
    }
}

/// Asks for the values of a `T`: a struct of strings, numbers, booleans and
/// enums without values. The key is the question's name within this tool.
///
/// # Errors
///
/// The question itself, as long as it has no answer, and those of
/// [`Reply::accepted`].
pub fn form<T: Schema + DeserializeOwned>(key: &str, message: &str) -> Result<T> {
    reply::<T>(key, message)?.accepted()
}

/// Like [`form`], for a tool that goes on without an answer as well.
///
/// # Errors
///
/// The question itself, as long as it has no answer.
pub fn reply<T: Schema + DeserializeOwned>(key: &str, message: &str) -> Result<Reply<T>> {
    Questions::new().form::<T>(key, message).ask()?.form(key)
}

/// Asks whether to go on.
///
/// ```no_run
/// # fn delete() -> skillhost_sdk::Result<()> {
/// if skillhost_sdk::ask::confirm("sure", "Delete 12 files?")? {
///     // ...
/// }
/// # Ok(()) }
/// ```
///
/// # Errors
///
/// The question itself, as long as it has no answer.
pub fn confirm(key: &str, message: &str) -> Result<bool> {
    let schema = json!({
        "type": "object",
        "properties": {"yes": {"type": "boolean", "title": "Yes"}},
        "required": ["yes"],
    });
    let replies = Questions::new().form_of(key, message, schema).ask()?;
    Ok(match replies.form::<Confirmed>(key)? {
        Reply::Accepted(answer) => answer.yes,
        Reply::Declined | Reply::Cancelled => false,
    })
}

#[derive(Deserialize)]
struct Confirmed {
    yes: bool,
}

/// The state that an earlier round of this call handed out.
#[must_use]
pub fn state() -> Option<Vec<u8>> {
    host::input_state()
}

/// Several questions at once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Questions {
    each: BTreeMap<String, Value>,
    state: Option<Vec<u8>>,
}

impl Questions {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a form with the values of a `T`.
    #[must_use]
    pub fn form<T: Schema>(self, key: &str, message: &str) -> Self {
        let mut json = vec![0; length::<T>()];
        write::<T>(&mut Writer::new(&mut json));
        let schema = serde_json::from_slice(&json).unwrap_or_default();
        self.form_of(key, message, schema)
    }

    /// Adds a form with a schema of its own, as MCP has it for elicitation: an
    /// object of strings, numbers, booleans and choices.
    #[must_use]
    pub fn form_of(self, key: &str, message: &str, schema: Value) -> Self {
        let params = object([
            ("mode", "form".into()),
            ("message", message.into()),
            ("requestedSchema", schema),
        ]);
        self.request(key, "elicitation/create", params)
    }

    /// Sends the person to an address, for what must not pass through the
    /// client: a sign-in, a payment. The skill must be allowed to reach it.
    #[must_use]
    pub fn url(self, key: &str, message: &str, url: &str) -> Self {
        let params = json!({"mode": "url", "message": message, "url": url});
        self.request(key, "elicitation/create", params)
    }

    /// Asks the client's model, if the client lets it be asked.
    #[must_use]
    pub fn model(self, key: &str, prompt: &str, max_tokens: u32) -> Self {
        let message = json!({"role": "user", "content": {"type": "text", "text": prompt}});
        let params = json!({"messages": [message], "maxTokens": max_tokens});
        self.request(key, "sampling/createMessage", params)
    }

    /// Asks which folders the client works in.
    #[must_use]
    pub fn roots(self, key: &str) -> Self {
        self.request(key, "roots/list", json!({}))
    }

    /// Keeps something for the next round, which [`state`] returns there.
    #[must_use]
    pub fn state(mut self, state: impl Into<Vec<u8>>) -> Self {
        self.state = Some(state.into());
        self
    }

    fn request(mut self, key: &str, method: &str, params: Value) -> Self {
        let request = object([("method", method.into()), ("params", params)]);
        self.each.insert(key.to_owned(), request);
        self
    }

    /// The answers. As long as one is missing, the tool ends with the questions
    /// that have none.
    ///
    /// # Errors
    ///
    /// These questions.
    pub fn ask(mut self) -> Result<Replies> {
        let mut replies = Replies::default();
        for key in self.each.keys() {
            if let Some(answer) = host::input_response(key) {
                replies.each.insert(key.clone(), answer);
            }
        }
        self.each.retain(|key, _| !replies.each.contains_key(key));
        if self.each.is_empty() {
            return Ok(replies);
        }
        Err(Error::asking(self))
    }

    /// Ends the tool with these questions, whatever was answered before.
    #[must_use]
    pub fn again(self) -> Error {
        Error::asking(self)
    }

    /// Under which keys something is asked.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.each.keys().map(String::as_str)
    }

    /// A question as MCP has it, with `method` and `params`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.each.get(key)
    }

    /// What is kept for the next round.
    #[must_use]
    pub fn kept(&self) -> Option<&[u8]> {
        self.state.as_deref()
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn into_parts(self) -> (BTreeMap<String, Value>, Option<Vec<u8>>) {
        (self.each, self.state)
    }
}

/// What was answered, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Replies {
    each: BTreeMap<String, String>,
}

/// What an answer to a form looks like.
#[derive(Deserialize)]
struct Elicited {
    action: String,
    #[serde(default)]
    content: Value,
}

impl Replies {
    /// The answer to a form.
    ///
    /// # Errors
    ///
    /// `failed` with the code `no-answer` for a key under which nothing was
    /// asked, or an answer that is no `T`.
    pub fn form<T: DeserializeOwned>(&self, key: &str) -> Result<Reply<T>> {
        let answer: Elicited = self.json(key)?;
        match answer.action.as_str() {
            "accept" => from_json(answer.content.to_string().as_bytes())
                .map(Reply::Accepted)
                .map_err(|mismatch| no_answer(key, &mismatch.to_string())),
            "decline" => Ok(Reply::Declined),
            _ => Ok(Reply::Cancelled),
        }
    }

    /// Whether somebody went to an address: that, and not what came of it.
    ///
    /// # Errors
    ///
    /// As [`form`](Self::form).
    pub fn url(&self, key: &str) -> Result<Reply<()>> {
        let answer: Elicited = self.json(key)?;
        Ok(match answer.action.as_str() {
            "accept" => Reply::Accepted(()),
            "decline" => Reply::Declined,
            _ => Reply::Cancelled,
        })
    }

    /// What the client's model said.
    ///
    /// # Errors
    ///
    /// As [`form`](Self::form).
    pub fn model(&self, key: &str) -> Result<String> {
        let answer: Value = self.json(key)?;
        let text = answer
            .pointer("/content/text")
            .or_else(|| answer.pointer("/content/0/text"));
        match text.and_then(Value::as_str) {
            Some(text) => Ok(text.to_owned()),
            None => Err(no_answer(key, "it holds no text")),
        }
    }

    /// Any answer as the client gave it, for example `{"roots": [...]}`.
    ///
    /// # Errors
    ///
    /// As [`form`](Self::form).
    pub fn json<T: DeserializeOwned>(&self, key: &str) -> Result<T> {
        let Some(answer) = self.each.get(key) else {
            return Err(no_answer(key, "nothing was asked under that key"));
        };
        from_json(answer.as_bytes()).map_err(|mismatch| no_answer(key, &mismatch.to_string()))
    }
}

fn no_answer(key: &str, why: &str) -> Error {
    Error::failed(format!("There is no usable answer to {key:?}: {why}.")).code("no-answer")
}

fn length<T: Schema>() -> usize {
    let mut writer = Writer::new(&mut []);
    write::<T>(&mut writer);
    writer.length()
}

fn write<T: Schema>(writer: &mut Writer<'_>) {
    schema::schema(writer, &T::NODE, Direction::Input);
}
fn object<const N: usize>(fields: [(&str, Value); N]) -> Value {
    let fields = fields.into_iter();
    Value::Object(
        fields
            .map(|(name, value)| (name.to_owned(), value))
            .collect(),
    )
}
