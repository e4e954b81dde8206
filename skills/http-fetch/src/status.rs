//! What a status that is no success means to the caller.

use std::time::{Duration, SystemTime};

use skillhost_sdk::http::Response;
use skillhost_sdk::prelude::*;
use url::Url;

/// The error for a status outside of 200 to 299; its code is `http-` and the
/// status. `now` is what a date in `Retry-After` is measured against.
pub(crate) fn error(url: &Url, response: &Response, now: SystemTime) -> Error {
    let status = response.status;
    let answer = match status {
        401 | 403 => Error::denied(format!("{url} refuses access (status {status}).")),
        404 | 410 => Error::not_found(format!("There is nothing at {url} (status {status}).")),
        429 | 503 => unavailable(url, response, now),
        _ => Error::failed(format!("{url} answered with status {status}.")),
    };
    answer.code(format!("http-{status}"))
}

fn unavailable(url: &Url, response: &Response, now: SystemTime) -> Error {
    let error = Error::unavailable(format!(
        "{url} cannot answer now (status {}). Try again later.",
        response.status
    ));
    match response
        .header("retry-after")
        .and_then(|value| retry_after(value, now))
    {
        Some(delay) => error.retry_after(delay),
        None => error,
    }
}

/// Seconds, or a date (RFC 9110, section 10.2.3); a date that has passed is no
/// delay.
fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use skillhost_sdk::ErrorKind;

    use super::*;

    fn error_of(response: &Response) -> Error {
        let now = httpdate::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        error(&Url::parse("http://a.example/").unwrap(), response, now)
    }

    #[test]
    fn each_status_has_its_kind_and_code() {
        let expected = [
            (304, ErrorKind::Failed),
            (400, ErrorKind::Failed),
            (401, ErrorKind::Denied),
            (403, ErrorKind::Denied),
            (404, ErrorKind::NotFound),
            (410, ErrorKind::NotFound),
            (429, ErrorKind::Unavailable),
            (500, ErrorKind::Failed),
            (503, ErrorKind::Unavailable),
        ];
        for (status, kind) in expected {
            let error = error_of(&Response::new(status, ""));
            assert_eq!(
                (error.kind(), error.code_name()),
                (kind, Some(format!("http-{status}").as_str()))
            );
            assert_eq!(error.retry_delay(), None);
        }
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let delay = |value: &str| {
            error_of(&Response::new(503, "").with_header("Retry-After", value)).retry_delay()
        };
        assert_eq!(delay(" 120 "), Some(Duration::from_secs(120)));
        assert_eq!(
            delay("Sun, 06 Nov 1994 08:50:37 GMT"),
            Some(Duration::from_secs(60))
        );
        assert_eq!(delay("Sun, 06 Nov 1994 08:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(delay("soon"), None);
        assert_eq!(delay("-1"), None);
    }
}
