//! Answers as MCP has them.
//!
//! A failure of a call is a result that the model reads: what went wrong, what
//! to change, and whether trying again is of use. Only a request that names no
//! tool is an error of the protocol.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{
    CallToolResult, ContentBlock, ErrorData, MetaObject, Resource, ResourceContents, Tool,
};
use serde_json::{Value, json};

use super::caller::Caller;
use super::pages::{self, Of, Outputs};
use super::{tools, words};
use crate::answer::{Answer, Attempt, Body, Content, Output};
use crate::error::{Error, Kind};
use crate::host::Host;
use crate::manifest::SkillName;
use crate::manifest::text::one_line;
use crate::time::millis;

/// Before the names of what a result says about its call (MCP, `_meta`).
pub(super) const PREFIX: &str = "dev.skillhost/";

/// The longest part of a wrong name that is repeated, in characters.
const MAX_SHOWN: usize = 80;

/// The result for an answer to `name`, a tool as it is listed.
///
/// # Errors
///
/// `-32602` if there is no such tool for this caller: the same for one that
/// there is not, and for one that is somebody else's.
pub(super) fn of(
    host: &Host,
    caller: &Caller,
    name: &str,
    answer: Answer,
) -> Result<CallToolResult, ErrorData> {
    let promises = |tool: &Tool| tool.output_schema.is_some();
    let is_structured = tools::ask(host, caller, name, promises);
    let is_unknown = |error: &Error| is_structured.is_none() || error.kind() == Kind::UnknownTool;
    if answer.outcome.as_ref().is_err_and(is_unknown) {
        return Err(no_such_tool(name));
    }
    let of = Of {
        caller: &caller.principal,
        tool: name,
        is_structured: is_structured.unwrap_or(false),
    };
    let offers = |skill: &SkillName, tool: &str| tools::is_offered(host, caller, skill, tool);
    Ok(made(host.outputs(), of, answer, offers))
}

fn made(
    outputs: &Outputs,
    of: Of<'_>,
    answer: Answer,
    offers: impl Fn(&SkillName, &str) -> bool,
) -> CallToolResult {
    let mut meta = about(&answer, offers);
    let mut result = match answer.outcome {
        Ok(output) => success(outputs, of, output, answer.stale),
        Err(error) => {
            meta.insert(format!("{PREFIX}kind"), json!(error.kind()));
            failure(&error)
        }
    };
    result.meta = Some(MetaObject(meta));
    result
}

/// For a name that is no tool's, or none of this caller's.
pub(super) fn no_such_tool(name: &str) -> ErrorData {
    let shown = one_line(name, MAX_SHOWN);
    ErrorData::invalid_params(
        format!("There is no tool `{shown}`. Call one that tools/list has."),
        None,
    )
}

/// For a call that ended in a panic of the host.
pub(super) fn host_failed() -> CallToolResult {
    failure(&Error::new(
        Kind::Internal,
        "The host failed while it served this call.",
    ))
}

/// For a call that failed.
pub(super) fn failure(error: &Error) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(words::told(error))])
}

fn success(
    outputs: &Outputs,
    of: Of<'_>,
    output: Output,
    stale: Option<Duration>,
) -> CallToolResult {
    let mut result = pages::fit(outputs, of, output);
    if let Some(age) = stale {
        let seconds = age.as_secs();
        result.content.insert(
            0,
            ContentBlock::text(format!(
                "The tool fails just now. This is what it answered to the same call {seconds} seconds ago."
            )),
        );
    }
    result
}

/// Content as MCP has it.
pub(super) fn block(content: Content) -> ContentBlock {
    match content {
        Content::Text(text) => ContentBlock::text(text),
        Content::Image(data, mime_type) => ContentBlock::image(STANDARD.encode(data), mime_type),
        Content::Audio(data, mime_type) => ContentBlock::Audio(rmcp::model::AudioContent::new(
            STANDARD.encode(data),
            mime_type,
        )),
        Content::Embedded {
            uri,
            mime_type,
            body,
        } => ContentBlock::resource(match body {
            Body::Text(text) => ResourceContents::TextResourceContents {
                uri,
                mime_type,
                text,
                meta: None,
            },
            Body::Bytes(bytes) => ResourceContents::BlobResourceContents {
                uri,
                mime_type,
                blob: STANDARD.encode(bytes),
                meta: None,
            },
        }),
        Content::Link {
            uri,
            name,
            description,
            mime_type,
        } => {
            let mut link = Resource::new(uri, name);
            link.description = description;
            link.mime_type = mime_type;
            ContentBlock::resource_link(link)
        }
    }
}

/// Which call it was, what ran, and what it took.
fn about(
    answer: &Answer,
    offers: impl Fn(&SkillName, &str) -> bool,
) -> serde_json::Map<String, Value> {
    let mut meta = serde_json::Map::new();
    let mut add = |name: &str, value: Value| meta.insert(format!("{PREFIX}{name}"), value);
    add("invocation", json!(answer.invocation));
    add("usage", json!(answer.usage));
    if let Some(skill) = &answer.skill {
        add("digest", json!(skill.digest));
        add("signers", json!(skill.signers));
    }
    if !answer.attempts.is_empty() {
        let attempts = answer.attempts.iter();
        add("attempts", attempts.map(|it| tried(it, &offers)).collect());
    }
    if let Some(age) = answer.stale {
        add("stale_ms", json!(millis(age)));
    }
    meta
}

/// An attempt without what this caller must not know: a tool that is used in
/// place of another need not be one of its own.
fn tried(attempt: &Attempt, offers: impl Fn(&SkillName, &str) -> bool) -> Value {
    let mut shown = attempt.clone();
    let (skill, tool) = attempt.tool.split_once('/').unwrap_or_default();
    let is_known = skill.parse().is_ok_and(|skill| offers(&skill, tool));
    if !is_known {
        "another tool".clone_into(&mut shown.tool);
    }
    if !is_known || !attempt.kind.is_none_or(words::is_for_models) {
        shown.reason.clear();
    }
    json!(shown)
}

#[cfg(test)]
mod tests;
