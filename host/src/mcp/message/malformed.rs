//! What is wrong with a message, and what its sender is told.

use std::fmt;
use std::time::Duration;

use rmcp::model::{ErrorCode, ErrorData, RequestId, ServerJsonRpcMessage};
use serde_json::json;

use crate::error::{Error, Kind};
use crate::time::millis;

/// For requests that come while too many run (JSON-RPC 2.0, section 5.1: -32000
/// to -32099 are a server's own).
const OVERLOADED: ErrorCode = ErrorCode(-32000);

/// How long to wait before another try.
const WAIT: Duration = Duration::from_secs(1);

/// A message that is refused.
#[derive(Debug)]
pub struct Malformed {
    fault: Fault,
    /// Whose answer it is.
    pub(in crate::mcp) id: Option<RequestId>,
    is_silent: bool,
}

impl Malformed {
    /// What the sender is told; nothing if it sent an answer or a notification. Without an id, as
    /// MCP wants it, if none could be read.
    #[must_use]
    pub(in crate::mcp) fn answer(&self) -> Option<ServerJsonRpcMessage> {
        if self.is_silent {
            return None;
        }
        let mut told = json!({"kind": self.fault.kind});
        if let (Some(wait), Some(told)) = (self.fault.wait, told.as_object_mut()) {
            told.insert("retry_after_ms".to_owned(), json!(millis(wait)));
        }
        let error = ErrorData::new(self.fault.code, self.fault.reason.clone(), Some(told));
        Some(ServerJsonRpcMessage::error(error, self.id.clone()))
    }

    /// The code of JSON-RPC: -32700, -32600 or -32602; -32000 for a message that
    /// may be sent again later.
    #[must_use]
    pub const fn code(&self) -> i32 {
        self.fault.code.0
    }

    /// The word of this host for it.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.fault.kind
    }

    /// What was not held, for the event: `json`, `message` or `arguments`; over
    /// standard input also `line` and `in-flight`.
    #[must_use]
    pub const fn limit(&self) -> &'static str {
        self.fault.limit
    }

    /// In a sentence or two; of what was sent at most a name, cut and escaped.
    #[must_use]
    pub fn reason(&self) -> &str {
        &self.fault.reason
    }
}

/// What is wrong, before it is known whose message it is.
#[derive(Debug)]
pub(in crate::mcp) struct Fault {
    code: ErrorCode,
    kind: Kind,
    limit: &'static str,
    reason: String,
    /// After which time it is of use to try again.
    wait: Option<Duration>,
}

impl Fault {
    /// It is no JSON that everybody reads alike.
    pub(super) fn unreadable(cause: impl fmt::Display) -> Self {
        Self {
            code: ErrorCode::PARSE_ERROR,
            kind: Kind::InvalidRequest,
            limit: "json",
            reason: format!("The message is not valid JSON: {cause}."),
            wait: None,
        }
    }

    /// It is JSON, but no message.
    pub(in crate::mcp) fn invalid(cause: impl fmt::Display) -> Self {
        Self {
            code: ErrorCode::INVALID_REQUEST,
            kind: Kind::InvalidRequest,
            limit: "message",
            reason: format!("This is no message of JSON-RPC 2.0: {cause}."),
            wait: None,
        }
    }

    /// Its parameters are not what they should be.
    pub(super) fn parameters(cause: impl fmt::Display) -> Self {
        Self {
            code: ErrorCode::INVALID_PARAMS,
            kind: Kind::InvalidRequest,
            limit: "message",
            reason: format!("The parameters are not valid: {cause}."),
            wait: None,
        }
    }

    /// The arguments of the call are not what they should be.
    pub(super) fn arguments(error: &Error) -> Self {
        let hint = error.hint().unwrap_or_default();
        let reason = format!("{} {hint}", error.message());
        Self {
            code: ErrorCode::INVALID_PARAMS,
            kind: error.kind(),
            limit: "arguments",
            reason: reason.trim_end().to_owned(),
            wait: None,
        }
    }

    /// It is longer than that many bytes.
    pub(in crate::mcp) fn too_long(most: usize) -> Self {
        Self {
            code: ErrorCode::INVALID_REQUEST,
            kind: Kind::InputTooLarge,
            limit: "line",
            reason: format!(
                "The message is longer than {most} bytes. Send less, or have the skill read a file."
            ),
            wait: None,
        }
    }

    /// So many requests of this client run already.
    pub(in crate::mcp) fn overloaded(most: usize) -> Self {
        Self {
            code: OVERLOADED,
            kind: Kind::Overloaded,
            limit: "in-flight",
            reason: format!(
                "{most} such requests of this client run already. Try again when one of them has ended."
            ),
            wait: Some(WAIT),
        }
    }

    /// Whether it is a message.
    pub(super) fn is_about_parameters(&self) -> bool {
        self.code == ErrorCode::INVALID_PARAMS
    }

    /// With whose message it is, and whether that gets no answer: it is one, or a
    /// notification.
    pub(in crate::mcp) const fn of(self, id: Option<RequestId>, is_silent: bool) -> Malformed {
        Malformed {
            fault: self,
            id,
            is_silent,
        }
    }
}
