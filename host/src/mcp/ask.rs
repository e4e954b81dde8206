//! Putting questions to the human behind a client.
//!
//! In the revision of 2026-07-28 a result says what is asked, and the client
//! calls again with the answers and the state that came with them. Before, the
//! server sends a request of its own and waits; over HTTP, where each request is
//! served for itself, nobody can be asked in that way.
//!
//! Answers are taken from that field of the protocol alone, and only with a
//! state that this host sealed: what a model writes into arguments is none.

use std::collections::BTreeMap;
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, ClientCapabilities, ErrorData, InputRequest,
    InputRequests, InputRequiredResult, ProtocolVersion, ServerRequest,
};
use rmcp::service::{Peer, PeerRequestOptions, RequestContext, RoleServer};
use serde_json::{Value, json};

use super::result;
use crate::answer::Answer;
use crate::error::{Error, Kind, Result};
use crate::host::{Host, Human, Next};
use crate::invocation::{Invocation, InvocationId, Principal};
use crate::question::{Question, Questions};

/// What came of a request.
pub(super) enum Came {
    /// An answer.
    Answer(Box<Answer>),
    /// What the client has to do first, or why it cannot be done.
    Other(Box<CallToolResponse>),
}

/// What a request says about rounds before it, and how its client can be asked.
pub(super) struct Round {
    state: Option<String>,
    responses: BTreeMap<String, Value>,
    client: Client,
    way: Way,
}

/// How a client is asked.
enum Way {
    /// By the result.
    Result,
    /// By a request, while the call waits.
    Request(Box<Peer<RoleServer>>),
    /// Not at all.
    None,
}

/// What a client says that it can ask its human.
#[derive(Clone)]
struct Client(ClientCapabilities);

impl Round {
    pub(super) fn of(
        request: &mut CallToolRequestParams,
        context: &RequestContext<RoleServer>,
        principal: &Principal,
    ) -> Self {
        let version = context.protocol_version();
        let way = match version.is_some_and(|it| it >= ProtocolVersion::V_2026_07_28) {
            true => Way::Result,
            false if *principal == Principal::Stdio => Way::Request(Box::new(context.peer.clone())),
            false => Way::None,
        };
        Self {
            state: request.request_state.take(),
            responses: request.input_responses.take().unwrap_or_default(),
            client: Client(context.client_capabilities().unwrap_or_default()),
            way,
        }
    }

    /// Whether the client knows tasks. Only where results ask can the host ask in
    /// its place what a task needs.
    pub(super) fn takes_tasks(&self) -> bool {
        let Client(client) = &self.client;
        matches!(self.way, Way::Result) && client.supports_tasks()
    }

    /// A round of the same client that goes on from that state with those answers.
    /// It is asked by the result.
    pub(super) fn after(&self, state: Option<String>, responses: BTreeMap<String, Value>) -> Self {
        Self {
            state,
            responses,
            client: self.client.clone(),
            way: Way::Result,
        }
    }

    /// Makes the call, or goes on with it.
    ///
    /// # Errors
    ///
    /// `-32602` for a state that was not given for this call; `-32021` if the
    /// client cannot ask what the tool needs.
    pub(super) async fn call(self, host: &Host, call: Invocation) -> Result<Came, ErrorData> {
        let Self {
            state,
            responses,
            client,
            way,
        } = self;
        if let Way::Request(peer) = way {
            let human = ByRequest {
                client,
                peer,
                wait: host.patience(),
            };
            return Ok(Came::Answer(Box::new(host.converse(call, &human).await)));
        }
        // Answers without a state are nobody's: the tool asks again.
        let resumed = match state {
            Some(sealed) => resume(host, &call, &sealed, &responses),
            None => Ok(call),
        };
        let call = match resumed {
            Ok(call) => call,
            Err(error) if error.kind() == Kind::InvalidRequest => return Err(invalid(&error)),
            Err(error) => return Ok(Came::Other(Box::new(result::failure(&error).into()))),
        };
        let answer = Box::new(host.invoke(call.clone()).await);
        if matches!(way, Way::None) {
            return Ok(Came::Answer(answer));
        }
        match host.next(&call, &answer, HOW, |question| client.can(question)) {
            Ok(Next::Done) => Ok(Came::Answer(answer)),
            Ok(Next::Unable(questions)) => Err(missing(&questions)),
            Ok(Next::Ask(pending)) => {
                let requests = pending.asks.requests(call.skill.as_str());
                let asked = read(requests).and_then(|requests| {
                    let sealed = host.seals().seal(&call, *pending, host.patience())?;
                    Ok(InputRequiredResult::new(Some(requests), Some(sealed)))
                });
                let response =
                    asked.map_or_else(|error| result::failure(&error).into(), Into::into);
                Ok(Came::Other(Box::new(response)))
            }
            Err(error) => Ok(Came::Other(Box::new(result::failure(&error).into()))),
        }
    }
}

/// As events have it.
const HOW: &str = "elicitation";

fn resume(
    host: &Host,
    call: &Invocation,
    sealed: &str,
    responses: &BTreeMap<String, Value>,
) -> Result<Invocation> {
    let pending = host.seals().open(call, sealed)?;
    host.resume(call, pending, responses)
}

/// A human behind a client that is asked while the call waits.
struct ByRequest {
    client: Client,
    peer: Box<Peer<RoleServer>>,
    wait: Duration,
}

impl Human for ByRequest {
    const HOW: &'static str = HOW;

    fn can(&self, question: &Question) -> bool {
        self.client.can(question)
    }

    async fn ask(&self, requests: BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        let mut replies = BTreeMap::new();
        for (key, mut request) in requests {
            identify(&mut request);
            let reply = self.put(request).await;
            replies.insert(key, reply.unwrap_or_else(|| json!({"action": "cancel"})));
        }
        replies
    }
}

impl ByRequest {
    /// The answer; none if there is none in time.
    async fn put(&self, request: Value) -> Option<Value> {
        let request = match serde_json::from_value(request).ok()? {
            InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
            InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
            InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
            _ => return None,
        };
        let options = PeerRequestOptions::with_timeout(self.wait);
        let sent = self
            .peer
            .send_request_with_option(request, options)
            .await
            .ok()?;
        serde_json::to_value(sent.await_response().await.ok()?).ok()
    }
}

/// The revision of 2025-11-25 has an id for each visit to an address.
fn identify(request: &mut Value) {
    let params = request.get_mut("params").and_then(Value::as_object_mut);
    let visit = params.filter(|params| params.contains_key("url"));
    if let (Some(params), Ok(id)) = (visit, InvocationId::random()) {
        params.insert("elicitationId".to_owned(), id.to_string().into());
    }
}

impl Client {
    /// Without a mode, a client that can be asked takes forms (2025-11-25).
    fn can(&self, question: &Question) -> bool {
        let Self(client) = self;
        let asked = client.elicitation.as_ref();
        match question {
            Question::Form { .. } => asked.is_some_and(|it| it.form.is_some() || it.url.is_none()),
            Question::Url { .. } => asked.is_some_and(|it| it.url.is_some()),
            Question::Model { .. } => client.sampling.is_some(),
            Question::Roots {} => client.roots.is_some(),
        }
    }
}

fn read(requests: BTreeMap<String, Value>) -> Result<InputRequests> {
    let each = requests.into_iter().map(|(key, request)| {
        let request = serde_json::from_value::<InputRequest>(request).map_err(|cause| {
            Error::new(
                Kind::Internal,
                "A question cannot be written as MCP has it.",
            )
            .with_internal(cause)
        })?;
        Ok((key, request))
    });
    each.collect()
}

fn missing(questions: &Questions) -> ErrorData {
    let mut needed = json!({});
    for question in questions.each.values() {
        let (name, value) = match question {
            Question::Form { .. } => ("elicitation", json!({"form": {}})),
            Question::Url { .. } => ("elicitation", json!({"url": {}})),
            Question::Model { .. } => ("sampling", json!({})),
            Question::Roots {} => ("roots", json!({})),
        };
        if let Some(needed) = needed.as_object_mut() {
            needed.entry(name).or_insert(value);
        }
    }
    ErrorData::missing_required_client_capability(
        serde_json::from_value(needed).unwrap_or_default(),
    )
}

fn invalid(error: &Error) -> ErrorData {
    let hint = error.hint().unwrap_or_default();
    ErrorData::invalid_params(format!("{} {hint}", error.message()), None)
}
