//! One POST of events, tried again while that may help.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::dial::{Dialer, Target};
use super::settings::{Credential, SinkName};
use crate::error::{Error, Kind, Result};
use crate::manifest::SecretName;
use crate::secret::{Secret, Secrets};

const AGENT: &str = concat!("skillhost/", env!("CARGO_PKG_VERSION"));

/// How long one request may take, from the look-up to the end of the answer.
const REQUEST: Duration = Duration::from_secs(10);

/// How often a request is sent again.
const REPEATS: usize = 5;

/// The first and the longest wait before it is sent again.
const WAITS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(30)];

/// The longest that a server may ask to wait.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);

/// The largest status line with headers, in bytes.
const MAX_HEAD: usize = 64 * 1024;

/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 * 1024;

/// Sends to one target.
#[derive(Debug)]
pub(super) struct Poster {
    dialer: Dialer,
    credential: Option<(HeaderName, HeaderValue)>,
}

/// Why a request did not reach its server, or was not taken there.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("the connection failed: {0}")]
    Connection(String),
    /// Not dialled; no repetition changes that.
    #[error("not sent: {0}")]
    Refused(String),
    #[error("no answer within {} s", REQUEST.as_secs())]
    Late,
    #[error("the server answers with status {0}")]
    Status(StatusCode, Option<Duration>),
}

impl Failure {
    fn is_passing(&self) -> bool {
        match self {
            Self::Connection(_) | Self::Late => true,
            Self::Refused(_) => false,
            Self::Status(status, _) => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
            }
        }
    }

    /// As long as our own wait, and as long as the server asks for.
    fn wait(&self, own: Option<Duration>) -> Option<Duration> {
        match self {
            Self::Status(_, Some(asked)) => own.map(|own| own.max(*asked)),
            _ => own,
        }
    }
}

impl Poster {
    /// # Errors
    ///
    /// `ConfigInvalid` if the credential's secret has no value, or one that no
    /// header can have.
    pub(super) fn new(
        name: &SinkName,
        dialer: Dialer,
        credential: Option<&Credential>,
        secrets: &Secrets,
    ) -> Result<Self> {
        let credential = credential
            .map(|it| header_of(name, it, secrets))
            .transpose()?;
        Ok(Self { dialer, credential })
    }

    /// Sends a body until it is taken, or trying again is of no use. `headers`
    /// is asked each time. Returns what the server says to it.
    pub(super) async fn send(
        &self,
        target: &Target,
        body: &Bytes,
        headers: impl Fn() -> HeaderMap,
    ) -> Result<Bytes, Failure> {
        let [first, longest] = WAITS;
        let waits = ExponentialBuilder::new()
            .with_min_delay(first)
            .with_max_delay(longest)
            .with_max_times(REPEATS)
            .with_jitter();
        (|| self.try_once(target, body.clone(), headers()))
            .retry(waits)
            .sleep(tokio::time::sleep)
            .when(Failure::is_passing)
            .adjust(Failure::wait)
            .await
    }

    async fn try_once(
        &self,
        target: &Target,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Bytes, Failure> {
        let sent = timeout(REQUEST, self.exchange(target, body, headers)).await;
        sent.unwrap_or(Err(Failure::Late))
    }

    /// One request on a connection of its own. Redirects are not followed: where
    /// they lead to, nobody granted.
    async fn exchange(
        &self,
        target: &Target,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Bytes, Failure> {
        let request = self.request(target, body, headers)?;
        let stream = self
            .dialer
            .dial(target)
            .await
            .map_err(|cause| match cause.kind() {
                std::io::ErrorKind::PermissionDenied => Failure::Refused(cause.to_string()),
                _ => Failure::Connection(cause.to_string()),
            })?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(broken)?;
        // Ends with this request, however that ends.
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        let response = sender.send_request(request).await.map_err(broken)?;
        judge(response).await
    }

    fn request(
        &self,
        target: &Target,
        body: Bytes,
        headers: HeaderMap,
    ) -> Result<Request<Full<Bytes>>, Failure> {
        let refused = |cause: http::Error| Failure::Refused(cause.to_string());
        let mut request = Request::post(&target.path)
            .header(header::HOST, target.origin.authority())
            .header(header::USER_AGENT, AGENT)
            .body(Full::new(body))
            .map_err(refused)?;
        request.headers_mut().extend(headers);
        if let Some((name, value)) = &self.credential {
            request.headers_mut().insert(name.clone(), value.clone());
        }
        Ok(request)
    }
}

async fn judge(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
    if status.is_success() {
        // Taken is taken, whatever is said about it.
        let body = body.await.map(|body| body.to_bytes());
        return Ok(body.unwrap_or_default());
    }
    Err(Failure::Status(status, retry_after))
}

/// Seconds (RFC 9110, section 10.2.3); a date is not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    let asked = Duration::from_secs(seconds.parse().ok()?);
    Some(asked.min(LONGEST_RETRY_AFTER))
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn broken(cause: hyper::Error) -> Failure {
    Failure::Connection(cause.to_string())
}

fn header_of(
    sink: &SinkName,
    credential: &Credential,
    secrets: &Secrets,
) -> Result<(HeaderName, HeaderValue)> {
    let secret = secret(sink, &credential.secret, secrets)?;
    let text = format!("{}{}", credential.prefix, secret.expose());
    let mut value = HeaderValue::from_str(&text).map_err(|_shows_it| {
        Error::new(
            Kind::ConfigInvalid,
            format!(
                "The secret `{}` holds a character that no header has, so sink `{sink}` cannot send it.",
                credential.secret
            ),
        )
    })?;
    value.set_sensitive(true);
    Ok((credential.header.clone(), value))
}

/// The secret that a sink cannot do without.
pub(super) fn secret<'a>(
    sink: &SinkName,
    name: &SecretName,
    secrets: &'a Secrets,
) -> Result<&'a Secret> {
    let found = secrets.get(name).map(AsRef::as_ref);
    found.ok_or_else(|| {
        Error::new(
            Kind::ConfigInvalid,
            format!("The secret `{name}`, which sink `{sink}` needs, has no value."),
        )
        .with_hint(format!(
            "Put it where `[secret.{name}]` says, or remove the sink."
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_pass_is_tried_again_and_as_late_as_the_server_asks() {
        for (status, again) in [
            (503, true),
            (500, true),
            (429, true),
            (408, true),
            (400, false),
            (404, false),
            (410, false),
            (302, false),
        ] {
            let failure = Failure::Status(StatusCode::from_u16(status).unwrap(), None);
            assert_eq!(failure.is_passing(), again, "{status}");
        }
        assert!(!Failure::Refused(String::new()).is_passing());
        let asked = Failure::Status(
            StatusCode::SERVICE_UNAVAILABLE,
            Some(Duration::from_secs(7)),
        );
        let second = Duration::from_secs(1);
        assert_eq!(asked.wait(Some(second)), Some(7 * second));
        assert_eq!(asked.wait(Some(9 * second)), Some(9 * second));
        assert_eq!(asked.wait(None), None);
        assert_eq!(Failure::Late.wait(Some(second)), Some(second));
    }

    #[test]
    fn a_server_asks_for_a_minute_at_most() {
        let asks = |text: &'static str| {
            let headers =
                HeaderMap::from_iter([(header::RETRY_AFTER, HeaderValue::from_static(text))]);
            retry_after(&headers).map(|it| it.as_secs())
        };
        assert_eq!(asks("2"), Some(2));
        assert_eq!(asks("86400"), Some(60));
        assert_eq!(asks("soon"), None);
    }
}
