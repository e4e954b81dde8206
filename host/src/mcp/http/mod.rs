//! MCP over Streamable HTTP.
//!
//! Each request passes, in this order: places for connections ([`slots`]) and
//! their [`pace`]; the names under which the host is served and the web pages
//! that it serves ([`origin`]); path and method ([`route`]); who it is
//! ([`Authenticate`]); places for requests; the body ([`request`]); and then the
//! protocol, which is `rmcp`'s. What is refused on the way has left no state,
//! and is an event ([`refusals`]).
//!
//! Sessions of the revisions before 2026-07-28 are not kept: each request is
//! served for itself, so that nobody can take somebody else's session, or fill
//! the host with them.
//!
//! HTTP/1.1 only. What HTTP/2 adds, many streams and compressed headers on one
//! connection, is what its attacks are made of (rapid resets, floods of
//! CONTINUATION, empty DATA); what a client gains is a few connections.

mod answer;
mod connection;
mod exposure;
mod origin;
mod pace;
mod pages;
mod refusals;
mod request;
mod route;
mod settings;
mod slots;
mod tls;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};

pub use self::exposure::Exposure;
use self::route::Front;
pub use self::settings::{
    ADDRESS, HostName, HttpLimits, HttpSettings, MIN_HEAD, PageOrigin, TlsFiles,
};
use super::auth::Authenticate;
use super::stop::Stop;
use crate::error::Result;
use crate::event::{Event, Subject};
use crate::host::Host;

/// How often is looked whether files of TLS have changed, and what was refused
/// is told.
const TICK: Duration = Duration::from_secs(1);

/// How long nobody is let in after that failed, as it does without descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// How long answers may take to be written after the last call has ended.
const PATIENCE: Duration = Duration::from_secs(3);

/// Serves the host's tools over Streamable HTTP at `/mcp`, until it is asked to
/// stop.
///
/// Then nobody is let in any more, calls on connections that are open are
/// refused, and those that run have [`HttpLimits::drain`] to end; what is left is
/// cancelled, and so it is at once if it is asked a second time. Each call has
/// its answer and its `invocation.finished` when this returns.
///
/// # Errors
///
/// `ConfigInsecure` if other machines would be served without authentication or
/// TLS ([`Exposure`]), or the host compiles without limits; those of the files
/// of TLS; `AuditUnavailable` if the beginning cannot be recorded.
pub async fn serve_http(
    host: Arc<Host>,
    listener: TcpListener,
    door: Arc<dyn Authenticate>,
    settings: HttpSettings,
    stop: Stop,
) -> Result<()> {
    let address = listener.local_addr().map_err(super::failed)?;
    let _protected = host.protect(address);
    let front = Arc::new(Front::new(host, door, settings, address, stop.token())?);
    front.begun(address)?;
    let mut connections = JoinSet::new();
    accept(&front, &listener, &mut connections, &stop).await;
    drop(listener);
    end(&front, connections, &stop).await
}

async fn accept(
    front: &Arc<Front>,
    listener: &TcpListener,
    connections: &mut JoinSet<()>,
    stop: &Stop,
) {
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.asked() => return,
            _ = tick.tick() => front.tick(),
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) => admit(front, stream, from, connections),
                Err(cause) => {
                    tracing::debug!(%cause, "nobody can be let in");
                    sleep(PAUSE).await;
                }
            }
        }
        while let Some(ended) = connections.try_join_next() {
            front.ended(ended);
        }
    }
}

fn admit(front: &Arc<Front>, stream: TcpStream, from: SocketAddr, connections: &mut JoinSet<()>) {
    match front.place(from) {
        Ok(place) => {
            connections.spawn(connection::converse(Arc::clone(front), stream, from, place));
        }
        Err(full) => front.turn_away(stream, from, full),
    }
}

/// Lets calls end that run, then cancels them, and records the end.
async fn end(front: &Arc<Front>, mut connections: JoinSet<()>, stop: &Stop) -> Result<()> {
    // Whoever listens for changes would keep its place for as long as it may.
    front.host.end_listening();
    let running = front.calls.running();
    let all_ended = async {
        front.requests.all_free().await;
        front.calls.ended().await;
    };
    tokio::select! {
        () = all_ended => {}
        () = stop.at_once() => {}
        () = sleep(front.settings.limits.drain) => {}
    }
    let cancelled = front.calls.running();
    front.calls.cancel();
    front.closing.cancel();
    let all_closed = async {
        while let Some(ended) = connections.join_next().await {
            front.ended(ended);
        }
    };
    let _in_time = timeout(PATIENCE, all_closed).await;
    front.over.cancel();
    connections.shutdown().await;
    front.calls.ended().await;
    front.refusals.tell_all();
    let event = Event::ServerStopped {
        reason: "signal",
        running,
        cancelled,
    };
    front.host.events().record(&Subject::default(), &event)
}

#[cfg(test)]
mod tests;
