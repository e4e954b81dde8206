//! `GET /metrics` over HTTP, for whoever collects numbers, and nothing else.

use std::convert::Infallible;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Metrics, text};
use crate::OwnListener;
use crate::error::{Error, Kind, Result};
use crate::host::Host;

/// Connections at once.
const MAX_CONNECTIONS: usize = 8;

/// How long the head of a request may take.
const HEAD: Duration = Duration::from_secs(2);

/// How long a connection may take.
const CONNECTION: Duration = Duration::from_secs(10);

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// How long nobody is let in after that failed, as it does without descriptors.
const PAUSE: Duration = Duration::from_millis(200);

/// Where numbers can be collected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricsSettings {
    /// The address to listen on.
    pub listen: SocketAddr,
    /// Whether it may be one that other machines reach.
    pub allow_remote: bool,
}

/// A listener for `GET /metrics`, until it is dropped. No skill reaches it.
pub struct Endpoint {
    address: SocketAddr,
    _protected: OwnListener,
    _serving: JoinSet<()>,
}

impl Endpoint {
    /// Starts listening, within a tokio runtime.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for an address that other machines reach and that the
    /// operator did not allow, or that cannot be listened on.
    pub async fn open(host: &Host, settings: MetricsSettings) -> Result<Self> {
        let MetricsSettings {
            listen,
            allow_remote,
        } = settings;
        if !listen.ip().is_loopback() && !allow_remote {
            return Err(remote(listen));
        }
        let listener = TcpListener::bind(listen).await.map_err(|cause| {
            Error::new(
                Kind::ConfigInvalid,
                format!("Metrics cannot be offered on {listen}: {cause}."),
            )
            .with_hint("Choose a free address for `listen` under `[metrics]`.")
        })?;
        let address = listener.local_addr().unwrap_or(listen);
        let protected = host.protect(address);
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, host.counted(), allow_remote));
        Ok(Self {
            address,
            _protected: protected,
            _serving: serving,
        })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Says what is wrong with an address that others reach.
pub(crate) fn remote(listen: SocketAddr) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        format!("Other machines could read the metrics on {listen}."),
    )
    .with_hint("Listen on an address of this machine, such as 127.0.0.1:9464, or say `allow-remote = true`.")
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Endpoint({})", self.address)
    }
}

async fn serve(listener: TcpListener, metrics: Arc<Metrics>, any_host: bool) {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    let mut connections = JoinSet::new();
    // Who comes when all places are taken waits in the kernel's queue.
    while let Ok(place) = Arc::clone(&room).acquire_owned().await {
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => {
                connections.spawn(converse(stream, Arc::clone(&metrics), any_host, place));
            }
            Err(cause) => {
                tracing::debug!(%cause, "nobody can be let in to the metrics");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn converse(
    stream: TcpStream,
    metrics: Arc<Metrics>,
    any_host: bool,
    _place: OwnedSemaphorePermit,
) {
    let answers = service_fn(move |request: Request<Incoming>| {
        let answer = answer(&request, &metrics, any_host);
        async move { Ok::<_, Infallible>(answer) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_buf_size(MAX_HEAD)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answers);
    // A client that goes away or is slow has its connection ended.
    let _ended = timeout(CONNECTION, connection).await;
}

fn answer(request: &Request<Incoming>, metrics: &Metrics, any_host: bool) -> Response<Full<Bytes>> {
    let host = request.headers().get(header::HOST);
    let host = host.and_then(|host| host.to_str().ok()).unwrap_or_default();
    let (status, body) = if !any_host && !names_this_machine(host) {
        (StatusCode::FORBIDDEN, String::new())
    } else if request.method() == Method::GET && request.uri().path() == "/metrics" {
        (StatusCode::OK, metrics.text())
    } else {
        (StatusCode::NOT_FOUND, String::new())
    };
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let kind = header::HeaderValue::from_static(text::CONTENT_TYPE);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// A page in a browser can make a name of its own stand for this machine, and
/// would then read what is served here. Its requests carry that name.
fn names_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let literal = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || literal.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_are_answered() {
        for host in [
            "127.0.0.1:9464",
            "127.0.0.1",
            "localhost:9464",
            "[::1]:9464",
            "[::1]",
        ] {
            assert!(names_this_machine(host), "{host}");
        }
        for host in [
            "",
            "evil.test",
            "evil.test:9464",
            "10.0.0.1:9464",
            "localhost.evil.test",
        ] {
            assert!(!names_this_machine(host), "{host}");
        }
    }
}
