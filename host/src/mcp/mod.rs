//! MCP (Model Context Protocol) → [`Invocation`](crate::Invocation).
//!
//! [`serve_stdio`] offers the tools of every loaded skill to the program that
//! started this process. The protocol, in all of its revisions that are in
//! use, is `rmcp`'s; this module says which tools there are, passes calls to
//! [`Host::invoke`], and turns answers into results.

mod ask;
mod auth;
mod caller;
mod changes;
mod http;
pub mod message;
pub(crate) mod names;
mod pages;
mod result;
mod server;
mod stop;
mod tools;
mod words;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::service::{
    QuitReason, RoleServer, RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage,
};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use rmcp::transport::io::stdio_pipes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

pub use self::auth::{
    Authenticate, BearerKey, KeyId, KeySource, NoAuthentication, OauthSettings, Page, Refused, door,
};
pub(crate) use self::auth::{KeyFile, KeyTerms, holder};
pub use self::caller::Caller;
pub use self::http::{
    ADDRESS, Exposure, HostName, HttpLimits, HttpSettings, MIN_HEAD, PageOrigin, TlsFiles,
    serve_http,
};
pub use self::names::ListedName;
pub(crate) use self::pages::Outputs;
pub use self::pages::Paging;
use self::server::Server;
use self::stop::Calls;
pub use self::stop::Stop;
pub(crate) use self::tools::Definitions;
use crate::error::{Error, Kind, Result};
use crate::host::Host;
use crate::invocation::Principal;

/// How long calls may go on after the end of input. Clients wait about two
/// seconds between closing a server's input and killing it.
const GRACE: Duration = Duration::from_secs(1);

/// How long a client that reads no more may hold up the end.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a message holds besides a call's arguments, in bytes.
const ENVELOPE: u64 = 64 * 1024;

/// Serves the host's tools over standard input and output, until the input
/// ends, or SIGTERM or SIGINT arrives.
///
/// Calls that still run are then cancelled, those after the end of input a
/// second later. This returns once each of them has its `invocation.finished`
/// event.
///
/// Nothing but protocol messages is written to standard output. What skills
/// write for their operator goes to [`tracing`], at the level *info*.
///
/// If standard input is no pipe, a thread goes on waiting for it: end the
/// runtime with
/// [`shutdown_background`](tokio::runtime::Runtime::shutdown_background).
///
/// # Errors
///
/// `InvalidRequest` if the client does not begin as MCP says; `ConfigInsecure`
/// if the host compiles without limits; `Internal` if signals cannot be received
/// or serving fails.
pub async fn serve_stdio(host: Arc<Host>) -> Result<()> {
    let (input, output) = stdio_pipes();
    let stop = Stop::on_signals()?;
    serve(host, input, output, async move { stop.asked().await }).await
}

async fn serve(
    host: Arc<Host>,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    if host.compiles_without_limits() {
        return Err(compiles_without_limits());
    }
    let transport = Lines {
        ended: CancellationToken::new(),
        // Escapes make text longer: what is somewhat over the limit shall get
        // an answer that says so.
        inner: AsyncRwTransport::new_server(input, output)
            .with_max_line_length(line_length(host.limits().input)),
    };
    let ended = transport.ended.clone();
    let out_of_input = async {
        ended.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let calls = Arc::new(Calls::default());
    let listening = Arc::clone(&host);
    let server = Server::new(host, Caller::new(Principal::Stdio), Arc::clone(&calls));
    let cancelled = CancellationToken::new();
    let mut session = pin!(converse(server, transport, cancelled.clone()));
    let served = tokio::select! {
        served = &mut session => served,
        () = async { tokio::select! { () = stop => {}, () = out_of_input => {} } } => {
            cancelled.cancel();
            tokio::time::timeout(PATIENCE, session).await.unwrap_or(Ok(()))
        }
    };
    cancelled.cancel();
    listening.end_listening();
    calls.ended().await;
    served
}

async fn converse<T>(server: Server, transport: T, cancelled: CancellationToken) -> Result<()>
where
    T: Transport<RoleServer, Error = std::io::Error> + 'static,
{
    match server.serve_with_ct(transport, cancelled).await {
        Ok(session) => match session.waiting().await {
            Ok(QuitReason::Closed | QuitReason::Cancelled) => Ok(()),
            Ok(other) => Err(failed(format_args!("{other:?}"))),
            Err(cause) => Err(failed(cause)),
        },
        Err(ServerInitializeError::ConnectionClosed(_) | ServerInitializeError::Cancelled) => {
            Ok(())
        }
        Err(cause) => Err(Error::new(
            Kind::InvalidRequest,
            "The client does not begin as the Model Context Protocol says.",
        )
        .with_hint("Let a chat assistant start `skillhost serve`; it does not talk to people.")
        .with_internal(cause)),
    }
}

fn compiles_without_limits() -> Error {
    Error::new(
        Kind::ConfigInsecure,
        "A host that compiles in its own process is not served.",
    )
    .with_hint("Name another worker in `Setup::compile`.")
}

fn failed(cause: impl std::fmt::Display) -> Error {
    Error::new(Kind::Internal, "The host failed while it served.").with_internal(cause)
}

fn line_length(input: u64) -> usize {
    usize::try_from(input.saturating_mul(2).saturating_add(ENVELOPE)).unwrap_or(usize::MAX)
}

/// Messages as lines, and the news that no more will come: `rmcp` lets calls
/// run on for five seconds then and tells nobody.
struct Lines<T> {
    inner: T,
    ended: CancellationToken,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Lines<T> {
    type Error = T::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = Result<(), Self::Error>> + Send + 'static {
        self.inner.send(message)
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let message = self.inner.receive().await;
        if message.is_none() {
            self.ended.cancel();
        }
        message
    }

    async fn close(&mut self) -> Result<(), Self::Error> {
        self.inner.close().await
    }
}

#[cfg(test)]
mod tests;
