//! Which request is answered how, and in which order it is judged.

use std::net::SocketAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::FutureExt;
use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use rustix::process::{Resource, getrlimit};
use tokio::task::JoinError;
use tokio_util::sync::CancellationToken;

use super::answer::{self, Answer, Held, last, later, only, plain};
use super::connection::Peer;
use super::exposure::Exposure;
use super::origin::{Foreign, Names};
use super::pace::Serving;
use super::refusals::{Broken, Refusals};
use super::request::{self, NoBody};
use super::settings::HttpSettings;
use super::slots::{Full as NoPlace, Slot, Slots};
use super::tls::Tls;
use crate::error::Result;
use crate::event::{Event, Subject};
use crate::host::Host;
use crate::mcp::auth::Authenticate;
use crate::mcp::caller::Caller;
use crate::mcp::message::{self, Answers, Malformed};
use crate::mcp::server::Server;
use crate::mcp::stop::Calls;

/// Where MCP is spoken.
const PATH: &str = "/mcp";

/// What authenticates, and what would be a session: neither goes on behind the
/// door.
const KEPT_BACK: [HeaderName; 4] = [
    header::AUTHORIZATION,
    header::COOKIE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("mcp-session-id"),
];

/// Seconds until a request is of use again, when there was no place.
const SOON: u64 = 1;

/// Likewise, when the host ends: another one may be there.
const ANOTHER: u64 = 5;

const QUERY: Broken = Broken {
    limit: "query",
    reason: "The address of a request has a query, where tokens would be seen.",
};

const CODED: Broken = Broken {
    limit: "body",
    reason: "The body of a request is sent in another coding than `chunked`.",
};

const PACKED: Broken = Broken {
    limit: "body",
    reason: "The body of a request is compressed.",
};

const ENDING: Broken = Broken {
    limit: "drain",
    reason: "The host ends.",
};

/// What every connection shares.
pub(super) struct Front {
    pub(super) host: Arc<Host>,
    door: Arc<dyn Authenticate>,
    pub(super) settings: HttpSettings,
    names: Names,
    pub(super) tls: Option<Arc<Tls>>,
    pub(super) connections: Arc<Slots>,
    pub(super) requests: Arc<Slots>,
    pub(super) refusals: Refusals,
    pub(super) calls: Arc<Calls>,
    /// Cancelled when the host is asked to stop: nothing begins any more.
    pub(super) asked: CancellationToken,
    /// Cancelled when calls have ended: connections end with their answers.
    pub(super) closing: CancellationToken,
    /// Cancelled when nothing is waited for any more.
    pub(super) over: CancellationToken,
}

impl Front {
    pub(super) fn new(
        host: Arc<Host>,
        door: Arc<dyn Authenticate>,
        settings: HttpSettings,
        address: SocketAddr,
        asked: &CancellationToken,
    ) -> Result<Self> {
        if host.compiles_without_limits() {
            return Err(crate::mcp::compiles_without_limits());
        }
        let authenticates = door.authenticates();
        Exposure {
            address,
            authenticates,
            no_auth: !authenticates,
            tls: settings.tls.is_some(),
            plaintext: settings.plaintext,
            unsigned: false,
        }
        .check()?;
        let limits = settings.limits;
        // Half of the descriptors are left to skills and to the host itself.
        let room = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX) / 2;
        let room = u32::try_from(room).unwrap_or(u32::MAX).try_into();
        let connections = room.map_or(limits.connections, |room| limits.connections.min(room));
        Ok(Self {
            names: Names::new(&settings),
            tls: settings
                .tls
                .clone()
                .map(Tls::open)
                .transpose()?
                .map(Arc::new),
            connections: Slots::new(connections, limits.connections_per_source),
            requests: Slots::new(limits.requests, limits.requests_per_source),
            refusals: Refusals::new(Arc::clone(host.events())),
            calls: Arc::default(),
            asked: asked.clone(),
            closing: CancellationToken::new(),
            over: CancellationToken::new(),
            host,
            door,
            settings,
        })
    }

    /// Records that it serves.
    pub(super) fn begun(&self, address: SocketAddr) -> Result<()> {
        let event = Event::ServerStarted {
            transport: if self.tls.is_some() { "https" } else { "http" },
            address: Some(address.to_string()),
            authentication: self.door.methods(),
        };
        self.host.events().record(&Subject::default(), &event)
    }

    /// What is done now and then.
    pub(super) fn tick(&self) {
        self.refusals.tell();
        if let Some(tls) = &self.tls {
            let (tls, events) = (Arc::clone(tls), Arc::clone(self.host.events()));
            tokio::task::spawn_blocking(move || tls.renew(&events));
        }
    }

    /// Answers a request, whatever happens meanwhile.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: Peer,
        serving: Serving,
    ) -> Response<Held> {
        let judged = AssertUnwindSafe(self.judge(request, peer)).catch_unwind();
        let (answer, slot) = judged.await.unwrap_or_else(|_panic| {
            self.panicked();
            let told = "The host failed while it served this request.";
            (last(plain(StatusCode::INTERNAL_SERVER_ERROR, told)), None)
        });
        answer.map(|body| Held::new(body, slot, serving))
    }

    /// A connection has ended.
    pub(super) fn ended(&self, ended: std::result::Result<(), JoinError>) {
        if ended.is_err_and(|cause| cause.is_panic()) {
            self.panicked();
        }
    }

    fn panicked(&self) {
        let recorded = self
            .host
            .events()
            .record(&Subject::default(), &Event::HostPanicked {});
        if let Err(error) = recorded {
            tracing::debug!(internal = error.internal(), "a panic is not recorded");
        }
    }

    async fn judge(&self, request: Request<Incoming>, peer: Peer) -> (Answer, Option<Slot>) {
        let (parts, body) = request.into_parts();
        let (mut answer, slot, page) = match self.names.check(&parts, peer.own) {
            Ok(page) => {
                let (answer, slot) = self.route(parts, body, peer).await;
                (answer, slot, page)
            }
            Err(foreign) => (self.foreign(&foreign, peer), None, None),
        };
        let headers = answer.headers_mut();
        self.names.share(page, headers);
        guard(headers);
        if self.asked.is_cancelled() {
            answer = last(answer);
        }
        (answer, slot)
    }

    fn foreign(&self, foreign: &Foreign, peer: Peer) -> Answer {
        let value = foreign.value.as_ref();
        self.refusals.header(peer.source, foreign.header, value);
        plain(foreign.status, foreign.message)
    }

    async fn route(&self, parts: Parts, body: Incoming, peer: Peer) -> (Answer, Option<Slot>) {
        if parts.uri.query().is_some() {
            self.refusals.wire(peer.source, QUERY);
            let told = "An address here has no query; tokens belong into the header Authorization.";
            return (plain(StatusCode::BAD_REQUEST, told), None);
        }
        if !request::is_plainly_sent(&parts.headers) {
            self.refusals.wire(peer.source, CODED);
            let told = "The only transfer coding here is chunked.";
            return (last(plain(StatusCode::BAD_REQUEST, told)), None);
        }
        if let Some(leave) = self.names.preflight(&parts) {
            return (answer::empty(StatusCode::NO_CONTENT, leave), None);
        }
        let reads = matches!(parts.method, Method::GET | Method::HEAD);
        let path = parts.uri.path();
        match path {
            PATH if parts.method == Method::POST => {
                let served = self.speak(parts, body, peer).await;
                served.unwrap_or_else(|refused| (*refused, None))
            }
            // There are no sessions to be ended and no streams to be resumed.
            PATH => (only("POST"), None),
            _ if !reads => (plain(StatusCode::NOT_FOUND, "Not Found"), None),
            _ => (self.page(&parts, peer).await, None),
        }
    }

    async fn speak(
        &self,
        mut parts: Parts,
        body: Incoming,
        peer: Peer,
    ) -> std::result::Result<(Answer, Option<Slot>), Box<Answer>> {
        self.check_begin(&parts, peer)?;
        let caller = self.door.authenticate(&parts, peer.from).await;
        let caller = caller.map_err(answer::refusal)?;
        let slot = self.requests.take(peer.source);
        let slot = slot.map_err(|full| self.no_place(full, peer))?;
        let limits = &self.settings.limits;
        let body = tokio::select! {
            biased;
            body = request::collect(body, limits.body, limits.body_timeout) => body,
            // What is not there yet is no call that the end would wait for.
            () = self.asked.cancelled() => return Err(self.ending(peer)),
        };
        let body = body.map_err(|none| self.no_body(&none, peer))?;
        for name in KEPT_BACK {
            parts.headers.remove(name);
        }
        let message = message::read(&body, Answers::Refused);
        let message = message.and_then(|message| message.check().map(|()| message));
        let message = message.map_err(|malformed| self.malformed(&malformed, peer))?;
        let (text, arguments) = message.into_parts();
        if let Some(arguments) = arguments {
            parts.extensions.insert(arguments);
        }
        let answer = self.serve(parts, text.into(), caller).await;
        Ok((answer, Some(slot)))
    }

    /// What is refused whoever it is.
    fn check_begin(&self, parts: &Parts, peer: Peer) -> std::result::Result<(), Box<Answer>> {
        if !request::is_json(&parts.headers) {
            let media_type = parts.headers.get(header::CONTENT_TYPE);
            self.refusals
                .header(peer.source, "Content-Type", media_type);
            let told = "The body of a request is application/json.";
            return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, told).into());
        }
        if request::is_packed(&parts.headers) {
            self.refusals.wire(peer.source, PACKED);
            let told = "The body of a request is not compressed.";
            return Err(plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, told).into());
        }
        if self.asked.is_cancelled() {
            return Err(self.ending(peer));
        }
        Ok(())
    }

    fn ending(&self, peer: Peer) -> Box<Answer> {
        self.refusals.wire(peer.source, ENDING);
        later("The host ends.", ANOTHER).into()
    }

    fn no_place(&self, full: NoPlace, peer: Peer) -> Box<Answer> {
        let (limit, reason) = match full {
            NoPlace::All => ("requests", "There are as many requests as are served."),
            NoPlace::Source => (
                "requests-per-source",
                "There are as many requests of this source as are served.",
            ),
        };
        self.refusals.wire(peer.source, Broken { limit, reason });
        last(later(reason, SOON)).into()
    }

    /// The rest of the body is not read, so that nothing can follow it.
    fn no_body(&self, none: &NoBody, peer: Peer) -> Box<Answer> {
        let broken = none.broken();
        self.refusals.wire(peer.source, broken);
        last(plain(none.status(), broken.reason)).into()
    }

    fn malformed(&self, malformed: &Malformed, peer: Peer) -> Box<Answer> {
        let limit = malformed.limit();
        let reason = "A message is not what JSON-RPC and MCP say.";
        self.refusals.wire(peer.source, Broken { limit, reason });
        let told = malformed.answer().map(|it| serde_json::to_vec(&it));
        let told = told.and_then(std::result::Result::ok).unwrap_or_default();
        let mut answer = plain(StatusCode::BAD_REQUEST, told);
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().insert(header::CONTENT_TYPE, json);
        answer.into()
    }

    /// The protocol is `rmcp`'s; what it checks of hosts and pages is done.
    async fn serve(&self, parts: Parts, body: Bytes, caller: Caller) -> Answer {
        let settings = StreamableHttpServerConfig::default()
            .disable_allowed_hosts()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(body.len())
            .with_cancellation_token(self.over.child_token());
        let server = Server::new(Arc::clone(&self.host), caller, Arc::clone(&self.calls));
        let sessions = Arc::new(NeverSessionManager::default());
        StreamableHttpService::new(move || Ok(server.clone()), sessions, settings)
            .handle(Request::from_parts(parts, Full::new(body)))
            .await
    }

    /// Who somebody proved to be.
    pub(super) async fn caller(
        &self,
        parts: &Parts,
        peer: Peer,
    ) -> std::result::Result<Caller, Box<Answer>> {
        let caller = self.door.authenticate(parts, peer.from).await;
        caller.map_err(|refused| answer::refusal(refused).into())
    }

    /// A page of those who authenticate.
    pub(super) fn door_page(&self, path: &str) -> Option<Answer> {
        self.door.page(path).map(answer::page)
    }
}

/// No browser takes an answer for something else, or keeps it.
fn guard(headers: &mut HeaderMap) {
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    headers
        .entry(header::CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
}
