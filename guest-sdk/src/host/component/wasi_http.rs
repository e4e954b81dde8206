//! Requests over `wasi:http`, whose response is read piece by piece.

use std::time::Duration;

use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method,
    OutgoingBody, OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::StreamError;

use crate::http::{Error, Request, Response};

/// How much one read asks for.
const READ_SIZE: u64 = 64 * 1024;
/// The most that one blocking write takes (`wasi:io/streams`).
const WRITE_SIZE: usize = 4096;

pub(crate) fn send(request: &Request) -> Result<Response, Error> {
    if request.credential.is_some() {
        let reason = "wasi:http has no place for a credential: build the skill without the feature `wasi-http`";
        return Err(Error::InvalidRequest(reason.to_owned()));
    }
    let timer = Timer::start(request.timeout);
    let outgoing = outgoing(request)?;
    let body = request
        .body
        .as_deref()
        .map(|bytes| Ok((outgoing.body().map_err(|()| used_twice())?, bytes)));
    let body = body.transpose()?;
    let pending = outgoing_handler::handle(outgoing, options(request.timeout)?)
        .map_err(|code| error(&code, request))?;
    if let Some((body, bytes)) = body {
        write(body, bytes, request)?;
    }
    let incoming = wait(&pending, &timer, request)?;
    let headers = incoming.headers().entries();
    let headers = headers
        .into_iter()
        .map(|(name, value)| (name, String::from_utf8_lossy(&value).into_owned()));
    let (status, headers) = (incoming.status(), headers.collect());
    Ok(Response {
        status,
        headers,
        body: read(&incoming, &timer, request)?,
    })
}

fn outgoing(request: &Request) -> Result<OutgoingRequest, Error> {
    let address = Address::parse(&request.url)?;
    let headers: Vec<_> = request
        .headers
        .iter()
        .map(|(name, value)| (name.clone(), value.clone().into_bytes()))
        .collect();
    let headers =
        Fields::from_list(&headers).map_err(|reason| Error::InvalidRequest(reason.to_string()))?;
    let outgoing = OutgoingRequest::new(headers);
    outgoing
        .set_method(&method(&request.method))
        .map_err(|()| invalid("method", &request.method))?;
    outgoing
        .set_scheme(Some(&address.scheme))
        .map_err(|()| invalid("scheme", &request.url))?;
    outgoing
        .set_authority(Some(address.authority))
        .map_err(|()| invalid("host", address.authority))?;
    outgoing
        .set_path_with_query(Some(&address.path))
        .map_err(|()| invalid("path", &address.path))?;
    Ok(outgoing)
}

fn options(timeout: Option<Duration>) -> Result<Option<RequestOptions>, Error> {
    let Some(timeout) = timeout else {
        return Ok(None);
    };
    let (options, timeout) = (RequestOptions::new(), nanoseconds(timeout));
    options
        .set_connect_timeout(Some(timeout))
        .and_then(|()| options.set_first_byte_timeout(Some(timeout)))
        .and_then(|()| options.set_between_bytes_timeout(Some(timeout)))
        .map_err(|()| Error::InvalidRequest("the host takes no timeout".to_owned()))?;
    Ok(Some(options))
}

fn write(body: OutgoingBody, bytes: &[u8], request: &Request) -> Result<(), Error> {
    let stream = body.write().map_err(|()| used_twice())?;
    for chunk in bytes.chunks(WRITE_SIZE) {
        stream
            .blocking_write_and_flush(chunk)
            .map_err(|reason| stream_error(reason, request))?;
    }
    // The stream is a child of the body, which cannot end before it.
    drop(stream);
    OutgoingBody::finish(body, None).map_err(|code| error(&code, request))
}

fn wait(
    pending: &FutureIncomingResponse,
    timer: &Timer,
    request: &Request,
) -> Result<IncomingResponse, Error> {
    let ready = pending.subscribe();
    loop {
        match pending.get() {
            Some(Ok(response)) => return response.map_err(|code| error(&code, request)),
            Some(Err(())) => return Err(used_twice()),
            None => timer.wait_for(&ready)?,
        }
    }
}

fn read(response: &IncomingResponse, timer: &Timer, request: &Request) -> Result<Vec<u8>, Error> {
    let body: IncomingBody = response.consume().map_err(|()| used_twice())?;
    let stream = body.stream().map_err(|()| used_twice())?;
    let ready = stream.subscribe();
    let mut bytes = Vec::new();
    loop {
        match stream.read(READ_SIZE) {
            Ok(chunk) if chunk.is_empty() => timer.wait_for(&ready)?,
            Ok(chunk) if bytes.len() + chunk.len() > request.max_body => {
                return Err(Error::TooLarge);
            }
            Ok(chunk) => bytes.extend_from_slice(&chunk),
            Err(StreamError::Closed) => return Ok(bytes),
            Err(failed) => return Err(stream_error(failed, request)),
        }
    }
}

/// The time that the whole request may take.
struct Timer {
    end: Option<Pollable>,
}

impl Timer {
    fn start(timeout: Option<Duration>) -> Self {
        Self {
            end: timeout.map(|timeout| monotonic_clock::subscribe_duration(nanoseconds(timeout))),
        }
    }

    fn wait_for(&self, ready: &Pollable) -> Result<(), Error> {
        match &self.end {
            None => ready.block(),
            Some(end) => {
                poll(&[ready, end]);
                if end.ready() {
                    return Err(Error::Timeout);
                }
            }
        }
        Ok(())
    }
}

/// The parts of an address that `wasi:http` wants one by one.
struct Address<'a> {
    scheme: Scheme,
    authority: &'a str,
    path: String,
}

impl<'a> Address<'a> {
    fn parse(url: &'a str) -> Result<Self, Error> {
        let invalid =
            || Error::InvalidRequest(format!("{url:?} is no absolute http or https address"));
        let (scheme, rest) = url.split_once("://").ok_or_else(invalid)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err(invalid()),
        };
        let rest = rest
            .split_once('#')
            .map_or(rest, |(before, _fragment)| before);
        let (authority, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.is_empty() || authority.contains('@') {
            return Err(invalid());
        }
        let path = if path.starts_with('/') {
            path.to_owned()
        } else {
            format!("/{path}")
        };
        Ok(Self {
            scheme,
            authority,
            path,
        })
    }
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "CONNECT" => Method::Connect,
        "OPTIONS" => Method::Options,
        "TRACE" => Method::Trace,
        "PATCH" => Method::Patch,
        _ => Method::Other(name.to_owned()),
    }
}

fn stream_error(failed: StreamError, request: &Request) -> Error {
    match failed {
        StreamError::Closed => Error::Connection("the connection was closed".to_owned()),
        StreamError::LastOperationFailed(cause) => match http_error_code(&cause) {
            Some(code) => error(&code, request),
            None => Error::Connection(cause.to_debug_string()),
        },
    }
}

fn error(code: &ErrorCode, request: &Request) -> Error {
    match code {
        ErrorCode::HttpRequestDenied => Error::Denied(format!(
            "no grant allows {} {}",
            request.method, request.url
        )),
        ErrorCode::DestinationIpProhibited => Error::Denied(format!(
            "no grant allows the network address of {}",
            request.url
        )),
        ErrorCode::DnsTimeout
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout
        | ErrorCode::HttpResponseTimeout => Error::Timeout,
        ErrorCode::HttpResponseBodySize(_)
        | ErrorCode::HttpResponseHeaderSectionSize(_)
        | ErrorCode::HttpResponseHeaderSize(_)
        | ErrorCode::HttpResponseTrailerSectionSize(_)
        | ErrorCode::HttpResponseTrailerSize(_) => Error::TooLarge,
        ErrorCode::HttpRequestLengthRequired
        | ErrorCode::HttpRequestBodySize(_)
        | ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestTrailerSectionSize(_)
        | ErrorCode::HttpRequestTrailerSize(_) => Error::InvalidRequest(code.to_string()),
        ErrorCode::InternalError(Some(reason)) => Error::Connection(reason.clone()),
        other => Error::Connection(broken(other).to_owned()),
    }
}

/// What became of a connection, for a person to read.
fn broken(code: &ErrorCode) -> &'static str {
    match code {
        ErrorCode::ConnectionRefused => "nothing answers there",
        ErrorCode::DnsError(_) | ErrorCode::DestinationNotFound => "there is no such host",
        ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_) => "the TLS handshake failed",
        ErrorCode::HttpProtocolError => "what came back is not HTTP",
        ErrorCode::ConnectionLimitReached => "the call has sent as many requests as it may",
        _ => "it broke off",
    }
}

fn invalid(part: &str, value: &str) -> Error {
    Error::InvalidRequest(format!("the host takes no such {part}: {value:?}"))
}

/// `wasi:http` hands out each body and response once, and so does this file.
fn used_twice() -> Error {
    Error::Connection("the host handed out a part of the exchange twice".to_owned())
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
