//! MCP over Streamable HTTP.
//!
//! Sessions of the revisions before 2026-07-28 are not kept: each request is
//! served for itself, so that nobody can take somebody else's session, or fill
//! the host with them.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, header};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::auth::{Authenticate, Refused};
use super::server::Server;
use crate::error::Result;
use crate::host::Host;

type Answer = Response<BoxBody<Bytes, Infallible>>;

/// Where MCP is spoken.
const PATH: &str = "/mcp";

/// Serves the host's tools over Streamable HTTP at `/mcp`, until `stop` ends.
pub async fn serve_http(
    host: Arc<Host>,
    listener: TcpListener,
    door: Arc<dyn Authenticate>,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let address = listener.local_addr().map_err(super::failed)?;
    let _protected = host.protect(address);
    let service = Arc::new(Service {
        host,
        door,
        running: Arc::new(RwLock::new(())),
        cancelled: CancellationToken::new(),
    });
    let mut connections = JoinSet::new();
    let mut stop = std::pin::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => {
                if let Ok((stream, from)) = accepted {
                    connections.spawn(converse(stream, from, Arc::clone(&service)));
                }
            }
        }
        while connections.try_join_next().is_some() {}
    }
    service.cancelled.cancel();
    let _all_have_ended = service.running.write().await;
    Ok(())
}

struct Service {
    host: Arc<Host>,
    door: Arc<dyn Authenticate>,
    running: Arc<RwLock<()>>,
    cancelled: CancellationToken,
}

async fn converse(stream: TcpStream, from: SocketAddr, service: Arc<Service>) {
    // Small answers would wait 40 ms for the client's acknowledgement.
    let _slower = stream.set_nodelay(true);
    let answers = service_fn(move |request| {
        let service = Arc::clone(&service);
        async move { Ok::<_, Infallible>(service.answer(request, from).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), answers);
    let _ended = connection.await;
}

impl Service {
    async fn answer(&self, request: Request<Incoming>, from: SocketAddr) -> Answer {
        if request.uri().path() != PATH {
            return plain(StatusCode::NOT_FOUND, "Not Found");
        }
        let (parts, body) = request.into_parts();
        let caller = match self.door.authenticate(&parts, from).await {
            Ok(caller) => caller,
            Err(refused) => return refusal(refused),
        };
        let server = Server::new(Arc::clone(&self.host), caller, Arc::clone(&self.running));
        let settings = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_cancellation_token(self.cancelled.child_token());
        let sessions = Arc::new(NeverSessionManager::default());
        StreamableHttpService::new(move || Ok(server.clone()), sessions, settings)
            .handle(Request::from_parts(parts, body))
            .await
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(text.into()).boxed());
    *answer.status_mut() = status;
    answer
}

fn refusal(refused: Refused) -> Answer {
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
