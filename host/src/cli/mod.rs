//! The `skillhost` command: arguments, one file for each command, and exit
//! codes. Data goes to standard output, everything else to standard error.

mod attest;
mod audit;
mod auth_keys;
mod author;
mod cache;
mod completions;
mod deny;
mod doctor;
mod grants;
mod inspect;
mod keys;
mod list;
mod lock;
mod mcp_config;
mod options;
mod policy;
mod process;
mod prompt;
mod report;
mod run;
mod selftest;
mod serve;
mod spinner;
mod state;
mod suspend;
mod terminal;
mod trust;
mod verify;
mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tracing_appender::non_blocking::WorkerGuard;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::compile::work_if_asked;
use crate::config::{Config, Places, Variables};
use crate::error::{Error, Kind, Result};

/// How a command ended. Scripts rely on these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum ExitStatus {
    /// It did what it was asked.
    Ok = 0,
    /// The tool failed.
    ToolFailed = 1,
    /// The command line, a file or the configuration is wrong.
    Usage = 2,
    /// The skill is not trusted.
    Untrusted = 3,
    /// A grant is missing.
    Denied = 4,
    /// A limit was reached.
    Limit = 5,
    /// The host failed.
    Host = 6,
}

impl From<Kind> for ExitStatus {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::GuestFailed
            | Kind::Trapped
            | Kind::InvalidOutput
            | Kind::BreakerOpen
            | Kind::Cancelled => Self::ToolFailed,
            Kind::InvalidRequest
            | Kind::UnknownTool
            | Kind::InvalidInput
            | Kind::InputTooLarge
            | Kind::ComponentInvalid
            | Kind::ManifestInvalid
            | Kind::ConfigInvalid
            | Kind::ConfigInsecure => Self::Usage,
            Kind::SignatureMissing
            | Kind::SignatureInvalid
            | Kind::IdentityMismatch
            | Kind::ThresholdUnmet
            | Kind::DigestMismatch
            | Kind::ArtifactChanged
            | Kind::Expired
            | Kind::Revoked
            | Kind::RolledBack
            | Kind::NotApproved
            | Kind::TrustRootInvalid => Self::Untrusted,
            Kind::Denied | Kind::Forbidden | Kind::Unauthenticated | Kind::Suspended => {
                Self::Denied
            }
            Kind::CompileLimit
            | Kind::RateLimited
            | Kind::FuelExhausted
            | Kind::DeadlineExceeded
            | Kind::MemoryLimit
            | Kind::StackExhausted
            | Kind::OutputLimit
            | Kind::HostcallLimit
            | Kind::ResourceLimit => Self::Limit,
            Kind::Overloaded | Kind::AuditUnavailable | Kind::Internal => Self::Host,
        }
    }
}

/// Runs a chat assistant's tools ("skills") as WebAssembly components: each
/// verified at the moment it runs, in a sandbox with only what was granted.
#[derive(Debug, Parser)]
#[command(name = "skillhost", version, arg_required_else_help = true, after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Configuration file [default: skillhost.toml in the user's configuration folder]
    #[arg(long, global = true, value_name = "FILE", env = "SKILLHOST_CONFIG")]
    config: Option<PathBuf>,
    /// Show the host's own diagnostics on standard error
    #[arg(long, short, global = true)]
    verbose: bool,
}

const EXAMPLES: &str = "\
Examples:
  skillhost new hello                                  begin a skill
  skillhost run hello --input '{\"text\": \"Hi\"}'         build it, sign it with your own key, run it
  skillhost inspect hello.wasm                         what its tools are and take, without running it
  skillhost run skills/file-search --allow-dir . --input '{\"pattern\": \"fn main\"}'
  skillhost build hello --install                      install it, signed with your own key
  skillhost selftest                                   see hostile skills stopped on this machine
  skillhost mcp-config claude-desktop                  let an assistant use what is installed
  skillhost trust check                                see whether `serve` would run what is installed
  skillhost audit tail --follow                        see what happens

Exit codes:
  0 ok   1 the tool failed   2 usage or configuration   3 not trusted
  4 denied   5 a limit was reached   6 the host failed";

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a tool of a skill, exactly as in production
    Run(run::Run),
    /// Begin a new skill
    New(author::New),
    /// Build a skill's source folder into a component
    Build(author::Build),
    /// Make a key pair for signing
    Keygen(keys::Keygen),
    /// Sign a component
    Sign(keys::Sign),
    /// Say something about a component, such as how it was built, with a signature
    Attest(attest::Attest),
    /// Check whether a component is signed by those whom this host trusts
    Verify(verify::Verify),
    /// Look after the Sigstore trusted root: whose certificates and logs count
    Trust(trust::Trust),
    /// Put something on the deny list, so that it no longer runs
    Deny(deny::Deny),
    /// Show what a component says about itself, without running it
    Inspect(inspect::Inspect),
    /// List the installed skills
    List(list::List),
    /// Show and clear what skills keep from call to call
    State(state::State),
    /// Show how skills differ from those that you approved, and approve them
    Lock(lock::Lock),
    /// Show what a skill wants, what it was granted, and what it gets
    Permissions(grants::Permissions),
    /// Grant a skill something that it asks for, as it is signed and declared now
    Grant(grants::Grant),
    /// Take back what was granted with `skillhost grant`
    Revoke(grants::Revoke),
    /// Check whether everything holds that the configuration requires of skills
    Policy(policy::Policy),
    /// Make, list and revoke the keys with which callers over HTTP prove who they are
    Keys(auth_keys::Keys),
    /// Offer the installed skills to a chat assistant as MCP tools, over standard input and output
    Serve(serve::Serve),
    /// Print what to add to a chat assistant's configuration
    McpConfig(mcp_config::McpConfig),
    /// Look after the compiled code that is kept, so that skills need not be compiled at each start
    Cache(cache::Cache),
    /// Read the audit log: follow it, verify it, see one call as a story, count, export
    Audit(audit::Audit),
    /// Let a skill run no more until you have looked, or list those that are suspended
    Suspend(suspend::Suspend),
    /// Let a suspended skill run again
    Resume(suspend::Resume),
    /// Try hostile skills against this host, and show how each is stopped
    Selftest(selftest::Selftest),
    /// Say what is there for building and running skills, and what is missing
    Doctor(doctor::Doctor),
    /// Print completions for a shell
    Completions(completions::Completions),
}

/// What every command needs to know.
struct Session {
    config_file: PathBuf,
    /// What was read there; none if there is no file.
    config_text: Option<String>,
    config: Config,
    places: Places,
    /// Secrets that stood in the environment.
    variables: Variables,
}

impl Session {
    fn open(config: Option<&Path>) -> Result<Self> {
        let places = Places::from_environment()?;
        let config_file = config.map_or_else(|| places.config_file(), Path::to_owned);
        if config.is_some() && !config_file.exists() {
            return Err(Error::new(
                Kind::ConfigInvalid,
                format!("There is no configuration {}.", config_file.display()),
            ));
        }
        let config_text = Config::text(&config_file)?;
        let mut config = Config::parse(config_text.as_deref().unwrap_or_default(), &config_file)?;
        config.add_sinks_of_environment()?;
        let variables = config.withdraw_variables()?;
        config.settle_sinks_of_environment(&variables);
        Ok(Self {
            variables,
            config,
            config_text,
            config_file,
            places,
        })
    }

    fn audit_file(&self) -> PathBuf {
        self.config
            .audit
            .file
            .clone()
            .unwrap_or_else(|| self.places.audit())
    }

    /// The keys of callers over HTTP.
    fn bearer_keys(&self) -> PathBuf {
        let named = self.config.auth.keys.clone();
        named.unwrap_or_else(|| self.places.bearer_keys())
    }

    fn skills_folder(&self) -> PathBuf {
        self.config
            .skills
            .clone()
            .unwrap_or_else(|| self.places.skills())
    }
}

/// Reads the command line and does what it says.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(done) = work_if_asked() {
        return done;
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(wrong) => {
            let status = if wrong.use_stderr() {
                ExitStatus::Usage
            } else {
                ExitStatus::Ok
            };
            // Nobody is there to read what cannot be printed.
            let _ = wrong.print();
            return ExitCode::from(status as u8);
        }
    };
    if let Err(error) = process::harden() {
        return ExitCode::from(report::failure(&error, arguments.command.json()) as u8);
    }
    let _worker = diagnose(&arguments);
    ExitCode::from(execute(arguments) as u8)
}

/// The host's own diagnostics go to standard error. Those of its libraries do
/// not: they would show the arguments of calls. They are written until the
/// guard is dropped, and lost when nobody reads them.
fn diagnose(arguments: &Arguments) -> WorkerGuard {
    let level = match arguments.command {
        _ if arguments.verbose => tracing::Level::DEBUG,
        Command::Serve(_) => tracing::Level::INFO,
        _ => tracing::Level::WARN,
    };
    let (writer, worker) = tracing_appender::non_blocking(std::io::stderr());
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(writer)
        .with_ansi(false);
    tracing_subscriber::registry()
        .with(lines)
        .with(Targets::new().with_target("skillhost", level))
        .init();
    worker
}

fn execute(arguments: Arguments) -> ExitStatus {
    let json = arguments.command.json();
    match arguments.command {
        Command::Completions(command) => return command.execute(),
        Command::Selftest(command) => {
            let done = command.execute(arguments.verbose);
            return done.unwrap_or_else(|error| report::failure(&error, json));
        }
        _ => {}
    }
    let session = match Session::open(arguments.config.as_deref()) {
        Ok(session) => session,
        Err(error) => return report::failure(&error, json),
    };
    let done = match arguments.command {
        Command::Run(command) => command.execute(&session),
        Command::New(command) => command.execute(&session),
        Command::Build(command) => command.execute(&session),
        Command::Keygen(command) => command.execute(),
        Command::Sign(command) => command.execute(),
        Command::Attest(command) => command.execute(),
        Command::Verify(command) => command.execute(&session),
        Command::Trust(command) => command.execute(&session),
        Command::Deny(command) => command.execute(&session),
        Command::Inspect(command) => command.execute(&session),
        Command::List(command) => command.execute(&session),
        Command::State(command) => command.execute(&session),
        Command::Lock(command) => command.execute(&session),
        Command::Permissions(command) => command.execute(&session),
        Command::Grant(command) => command.execute(&session),
        Command::Revoke(command) => command.execute(&session),
        Command::Policy(command) => command.execute(&session),
        Command::Keys(command) => command.execute(&session),
        Command::Serve(command) => command.execute(&session),
        Command::McpConfig(command) => command.execute(&session),
        Command::Cache(command) => command.execute(&session),
        Command::Audit(command) => command.execute(&session),
        Command::Suspend(command) => command.execute(&session),
        Command::Resume(command) => command.execute(&session),
        Command::Doctor(command) => command.execute(&session),
        Command::Completions(_) | Command::Selftest(_) => Ok(ExitStatus::Ok),
    };
    done.unwrap_or_else(|error| report::failure(&error, json))
}

impl Command {
    /// Whether results are wanted as JSON.
    const fn json(&self) -> bool {
        match self {
            Self::Run(command) => command.json,
            Self::New(command) => command.json,
            Self::Build(command) => command.json,
            Self::Keygen(command) => command.json,
            Self::Sign(command) => command.json,
            Self::Attest(command) => command.json,
            Self::Verify(command) => command.json,
            Self::Trust(command) => command.json(),
            Self::Deny(command) => command.json,
            Self::Inspect(command) => command.json,
            Self::List(command) => command.json,
            Self::State(command) => command.json(),
            Self::Lock(command) => command.json,
            Self::Permissions(command) => command.json,
            Self::Grant(command) => command.json,
            Self::Revoke(command) => command.json,
            Self::Policy(command) => command.json(),
            Self::Keys(command) => command.json(),
            Self::McpConfig(command) => command.json,
            Self::Cache(command) => command.json(),
            Self::Audit(command) => command.json(),
            Self::Suspend(command) => command.json,
            Self::Resume(command) => command.json,
            Self::Selftest(command) => command.json,
            Self::Doctor(command) => command.json,
            Self::Serve(_) | Self::Completions(_) => false,
        }
    }
}

/// Runs asynchronous work to its end. Guests that block a thread in the
/// kernel are left behind, not waited for.
fn block_on<T>(work: impl Future<Output = T>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .max_blocking_threads(64)
        .build()
        .map_err(|cause| {
            Error::new(Kind::Internal, "The host cannot start its threads.").with_internal(cause)
        })?;
    let result = runtime.block_on(async {
        process::prepare();
        work.await
    });
    runtime.shutdown_background();
    Ok(result)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn exit_codes_are_those_that_scripts_rely_on() {
        for (kind, code) in [
            (Kind::GuestFailed, 1),
            (Kind::ConfigInvalid, 2),
            (Kind::SignatureMissing, 3),
            (Kind::Denied, 4),
            (Kind::FuelExhausted, 5),
            (Kind::Internal, 6),
        ] {
            assert_eq!(ExitStatus::from(kind) as u8, code, "{kind}");
        }
        assert_eq!(ExitStatus::Ok as u8, 0);
    }
}
