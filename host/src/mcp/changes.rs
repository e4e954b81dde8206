//! Telling clients that their list of tools has changed.
//!
//! A client is told only if its own list differs from the one that it could
//! have seen: what changed for others is none of its business. Changes that
//! follow each other closely are told together.
//!
//! Over standard input and output both eras are told: 2025-11-25 from
//! `notifications/initialized` on, 2026-07-28 for as long as a
//! `subscriptions/listen` request lasts. Over HTTP only the latter are, as there
//! are no sessions.

use std::time::Duration;

use rmcp::ServerHandler;
use rmcp::model::{ErrorData, InitializeRequestParams, InitializeResult, SubscriptionFilter};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use tokio::sync::watch;

use super::caller::Caller;
use super::server::Server;
use super::tools;
use crate::artifact::Digest;
use crate::error::{Error, Kind};
use crate::host::Host;
use crate::invocation::Principal;

/// Changes within this time are one.
const TOGETHER: Duration = Duration::from_millis(200);

/// How long a client is told over HTTP before it has to ask again, and to prove
/// again who it is.
const MAX_AGE: Duration = Duration::from_mins(15);

/// How often a client is looked for that is told nothing.
const LOOK: Duration = Duration::from_secs(1);

/// Until then who asks for tools waits for the first skills.
pub(super) const FIRST_LOAD: Duration = Duration::from_secs(30);

/// What one caller finds in its list.
struct Seen<'a> {
    host: &'a Host,
    caller: &'a Caller,
    list: Digest,
    /// There was a change, and the list was not looked at since.
    unsure: bool,
}

impl<'a> Seen<'a> {
    fn now(host: &'a Host, caller: &'a Caller) -> Self {
        let list = tools::digest(host, caller);
        Self {
            host,
            caller,
            list,
            unsure: false,
        }
    }

    /// Waits until the list is another one. Nothing is missed if that is given up
    /// and begun again.
    async fn changed(&mut self, changes: &mut watch::Receiver<u64>) -> Result<(), Closed> {
        loop {
            if !self.unsure {
                changes.changed().await.map_err(|_closed| Closed)?;
                self.unsure = true;
            }
            tokio::time::sleep(TOGETHER).await;
            changes.borrow_and_update();
            self.unsure = false;
            let now = tools::digest(self.host, self.caller);
            if now != self.list {
                self.list = now;
                return Ok(());
            }
        }
    }
}

/// The host has ended.
struct Closed;

/// What a client of 2025-11-25 is told of this server: over HTTP nobody could
/// tell it about changes.
pub(super) fn initialize(
    server: &Server,
    request: &InitializeRequestParams,
    context: &RequestContext<RoleServer>,
) -> Result<InitializeResult, ErrorData> {
    context.peer.set_peer_info(request.clone());
    let mut hello = server.negotiate_initialize(request)?;
    if let Some(tools) = &mut hello.capabilities.tools
        && !has_a_connection(server)
    {
        tools.list_changed = None;
    }
    Ok(hello)
}

/// Tells a client of 2025-11-25, until it is gone. One that says more than once
/// that it began is told once all the same.
pub(super) async fn tell(server: &Server, context: NotificationContext<RoleServer>) {
    let (host, caller) = (server.host(), server.caller());
    if !has_a_connection(server) || !server.begins_telling() {
        return;
    }
    let Some(mut listener) = host.listen(&caller.principal) else {
        return;
    };
    let mut seen = Seen::now(host, caller);
    while !context.peer.is_transport_closed() && !listener.over.is_cancelled() {
        match tokio::time::timeout(LOOK, seen.changed(&mut listener.changes)).await {
            Ok(Err(Closed)) => return,
            Ok(Ok(())) if context.peer.notify_tool_list_changed().await.is_err() => return,
            Ok(Ok(())) | Err(_) => {}
        }
    }
}

/// What a client of 2026-07-28 can be told.
pub(super) fn accepted(requested: &SubscriptionFilter) -> SubscriptionFilter {
    let mut accepted = SubscriptionFilter::new();
    accepted.tools_list_changed = requested.tools_list_changed;
    accepted
}

/// Tells a client of 2026-07-28, until it wants to hear no more or has to ask
/// again.
pub(super) async fn listen(server: &Server, context: SubscriptionContext) -> Result<(), ErrorData> {
    let (host, caller) = (server.host(), server.caller());
    let Some(mut listener) = host.listen(&caller.principal) else {
        return Err(too_many());
    };
    let over = listener.over.clone();
    let telling = async {
        let mut seen = Seen::now(host, caller);
        while seen.changed(&mut listener.changes).await.is_ok() {
            if context.sink().notify_tool_list_changed().await.is_err() {
                return;
            }
        }
    };
    let too_old = async {
        match caller.principal {
            Principal::Stdio => std::future::pending().await,
            _ => tokio::time::sleep(MAX_AGE).await,
        }
    };
    tokio::select! {
        () = context.cancelled() => {}
        () = over.cancelled() => {}
        () = telling => {}
        () = too_old => {}
    }
    Ok(())
}

/// A client that started this process speaks through one connection.
fn has_a_connection(server: &Server) -> bool {
    server.caller().principal == Principal::Stdio
}

fn too_many() -> ErrorData {
    let error = Error::new(
        Kind::Overloaded,
        "You listen for changes too often already.",
    )
    .with_hint("End another `subscriptions/listen` request first.");
    ErrorData::invalid_request(error.to_string(), None)
}
