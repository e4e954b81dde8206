//! Why a tool failed.

use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::ask::Questions;
use crate::{http, secrets, state};

/// What a tool returns: `Result<T>` for any `T` that is an answer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a tool failed.
///
/// The kind tells the host what to do next, the message tells the model what
/// went wrong and what to do, and the code tells a program which failure it was.
///
/// Every `std::error::Error` becomes a failure with `?`. The errors of this
/// crate keep their meaning on the way: a denied request is
/// [`ErrorKind::Denied`], one that ran out of time [`ErrorKind::Unavailable`].
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    code: Option<String>,
    details: Option<String>,
    retry_after: Option<Duration>,
    questions: Option<Box<Questions>>,
}

/// What the host does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The model can correct its arguments and call again.
    InvalidArguments,
    /// A permission, a credential or consent is missing.
    Denied,
    /// What was asked for does not exist.
    NotFound,
    /// The same call may succeed later. The host may retry it, even if the tool
    /// is not idempotent.
    Unavailable,
    /// The call was cancelled, or ran out of time.
    Cancelled,
    /// The same call would fail again.
    Failed,
    /// Somebody has to answer a question first; the call is made again then.
    InputRequired,
}

impl Error {
    /// The model can correct its arguments: say what is wrong and what is right.
    pub fn invalid_arguments(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidArguments, message.into())
    }

    /// A permission, a credential or consent is missing.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Denied, message.into())
    }

    /// What was asked for does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::NotFound, message.into())
    }

    /// The same call may succeed later. Only for a call that had no effect yet:
    /// the host may retry it.
    pub fn unavailable(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Unavailable, message.into())
    }

    /// The tool stopped because [`is_cancelled`](crate::is_cancelled) said so.
    #[must_use]
    pub fn cancelled() -> Self {
        Self::new(ErrorKind::Cancelled, "The call was cancelled.".to_owned())
    }

    /// The same call would fail again.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Failed, message.into())
    }

    /// The tool ends with questions.
    pub(crate) fn asking(questions: Questions) -> Self {
        let message = "The tool asks for more input.".to_owned();
        Self {
            questions: Some(Box::new(questions)),
            ..Self::new(ErrorKind::InputRequired, message)
        }
    }

    fn new(kind: ErrorKind, message: String) -> Self {
        Self {
            kind,
            message,
            code: None,
            details: None,
            retry_after: None,
            questions: None,
        }
    }

    /// A stable name for a program, for example `page-too-large`.
    #[must_use]
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// More about the failure, as JSON. `unavailable` and `cancelled` carry
    /// none. Of a value that cannot be JSON (a map whose keys are no strings),
    /// the reason is sent instead.
    #[must_use]
    pub fn details(mut self, details: &impl Serialize) -> Self {
        let json = serde_json::to_string(details)
            .unwrap_or_else(|error| serde_json::Value::String(error.to_string()).to_string());
        self.details = Some(json);
        self
    }

    /// When to try again, from now, in whole milliseconds. Only `unavailable`
    /// carries it.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// What the host does next.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for the model.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The name that [`Error::code`] gave.
    #[must_use]
    pub fn code_name(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// The JSON text that [`Error::details`] gave.
    #[must_use]
    pub fn details_json(&self) -> Option<&str> {
        self.details.as_deref()
    }

    /// What is asked, if the tool ended with questions (see [`ask`](crate::ask)).
    #[must_use]
    pub fn questions(&self) -> Option<&Questions> {
        self.questions.as_deref()
    }

    #[cfg(target_family = "wasm")]
    pub(crate) fn take_questions(&mut self) -> Option<Questions> {
        self.questions.take().map(|questions| *questions)
    }

    /// The delay that [`Error::retry_after`] gave.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.retry_after
    }
}

// `Error` itself is no `std::error::Error`: the two `From` would overlap.
impl<E: StdError + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
        while let Some(current) = cause {
            if let Some((kind, code)) = meaning(current) {
                let converted = Self::new(kind, error.to_string());
                return match code {
                    Some(code) => converted.code(code),
                    None => converted,
                };
            }
            cause = current.source();
        }
        Self::failed(error.to_string())
    }
}

/// The kind and the code of an error of this crate.
fn meaning(error: &(dyn StdError + 'static)) -> Option<(ErrorKind, Option<&'static str>)> {
    if let Some(error) = error.downcast_ref::<http::Error>() {
        return Some(match error {
            http::Error::Denied(_) => (ErrorKind::Denied, None),
            http::Error::InvalidRequest(_) => (ErrorKind::Failed, Some("invalid-request")),
            http::Error::Timeout => (ErrorKind::Unavailable, Some("timeout")),
            http::Error::TooLarge => (ErrorKind::Failed, Some("too-large")),
            http::Error::Connection(_) => (ErrorKind::Unavailable, Some("connection")),
        });
    }
    if let Some(error) = error.downcast_ref::<state::Error>() {
        return Some(match error {
            state::Error::NotGranted => (ErrorKind::Denied, None),
            state::Error::QuotaExceeded => (ErrorKind::Failed, Some("quota-exceeded")),
            state::Error::Conflict => (ErrorKind::Unavailable, Some("conflict")),
            state::Error::Unavailable(_) => (ErrorKind::Unavailable, None),
        });
    }
    error
        .downcast_ref::<secrets::Error>()
        .map(|_| (ErrorKind::Denied, None))
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}
