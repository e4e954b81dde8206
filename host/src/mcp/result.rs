//! Answers as MCP has them.
//!
//! A failure of a call is a result that the model reads: what went wrong, what
//! to change, and whether trying again is of use. Only a request that names no
//! tool is an error of the protocol.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rmcp::model::{
    CallToolResult, ContentBlock, ErrorData, MetaObject, Resource, ResourceContents,
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
    let tool = tools::find(host, caller, name);
    let is_unknown = |error: &Error| tool.is_none() || error.kind() == Kind::UnknownTool;
    if answer.outcome.as_ref().is_err_and(is_unknown) {
        return Err(no_such_tool(name));
    }
    let of = Of {
        caller: &caller.principal,
        tool: name,
        is_structured: tool.is_some_and(|tool| tool.output_schema.is_some()),
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
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::answer::{Diagnostics, SkillInfo};
    use crate::event::Usage;

    fn answer(outcome: Result<Output, Error>) -> Answer {
        Answer {
            invocation: "0123456789abcdef0123456789abcdef".to_owned(),
            outcome,
            usage: Usage {
                fuel: 1,
                memory_bytes: 2,
                wall_ms: 3,
                attempts: 1,
                ..Usage::default()
            },
            skill: Some(Arc::new(SkillInfo {
                name: "text-stats".into(),
                version: "1.2.3".into(),
                digest: "sha256:00".into(),
                signers: Arc::new(["alice".into()]),
            })),
            diagnostics: Diagnostics {
                lines: vec!["stderr: not for the caller".to_owned()],
            },
            attempts: Vec::new(),
            stale: None,
        }
    }

    fn result(outcome: Result<Output, Error>) -> Value {
        serde_json::to_value(of(answer(outcome)).unwrap()).unwrap()
    }

    fn text(error: &Error) -> Value {
        serde_json::to_value(failure(error)).unwrap()["content"][0]["text"].clone()
    }

    #[test]
    fn an_answer_says_what_ran_and_what_it_took() {
        let output = Output {
            content: vec![Content::Text("two words".to_owned())],
            structured: Some(json!({"words": 2})),
        };
        assert_eq!(
            result(Ok(output)),
            json!({
                "resultType": "complete",
                "content": [{"type": "text", "text": "two words"}],
                "structuredContent": {"words": 2},
                "isError": false,
                "_meta": {
                    "dev.skillhost/invocation": "0123456789abcdef0123456789abcdef",
                    "dev.skillhost/usage": {"fuel": 1, "memory_bytes": 2, "wall_ms": 3, "attempts": 1},
                    "dev.skillhost/digest": "sha256:00",
                    "dev.skillhost/signers": ["alice"],
                },
            })
        );
    }

    #[test]
    fn a_structured_answer_without_content_is_given_as_text_too() {
        let output = Output {
            content: Vec::new(),
            structured: Some(json!({"words": 2, "a": [1, 2]})),
        };
        assert_eq!(
            result(Ok(output))["content"],
            json!([{"type": "text", "text": r#"{"words":2,"a":[1,2]}"#}])
        );
    }

    #[test]
    fn each_kind_of_content_has_its_block() {
        let mime_type = || Some("text/plain".to_owned());
        let embedded = |body| Content::Embedded {
            uri: "a:b".to_owned(),
            mime_type: mime_type(),
            body,
        };
        let link = |description: Option<&str>| Content::Link {
            uri: "a:b".to_owned(),
            name: "b".to_owned(),
            description: description.map(str::to_owned),
            mime_type: mime_type(),
        };
        for (content, expected) in [
            (
                Content::Image(vec![1, 2, 3], "image/png".to_owned()),
                json!({"type": "image", "data": "AQID", "mimeType": "image/png"}),
            ),
            (
                Content::Audio(vec![1, 2, 3], "audio/wav".to_owned()),
                json!({"type": "audio", "data": "AQID", "mimeType": "audio/wav"}),
            ),
            (
                embedded(Body::Text("t".to_owned())),
                json!({"type": "resource", "resource": {"uri": "a:b", "mimeType": "text/plain", "text": "t"}}),
            ),
            (
                embedded(Body::Bytes(vec![1, 2, 3])),
                json!({"type": "resource", "resource": {"uri": "a:b", "mimeType": "text/plain", "blob": "AQID"}}),
            ),
            (
                link(Some("d")),
                json!({"type": "resource_link", "uri": "a:b", "name": "b", "description": "d", "mimeType": "text/plain"}),
            ),
            (
                link(None),
                json!({"type": "resource_link", "uri": "a:b", "name": "b", "mimeType": "text/plain"}),
            ),
        ] {
            assert_eq!(serde_json::to_value(block(content)).unwrap(), expected);
        }
    }

    #[test]
    fn a_failure_says_what_went_wrong_what_to_change_and_whether_to_try_again() {
        let error = Error::new(Kind::InvalidInput, "`text` is missing.")
            .with_hint("Give a text.")
            .with_internal("/etc/secret");
        let result = result(Err(error));
        assert_eq!(result["isError"], true);
        assert_eq!(
            result["content"],
            json!([{"type": "text", "text": "`text` is missing. Give a text. The same call would fail again."}])
        );
        assert_eq!(result["_meta"]["dev.skillhost/kind"], "InvalidInput");
        assert_eq!(result.get("structuredContent"), None);
    }

    #[test]
    fn whether_to_try_again_is_said_once() {
        for (kind, expected) in [
            (Kind::Trapped, "A. B. Trying once more may help."),
            (Kind::DeadlineExceeded, "A. B. Trying again later may help."),
            (Kind::Denied, "A. B. The same call would fail again."),
            (Kind::GuestFailed, "A. B."),
            (Kind::Overloaded, "A. B."),
            (Kind::Cancelled, "A. B."),
        ] {
            assert_eq!(
                text(&Error::new(kind, "A.").with_hint("B.")),
                expected,
                "{kind}"
            );
        }
    }

    #[test]
    fn no_failure_names_a_file_of_the_host() {
        for kind in Kind::ALL.into_iter().filter(|kind| names_host_files(*kind)) {
            let error = Error::new(kind, "/srv/skills/a.wasm is no skill.")
                .with_hint("Run `chmod go-w /srv/skills`.");
            assert_eq!(
                text(&error),
                format!(
                    "The skill cannot be used, because its files or its configuration are not what this host accepts ({kind}). Only the operator of this host can mend that."
                )
            );
        }
        assert!(names_host_files(Kind::ConfigInsecure) && names_host_files(Kind::SignatureMissing));
    }

    #[test]
    fn a_tool_that_does_not_exist_is_an_error_of_the_protocol() {
        let error =
            Error::new(Kind::UnknownTool, "There is no skill `x`.").with_hint("The skills are: a.");
        assert_eq!(
            serde_json::to_value(of(answer(Err(error))).unwrap_err()).unwrap(),
            json!({"code": -32602, "message": "There is no skill `x`. The skills are: a."})
        );
        assert_eq!(
            serde_json::to_value(no_such_tool("a\nb")).unwrap(),
            json!({"code": -32602, "message": "There is no tool `a\\nb`."})
        );
    }
}
