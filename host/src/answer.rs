//! What the caller of a tool may see.

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};
use serde_json::{Value, json};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::error::{Error, Kind, Result};
use crate::event::Usage;
use crate::invocation::parse_answer;
use crate::manifest::text::one_line;
use crate::policy::capability::Capability;
use crate::question::Questions;
use crate::sandbox::bindings::skillhost::skill::types as wit;
use crate::time::millis;

/// The longest message of a skill that is passed on, in characters.
const MAX_MESSAGE: usize = 2000;

/// One block of an answer, as in MCP's `content`.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Text for the model.
    Text(String),
    /// An image and its media type.
    Image(Vec<u8>, String),
    /// A sound and its media type.
    Audio(Vec<u8>, String),
    /// A document that travels with the answer.
    Embedded {
        /// Its address.
        uri: String,
        /// Its media type.
        mime_type: Option<String>,
        /// Its contents.
        body: Body,
    },
    /// The address of a document.
    Link {
        /// Its address.
        uri: String,
        /// Short name to show.
        name: String,
        /// What it is.
        description: Option<String>,
        /// Its media type.
        mime_type: Option<String>,
    },
}

/// The contents of an embedded document.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Text.
    Text(String),
    /// Anything else.
    Bytes(Vec<u8>),
}

/// What a tool returned.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Output {
    /// What the model reads.
    pub content: Vec<Content>,
    /// Fits the tool's output schema.
    pub structured: Option<Value>,
}

/// Which skill answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkillInfo {
    /// Its name.
    pub name: Arc<str>,
    /// Its version.
    pub version: Arc<str>,
    /// Of the component that ran.
    pub digest: Arc<str>,
    /// Whose signatures hold.
    pub signers: Arc<[Arc<str>]>,
}

/// What a skill wrote for its operator, not for the caller.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Diagnostics {
    /// Lines of its log, standard output and standard error.
    pub lines: Vec<String>,
}

/// One attempt of a call that was tried more than once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    /// What was tried, as `skill/tool`.
    pub tool: String,
    /// Which failure; none if it answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<Kind>,
    /// What came next: `done`, `retry`, `fallback` or `give-up`.
    pub next: &'static str,
    /// Why.
    pub reason: String,
    /// Milliseconds until the next attempt.
    pub wait_ms: u64,
}

/// The one answer to one call.
#[derive(Debug)]
pub struct Answer {
    /// Which call: 32 hexadecimal digits.
    pub invocation: String,
    /// What came of it.
    pub outcome: Result<Output>,
    /// What it took.
    pub usage: Usage,
    /// Who answered, if it came that far.
    pub skill: Option<Arc<SkillInfo>>,
    /// For the operator.
    pub diagnostics: Diagnostics,
    /// What was tried, in order; empty if the first attempt decided the call.
    pub attempts: Vec<Attempt>,
    /// How long ago this was answered, if it is an earlier answer to the same
    /// arguments.
    pub stale: Option<Duration>,
    /// What would let it go on, if it ended without an answer.
    pub wants: Wants,
}

/// What would let a call go on that ended without an answer.
#[derive(Debug, Clone, Default)]
pub struct Wants {
    /// What the skill asks.
    pub questions: Option<Questions>,
    /// What it was refused and a human could allow.
    pub rights: Vec<Capability>,
}

impl Answer {
    /// What the tool asks for before it answers; the outcome is then what a
    /// caller is told that cannot be asked. The same call with
    /// [`Earlier::answered`](crate::question::Earlier::answered) goes on.
    #[must_use]
    pub const fn questions(&self) -> Option<&Questions> {
        self.wants.questions.as_ref()
    }
}

impl Serialize for Answer {
    /// The object that `skillhost run --json` prints.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.outcome {
            Ok(output) => {
                map.serialize_entry("outcome", "ok")?;
                map.serialize_entry("content", &output.content)?;
                map.serialize_entry("structured", &output.structured)?;
            }
            Err(error) => serialize_error(&mut map, error)?,
        }
        map.serialize_entry("usage", &self.usage)?;
        map.serialize_entry("invocation", &self.invocation)?;
        map.serialize_entry("skill", &self.skill)?;
        if !self.attempts.is_empty() {
            map.serialize_entry("attempts", &self.attempts)?;
        }
        if let Some(age) = self.stale {
            map.serialize_entry("stale_ms", &millis(age))?;
        }
        map.end()
    }
}

/// The fields of a failure in `--json` output.
pub(crate) fn serialize_error<M: SerializeMap>(map: &mut M, error: &Error) -> Result<(), M::Error> {
    map.serialize_entry("outcome", "error")?;
    map.serialize_entry("kind", &error.kind())?;
    map.serialize_entry("message", error.message())?;
    map.serialize_entry("hint", &error.hint())?;
    if let Some(again) = error.again() {
        map.serialize_entry("again", again.sentence())?;
    }
    match error.retry_after() {
        Some(after) => map.serialize_entry("retry_after_ms", &millis(after)),
        None => Ok(()),
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let blob = |kind: &str, data: &[u8], mime_type: &str| json!({"type": kind, "data": STANDARD.encode(data), "mimeType": mime_type});
        let mut value = match self {
            Self::Text(text) => json!({"type": "text", "text": text}),
            Self::Image(data, mime_type) => blob("image", data, mime_type),
            Self::Audio(data, mime_type) => blob("audio", data, mime_type),
            Self::Embedded {
                uri,
                mime_type,
                body,
            } => {
                let mut resource = json!({"uri": uri, "mimeType": mime_type});
                match body {
                    Body::Text(text) => insert(&mut resource, "text", text.as_str().into()),
                    Body::Bytes(bytes) => {
                        insert(&mut resource, "blob", STANDARD.encode(bytes).into())
                    }
                }
                json!({"type": "resource", "resource": resource})
            }
            Self::Link {
                uri,
                name,
                description,
                mime_type,
            } => json!({
                "type": "resource_link", "uri": uri, "name": name,
                "description": description, "mimeType": mime_type,
            }),
        };
        drop_nulls(&mut value);
        value.serialize(serializer)
    }
}

fn insert(object: &mut Value, key: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value);
    }
}

fn drop_nulls(value: &mut Value) {
    if let Some(object) = value.as_object_mut() {
        object.retain(|_, value| !value.is_null());
        object.values_mut().for_each(drop_nulls);
    }
}

impl Output {
    /// What the guest returned, if it is within `limit` bytes and its
    /// structured part is JSON.
    ///
    /// # Errors
    ///
    /// `OutputLimit` or `InvalidOutput`.
    pub(crate) fn from_guest(output: wit::Output, limit: u64) -> Result<Self> {
        let size = size_of(&output);
        if size > limit {
            return Err(Error::new(
                Kind::OutputLimit,
                format!("The skill's answer is {size} bytes; at most {limit} are allowed."),
            )
            .with_hint("Ask for less at a time, for example with a limit or a narrower search."));
        }
        let structured = output.structured.as_deref().map(parse_answer).transpose()?;
        Ok(Self {
            content: output
                .content
                .into_iter()
                .map(Content::from_guest)
                .collect(),
            structured,
        })
    }
}

impl Content {
    fn from_guest(content: wit::Content) -> Self {
        match content {
            wit::Content::Text(text) => Self::Text(text),
            wit::Content::Image(blob) => Self::Image(blob.data, blob.mime_type),
            wit::Content::Audio(blob) => Self::Audio(blob.data, blob.mime_type),
            wit::Content::Embedded(resource) => Self::Embedded {
                uri: resource.uri,
                mime_type: resource.mime_type,
                body: match resource.body {
                    wit::ResourceBody::Text(text) => Body::Text(text),
                    wit::ResourceBody::Bytes(bytes) => Body::Bytes(bytes),
                },
            },
            wit::Content::Link(link) => Self::Link {
                uri: link.uri,
                name: link.name,
                description: link.description,
                mime_type: link.mime_type,
            },
        }
    }
}

/// Bytes of an answer.
pub(crate) fn size_of(output: &wit::Output) -> u64 {
    let structured = output.structured.as_ref().map_or(0, String::len);
    (output.content.iter().map(size).sum::<usize>() + structured) as u64
}

fn size(content: &wit::Content) -> usize {
    let optional = |text: &Option<String>| text.as_ref().map_or(0, String::len);
    match content {
        wit::Content::Text(text) => text.len(),
        wit::Content::Image(blob) | wit::Content::Audio(blob) => {
            blob.data.len() + blob.mime_type.len()
        }
        wit::Content::Embedded(resource) => {
            let body = match &resource.body {
                wit::ResourceBody::Text(text) => text.len(),
                wit::ResourceBody::Bytes(bytes) => bytes.len(),
            };
            body + resource.uri.len() + optional(&resource.mime_type)
        }
        wit::Content::Link(link) => {
            link.uri.len()
                + link.name.len()
                + optional(&link.description)
                + optional(&link.mime_type)
        }
    }
}

/// Changes what people read of a skill's own error, before it is cut to size.
pub(crate) fn texts_of(error: &mut wit::Error, mut change: impl FnMut(&mut String)) {
    let (message, code) = match error {
        wit::Error::InvalidArguments(problem)
        | wit::Error::Denied(problem)
        | wit::Error::NotFound(problem)
        | wit::Error::Failed(problem) => (&mut problem.message, &mut problem.code),
        wit::Error::Unavailable(transient) => (&mut transient.message, &mut transient.code),
        wit::Error::Cancelled => return,
    };
    change(message);
    code.iter_mut().for_each(change);
}

/// What the skill itself says went wrong, in the caller's terms.
pub(crate) fn guest_error(error: wit::Error) -> Error {
    let told = |kind, problem: wit::Problem, hint: &str| {
        Error::new(kind, one_line(&problem.message, MAX_MESSAGE))
            .with_hint(hint)
            .with_internal(problem.code.unwrap_or_default())
    };
    match error {
        wit::Error::InvalidArguments(problem) => told(
            Kind::InvalidInput,
            problem,
            "Correct the arguments and call again.",
        ),
        wit::Error::Denied(problem) => told(Kind::Denied, problem, "The operator has to grant it."),
        wit::Error::NotFound(problem) => told(
            Kind::GuestFailed,
            problem,
            "What was asked for does not exist; ask for something else.",
        ),
        wit::Error::Failed(problem) => told(
            Kind::GuestFailed,
            problem,
            "The same call would fail again.",
        ),
        wit::Error::Unavailable(transient) => {
            let hint = match transient.retry_after_ms {
                Some(after) => format!("Try again in {} seconds.", after.div_ceil(1000)),
                None => "Try again later.".to_owned(),
            };
            let error = Error::new(Kind::GuestFailed, one_line(&transient.message, MAX_MESSAGE))
                .with_hint(hint)
                .with_internal(transient.code.unwrap_or_default());
            match transient.retry_after_ms {
                Some(after) => error.with_retry_after(Duration::from_millis(after)),
                None => error,
            }
        }
        wit::Error::Cancelled => Error::new(
            Kind::Cancelled,
            "The skill stopped because it was cancelled.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(text: &str, structured: Option<&str>) -> wit::Output {
        wit::Output {
            content: vec![wit::Content::Text(text.to_owned())],
            structured: structured.map(str::to_owned),
        }
    }

    #[test]
    fn an_answer_over_the_limit_or_with_broken_json_is_an_error() {
        let kind = |output, limit| Output::from_guest(output, limit).map_err(|error| error.kind());
        assert_eq!(kind(output("12345", Some("{}")), 6), Err(Kind::OutputLimit));
        assert_eq!(kind(output("", Some("{")), 100), Err(Kind::InvalidOutput));
        assert_eq!(
            kind(output("", Some("{\"a\":1,\"a\":2}")), 100),
            Err(Kind::InvalidOutput)
        );
        assert_eq!(
            kind(output("12345", Some("{}")), 7).unwrap().structured,
            Some(json!({}))
        );
    }

    #[test]
    fn a_message_of_a_skill_stays_on_one_line() {
        let problem = wit::Problem {
            message: "a\nb\u{1b}[2J".to_owned(),
            code: None,
            details: None,
        };
        let error = guest_error(wit::Error::Failed(problem));
        assert_eq!(error.message(), "a\\nb\\u{1b}[2J");
        assert_eq!(error.kind(), Kind::GuestFailed);
    }

    #[test]
    fn content_is_written_as_mcp_has_it() {
        let link = Content::Link {
            uri: "u".into(),
            name: "n".into(),
            description: None,
            mime_type: None,
        };
        assert_eq!(
            serde_json::to_value(link).unwrap(),
            json!({"type": "resource_link", "uri": "u", "name": "n"})
        );
        let image = Content::Image(vec![1, 2, 3], "image/png".into());
        assert_eq!(
            serde_json::to_value(image).unwrap(),
            json!({"type": "image", "data": "AQID", "mimeType": "image/png"})
        );
    }
}
