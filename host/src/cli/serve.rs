//! `skillhost serve`.

use std::sync::Arc;
use std::time::Duration;

use anstyle::AnsiColor;
use clap::Args;

use super::terminal::{labelled, note};
use super::{ExitStatus, Session, block_on, list};
use crate::error::{Error, Kind, Result};
use crate::event::audit::Durability;
use crate::event::{Severity, StderrSink};
use crate::host::Host;
use crate::manifest::text::one_line;
use crate::metrics::Endpoint;
use crate::registry::Loaded;

/// How long sinks have for what waits at the end: clients wait about two seconds
/// before they kill a server.
const FLUSH: Duration = Duration::from_secs(1);

/// Offer the installed skills as MCP tools over standard input and output, which is how chat assistants start a local server
#[derive(Debug, Args)]
pub(super) struct Serve {}

impl Serve {
    #[expect(
        clippy::unused_self,
        reason = "options follow when there are other transports"
    )]
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let mut setup = session.setup(session.trust()?, Durability::Fsync)?;
        // An assistant may never read standard error.
        setup.sinks = vec![Box::new(StderrSink::detached(Severity::Warning))];
        let host = Arc::new(Host::new(setup)?);
        let served = block_on(async {
            let _numbers = match session.config.metrics {
                Some(settings) => Some(Endpoint::open(&host, settings).await?),
                None => None,
            };
            load(&host, session).await?;
            crate::mcp::serve_stdio(Arc::clone(&host)).await
        });
        host.close(FLUSH);
        served??;
        Ok(ExitStatus::Ok)
    }
}

fn serving(loaded: &Loaded) {
    let manifest = loaded.manifest();
    note(&format!("serving {} {}", manifest.name, manifest.version));
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

/// Loads every installed skill. One that is refused is told and left out; the
/// others serve.
async fn load(host: &Host, session: &Session) -> Result<()> {
    let folder = session.skills_folder();
    for path in list::components(&folder)? {
        match host.load(&path).await {
            Ok(loaded) => serving(&loaded),
            Err(error) if error.kind() == Kind::AuditUnavailable => return Err(error),
            Err(error) => {
                labelled(
                    "error",
                    AnsiColor::Red,
                    &one_line(&format!("{} is left out: {error}", path.display()), 1000),
                );
            }
        }
    }
    for unknown in host.unknown_fallbacks() {
        labelled("warning", AnsiColor::Yellow, &one_line(&unknown, 1000));
    }
    if host.skills().is_empty() {
        return Err(Error::new(
            Kind::ConfigInvalid,
            format!("There is no skill to serve in {}.", folder.display()),
        )
        .with_hint("Install one with `skillhost build FOLDER --install`."));
    }
    Ok(())
}
