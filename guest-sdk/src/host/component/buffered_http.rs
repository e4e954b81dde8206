//! Requests that the host sends as a whole.

use super::bindings::skillhost::skill::http as wit;
use super::milliseconds;
use crate::http::{Error, Request, Response};

pub(crate) fn send(request: &Request) -> Result<Response, Error> {
    let request = wit::Request {
        method: request.method.clone(),
        url: request.url.clone(),
        headers: request.headers.clone(),
        body: request.body.clone(),
        timeout_ms: request.timeout.map(milliseconds),
        credential: request.credential.clone(),
    };
    let response = wit::send(&request).map_err(error)?;
    Ok(Response {
        status: response.status,
        headers: response.headers,
        body: response.body,
    })
}

fn error(error: wit::Error) -> Error {
    match error {
        wit::Error::Denied(rule) => Error::Denied(rule),
        wit::Error::InvalidRequest(reason) => Error::InvalidRequest(reason),
        wit::Error::Timeout => Error::Timeout,
        wit::Error::TooLarge => Error::TooLarge,
        wit::Error::Connection(reason) => Error::Connection(reason),
    }
}
