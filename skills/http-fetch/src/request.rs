//! From an address to the response at the end of its redirects.

use std::time::SystemTime;

use skillhost_sdk::http::{self, Request, Response};
use skillhost_sdk::prelude::*;
use url::Url;

use crate::{address, status};

/// How many redirects are followed.
pub(crate) const MAX_REDIRECTS: usize = 5;

const USER_AGENT: &str = concat!("skillhost-http-fetch/", env!("CARGO_PKG_VERSION"));

/// Fetches `url` and follows its redirects; the host judges each hop. Gives the
/// last address and its response, whose status is below 300.
///
/// # Errors
///
/// Those of [`http::Error`], [`address::redirect`] and [`status::error`];
/// `failed` for a loop, for more than [`MAX_REDIRECTS`] and for a body of more
/// than `max_bytes`.
pub(crate) fn follow(url: Url, accept: &str, max_bytes: usize) -> Result<(Url, Response)> {
    let mut visited = vec![url];
    while let Some(url) = visited.last() {
        let response = send(url, accept, max_bytes)?;
        let Some(location) = redirect_target(&response) else {
            return checked(url.clone(), response);
        };
        let next = address::redirect(url, location)?;
        if visited.contains(&next) {
            return Err(Error::failed(format!(
                "{url} redirects to {next}, which redirected to it."
            ))
            .code("redirect-loop"));
        }
        if visited.len() > MAX_REDIRECTS {
            return Err(Error::failed(format!(
                "There are more than {MAX_REDIRECTS} redirects, the last to {next}."
            ))
            .code("too-many-redirects"));
        }
        visited.push(next);
    }
    Err(Error::failed("There is no address to fetch."))
}

fn send(url: &Url, accept: &str, max_bytes: usize) -> Result<Response> {
    let request = Request::get(url.as_str())
        .header("accept", accept)
        .header("accept-encoding", "identity")
        .header("user-agent", USER_AGENT)
        .max_body(max_bytes);
    request.send().map_err(|error| match error {
        http::Error::TooLarge => Error::failed(format!(
            "{url} has more than {max_bytes} bytes, or more than the host allows. Call again with a larger `max_bytes`."
        ))
        .code("page-too-large"),
        other => other.into(),
    })
}

fn redirect_target(response: &Response) -> Option<&str> {
    matches!(response.status, 301 | 302 | 303 | 307 | 308)
        .then(|| response.header("location"))
        .flatten()
}

fn checked(url: Url, response: Response) -> Result<(Url, Response)> {
    if !(200..300).contains(&response.status) {
        return Err(status::error(&url, &response, now()));
    }
    match response.header("content-encoding") {
        None | Some("" | "identity") => Ok((url, response)),
        Some(encoding) => {
            let message =
                format!("{url} is compressed ({encoding}), although it was asked for as it is.");
            Err(Error::failed(message).code("compressed"))
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a guest has the clock that its host gives it"
)]
fn now() -> SystemTime {
    SystemTime::now()
}
