//! HTTP for guests: `wasi:http`, and the buffered `skillhost:skill/http`. Both
//! are judged and dialled by [`egress`](super::network::egress) and obey one set of
//! limits.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{FutureExt, TryFutureExt};
use http::{HeaderName, HeaderValue, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use wasmtime_wasi_http::{
    DEFAULT_FORBIDDEN_HEADERS, Error, ForbiddenHeaderFilter, RequestOptions, WasiBody,
    WasiHttpHooks,
};

use super::State;
use super::bindings::skillhost::skill::http as buffered;
use super::meter::Budget;
use super::network::body::{Allowance, Incoming, PATIENCE, size_of};
use super::network::egress::{BodyLimits, Egress, Permit};
use super::secrets::NotAdded;

/// Bytes of a request body that the guest may write ahead.
const CHUNK: usize = 64 * 1024;

/// Header fields of one message.
const MAX_HEADERS: usize = 128;

/// The work that moves the bytes of one connection.
type Driver = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;

/// What `send_request` returns: the response, and what drives its body.
type Sent = Box<
    dyn Future<
            Output = Result<
                (
                    Response<WasiBody>,
                    Box<dyn Future<Output = Result<(), Error>> + Send>,
                ),
                Error,
            >,
        > + Send,
>;

impl WasiHttpHooks for Egress {
    fn send_request(
        &mut self,
        mut request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _processed: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Sent {
        let permit = match self.judge(request.method(), request.uri()) {
            Ok(permit) => permit,
            Err(error) => return Box::new(async { Err(error) }),
        };
        self.entrusted.add_bound(&permit.origin, &mut request);
        let limits = self.limits;
        Box::new(async move {
            let options = options.unwrap_or_default();
            let (response, driver) = send(permit, request, options, limits).await?;
            Ok((response, Box::new(driver) as Box<_>))
        })
    }

    fn forbidden_header_filter(&mut self) -> ForbiddenHeaderFilter {
        Arc::new(is_forbidden)
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK
    }
}

/// Header fields that shape the message or the connection, and are the host's to
/// set (RFC 9110, section 7.6.1), in trailers as well.
fn is_forbidden(name: &HeaderName) -> bool {
    DEFAULT_FORBIDDEN_HEADERS.contains(name)
        || name == http::header::TE
        || name == http::header::TRAILER
}

/// Sends a request that was judged, over a connection of its own: nothing is
/// shared between calls, let alone between grants.
async fn send(
    permit: Permit,
    request: Request<WasiBody>,
    options: RequestOptions,
    limits: BodyLimits,
) -> Result<(Response<WasiBody>, Driver), Error> {
    let time = Allowance::of(&permit);
    let handshake = async {
        let (stream, open) = permit.dial().await?;
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(super::bytes(limits.headers).max(8192))
            .max_headers(MAX_HEADERS)
            .handshake::<_, WasiBody>(TokioIo::new(stream))
            .await
            .map_err(from_hyper)?;
        Ok((sender, connection, open))
    };
    let (mut sender, connection, open) = time
        .within(options.connect_timeout, handshake)
        .await
        .unwrap_or(Err(Error::ConnectionTimeout))?;
    let (deadline, meter) = (time.deadline, time.meter.clone());
    let mut driver: Driver = Box::pin(async move {
        let _open = open;
        match tokio::time::timeout_at(deadline, connection).await {
            Ok(ended) => ended.map_err(from_hyper),
            Err(_elapsed) => {
                meter.exceed(Budget::HttpTime);
                Err(Error::ConnectionReadTimeout)
            }
        }
    });
    let response = sender
        .send_request(outgoing(request, &permit, limits)?)
        .map_err(from_hyper);
    let response = time
        .within(options.first_byte_timeout, drive(response, &mut driver))
        .await
        .unwrap_or(Err(Error::ConnectionReadTimeout))?;
    let idle = options.between_bytes_timeout;
    let response =
        response.map(|body| Incoming::new(body, limits.response, time, idle).boxed_unsync());
    Ok((response, driver))
}

/// The request as it goes onto the wire: a path, the host that was judged, and a
/// body within its limit.
fn outgoing(
    request: Request<WasiBody>,
    permit: &Permit,
    limits: BodyLimits,
) -> Result<Request<WasiBody>, Error> {
    let (mut parts, body) = request.into_parts();
    let invalid = Error::HttpRequestUriInvalid;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    parts.uri = Uri::try_from(path).map_err(|_cause| Error::HttpRequestUriInvalid)?;
    let host = HeaderValue::try_from(permit.origin.authority()).map_err(|_cause| invalid)?;
    parts.headers.insert(http::header::HOST, host);
    let limit = limits.request;
    let (sent, over) = (permit.reach.meter().clone(), permit.reach.meter().clone());
    let body = Limited::new(body, super::bytes(limit)).map_err(move |cause| {
        match cause.downcast::<Error>() {
            Ok(error) => *error,
            Err(_over) => {
                over.exceed(Budget::HttpSent);
                Error::HttpRequestBodySize(Some(limit))
            }
        }
    });
    let body = body.map_frame(move |frame| {
        // Each body has its own limit; the sum is for the report.
        let _ = sent.spend(Budget::HttpSent, size_of(&frame));
        frame
    });
    Ok(Request::from_parts(parts, body.boxed_unsync()))
}

/// What hyper failed with: our own error about a body that is too large comes
/// back wrapped.
fn from_hyper(error: hyper::Error) -> Error {
    let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref());
    match cause {
        Some(Error::HttpRequestBodySize(limit)) => Error::HttpRequestBodySize(*limit),
        _ => Error::Hyper(error),
    }
}

/// Waits for `work` while the connection moves. A connection that ends first is
/// replaced by one that has ended: a future must not be polled once more.
async fn drive<T>(
    work: impl Future<Output = Result<T, Error>>,
    connection: &mut Driver,
) -> Result<T, Error> {
    tokio::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        ended = connection.as_mut() => {
            *connection = Box::pin(std::future::ready(Ok(())));
            // A server may answer, and not read the rest of what it was sent.
            if let Err(cause) = ended {
                return match work.now_or_never() {
                    Some(Ok(done)) => Ok(done),
                    _ => Err(cause),
                };
            }
        }
    }
    work.await
}

impl buffered::Host for State {
    async fn send(
        &mut self,
        request: buffered::Request,
    ) -> wasmtime::Result<Result<buffered::Response, buffered::Error>> {
        let timeout = request.timeout_ms.map_or(PATIENCE, Duration::from_millis);
        Ok(
            match tokio::time::timeout(timeout, self.exchange(request)).await {
                Ok(result) => result,
                Err(_elapsed) => Err(buffered::Error::Timeout),
            },
        )
    }
}

impl State {
    async fn exchange(
        &mut self,
        mut request: buffered::Request,
    ) -> Result<buffered::Response, buffered::Error> {
        let credential = request.credential.take();
        let mut request = typed(request, self.egress.limits.headers)?;
        let permit = self
            .egress
            .judge(request.method(), request.uri())
            .map_err(buffered_error)?;
        if let Some(name) = credential {
            self.entrusted
                .add_named(&name, &permit.origin, &mut request, &self.observer)
                .map_err(not_added)?;
        }
        let (response, mut driver) = send(
            permit,
            request,
            RequestOptions::default(),
            self.egress.limits,
        )
        .await
        .map_err(buffered_error)?;
        let (parts, body) = response.into_parts();
        let body = drive(body.collect(), &mut driver)
            .await
            .map_err(buffered_error)?;
        Ok(buffered::Response {
            status: parts.status.as_u16(),
            headers: parts
                .headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.to_string(),
                        String::from_utf8_lossy(value.as_bytes()).into_owned(),
                    )
                })
                .collect(),
            body: body.to_bytes().to_vec(),
        })
    }
}

/// The request in types that cannot hold a line break or a second `Host`.
fn typed(
    request: buffered::Request,
    max_headers: u64,
) -> Result<Request<WasiBody>, buffered::Error> {
    let invalid = |what: &str| buffered::Error::InvalidRequest(what.to_owned());
    let headers: usize = request
        .headers
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if (request.url.len() + headers) as u64 > max_headers {
        return Err(invalid("the url and the headers are too large"));
    }
    let method = Method::from_bytes(request.method.as_bytes())
        .map_err(|_cause| invalid("the method is no token"))?;
    let uri: Uri = request
        .url
        .parse()
        .map_err(|_cause| invalid("the url is no absolute http or https address"))?;
    let host = uri
        .authority()
        .ok_or_else(|| invalid("the url names no host"))?
        .as_str();
    let host = HeaderValue::from_str(host).map_err(|_cause| invalid("the url names no host"))?;
    let mut builder = Request::builder()
        .method(method)
        .uri(&uri)
        .header(http::header::HOST, host);
    for (name, value) in &request.headers {
        let name: HeaderName = name
            .parse()
            .map_err(|_cause| invalid("a header name is no token"))?;
        let value = HeaderValue::from_str(value)
            .map_err(|_cause| invalid("a header value holds a control character"))?;
        if is_forbidden(&name) || name == http::header::CONTENT_LENGTH {
            return Err(buffered::Error::InvalidRequest(format!(
                "the header {name} is the host's to set"
            )));
        }
        builder = builder.header(name, value);
    }
    let body = Full::new(Bytes::from(request.body.unwrap_or_default()));
    builder
        .body(body.map_err(|never| match never {}).boxed_unsync())
        .map_err(|_cause| invalid("the request cannot be sent as it is"))
}

fn not_added(why: NotAdded) -> buffered::Error {
    let told = why.told().to_owned();
    match why {
        NotAdded::Taken | NotAdded::Repeated => buffered::Error::InvalidRequest(told),
        NotAdded::NotGranted | NotAdded::OtherOrigin | NotAdded::NotSet => {
            buffered::Error::Denied(told)
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn buffered_error(error: Error) -> buffered::Error {
    match error {
        Error::HttpRequestDenied => {
            buffered::Error::Denied("no grant allows this request".to_owned())
        }
        Error::HttpRequestUriInvalid => {
            buffered::Error::InvalidRequest("the url is not one that this host dials".to_owned())
        }
        Error::HttpRequestBodySize(_) => {
            buffered::Error::InvalidRequest("the request body is too large".to_owned())
        }
        Error::HttpResponseBodySize(_) => buffered::Error::TooLarge,
        Error::ConnectionTimeout | Error::ConnectionReadTimeout | Error::DnsTimeout => {
            buffered::Error::Timeout
        }
        Error::ConnectionLimitReached => buffered::Error::Denied(
            "the call has as many requests or connections as it may".to_owned(),
        ),
        Error::DestinationNotFound => {
            buffered::Error::Connection("the host was not found".to_owned())
        }
        Error::Tls(_) => buffered::Error::Connection("the TLS handshake failed".to_owned()),
        _ => buffered::Error::Connection("the connection failed".to_owned()),
    }
}
