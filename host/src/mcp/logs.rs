//! What skills log, told to clients that may hear it: those of a skill whose
//! operator says `log-to-client`, each of its own calls.
//!
//! A client of 2025-11-25 hears what is [`Level::Info`] and more, or what it chose
//! with `logging/setLevel`: for its connection, over standard input and output. Over
//! HTTP there is none, so what it chose holds for nothing. A client of 2026-07-28
//! hears nothing unless the request itself says from which level on.
#![expect(
    deprecated,
    reason = "2025-11-25 has it, and 2026-07-28 until a later revision takes it away"
)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use rmcp::model::{
    ErrorData, JsonObject, LoggingLevel, LoggingMessageNotificationParam, ProtocolVersion,
    ServerCapabilities, SetLevelRequestMethod, SetLevelRequestParams,
};
use rmcp::service::{Peer, RequestContext, RoleServer};
use serde_json::{Map, Value};
use tokio::sync::mpsc;

use super::changes;
use super::server::Server;
use crate::log::{Level, Message, Sink};
use crate::manifest::SkillName;

/// Lines that wait to be sent; further ones are left out. It is more than a call
/// logs by default.
const MAX_WAITING_LINES: usize = 256;

/// From which level on a client wants to hear.
pub(super) type SetLevel = SetLevelRequestParams;

/// What a client chose last, as the number of the level.
#[derive(Debug)]
pub(super) struct Chosen(AtomicU8);

impl Default for Chosen {
    fn default() -> Self {
        Self(AtomicU8::new(weight(LoggingLevel::Info)))
    }
}

/// What is left to be told of a call.
#[derive(Debug)]
pub(super) struct Lines {
    skill: SkillName,
    waiting: mpsc::Receiver<Message>,
}

/// What the server offers, and the log if its caller could hear one.
pub(super) fn declared(server: &Server, mut offered: ServerCapabilities) -> ServerCapabilities {
    offered.logging = is_heard(server).then(JsonObject::new);
    offered
}

/// A hello says whether there is a log to hear, which the first skills decide.
pub(super) async fn until_known(server: &Server) {
    if server.host().may_log_to_clients() {
        server.host().until_ready(changes::FIRST_LOAD).await;
    }
}

/// A client of 2025-11-25 chooses from which level on it hears.
///
/// # Errors
///
/// `-32601` if it hears nothing, or could say so in each request.
pub(super) fn choose(
    server: &Server,
    request: &SetLevel,
    context: &RequestContext<RoleServer>,
) -> Result<(), ErrorData> {
    if !has_handshake(context) || !is_heard(server) {
        return Err(ErrorData::method_not_found::<SetLevelRequestMethod>());
    }
    let chosen = weight(request.level);
    server.log_level().0.store(chosen, Ordering::Relaxed);
    Ok(())
}

/// Where the log of a call goes, if its client wants it, and what is to be told
/// of it. A skill is not held up by a client that reads slowly.
pub(super) fn channel(
    server: &Server,
    context: &RequestContext<RoleServer>,
    skill: &SkillName,
) -> (Option<Sink>, Lines) {
    let (sender, waiting) = mpsc::channel(MAX_WAITING_LINES);
    let lines = Lines {
        skill: skill.clone(),
        waiting,
    };
    let sink = wanted(server, context).map(|least| -> Sink {
        Arc::new(move |message: Message| {
            if weight(level(message.level)) >= least {
                let _left_out_when_full = sender.try_send(message);
            }
        })
    });
    (sink, lines)
}

impl Lines {
    /// Tells the client what is logged, until the skill has ended.
    pub(super) async fn tell(mut self, client: &Peer<RoleServer>) {
        while let Some(message) = self.waiting.recv().await {
            let told = client.notify_logging_message(notification(&self.skill, message));
            if told.await.is_err() {
                return;
            }
        }
    }
}

/// From which level on a client wants to hear, if it does.
fn wanted(server: &Server, context: &RequestContext<RoleServer>) -> Option<u8> {
    if !server.host().may_log_to_clients() {
        return None;
    }
    if has_handshake(context) {
        return Some(server.log_level().0.load(Ordering::Relaxed));
    }
    context.meta.log_level().map(weight)
}

/// Whether a skill is in the caller's list whose log it may hear.
fn is_heard(server: &Server) -> bool {
    let (host, caller) = (server.host(), server.caller());
    if !host.may_log_to_clients() {
        return false;
    }
    let (principal, scope) = (&caller.principal, caller.scope.as_deref());
    let skills = host.skills();
    let mut heard = skills.iter().filter(|skill| skill.log_to_client);
    heard.any(|skill| {
        let mut tools = skill.manifest().tools.iter();
        tools.any(|tool| host.offers(principal, scope, skill, &tool.name))
    })
}

fn has_handshake(context: &RequestContext<RoleServer>) -> bool {
    let revision = context.protocol_version();
    revision.is_none_or(|it| it < ProtocolVersion::V_2026_07_28)
}

fn notification(skill: &SkillName, message: Message) -> LoggingMessageNotificationParam {
    let mut data = Map::from_iter([("message".to_owned(), message.text.into())]);
    if !message.fields.is_empty() {
        let fields = message.fields.into_iter();
        let fields: Map<_, _> = fields.map(|(key, value)| (key, value.into())).collect();
        data.insert("fields".to_owned(), fields.into());
    }
    let data = Value::Object(data);
    LoggingMessageNotificationParam::new(level(message.level), data).with_logger(skill.to_string())
}

/// MCP has no level below `debug`.
const fn level(level: Level) -> LoggingLevel {
    match level {
        Level::Trace | Level::Debug => LoggingLevel::Debug,
        Level::Info => LoggingLevel::Info,
        Level::Warn => LoggingLevel::Warning,
        Level::Error => LoggingLevel::Error,
    }
}

/// How much a level matters, by the order of RFC 5424.
const fn weight(level: LoggingLevel) -> u8 {
    match level {
        LoggingLevel::Debug => 0,
        LoggingLevel::Info => 1,
        LoggingLevel::Notice => 2,
        LoggingLevel::Warning => 3,
        LoggingLevel::Error => 4,
        LoggingLevel::Critical => 5,
        LoggingLevel::Alert => 6,
        LoggingLevel::Emergency => 7,
    }
}
