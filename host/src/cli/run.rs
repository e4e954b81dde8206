//! `skillhost run`: the production engine on an author's desk.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::author::component;
use super::options::{Grants, ToolchainOption, signing};
use super::prompt::Person;
use super::spinner::Spinner;
use super::terminal::{labelled, note};
use super::{ExitStatus, Session, block_on, inspect, report};
use crate::error::{Error, Kind, Result};
use crate::event::audit::Durability;
use crate::host::Host;
use crate::invocation::{Input, Invocation, Progress};
use crate::manifest::{Manifest, ToolName};
use crate::policy::requirement::Requirement;
use crate::registry::Loaded;
use crate::state::Files;

/// How long sinks have for what waits at the end.
const FLUSH: Duration = Duration::from_secs(2);

/// Run a tool with the verification, the sandbox and the limits of production. What runs must be signed with your own key; a source folder is built and signed first
#[derive(Debug, Args)]
pub(super) struct Run {
    /// A skill's source folder, a component file with its bundle beside it, or the name of an installed skill
    skill: PathBuf,
    /// Which tool; not needed if there is only one. Without it, a skill with several lists them
    tool: Option<String>,
    /// The arguments as JSON; `-` reads them from standard input
    #[arg(long, value_name = "JSON", conflicts_with = "input_file")]
    input: Option<String>,
    /// Read the arguments from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    input_file: Option<PathBuf>,
    #[command(flatten)]
    grants: Grants,
    #[command(flatten)]
    toolchain: ToolchainOption,
    /// Ask nothing: what a skill wants and was not granted is denied
    #[arg(long)]
    no_input: bool,
    /// Print one JSON object: outcome, content, structured, kind, message, hint, usage, invocation, skill
    #[arg(long)]
    pub(super) json: bool,
}

impl Run {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let path = self.component(session)?;
        let host = self.host(session)?;
        let called = block_on(self.call(&host, &path));
        host.close(FLUSH);
        called?
    }

    /// The component to run; of a source folder, built and signed now.
    fn component(&self, session: &Session) -> Result<PathBuf> {
        if self.skill.is_dir() {
            let built = component(session, &self.skill, None, self.toolchain.toolchain)?;
            session
                .local_key()?
                .sign_file(&built.path, None)
                .map_err(signing)?;
            return Ok(built.path);
        }
        session.skill_file(&self.skill)
    }

    fn host(&self, session: &Session) -> Result<Host> {
        let mut trust = session.own_trust()?;
        // Who builds a skill says with that which version is the newest.
        if !self.skill.is_dir() {
            trust.memory = Some(session.places.memory_of_run());
        }
        let mut setup = session.setup(trust, Durability::Flush)?;
        setup.states = Arc::new(Files::new(session.places.state_of_run()));
        // It has no lock file and no rules: it trusts one key.
        let required = &mut setup.requirements.require;
        required.remove(&Requirement::Pinned);
        required.remove(&Requirement::Provenance);
        setup.others.grant = self.grants.over(&setup.others.grant);
        for policy in setup.skills.values_mut() {
            policy.grant = self.grants.over(&policy.grant);
        }
        Host::new(setup)
    }

    async fn call(&self, host: &Host, path: &Path) -> Result<ExitStatus> {
        let loaded = host.load(path).await?;
        for grant in loaded.unused_grants() {
            let name = &loaded.manifest().name;
            labelled(
                "note",
                anstyle::AnsiColor::Yellow,
                &format!("{name} does not ask for the {grant}; it has no effect"),
            );
        }
        let Some(tool) = self.tool(loaded.manifest()) else {
            return list(&loaded, self.json);
        };
        let invocation =
            Invocation::local(loaded.manifest().name.clone(), tool, self.read_input(host)?)?;
        let asks = !self.json && !self.no_input;
        let answer = watched(host, invocation, asks).await;
        report::answer(&answer, self.json)
    }

    fn tool(&self, manifest: &Manifest) -> Option<String> {
        match (&self.tool, manifest.tools.as_slice()) {
            (Some(tool), _) => Some(tool.clone()),
            (None, [only]) => Some(ToolName::to_string(&only.name)),
            (None, _) => None,
        }
    }

    fn read_input(&self, host: &Host) -> Result<Input> {
        let limit = host.limits().input;
        match (&self.input, &self.input_file) {
            (Some(text), _) if text != "-" => Input::parse(text.as_str()),
            (None, Some(path)) if path != Path::new("-") => {
                let unreadable = |cause| {
                    Error::new(
                        Kind::InvalidRequest,
                        format!("The input {} cannot be read: {cause}.", path.display()),
                    )
                };
                let file = std::fs::File::open(path).map_err(unreadable)?;
                read_within(file, limit).map_err(unreadable)?
            }
            (None, None) => Input::parse("{}"),
            _ => read_within(io::stdin().lock(), limit).map_err(|cause| {
                Error::new(
                    Kind::InvalidRequest,
                    format!("Standard input cannot be read: {cause}."),
                )
            })?,
        }
    }
}

/// Reads one byte more than is allowed, so that what is too large is refused
/// and not cut.
fn read_within(source: impl Read, limit: u64) -> io::Result<Result<Input>> {
    let mut text = String::new();
    source
        .take(limit.saturating_add(1))
        .read_to_string(&mut text)?;
    if text.len() as u64 > limit {
        return Ok(Err(Error::new(
            Kind::InputTooLarge,
            format!("The arguments are more than the {limit} bytes that are allowed."),
        )));
    }
    Ok(Input::parse(text))
}

/// Calls the tool; an interrupt from the keyboard cancels it, and a person at
/// a terminal sees that it goes on.
async fn watched(host: &Host, mut invocation: Invocation, asks: bool) -> crate::Answer {
    let spinner = Spinner::new("running");
    let shown = spinner.bar();
    invocation.progress = Some(Arc::new(move |progress| {
        shown.set_message(describe(&progress))
    }));
    let cancelled = invocation.cancelled.clone();
    let person = asks.then(|| Person::here(spinner.bar())).flatten();
    let call = async {
        match person {
            Some(person) => host.converse(invocation, &person).await,
            None => host.invoke(invocation).await,
        }
    };
    let call = spinner.during(call);
    tokio::pin!(call);
    loop {
        tokio::select! {
            biased;
            answer = &mut call => return answer,
            Ok(()) = tokio::signal::ctrl_c(), if !cancelled.is_cancelled() => cancelled.cancel(),
        }
    }
}

fn describe(progress: &Progress) -> String {
    let message = progress.message.as_deref().unwrap_or_default();
    match progress.total {
        Some(total) => format!("{} of {total} {message}", progress.done),
        None => format!("{} {message}", progress.done),
    }
}

/// Tools and their arguments, for a person or as JSON.
fn list(loaded: &Loaded, json: bool) -> Result<ExitStatus> {
    if json {
        super::terminal::print_json(&serde_json::json!({
            "outcome": "ok",
            "skill": loaded.info(),
            "tools": Value::from_iter(loaded.manifest().tools.iter().map(|tool| serde_json::json!(tool))),
        }))?;
    } else {
        super::terminal::print_untrusted(&inspect::tools(loaded.manifest()))?;
        note("Name one of these tools to run it.");
    }
    Ok(ExitStatus::Ok)
}
