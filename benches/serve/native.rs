//! The protocol alone: `rmcp` with an echo of its own, served as the host serves
//! its skills, by a process of its own.

use std::convert::Infallible;
use std::sync::Arc;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData,
    ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::stdio_pipes;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rmcp::{ServerHandler, ServiceExt};
use tokio::net::{TcpListener, TcpStream};

use super::server::Wire;

/// What this program is started with to be that server.
pub(crate) const ARGUMENT: &str = "serve-natively";

/// Whether this process is to be that server, and how it is to serve.
pub(crate) fn wanted() -> Option<Wire> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next()? != ARGUMENT {
        return None;
    }
    match arguments.next() {
        None => Some(Wire::Stdio),
        Some(_) => Some(Wire::Http),
    }
}

pub(crate) fn serve(wire: Wire) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        match wire {
            Wire::Stdio => over_stdio().await,
            Wire::Http => over_http().await,
        }
    });
    runtime.shutdown_background();
}

async fn over_stdio() {
    let (input, output) = stdio_pipes();
    let transport = AsyncRwTransport::new_server(input, output);
    let session = Echo.serve(transport).await.unwrap();
    // A client that is gone is the end, however it went.
    let _ended = session.waiting().await;
}

async fn over_http() {
    let address = std::env::args().nth(2).unwrap();
    let listener = TcpListener::bind(address).await.unwrap();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(converse(stream));
    }
}

async fn converse(stream: TcpStream) {
    stream.set_nodelay(true).unwrap();
    let settings = StreamableHttpServerConfig::default()
        .disable_allowed_hosts()
        .with_legacy_session_mode(false)
        .with_json_response(true);
    let sessions = Arc::new(NeverSessionManager::default());
    let protocol = StreamableHttpService::new(|| Ok(Echo), sessions, settings);
    let answers = service_fn(move |request| {
        let protocol = protocol.clone();
        async move { Ok::<_, Infallible>(protocol.handle(request).await) }
    });
    // Likewise.
    let _ended = http1::Builder::new()
        .serve_connection(TokioIo::new(stream), answers)
        .await;
}

#[derive(Debug, Clone, Copy)]
struct Echo;

impl ServerHandler for Echo {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let text = request.arguments.and_then(|mut it| it.remove("text"));
        let text = text.and_then(|it| it.as_str().map(str::to_owned)).unwrap();
        Ok(CallToolResult::success(vec![ContentBlock::text(text)]).into())
    }
}
