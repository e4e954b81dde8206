//! `skillhost serve`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anstyle::AnsiColor;
use clap::Args;
use tokio::net::TcpListener;
use tokio::task::JoinError;

use super::terminal::{labelled, note};
use super::watch::Follower;
use super::{ExitStatus, Session, block_on};
use crate::error::{Error, Kind, Result};
use crate::event::audit::Durability;
use crate::event::{Severity, StderrSink};
use crate::host::Host;
use crate::manifest::text::one_line;
use crate::mcp::{ADDRESS, Authenticate, Exposure, NoAuthentication, Stop, serve_http};
use crate::metrics::Endpoint;
use crate::registry::Loaded;
use crate::trust::TrustFiles;

/// How long sinks have for what waits at the end: clients wait about two seconds
/// before they kill a server.
const FLUSH: Duration = Duration::from_secs(1);

/// So long the first skills have before clients are answered. Whoever has few of
/// them, or code in the cache, serves all from the beginning.
const HEAD_START: Duration = Duration::from_secs(5);

/// Offer the installed skills as MCP tools over standard input and output, which is how chat assistants start a local server, or over HTTP
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Serve {
    /// Serve Streamable HTTP instead: at this address, or at `listen` under `[http]`, or at 127.0.0.1:8808
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, value_parser = listen_address)]
    http: Option<Option<SocketAddr>>,
    /// Let in whoever reaches an address of this machine alone
    #[arg(long, requires = "http")]
    no_auth: bool,
}

const EXAMPLES: &str = "\
Examples:
  skillhost serve                              as an assistant starts it
  skillhost serve --http                       over HTTP, to whoever has a key
  skillhost serve --http 127.0.0.1:9000        at another address
  skillhost serve --http --no-auth             to every program of this machine";

fn listen_address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_malformed| format!("write ADDRESS:PORT, such as {ADDRESS}"))
}

impl Serve {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let trust = TrustFiles {
            config_is_followed: true,
            ..session.trust()?
        };
        let mut setup = session.setup(trust, Durability::Fsync)?;
        let front = self.front(session, setup.danger_override.is_granted())?;
        // An assistant may never read standard error.
        setup.sinks = vec![Box::new(StderrSink::detached(Severity::Warning))];
        let host = Arc::new(Host::new(setup)?);
        let served = block_on(async {
            let _numbers = match session.config.metrics {
                Some(settings) => Some(Endpoint::open(&host, settings).await?),
                None => None,
            };
            let follower = Follower::new(&host, session)?;
            let loading = host.begin_loading();
            let mut following = tokio::spawn(follower.follow(loading));
            tokio::select! {
                failed = &mut following => return ended(failed),
                _ = host.until_ready(HEAD_START) => {}
            }
            let serving = async {
                match front {
                    None => crate::mcp::serve_stdio(Arc::clone(&host)).await,
                    Some(front) => over_http(&host, session, front).await,
                }
            };
            tokio::select! {
                served = serving => served,
                failed = following => ended(failed),
            }
        });
        host.close(FLUSH);
        served??;
        Ok(ExitStatus::Ok)
    }
}

/// Following ends only when nothing can be served.
fn ended(following: std::result::Result<Result<()>, JoinError>) -> Result<()> {
    following.unwrap_or_else(|cause| {
        Err(
            Error::new(Kind::Internal, "The host no longer follows its files.")
                .with_internal(cause),
        )
    })
}

/// Where HTTP is served, and whether callers prove who they are.
struct Front {
    address: SocketAddr,
    authenticates: bool,
}

impl Serve {
    /// None over standard input and output.
    fn front(&self, session: &Session, unsigned: bool) -> Result<Option<Front>> {
        let Some(address) = self.http else {
            return Ok(None);
        };
        let settings = &session.config.http;
        let address = address.or(settings.listen).unwrap_or(ADDRESS);
        let is_configured = session.config.auth.is_configured(&session.bearer_keys());
        let authenticates = is_configured && !self.no_auth;
        let exposure = Exposure {
            address,
            authenticates,
            no_auth: self.no_auth,
            tls: settings.tls.is_some(),
            plaintext: settings.plaintext,
            unsigned,
        };
        exposure.check()?;
        Ok(Some(Front {
            address,
            authenticates,
        }))
    }
}

async fn over_http(host: &Arc<Host>, session: &Session, front: Front) -> Result<()> {
    let Front {
        address,
        authenticates,
    } = front;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|cause| cannot_listen(address, &cause))?;
    let settings = session.config.http.clone();
    let scheme = if settings.tls.is_some() {
        "https"
    } else {
        "http"
    };
    let address = listener.local_addr().unwrap_or(address);
    note(&format!("listening at {scheme}://{address}/mcp"));
    let door: Arc<dyn Authenticate> = if authenticates {
        crate::mcp::door(&session.config.auth, &session.bearer_keys(), host)?
    } else {
        Arc::new(NoAuthentication)
    };
    serve_http(
        Arc::clone(host),
        listener,
        door,
        settings,
        Stop::on_signals()?,
    )
    .await
}

fn cannot_listen(address: SocketAddr, cause: &io::Error) -> Error {
    let message = format!("The host cannot listen at {address}: {cause}.");
    let error = Error::new(Kind::ConfigInvalid, message);
    if cause.kind() != io::ErrorKind::AddrInUse {
        return error;
    }
    error.with_hint("End what listens there, or choose another port with `--http ADDRESS:PORT`.")
}

/// Says that a skill is served.
pub(super) fn serving(loaded: &Loaded) {
    let manifest = loaded.manifest();
    note(&format!("serving {} {}", manifest.name, manifest.version));
    if let Err(denied) = &*loaded.granted {
        let (name, message) = (&manifest.name, &denied.message);
        let text = format!(
            "calls of {name} are denied: {message} Allow it with {}.",
            denied.grant
        );
        labelled("note", AnsiColor::Yellow, &one_line(&text, 2000));
    }
    for tool in loaded.blocked_tools() {
        let name = &manifest.name;
        labelled(
            "note",
            AnsiColor::Yellow,
            &format!(
                "the tool `{tool}` of {name} is blocked: it is called like an interpreter; `interpreters = [\"{tool}\"]` under `[skill.{name}]` allows it"
            ),
        );
    }
}
