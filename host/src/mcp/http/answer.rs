//! Answers, and what is held until one is written.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap};
use http::{HeaderValue, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};

use super::pace::Serving;
use super::slots::Slot;
use crate::mcp::auth::{Page, Refused};

/// An answer that is not written yet.
pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// A text in one sentence.
pub(super) fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    of(status, "text/plain; charset=utf-8", text)
}

/// That body, of that media type.
pub(super) fn of(status: StatusCode, media_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()).boxed());
    *answer.status_mut() = status;
    let media_type = HeaderValue::from_static(media_type);
    answer
        .headers_mut()
        .insert(header::CONTENT_TYPE, media_type);
    answer
}

/// Nothing but headers.
pub(super) fn empty(status: StatusCode, headers: HeaderMap) -> Answer {
    let mut answer = Response::new(Full::default().boxed());
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    answer
}

/// A page that needs no caller.
pub(super) fn page(page: Page) -> Answer {
    of(StatusCode::OK, page.media_type, page.body)
}

/// For somebody who is not let in.
pub(super) fn refusal(refused: Refused) -> Answer {
    let mut answer = plain(refused.status, refused.message);
    let headers = answer.headers_mut();
    if let Some(challenge) = refused.challenge {
        headers.insert(header::WWW_AUTHENTICATE, challenge);
    }
    if let Some(seconds) = refused.retry_after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    answer
}

/// For a method that the path does not have.
pub(super) fn only(methods: &'static str) -> Answer {
    let mut answer = plain(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed");
    let methods = HeaderValue::from_static(methods);
    answer.headers_mut().insert(header::ALLOW, methods);
    answer
}

/// For somebody who may come again.
pub(super) fn later(text: &'static str, seconds: u64) -> Answer {
    let mut answer = plain(StatusCode::SERVICE_UNAVAILABLE, text);
    let seconds = HeaderValue::from(seconds);
    answer.headers_mut().insert(header::RETRY_AFTER, seconds);
    answer
}

/// The last answer of its connection.
pub(super) fn last(mut answer: Answer) -> Answer {
    let close = HeaderValue::from_static("close");
    answer.headers_mut().insert(header::CONNECTION, close);
    answer
}

/// A body, and what is given back once it is written or nobody wants it any more.
pub(super) struct Held {
    body: BoxBody<Bytes, Infallible>,
    _slot: Option<Slot>,
    _serving: Serving,
}

impl Held {
    pub(super) const fn new(
        body: BoxBody<Bytes, Infallible>,
        slot: Option<Slot>,
        serving: Serving,
    ) -> Self {
        Self {
            body,
            _slot: slot,
            _serving: serving,
        }
    }
}

impl Body for Held {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
