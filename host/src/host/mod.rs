//! [`Host::invoke`]: the one way in for every call.

mod load;
mod loading;
mod record;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, Value};
use tokio::sync::watch;
use tokio::time::Instant;

use self::loading::Loading;
use self::record::{Open, check_output, explain_denial, redact};
use crate::admission::capacity::{Capacity, Gate, Load, Seat, TurnedAway};
use crate::admission::{self, Schemas};
use crate::answer::Answer;
use crate::compile::{Compilation, Compiler};
use crate::config::Override;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Events, Sink, Subject};
use crate::invocation::Invocation;
use crate::manifest::{SkillName, ToolName};
use crate::policy::limits::{Limits, LimitsChange};
use crate::policy::{Denied, OperatorGrant};
use crate::registry::{Granted, Loaded, Registry};
use crate::run::{self, Call, Ended};
use crate::sandbox::network::gateway::{Gateway, OwnListener};
use crate::sandbox::network::{Network, SystemNetwork};
use crate::sandbox::{self, Descriptors, Linkers, Observer, Parts, State};
use crate::secret::Secrets;
use crate::state::{States, Transient};
use crate::time::{Clock, millis};
use crate::trust::{Authority, TrustSource};
use crate::verify::TrustLevel;

/// The longest wait for the end of a verdict before it is looked at again.
const LONGEST_SLEEP: Duration = Duration::from_secs(3600);

/// What an operator decides about one skill.
#[derive(Debug, Clone, Default)]
pub struct SkillPolicy {
    /// What it may use.
    pub grant: OperatorGrant,
    /// Its settings, by key.
    pub settings: Map<String, Value>,
    /// Variables of its environment, which is empty otherwise.
    pub environment: BTreeMap<String, String>,
}

/// What a host is made of.
#[derive(Debug)]
pub struct Setup {
    /// Whose signatures are needed, and what else says what may run.
    pub trust: TrustSource,
    /// Whether the environment asks for leave to run unsigned skills.
    pub danger_override: Override,
    /// Limits of every call, unless a skill's policy says otherwise.
    pub limits: Limits,
    /// Limits that no skill of a level of trust goes beyond.
    pub ceilings: BTreeMap<TrustLevel, LimitsChange>,
    /// What all calls together may take.
    pub capacity: Capacity,
    /// What each skill may use.
    pub skills: BTreeMap<SkillName, SkillPolicy>,
    /// What a skill may use that is not named.
    pub others: SkillPolicy,
    /// Secrets, by the operator's names for them.
    pub secrets: Secrets,
    /// Where events are kept; nothing runs without.
    pub audit: Box<dyn Sink>,
    /// Where else events go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Who compiles, how much that may take, and where machine code is kept.
    pub compile: Compilation,
    /// Where skills keep what outlives a call.
    pub states: Arc<dyn States>,
    /// Folders and files of the host itself, which no skill is granted: keys,
    /// configuration, audit log, cache.
    pub private: Vec<PathBuf>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Names and connections.
    pub network: Arc<dyn Network>,
}

impl Setup {
    /// A host with that trust and audit log, the default limits, no grants,
    /// the machine's own clock and network, and a state of skills that ends with
    /// it. Components are compiled by another process of this program, which
    /// must expect that (see
    /// [`Worker::ThisProgram`](crate::compile::Worker::ThisProgram)).
    #[must_use]
    pub fn new(trust: impl Into<TrustSource>, audit: Box<dyn Sink>) -> Self {
        Self {
            trust: trust.into(),
            danger_override: Override::NONE,
            limits: Limits::default(),
            ceilings: BTreeMap::new(),
            capacity: Capacity::default(),
            skills: BTreeMap::new(),
            others: SkillPolicy::default(),
            secrets: Secrets::default(),
            audit,
            sinks: Vec::new(),
            compile: Compilation::default(),
            states: Arc::new(Transient::default()),
            private: Vec::new(),
            clock: crate::time::system(),
            network: Arc::new(SystemNetwork::default()),
        }
    }
}

/// Runs skills.
pub struct Host {
    authority: Arc<Authority>,
    compiler: Compiler,
    linkers: Linkers,
    registry: Registry,
    events: Arc<Events>,
    gate: Gate,
    descriptors: Descriptors,
    loading: Loading,
    limits: Limits,
    ceilings: BTreeMap<TrustLevel, LimitsChange>,
    skills: BTreeMap<SkillName, SkillPolicy>,
    others: SkillPolicy,
    secrets: Secrets,
    states: Arc<dyn States>,
    private: Vec<PathBuf>,
    clock: Arc<dyn Clock>,
    gateway: Arc<Gateway>,
}

impl Host {
    /// A host without skills.
    pub fn new(setup: Setup) -> Result<Self> {
        let gate = Gate::new(setup.capacity)?;
        let calls = setup.capacity.calls;
        let clock = setup.clock;
        let events = Events::new(setup.audit, setup.sinks, Arc::clone(&clock))?;
        let events = Arc::new(events.without(&setup.secrets));
        let compiler = Compiler::new(
            calls,
            setup.compile,
            Arc::clone(&events),
            Arc::clone(&clock),
        )?;
        Ok(Self {
            authority: Authority::open(
                setup.trust,
                Arc::clone(&clock),
                Arc::clone(&events),
                setup.danger_override,
            )?,
            linkers: Linkers::new(compiler.engine())?,
            compiler,
            registry: Registry::default(),
            events,
            gate,
            descriptors: Descriptors::of_process(&setup.limits),
            loading: Loading::default(),
            limits: setup.limits,
            ceilings: setup.ceilings,
            skills: setup.skills,
            others: setup.others,
            secrets: setup.secrets,
            states: setup.states,
            private: setup.private,
            clock,
            gateway: Arc::new(Gateway::new(setup.network)),
        })
    }

    /// The skills of this host, by name.
    #[must_use]
    pub fn skills(&self) -> Vec<Arc<Loaded>> {
        self.registry.all().values().cloned().collect()
    }

    /// The limits of a call whose skill has none of its own.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How many components this host has begun to compile.
    #[must_use]
    pub fn compilations(&self) -> u64 {
        self.compiler.compilations()
    }

    /// Keeps every skill from an address on which this host listens, whatever
    /// is granted, for as long as the returned value lives. A listener on all
    /// addresses is kept from on each address of this machine.
    pub fn protect(&self, listener: SocketAddr) -> OwnListener {
        self.gateway.protect(listener)
    }

    /// How many components this host has found in the cache of compiled code.
    #[must_use]
    pub fn cache_hits(&self) -> u64 {
        self.compiler.cache_hits()
    }

    /// Whether components are compiled without any limit.
    pub(crate) fn compiles_without_limits(&self) -> bool {
        self.compiler.is_unbounded()
    }

    /// Reads, verifies and compiles the component at `path`, and makes its
    /// tools callable.
    ///
    /// # Errors
    ///
    /// Those of [`Artifact::open`](crate::artifact::Artifact::open), [`Verifier::verify`](crate::verify::Verifier::verify) and
    /// [`Compiler::compile`]; `ManifestInvalid`; `ConfigInvalid` and
    /// `ConfigInsecure` for directories that cannot be granted.
    pub async fn load(&self, path: &Path) -> Result<Arc<Loaded>> {
        let _one_at_a_time = self.loading.of(path).await;
        self.load_now(path).await
    }

    /// Calls a tool. Every call gets exactly one answer, and exactly one
    /// `invocation.finished` event.
    pub async fn invoke(&self, invocation: Invocation) -> Answer {
        let mut subject = Subject::of(&invocation);
        if let Err(error) = self.begin(&subject, &invocation) {
            return Answer::failed(&invocation, error);
        }
        let open = Open::new(self, &subject);
        let mut answer = match self.attempt(&invocation, &mut subject).await {
            Ok((loaded, ended)) => self.answered(&invocation, &subject, &loaded, ended),
            Err(mut error) => {
                let redactor = self.events.redactor();
                error.edit(|text| *text = redactor.redact(text).0.into_owned());
                Answer::failed(&invocation, error)
            }
        };
        if let Err(unavailable) = self.finish(&subject, &answer) {
            answer.outcome = Err(unavailable);
        }
        open.close();
        answer
    }

    /// One attempt: take the skill, admit the call, build its store, and, as
    /// the last step before the guest, see that what was verified still stands.
    async fn attempt(
        &self,
        invocation: &Invocation,
        subject: &mut Subject,
    ) -> Result<(Arc<Loaded>, Ended)> {
        let start = Instant::now();
        let mut loaded = self.registry.get(&invocation.skill)?;
        // A file may change once more while the change is read; twice is a
        // sign of something else.
        for _ in 0..3 {
            subject.describe(&loaded);
            match self.try_call(invocation, subject, &loaded, start).await {
                Some(ended) => return Ok((loaded, ended?)),
                None => loaded = self.renewed(invocation, subject, start).await?,
            }
        }
        Err(Error::new(
            Kind::ArtifactChanged,
            "The skill's files keep changing while they are read.",
        )
        .with_hint("Replace a skill by renaming a complete file into place."))
    }

    /// Calls the skill; none if it is no longer as it was judged. A call that is
    /// not admitted may be so by what lies on disk now.
    async fn try_call(
        &self,
        invocation: &Invocation,
        subject: &Subject,
        loaded: &Loaded,
        start: Instant,
    ) -> Option<Result<Ended>> {
        let admitted = self.admit(invocation, loaded);
        let changes = self.authority.subscribe();
        let (tool, schemas, granted) = match admitted {
            Ok(admitted) => admitted,
            Err(_) if !self.upholds(loaded) => return None,
            Err(NotAdmitted::Refused(error)) => return Some(Err(error)),
            Err(NotAdmitted::Denied(denied)) => return Some(Err(self.deny(subject, denied))),
        };
        let limits = *granted.limits_of(tool);
        let deadline = start + limits.timeout;
        let _seat = match self.seat(invocation, subject, &limits, deadline).await {
            Ok(seat) => seat,
            Err(error) => return Some(Err(error)),
        };
        let observer = Observer::new(Arc::clone(&self.events), Arc::new(subject.clone()));
        let store = match self.store(
            invocation,
            loaded,
            granted,
            &limits,
            observer.clone(),
            deadline,
        ) {
            Ok(store) => store,
            Err(error) => return Some(Err(error)),
        };
        if !self.upholds(loaded) {
            return None;
        }
        if let Err(error) = self.admit_unsigned(subject, loaded) {
            return Some(Err(error));
        }
        let _ticking = self.compiler.tick();
        let call = Call {
            invocation,
            limits: &limits,
            deadline,
        };
        let withdrawn = self.withdrawn(loaded, changes);
        let mut ended = run::call(&loaded.prepared, store, call, withdrawn).await;
        ended.repeats = observer.repeats();
        redact(&observer, &mut ended);
        if let Some(unavailable) = observer.lost() {
            return Some(Err(unavailable));
        }
        check_output(schemas, &mut ended);
        explain_denial(&observer, &mut ended);
        Some(Ok(ended))
    }

    /// Room for the call, among those that run.
    async fn seat(
        &self,
        invocation: &Invocation,
        subject: &Subject,
        limits: &Limits,
        deadline: Instant,
    ) -> Result<Seat<'_>> {
        let entered = self.gate.enter(limits, deadline, &invocation.cancelled);
        match entered.await {
            Ok(seat) => Ok(seat),
            Err(TurnedAway::Cancelled) => Err(cancelled()),
            Err(TurnedAway::Full(load)) => {
                self.events.record(subject, &overloaded(load))?;
                Err(turned_away(load))
            }
        }
    }

    /// The skill as it is to be judged now. What is recorded of a refusal is by
    /// which trust it was refused. If it has to be compiled, that goes on when
    /// the caller has given up or the time is over.
    async fn renewed(
        &self,
        invocation: &Invocation,
        subject: &mut Subject,
        start: Instant,
    ) -> Result<Arc<Loaded>> {
        let renewed = tokio::select! {
            biased;
            () = invocation.cancelled.cancelled() => Err(cancelled()),
            renewed = self.renew(&invocation.skill, subject) => renewed,
            () = tokio::time::sleep_until(start + self.limits.timeout) => Err(self.not_ready(subject)),
        };
        if renewed.is_err() {
            subject.trust_generation = Some(self.authority.generation());
        }
        renewed
    }

    fn not_ready(&self, subject: &Subject) -> Error {
        let timeout = millis(self.limits.timeout);
        let kind = Kind::DeadlineExceeded;
        let reason = format!("The skill was replaced, and was not ready within {timeout} ms.");
        let event = Event::LimitExceeded {
            limit: "timeout",
            kind,
            reason: reason.clone(),
        };
        match self.events.record(subject, &event) {
            Err(unavailable) => unavailable,
            Ok(()) => Error::new(kind, reason).with_hint("Try again when it is compiled."),
        }
    }

    /// Whether what was verified still stands: the generation of trust, the
    /// verdict's end, the clock, and the files on disk. The last look before a
    /// guest runs; [`invoke`](Self::invoke) takes it by itself.
    #[must_use]
    pub fn upholds(&self, loaded: &Loaded) -> bool {
        self.authority.upholds(loaded.verdict()) && loaded.is_unchanged()
    }

    /// Each use of the development override is an event.
    fn admit_unsigned(&self, subject: &Subject, loaded: &Loaded) -> Result<()> {
        if loaded.verdict().is_unsigned() {
            self.events.record(subject, &Event::UnsignedExecution {})?;
        }
        Ok(())
    }

    /// Waits until the skill may no longer run: what is trusted has changed, or
    /// its verdict has ended.
    async fn withdrawn(&self, loaded: &Loaded, mut changes: watch::Receiver<u64>) -> Error {
        let mut until = loaded.verdict().until();
        loop {
            tokio::select! {
                changed = changes.changed() => if changed.is_err() {
                    std::future::pending().await
                },
                () = self.reached(until) => {}
            }
            match self.judge_again(loaded) {
                Ok(end) => until = end,
                Err(error) => return error,
            }
        }
    }

    /// Until when the skill may run by what is trusted now.
    fn judge_again(&self, loaded: &Loaded) -> Result<Option<Timestamp>> {
        let artifact = loaded.compiled.verified().inner().clone();
        let verified = self.authority.verify(artifact)?;
        self.authority
            .check_lock(&loaded.manifest, verified.verdict())?;
        Ok(verified.verdict().until())
    }

    async fn reached(&self, moment: Option<Timestamp>) {
        let Some(moment) = moment else {
            return std::future::pending().await;
        };
        let left = Duration::try_from(moment.duration_since(self.clock.wall()));
        tokio::time::sleep(left.unwrap_or_default().min(LONGEST_SLEEP)).await;
    }

    fn admit<'a>(
        &self,
        invocation: &Invocation,
        loaded: &'a Loaded,
    ) -> Result<(&'a ToolName, &'a Schemas, &'a Granted), NotAdmitted<'a>> {
        let tool = admission::tool(&loaded.manifest, &invocation.tool)?;
        let schemas = loaded
            .schemas
            .get(&tool.name)
            .ok_or_else(|| Error::new(Kind::Internal, "The tool's schema was not compiled."))?;
        let granted = Result::as_ref(&loaded.granted).map_err(NotAdmitted::Denied)?;
        schemas.admit(&invocation.input, granted.limits_of(&tool.name).input)?;
        Ok((&tool.name, schemas, granted))
    }

    fn deny(&self, subject: &Subject, denied: &Denied) -> Error {
        let event = Event::PolicyDenied {
            capability: denied.capability,
            reason: denied.message.clone(),
            grant: denied.grant.clone(),
        };
        match self.events.record(subject, &event) {
            Err(unavailable) => unavailable,
            Ok(()) => Error::new(Kind::Denied, denied.message.clone())
                .with_hint(format!("Allow it with {}.", denied.grant)),
        }
    }

    fn store(
        &self,
        invocation: &Invocation,
        loaded: &Loaded,
        granted: &Granted,
        limits: &Limits,
        observer: Observer,
        deadline: Instant,
    ) -> Result<wasmtime::Store<State>> {
        sandbox::store(
            self.compiler.engine(),
            Parts {
                invocation,
                grant: &granted.grant,
                limits,
                mounts: &granted.mounts,
                gateway: &self.gateway,
                kept: &granted.kept,
                settings: &loaded.settings,
                environment: &loaded.environment,
                entrusted: &granted.entrusted,
                observer,
                deadline,
            },
        )
    }
}

fn cancelled() -> Error {
    Error::new(Kind::Cancelled, "The call was cancelled.")
}

/// Why a call does not reach the sandbox.
enum NotAdmitted<'a> {
    Refused(Error),
    Denied(&'a Denied),
}

impl From<Error> for NotAdmitted<'_> {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

const fn overloaded(load: Load) -> Event {
    Event::HostOverloaded {
        running: load.running,
        waiting: load.waiting,
        memory_bytes: load.memory,
    }
}

fn turned_away(load: Load) -> Error {
    Error::new(
        Kind::Overloaded,
        "The host is busy with as many calls as it takes.",
    )
    .with_hint(format!("Try again in {} ms.", millis(load.retry_after)))
    .with_retry_after(load.retry_after)
}
