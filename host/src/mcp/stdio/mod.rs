//! MCP over standard input and output.
//!
//! Each line is a message ([`lines`]), which is read strictly
//! ([`message`](super::message)) and belongs to a request that waits for an
//! answer ([`ledger`]); what is no message is answered, is an event
//! ([`refusals`]), and the next line is read. Between these and `rmcp` stands
//! [`pipe`].

mod caught;
mod ledger;
mod lines;
mod out;
mod pipe;
mod refusals;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::service::{QuitReason, RoleServer, ServerInitializeError};
use rmcp::transport::Transport;
use rmcp::transport::io::stdio_pipes;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use self::caught::Caught;
use self::out::Out;
use self::pipe::Pipe;
use super::caller::Caller;
use super::server::Server;
use super::stop::{Calls, Stop};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject};
use crate::host::Host;
use crate::invocation::Principal;

/// How long calls may go on after the end of input. Clients wait about two
/// seconds between closing a server's input and killing it.
const GRACE: Duration = Duration::from_secs(1);

/// How long a client that reads no more may hold up the end.
const PATIENCE: Duration = Duration::from_secs(3);

const STARTED: Event = Event::ServerStarted {
    transport: "stdio",
    address: None,
    authentication: "none",
};

/// Why serving ends if its client has gone.
const ENDED: &str = "input-ended";

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
        return Err(super::compiles_without_limits());
    }
    let events = Arc::clone(host.events());
    events.record(&Subject::default(), &STARTED)?;
    let ended = CancellationToken::new();
    let out = Out::new(output, ended.clone());
    let pipe = Pipe::new(
        input,
        Arc::clone(&out),
        line_length(host.limits().input),
        Arc::clone(&events),
        ended.clone(),
    );
    let out_of_input = async {
        ended.cancelled().await;
        tokio::time::sleep(GRACE).await;
    };
    let calls = Arc::new(Calls::default());
    let listening = Arc::clone(&host);
    let ending = Arc::clone(&calls);
    let server = Server::new(host, Caller::new(Principal::Stdio), Arc::clone(&calls));
    let cancelled = CancellationToken::new();
    let mut session = pin!(converse(Caught(server), pipe, cancelled.clone()));
    let (served, reason, running) = tokio::select! {
        served = &mut session => (served, ENDED, calls.running()),
        reason = async { tokio::select! { () = stop => "signal", () = out_of_input => ENDED } } => {
            let running = calls.running();
            cancelled.cancel();
            let served = tokio::time::timeout(PATIENCE, session).await;
            (served.unwrap_or(Ok(())), reason, running)
        }
    };
    cancelled.cancel();
    listening.end_listening();
    // Those that are tasks do not end with the requests of the session.
    ending.cancel();
    // Whoever never began as MCP says shall read what was wrong.
    let _in_time = tokio::time::timeout(GRACE, out.is_idle()).await;
    calls.ended().await;
    let stopped = Event::ServerStopped {
        reason: if served.is_ok() { reason } else { "failed" },
        running,
        // None has more time.
        cancelled: running,
    };
    served.and(events.record(&Subject::default(), &stopped))
}

async fn converse<T>(server: Caught, transport: T, cancelled: CancellationToken) -> Result<()>
where
    T: Transport<RoleServer, Error = std::io::Error> + 'static,
{
    match server.serve_with_ct(transport, cancelled).await {
        Ok(session) => match session.waiting().await {
            Ok(QuitReason::Closed | QuitReason::Cancelled) => Ok(()),
            Ok(other) => Err(super::failed(format_args!("{other:?}"))),
            Err(cause) => Err(super::failed(cause)),
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

/// Escapes make text longer: what is somewhat over the limit shall get an answer
/// that says so.
fn line_length(input: u64) -> usize {
    usize::try_from(input.saturating_mul(2).saturating_add(ENVELOPE)).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
