//! Options that several commands share, and how each is read.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anstyle::AnsiColor;
use clap::Args;

use super::Session;
use super::terminal::labelled;
use crate::build::Route;
use crate::compile::{Compilation, Worker};
use crate::config::{Override, SecretSource};
use crate::error::{Error, Kind, Result};
use crate::event::audit::{AuditLog, Durability, runs_folder};
use crate::event::{Severity, StderrSink};
use crate::host::Setup;
use crate::policy::OperatorGrant;
use crate::policy::directory::DirectoryGrant;
use crate::policy::endpoint::{Endpoint, ListenAddress};
use crate::policy::limits::{LimitsChange, parse_fuel, parse_memory, parse_timeout};
use crate::policy::origin::OriginRule;
use crate::secret::Secrets;
use crate::sign::{PrivateKey, SignError};
use crate::state::Files;
use crate::time::system;
use crate::trust::{TrustFiles, TrustSource};
use crate::verify::{Signer, TrustPolicy, Verifier};

/// The name under which the author's own key signs.
const LOCAL: &str = "local";

/// What a skill may use in this run.
#[derive(Debug, Args)]
pub(super) struct Grants {
    /// Let the skill see a directory: HOST[:GUEST][:ro|:rw], at `/` and read-only unless said otherwise
    #[arg(long = "allow-dir", value_name = "HOST[:GUEST][:ro|:rw]", value_parser = DirectoryGrant::from_str)]
    directories: Vec<DirectoryGrant>,
    /// Let the skill send HTTP requests to an origin, such as https://example.com, https://*.example.com or http://127.0.0.1:8080
    #[arg(long = "allow-http", value_name = "ORIGIN", value_parser = OriginRule::from_str)]
    http: Vec<OriginRule>,
    /// Let the skill open TCP connections to an address, such as db.example.com:5432
    #[arg(long = "allow-tcp", value_name = "HOST:PORT", value_parser = Endpoint::from_str)]
    tcp: Vec<Endpoint>,
    /// Let the skill exchange UDP datagrams with an address, such as 10.0.0.5:53
    #[arg(long = "allow-udp", value_name = "HOST:PORT", value_parser = Endpoint::from_str)]
    udp: Vec<Endpoint>,
    /// Let the skill accept TCP connections on this machine, such as 127.0.0.1:8080
    #[arg(long = "allow-listen", value_name = "ADDRESS:PORT", value_parser = ListenAddress::from_str)]
    listen: Vec<ListenAddress>,
    /// Let the skill keep something from call to call
    #[arg(long = "allow-state")]
    state: bool,
    /// Units of work before the skill is stopped [default: 50000000000, or the configuration's]
    #[arg(long, value_name = "N", value_parser = parse_fuel)]
    fuel: Option<u64>,
    /// Memory before the skill is stopped, such as 64MiB [default: 256MiB, or the configuration's]
    #[arg(long, value_name = "SIZE", value_parser = parse_memory)]
    memory: Option<u64>,
    /// Wall-clock time before the skill is stopped, such as 500ms or 10s [default: 30s, or the configuration's]
    #[arg(long, value_name = "DURATION", value_parser = parse_timeout)]
    timeout: Option<Duration>,
}

impl Grants {
    /// These grants on top of those that the configuration makes.
    pub(super) fn over(&self, configured: &OperatorGrant) -> OperatorGrant {
        let mut grant = configured.clone();
        grant.directories.extend(self.directories.iter().cloned());
        grant.http.extend(self.http.iter().cloned());
        grant.sockets.tcp.extend(self.tcp.iter().cloned());
        grant.sockets.udp.extend(self.udp.iter().cloned());
        grant.sockets.listen.extend(self.listen.iter().copied());
        grant.state |= self.state;
        let named = LimitsChange {
            fuel: self.fuel,
            memory: self.memory,
            timeout: self.timeout,
            ..LimitsChange::default()
        };
        grant.limits = named.or(&grant.limits);
        grant
    }
}

/// How a guest toolchain is found.
#[derive(Debug, Args)]
pub(super) struct ToolchainOption {
    /// Where the wasm32-wasip2 target comes from if it has to be set up: auto, present, rustup or debian
    #[arg(long, value_name = "ROUTE", env = "SKILLHOST_TOOLCHAIN", default_value = "auto", value_parser = Route::from_str)]
    pub(super) toolchain: Route,
}

impl Session {
    /// The author's own key; made if there is none yet.
    pub(super) fn local_key(&self) -> Result<PrivateKey> {
        PrivateKey::load_or_create(&self.places.key()).map_err(signing)
    }

    /// The host's own key, which signs the audit log; made if there is none yet.
    pub(super) fn host_key(&self) -> Result<PrivateKey> {
        PrivateKey::load_or_create(&self.places.host_key()).map_err(signing)
    }

    /// Trust in the author's own key alone.
    pub(super) fn local_trust(&self) -> Result<TrustPolicy> {
        let key = self.local_key()?;
        TrustPolicy::one(Signer::with_keys(LOCAL, [key.public().clone()]))
            .map_err(|cause| Error::new(Kind::Internal, cause.to_string()))
    }

    /// What `serve` trusts by: the configuration, the lock file beside it, and
    /// what was remembered.
    pub(super) fn trust(&self) -> Result<TrustFiles> {
        Ok(TrustFiles {
            lock: Some(self.lock_file()),
            memory: Some(self.places.memory()),
            policy: None,
            ..self.own_trust()?
        })
    }

    /// What `run` trusts by: the author's own key, and the configuration's root
    /// and deny list.
    pub(super) fn own_trust(&self) -> Result<TrustFiles> {
        let own = self.local_trust()?;
        Ok(TrustFiles {
            config: Some(self.config_file.clone()),
            policy: Some(own.clone()),
            own: Some(own),
            root: Some(self.places.trusted_root()),
            lock: None,
            memory: None,
            config_is_followed: false,
        })
    }

    /// Judges files at rest, as `serve` would; without `[trust]`, as `run`
    /// would.
    pub(super) fn verifier(&self) -> Result<Verifier> {
        match self.config.trust {
            Some(_) => self.serving_verifier(),
            None => judge_by(self.own_trust()?),
        }
    }

    /// Judges files at rest as `run` would.
    pub(super) fn running_verifier(&self) -> Result<Verifier> {
        judge_by(self.own_trust()?)
    }

    /// Judges files at rest as `serve` would.
    pub(super) fn serving_verifier(&self) -> Result<Verifier> {
        judge_by(self.trust()?)
    }

    /// The configuration's secrets, read now.
    fn secrets(&self) -> Result<Secrets> {
        let (secrets, missing) = self.config.read_secrets(&self.variables)?;
        for name in missing {
            labelled(
                "note",
                AnsiColor::Yellow,
                &format!("the secret `{name}` has no value: its file or variable is not there"),
            );
        }
        Ok(secrets)
    }

    /// What belongs to the host and to no skill.
    pub(super) fn private_places(&self) -> Vec<PathBuf> {
        let files = self
            .config
            .secrets
            .values()
            .filter_map(|source| match source {
                SecretSource::File(file) => Some(file.clone()),
                SecretSource::Variable(_) => None,
            });
        let own = [
            self.places.data.clone(),
            self.places.cache.clone(),
            self.config_file.clone(),
            self.grants_file(),
            self.bearer_keys(),
            self.audit_file(),
            runs_folder(&self.audit_file()),
        ];
        let sinks = self.config.sink_files();
        let tls = self.config.http.tls.clone();
        let tls = tls.into_iter().flat_map(|tls| [tls.certificate, tls.key]);
        own.into_iter()
            .chain(files)
            .chain(sinks)
            .chain(tls)
            .collect()
    }

    /// A host with the configuration's limits, grants and audit log.
    pub(super) fn setup(&self, trust: TrustFiles, durability: Durability) -> Result<Setup> {
        let options = self.config.audit.options(self.host_key()?, durability);
        let audit = AuditLog::open(&self.audit_file(), options)?;
        let mut setup = Setup::new(trust, Box::new(audit));
        setup.danger_override = Override::from_environment();
        setup.limits = self.config.limits;
        setup.ceilings.clone_from(&self.config.ceilings);
        setup.requirements.clone_from(&self.config.requirements);
        setup.consents = Some(self.grants_file());
        setup.asking = self.config.asking;
        setup.capacity = self.config.capacity;
        setup.paging = self.config.paging;
        setup.recovery = self.config.recovery.clone();
        setup.admission = self.config.admission.clone();
        setup.admission.ledger = Some(self.places.budgets());
        setup.compile = Compilation {
            worker: Worker::ThisProgram,
            limits: self.config.compile.limits,
            cache: self.config.compile.cache(&self.places),
        };
        setup.private = self.private_places();
        setup.states = Arc::new(Files::new(self.places.state()));
        setup.skills.clone_from(&self.config.policies);
        setup.secrets = self.secrets()?;
        setup.queued_sinks.clone_from(&self.config.sinks);
        setup.monitor.clone_from(&self.config.monitor);
        setup.suspended = Some(self.places.suspended());
        setup
            .sinks
            .push(Box::new(StderrSink::new(Severity::Warning)));
        if setup.danger_override.is_granted() {
            labelled(
                "danger",
                AnsiColor::Red,
                "DEVELOPMENT OVERRIDE: skills that nobody signed are run; each use is recorded",
            );
        }
        Ok(setup)
    }
}

fn judge_by(files: TrustFiles) -> Result<Verifier> {
    let trust = TrustSource::from(files).trust_now()?;
    Ok(Verifier::new(trust, system()))
}

/// A failure of keys and signing in the command's terms.
#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
pub(super) fn signing(error: SignError) -> Error {
    let kind = match error {
        SignError::Exposed { .. } => Kind::ConfigInsecure,
        SignError::Crypto(_) => Kind::Internal,
        SignError::File { .. }
        | SignError::Exists(_)
        | SignError::NotAKey { .. }
        | SignError::PasswordNeeded(_)
        | SignError::PasswordUnneeded(_)
        | SignError::WrongPassword(_)
        | SignError::PasswordTooLong { .. }
        | SignError::BundleTooLarge(_) => Kind::InvalidRequest,
    };
    Error::new(kind, format!("{error}."))
}

/// `path`, or the reason why it is none.
pub(super) fn existing(path: &Path) -> Result<PathBuf> {
    if path.exists() {
        return Ok(path.to_owned());
    }
    Err(Error::new(
        Kind::InvalidRequest,
        format!("There is no {}.", path.display()),
    ))
}
