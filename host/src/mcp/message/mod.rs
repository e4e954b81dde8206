//! One JSON-RPC message, read strictly before `rmcp` sees it.
//!
//! Left to itself `rmcp` takes the last of two equal keys, rounds what does not
//! fit its numbers, and builds several trees of everything: a request of 33 MB
//! that is all small objects makes it hold 5 GB. So both transports hand what
//! arrives to [`read`], and `rmcp` gets [`Message::text`]: the same message, in
//! which the arguments of a call stand without their lists and long strings. The
//! call itself takes the arguments that were read here, with their very text.

mod envelope;
mod malformed;
mod outline;
mod parameters;

use std::fmt::Write;
use std::sync::Arc;

use http::request::Parts;
use rmcp::model::{
    ClientJsonRpcMessage, ErrorCode, ErrorData, Extensions, JsonObject, ProtocolVersion, RequestId,
    ServerCapabilities,
};
use serde_json::Value;

use self::envelope::Envelope;
pub use self::envelope::MAX_ID;
pub(in crate::mcp) use self::envelope::beginning;
pub(in crate::mcp) use self::malformed::Fault;
pub use self::malformed::Malformed;
use self::parameters::Parameters;
use crate::invocation::Input;
use crate::manifest::text::one_line;

/// Methods of which `rmcp` knows the parameters.
const METHODS: [&str; 13] = [
    "initialize",
    "ping",
    "server/discover",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
    "resources/list",
    "resources/read",
    "resources/templates/list",
    "logging/setLevel",
    "tasks/get",
    "tasks/update",
    "tasks/cancel",
];

/// The longest part of a wrong name that is repeated, in characters.
const MAX_SHOWN: usize = 80;

/// Whether the other side may answer: only one that was asked something does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answers {
    /// Over standard input and output, where the host asks too.
    Taken,
    /// Over HTTP, where it does not.
    Refused,
}

/// A message that is what JSON-RPC and MCP say.
#[derive(Debug)]
pub struct Message {
    pub(in crate::mcp) shape: Shape,
    text: String,
    arguments: Option<Arc<Input>>,
}

/// What a message asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::mcp) enum Shape {
    /// An answer.
    Request(RequestId),
    /// Nothing.
    Notification,
    /// Nothing: it is the answer to that request of ours.
    Answer(RequestId),
}

/// Reads one message. Nothing is built of it that takes much more room than its
/// text.
///
/// A message is UTF-8 and one JSON object, with nothing before or after it, no
/// equal keys at any depth, at most 127 levels, and no field that JSON-RPC 2.0
/// does not have. Its id is a string or an integer that survives exactly. Batches
/// are refused (MCP has none since 2025-06-18). Its parameters, arguments aside,
/// hold at most 10,000 values and no number that would be rounded. Arguments are
/// read by [`Input::parse`]; beside what stands in lists they hold at most 20,000
/// values (an object counts as eight).
///
/// # Errors
///
/// [`Malformed`], which knows the answer and what the event says.
pub fn read(bytes: &[u8], answers: Answers) -> Result<Message, Malformed> {
    let text = str::from_utf8(bytes)
        .map_err(|_place| Fault::unreadable("it is not UTF-8").of(None, false))?;
    let envelope = Envelope::parse(text).map_err(|fault| fault.of(None, false))?;
    let id = envelope.id();
    let known = id.as_ref().ok().cloned().flatten();
    let is_notification = matches!(id, Ok(None)) && !envelope.is_answer();
    let read = id.and_then(|id| assemble(&envelope, id, answers));
    read.map_err(|fault| {
        let is_heard = !(is_notification && fault.is_about_parameters());
        fault.of(known, envelope.is_answer() || !is_heard)
    })
}

impl Message {
    /// The message as `rmcp` shall read it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The arguments of a call, with the very text that came.
    #[must_use]
    pub fn arguments(&self) -> Option<&Input> {
        self.arguments.as_deref()
    }

    /// Refuses what `rmcp` cannot read, for a transport where it would answer that
    /// itself, and not as JSON-RPC.
    ///
    /// # Errors
    ///
    /// [`Malformed`]: the parameters, since all else was read here.
    pub(in crate::mcp) fn check(&self) -> Result<(), Malformed> {
        let read: Result<ClientJsonRpcMessage, _> = serde_json::from_str(&self.text);
        let Err(cause) = read else {
            return Ok(());
        };
        tracing::debug!(%cause, "the parameters of a message do not fit");
        let (id, is_silent) = match &self.shape {
            Shape::Request(id) => (Some(id.clone()), false),
            Shape::Notification => (None, true),
            Shape::Answer(id) => (Some(id.clone()), true),
        };
        Err(Fault::parameters("they do not fit the method").of(id, is_silent))
    }

    /// The text for `rmcp`, and what must travel beside it, in the extensions of
    /// the request: those of `rmcp` over standard input, those of the HTTP
    /// request otherwise. [`input`] finds it there.
    pub(in crate::mcp) fn into_parts(self) -> (String, Option<Arguments>) {
        (self.text, self.arguments.map(Arguments))
    }
}

/// The arguments of a call, on their way past `rmcp`.
#[derive(Debug, Clone)]
pub(in crate::mcp) struct Arguments(Arc<Input>);

/// The arguments of a call: those that travelled beside it. What `rmcp` read of
/// them only says whether there must be some.
///
/// # Errors
///
/// `-32603` if they were lost on the way: a skill never gets an outline for the
/// whole.
pub(in crate::mcp) fn input(
    extensions: &mut Extensions,
    outline: Option<JsonObject>,
) -> Result<Input, ErrorData> {
    let own = extensions.remove::<Arguments>();
    let carried = own.or_else(|| extensions.get_mut::<Parts>()?.extensions.remove());
    match (carried, outline) {
        (Some(Arguments(input)), _) => Ok(Arc::unwrap_or_clone(input)),
        (None, Some(outline)) if !outline.is_empty() => Err(ErrorData::internal_error(
            "The host lost the arguments of this call.",
            None,
        )),
        (None, _) => Ok(Input::from_value(Value::Object(JsonObject::new()))),
    }
}

/// The error for a request that `rmcp` does not know: its parameters do not fit
/// if the method exists, and it does not otherwise.
pub(in crate::mcp) fn unknown(
    method: &str,
    served: &ServerCapabilities,
    revision: Option<ProtocolVersion>,
) -> ErrorData {
    // These went with the revision that has no handshake.
    let has_handshake = revision.is_none_or(|it| it < ProtocolVersion::V_2026_07_28);
    let exists = match method.split_once('/').map_or(method, |(group, _)| group) {
        "initialize" | "ping" => has_handshake && METHODS.contains(&method),
        "server" | "subscriptions" => METHODS.contains(&method),
        "logging" => has_handshake && served.logging.is_some() && METHODS.contains(&method),
        "tools" => served.tools.is_some() && METHODS.contains(&method),
        "tasks" => served.supports_tasks() && METHODS.contains(&method),
        "resources" => served.resources.is_some() && METHODS.contains(&method),
        _ => false,
    };
    if exists {
        let told = format!("The parameters do not fit `{method}`.");
        return ErrorData::invalid_params(told, None);
    }
    let shown = one_line(method, MAX_SHOWN);
    let told = format!("There is no method `{shown}`.");
    ErrorData::new(ErrorCode::METHOD_NOT_FOUND, told, None)
}

fn assemble(
    envelope: &Envelope<'_>,
    id: Option<RequestId>,
    answers: Answers,
) -> Result<Message, Fault> {
    envelope.check()?;
    match envelope.method()? {
        Some(method) => request(envelope, id, &method),
        None => answer(envelope, id, answers),
    }
}

fn request(envelope: &Envelope<'_>, id: Option<RequestId>, method: &str) -> Result<Message, Fault> {
    let parameters = Parameters::read(envelope.params, method)?;
    let mut text = head(id.as_ref());
    // Writing to a string does not fail.
    let _ = write!(text, r#","method":{}"#, quoted(method));
    if let Some(params) = &parameters.text {
        let _ = write!(text, r#","params":{params}"#);
    }
    text.push('}');
    Ok(Message {
        shape: id.map_or(Shape::Notification, Shape::Request),
        text,
        arguments: parameters.arguments.map(Arc::new),
    })
}

fn answer(
    envelope: &Envelope<'_>,
    id: Option<RequestId>,
    answers: Answers,
) -> Result<Message, Fault> {
    let (name, body) = envelope.answer()?;
    if answers == Answers::Refused {
        return Err(Fault::invalid("nothing was asked that this could answer"));
    }
    let id = id.ok_or_else(|| Fault::invalid("an answer has an id"))?;
    parameters::check(body)?;
    let mut text = head(Some(&id));
    let _ = write!(text, r#","{name}":{}}}"#, body.get());
    Ok(Message {
        shape: Shape::Answer(id),
        text,
        arguments: None,
    })
}

fn head(id: Option<&RequestId>) -> String {
    let mut text = r#"{"jsonrpc":"2.0""#.to_owned();
    let _ = match id {
        None => Ok(()),
        Some(RequestId::Number(number)) => write!(text, r#","id":{number}"#),
        Some(RequestId::String(string)) => write!(text, r#","id":{}"#, quoted(string)),
    };
    text
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
