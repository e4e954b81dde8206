//! What `wit-bindgen` makes of the WIT, and the way between its types and ours.

mod generated {
    #![allow(
        missing_docs,
        missing_debug_implementations,
        unsafe_code,
        reason = "generated from the WIT"
    )]
    #![allow(clippy::all, clippy::pedantic, reason = "generated from the WIT")]

    wit_bindgen::generate!({
        path: "wit",
        world: "skill",
        pub_export_macro: true,
        default_bindings_module: "skillhost_sdk::__private::bindings",
    });
}

pub use generated::*;

use self::skillhost::skill::types as wit;
use super::milliseconds;
use crate::ask::Questions;
use crate::{
    Content, EmbeddedResource, Error, ErrorKind, Output, ResourceBody, ResourceLink, Skill,
};

/// Answers one call of the host.
pub fn call(skill: &Skill, tool: &str, arguments: &str) -> Result<wit::Outcome, wit::Error> {
    match skill.call(tool, arguments) {
        Ok(output) => Ok(wit::Outcome::Complete(output.into())),
        Err(mut error) => match error.take_questions() {
            Some(questions) => Ok(wit::Outcome::InputRequired(questions.into())),
            None => Err(error.into()),
        },
    }
}

impl From<Questions> for wit::InputRequest {
    fn from(questions: Questions) -> Self {
        let (each, state) = questions.into_parts();
        Self {
            requests: each
                .into_iter()
                .map(|(key, request)| (key, request.to_string()))
                .collect(),
            state,
        }
    }
}

impl From<Output> for wit::Output {
    fn from(output: Output) -> Self {
        let (content, structured) = output.into_parts();
        Self {
            content: content.into_iter().map(Into::into).collect(),
            structured,
        }
    }
}

impl From<Content> for wit::Content {
    fn from(content: Content) -> Self {
        match content {
            Content::Text(text) => Self::Text(text),
            Content::Image { data, mime_type } => Self::Image(wit::Blob { data, mime_type }),
            Content::Audio { data, mime_type } => Self::Audio(wit::Blob { data, mime_type }),
            Content::Embedded(resource) => Self::Embedded(resource.into()),
            Content::Link(link) => Self::Link(link.into()),
        }
    }
}

impl From<EmbeddedResource> for wit::EmbeddedResource {
    fn from(
        EmbeddedResource {
            uri,
            mime_type,
            body,
        }: EmbeddedResource,
    ) -> Self {
        let body = match body {
            ResourceBody::Text(text) => wit::ResourceBody::Text(text),
            ResourceBody::Bytes(bytes) => wit::ResourceBody::Bytes(bytes),
        };
        Self {
            uri,
            mime_type,
            body,
        }
    }
}

impl From<ResourceLink> for wit::ResourceLink {
    fn from(
        ResourceLink {
            uri,
            name,
            description,
            mime_type,
        }: ResourceLink,
    ) -> Self {
        Self {
            uri,
            name,
            description,
            mime_type,
        }
    }
}

impl From<Error> for wit::Error {
    fn from(error: Error) -> Self {
        match error.kind() {
            ErrorKind::InvalidArguments => Self::InvalidArguments(problem(&error)),
            ErrorKind::Denied => Self::Denied(problem(&error)),
            ErrorKind::NotFound => Self::NotFound(problem(&error)),
            ErrorKind::Unavailable => Self::Unavailable(transient(&error)),
            ErrorKind::Cancelled => Self::Cancelled,
            ErrorKind::Failed | ErrorKind::InputRequired => Self::Failed(problem(&error)),
        }
    }
}

fn problem(error: &Error) -> wit::Problem {
    wit::Problem {
        message: error.message().to_owned(),
        code: error.code_name().map(str::to_owned),
        details: error.details_json().map(str::to_owned),
    }
}

fn transient(error: &Error) -> wit::Transient {
    wit::Transient {
        message: error.message().to_owned(),
        code: error.code_name().map(str::to_owned),
        retry_after_ms: error.retry_delay().map(milliseconds),
    }
}
