//! What a skill asks of the human behind a call, and what it is told.
//!
//! The words are the skill's, so they are made harmless before anybody reads
//! them: the host says who asks, nothing hidden or steering is shown, a form is
//! as flat as MCP has it, and none asks for a secret. An address that a human is
//! sent to is one that the skill was granted: a browser reaches out as well.

pub(crate) mod form;
pub(crate) mod seal;
mod url;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::error::{Error, Kind, Result};
use crate::invocation::parse_answer;
use crate::manifest::text::one_line;
use crate::policy::Grant;
use crate::policy::capability::Capability;
use crate::sandbox::bindings::skillhost::skill::types as wit;

/// How often one call may ask before it has to answer.
pub const MAX_ROUNDS: u8 = 8;

/// The most questions of one round.
pub const MAX_QUESTIONS: usize = 8;

/// The most bytes of the questions of one round.
const MAX_ASKED: usize = 32 * 1024;

/// The most bytes that a skill keeps from one round to the next.
const MAX_STATE: usize = 32 * 1024;

/// The most bytes of all answers of a call.
pub(crate) const MAX_ANSWERED: usize = 64 * 1024;

/// The longest message to a human, in characters.
const MAX_MESSAGE: usize = 1000;

/// The most tokens that a client's model may be asked for.
const MAX_TOKENS: u64 = 4096;

/// One question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Question {
    /// A few values.
    Form {
        /// What is asked, on one line, without who asks.
        message: String,
        /// The values, as MCP has them for elicitation.
        schema: Value,
    },
    /// A visit to an address.
    Url {
        /// Why, on one line, without who asks.
        message: String,
        /// Where to.
        url: String,
    },
    /// A text for the client's model, as MCP has it for sampling.
    Model {
        /// The parameters of the request.
        params: Value,
    },
    /// Which folders the client works in.
    Roots {},
}

/// What a skill asks before it answers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Questions {
    /// By the skill's own keys.
    pub each: BTreeMap<String, Question>,
    /// What it keeps for its next round.
    pub state: Option<Vec<u8>>,
}

/// What earlier rounds of a call brought. The default is a first round.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Earlier {
    /// How often was asked.
    pub round: u8,
    /// What was answered, by the skill's keys.
    pub answers: BTreeMap<String, Value>,
    /// What the skill kept.
    pub state: Option<Vec<u8>>,
    /// What a human allows for this call only.
    pub once: Vec<Capability>,
}

impl Earlier {
    /// Whether it is a first round.
    #[must_use]
    pub const fn is_first(&self) -> bool {
        self.round == 0
    }

    /// The next round, after these replies to those questions. What is no answer
    /// to its question counts for none, and an earlier answer to what is asked
    /// again no longer counts.
    #[must_use]
    pub fn answered(&self, asked: &Questions, replies: &BTreeMap<String, Value>) -> Self {
        let mut next = self.clone();
        next.round = next.round.saturating_add(1);
        next.state.clone_from(&asked.state);
        for key in asked.each.keys() {
            next.answers.remove(key);
        }
        for (key, question) in &asked.each {
            let reply = replies.get(key).and_then(|reply| question.reply(reply));
            if let Some(reply) = reply.filter(|reply| next.has_room(reply)) {
                next.answers.insert(key.clone(), reply);
            }
        }
        next
    }

    fn has_room(&self, reply: &Value) -> bool {
        let sizes = self.answers.values().chain([reply]);
        let size: usize = sizes.map(|value| value.to_string().len()).sum();
        size <= MAX_ANSWERED
    }
}

impl Questions {
    /// What the guest asks, if that may be asked.
    ///
    /// # Errors
    ///
    /// `InvalidOutput`, or `OutputLimit` if it is too much.
    pub(crate) fn from_guest(request: wit::InputRequest) -> Result<Self> {
        let wit::InputRequest { requests, state } = request;
        if requests.is_empty() {
            return Err(wrong("", "it asks nothing"));
        }
        let asked: usize = requests
            .iter()
            .map(|(key, json)| key.len() + json.len())
            .sum();
        let kept = state.as_ref().map_or(0, Vec::len);
        if requests.len() > MAX_QUESTIONS || asked > MAX_ASKED || kept > MAX_STATE {
            return Err(too_much());
        }
        let mut each = BTreeMap::new();
        for (key, json) in requests {
            if !is_key(&key) {
                return Err(wrong(
                    &key,
                    "a key is 1 to 64 of letters, digits, `-`, `_` and `.`",
                ));
            }
            let request = parse_answer(&json)?;
            let question = Question::of(&request).map_err(|why| wrong(&key, &why))?;
            if each.insert(key.clone(), question).is_some() {
                return Err(wrong(&key, "two questions have this key"));
            }
        }
        Ok(Self { each, state })
    }

    /// Refuses to send a human to where the skill itself may not go.
    ///
    /// # Errors
    ///
    /// `Denied` with the grant that would help.
    pub(crate) fn check_addresses(&self, skill: &str, grant: &Grant) -> Result<()> {
        self.each.values().try_for_each(|question| match question {
            Question::Url { url, .. } => url::check(url, skill, grant),
            _ => Ok(()),
        })
    }

    /// What a caller is told who cannot be asked.
    pub(crate) fn unanswered(&self) -> Error {
        let keys: Vec<&str> = self.each.keys().map(String::as_str).collect();
        let keys = keys.join(", ");
        Error::new(
            Kind::GuestFailed,
            format!("The tool asks for more input ({keys}), and nobody can be asked here."),
        )
        .with_hint("Call it with arguments that leave nothing to ask.")
    }
}

impl Question {
    /// Reads an MCP request as a guest writes it.
    fn of(request: &Value) -> Result<Self, String> {
        let params = request.get("params").unwrap_or(&Value::Null);
        match request.get("method").and_then(Value::as_str) {
            Some("elicitation/create") => Self::elicitation(params),
            Some("sampling/createMessage") => Ok(Self::Model { params: model(params)? }),
            Some("roots/list") => Ok(Self::Roots {}),
            _ => Err("its method is none of `elicitation/create`, `sampling/createMessage` and `roots/list`".to_owned()),
        }
    }

    fn elicitation(params: &Value) -> Result<Self, String> {
        let text = |name: &str| params.get(name).and_then(Value::as_str);
        let message = shown(text("message").unwrap_or_default(), MAX_MESSAGE)?;
        if message.trim().is_empty() {
            return Err("it has no message".to_owned());
        }
        match text("mode").unwrap_or("form") {
            "form" => {
                let schema = params.get("requestedSchema").unwrap_or(&Value::Null);
                let schema = form::schema(&message, schema)?;
                Ok(Self::Form { message, schema })
            }
            "url" => Ok(Self::Url {
                message,
                url: url::read(text("url").unwrap_or_default())?,
            }),
            _ => Err("its mode is neither `form` nor `url`".to_owned()),
        }
    }

    /// The request as MCP has it; `who` asks, and what the host itself asks says
    /// so.
    #[must_use]
    pub fn request(&self, who: &str) -> Value {
        match self {
            Self::Form { message, schema } => json!({
                "method": "elicitation/create",
                "params": {"mode": "form", "message": format!("{who}{message}"), "requestedSchema": schema},
            }),
            Self::Url { message, url } => json!({
                "method": "elicitation/create",
                "params": {"mode": "url", "message": format!("{who}{message}"), "url": url},
            }),
            Self::Model { params } => json!({"method": "sampling/createMessage", "params": params}),
            Self::Roots {} => json!({"method": "roots/list"}),
        }
    }

    /// A client's result for this question, without what does not belong there;
    /// none if it is no answer.
    fn reply(&self, result: &Value) -> Option<Value> {
        match self {
            Self::Form { schema, .. } => form::reply(schema, result),
            Self::Url { .. } => form::action(result).map(|action| json!({"action": action})),
            Self::Model { .. } => {
                let content = result
                    .get("content")
                    .filter(|it| it.is_object() || it.is_array())?;
                let role = result.get("role").and_then(Value::as_str)?;
                Some(json!({"role": role, "content": content, "model": result.get("model")}))
            }
            Self::Roots {} => {
                let roots = result.get("roots").filter(|it| it.is_array())?;
                Some(json!({"roots": roots}))
            }
        }
    }
}

/// Texts for a model, and nothing of the conversation that the client has.
fn model(params: &Value) -> Result<Value, String> {
    let messages = params.get("messages").and_then(Value::as_array);
    let messages = messages.filter(|messages| (1..=16).contains(&messages.len()));
    let texts = messages.into_iter().flatten().map(|message| {
        let role = message.get("role").and_then(Value::as_str);
        let role = role.filter(|role| matches!(*role, "user" | "assistant"))?;
        let is_text = message.pointer("/content/type").and_then(Value::as_str) == Some("text");
        let text = message.pointer("/content/text").and_then(Value::as_str);
        let text = text.filter(|_| is_text)?;
        Some(json!({"role": role, "content": {"type": "text", "text": text}}))
    });
    let texts: Option<Vec<Value>> = texts.collect();
    let texts = texts.filter(|texts| !texts.is_empty());
    let texts = texts.ok_or("a model is asked with 1 to 16 messages of text")?;
    let tokens = params.get("maxTokens").and_then(Value::as_u64);
    let tokens = tokens.filter(|tokens| (1..=MAX_TOKENS).contains(tokens));
    let tokens = tokens.ok_or_else(|| format!("`maxTokens` is 1 to {MAX_TOKENS}"))?;
    let mut read = json!({"messages": texts, "maxTokens": tokens});
    let system = params.get("systemPrompt").and_then(Value::as_str);
    if let (Some(system), Some(object)) = (system, read.as_object_mut()) {
        object.insert("systemPrompt".to_owned(), system.into());
    }
    Ok(read)
}

/// A skill's text on one line, in which nothing is hidden and nothing steers.
/// What is too long is not cut: the end may be what matters.
fn shown(text: &str, most: usize) -> Result<String, String> {
    if text.chars().count() > most {
        return Err(format!("a text of it has more than {most} characters"));
    }
    let line = text.split(['\n', '\r', '\t']).collect::<Vec<_>>().join(" ");
    Ok(one_line(&line, most))
}

/// Keys of a skill; those of the host have a `/`.
fn is_key(key: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=64).contains(&key.len()) && key.bytes().all(plain)
}

fn wrong(key: &str, why: &str) -> Error {
    let key = one_line(key, 80);
    Error::new(
        Kind::InvalidOutput,
        format!("The skill asks for input in a form that is not allowed (`{key}`): {why}."),
    )
    .with_hint("This is a defect of the skill; tell its author.")
}

fn too_much() -> Error {
    Error::new(
        Kind::OutputLimit,
        format!(
            "The skill asks for more than a host passes on: at most {MAX_QUESTIONS} questions of {MAX_ASKED} bytes, and {MAX_STATE} bytes of state."
        ),
    )
    .with_hint("This is a defect of the skill; tell its author.")
}

#[cfg(test)]
mod tests;
