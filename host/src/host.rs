//! [`Host::invoke`]: the one way in for every call.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::{Mutex, Semaphore};
use wasmtime::component::Linker;

use crate::admission::{self, Schemas};
use crate::answer::{Answer, Diagnostics};
use crate::artifact::{Artifact, Digest};
use crate::compile::{Compiled, Compiler, MAX_CONCURRENT};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Events, Sink, Subject, Usage};
use crate::invocation::Invocation;
use crate::manifest::text::one_line;
use crate::manifest::{Manifest, SkillName, section};
use crate::policy::limits::Limits;
use crate::policy::{self, Denied, Grant, OperatorGrant};
use crate::registry::{Granted, Loaded, Registry};
use crate::run::{self, Cause, Ended, Fault};
use crate::sandbox::egress::{Network, SystemNetwork};
use crate::sandbox::{self, Mounts, Observer, Parts, State};
use crate::time::{Clock, millis};
use crate::verify::{TrustPolicy, Verifier};

/// The longest line of a skill's output that is kept, in characters.
const MAX_LINE: usize = 2000;

/// What an operator decides about one skill.
#[derive(Debug, Clone, Default)]
pub struct SkillPolicy {
    /// What it may use.
    pub grant: OperatorGrant,
    /// Its settings, by key.
    pub settings: Map<String, Value>,
}

/// What a host is made of.
#[derive(Debug)]
pub struct Setup {
    /// Whose signatures are needed.
    pub trust: TrustPolicy,
    /// Limits of every call, unless a skill's policy says otherwise.
    pub limits: Limits,
    /// What each skill may use.
    pub skills: BTreeMap<SkillName, SkillPolicy>,
    /// What a skill may use that is not named.
    pub others: SkillPolicy,
    /// Where events are kept; nothing runs without.
    pub audit: Box<dyn Sink>,
    /// Where else events go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Names and connections for HTTP requests.
    pub network: Arc<dyn Network>,
}

impl Setup {
    /// A host with that trust and audit log, the default limits, no grants,
    /// and the machine's own clock and network.
    #[must_use]
    pub fn new(trust: TrustPolicy, audit: Box<dyn Sink>) -> Self {
        Self {
            trust,
            limits: Limits::default(),
            skills: BTreeMap::new(),
            others: SkillPolicy::default(),
            audit,
            sinks: Vec::new(),
            clock: crate::time::system(),
            network: Arc::new(SystemNetwork),
        }
    }
}

/// Runs skills.
pub struct Host {
    verifier: Verifier,
    compiler: Compiler,
    linker: Linker<State>,
    registry: Registry,
    events: Arc<Events>,
    slots: Semaphore,
    loading: Mutex<()>,
    limits: Limits,
    skills: BTreeMap<SkillName, SkillPolicy>,
    others: SkillPolicy,
    clock: Arc<dyn Clock>,
    network: Arc<dyn Network>,
}

impl Host {
    /// A host without skills.
    pub fn new(setup: Setup) -> Result<Self> {
        let compiler = Compiler::new()?;
        Ok(Self {
            verifier: Verifier::new(setup.trust),
            linker: sandbox::linker(compiler.engine())?,
            compiler,
            registry: Registry::default(),
            events: Arc::new(Events::new(
                setup.audit,
                setup.sinks,
                Arc::clone(&setup.clock),
            )?),
            slots: Semaphore::new(MAX_CONCURRENT as usize),
            loading: Mutex::new(()),
            limits: setup.limits,
            skills: setup.skills,
            others: setup.others,
            clock: setup.clock,
            network: setup.network,
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

    /// Reads, verifies and compiles the component at `path`, and makes its
    /// tools callable.
    ///
    /// # Errors
    ///
    /// Those of [`Artifact::open`], [`Verifier::verify`] and
    /// [`Compiler::compile`]; `ManifestInvalid`; `ConfigInvalid` and
    /// `ConfigInsecure` for directories that cannot be granted.
    pub async fn load(&self, path: &Path) -> Result<Arc<Loaded>> {
        let _one_at_a_time = self.loading.lock().await;
        self.load_now(path).await
    }

    /// Calls a tool. Every call gets exactly one answer, and exactly one
    /// `invocation.finished` event.
    pub async fn invoke(&self, invocation: Invocation) -> Answer {
        let mut subject = Subject::of(&invocation);
        if let Err(error) = self.begin(&subject, &invocation) {
            return Answer::failed(&invocation, error);
        }
        let mut answer = match self.attempt(&invocation, &mut subject).await {
            Ok((loaded, ended)) => self.answered(&invocation, &subject, &loaded, ended),
            Err(error) => Answer::failed(&invocation, error),
        };
        if let Err(unavailable) = self.finish(&subject, &answer) {
            answer.outcome = Err(unavailable);
        }
        answer
    }

    /// One attempt: take the skill, admit the call, build its store, and, as
    /// the last step before the guest, see that what was verified still stands.
    async fn attempt(
        &self,
        invocation: &Invocation,
        subject: &mut Subject,
    ) -> Result<(Arc<Loaded>, Ended)> {
        let _slot = self.slots.try_acquire().map_err(|_full| overloaded())?;
        let mut loaded = self.registry.get(&invocation.skill)?;
        // A file may change once more while the change is read; twice is a
        // sign of something else.
        for _ in 0..3 {
            subject.describe(&loaded);
            let (schemas, granted) = self.admit(invocation, subject, &loaded)?;
            let limits = *granted.grant.limits();
            schemas.admit(&invocation.input, limits.input)?;
            let deadline = tokio::time::Instant::now() + limits.timeout;
            let observer = Observer::new(Arc::clone(&self.events), Arc::new(subject.clone()));
            let store = self.store(invocation, &loaded, granted, observer.clone(), deadline)?;
            if loaded.is_current() {
                let _ticking = self.compiler.tick();
                let mut ended =
                    run::call(&loaded.prepared, store, invocation, &limits, deadline).await;
                check_output(schemas, &mut ended);
                explain_denial(&observer, &mut ended);
                return Ok((loaded, ended));
            }
            loaded = self.reload(&loaded, subject).await?;
        }
        Err(Error::new(
            Kind::ArtifactChanged,
            "The skill's files keep changing while they are read.",
        )
        .with_hint("Replace a skill by renaming a complete file into place."))
    }

    fn admit<'a>(
        &self,
        invocation: &Invocation,
        subject: &Subject,
        loaded: &'a Loaded,
    ) -> Result<(&'a Schemas, &'a Granted)> {
        let tool = admission::tool(&loaded.manifest, &invocation.tool)?;
        let schemas = loaded
            .schemas
            .get(&tool.name)
            .ok_or_else(|| Error::new(Kind::Internal, "The tool's schema was not compiled."))?;
        match &loaded.granted {
            Ok(granted) => Ok((schemas, granted)),
            Err(denied) => Err(self.deny(subject, denied)),
        }
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
        observer: Observer,
        deadline: tokio::time::Instant,
    ) -> Result<wasmtime::Store<State>> {
        sandbox::store(
            self.compiler.engine(),
            Parts {
                invocation,
                grant: &granted.grant,
                mounts: &granted.mounts,
                network: &self.network,
                settings: &loaded.settings,
                observer,
                deadline,
            },
        )
    }

    /// Reads a skill anew whose files are no longer those that were verified.
    async fn reload(&self, stale: &Loaded, subject: &Subject) -> Result<Arc<Loaded>> {
        let _one_at_a_time = self.loading.lock().await;
        let current = self.registry.get(&stale.manifest.name)?;
        if current.is_current() {
            return Ok(current);
        }
        self.events.record(subject, &Event::ArtifactChanged {})?;
        let loaded = self.load_now(&stale.path).await?;
        if loaded.manifest.name == stale.manifest.name {
            return Ok(loaded);
        }
        Err(Error::new(
            Kind::ArtifactChanged,
            format!(
                "The file of `{}` now holds the skill `{}`.",
                stale.manifest.name, loaded.manifest.name
            ),
        ))
    }

    async fn load_now(&self, path: &Path) -> Result<Arc<Loaded>> {
        let mut subject = Subject::of_file(path);
        match self.prepare(path, &mut subject).await {
            Ok((loaded, compile_ms)) => {
                let loaded = Arc::new(loaded);
                subject.describe(&loaded);
                self.events
                    .record(&subject, &Event::SkillLoaded { compile_ms })?;
                self.registry.insert(Arc::clone(&loaded))?;
                Ok(loaded)
            }
            Err(error) => Err(self.rejected(&subject, error)),
        }
    }

    /// Open, verify, compile, link: each step takes what the one before made.
    async fn prepare(&self, path: &Path, subject: &mut Subject) -> Result<(Loaded, u64)> {
        let artifact = Artifact::open(path)?;
        subject.digest = Some(artifact.digest().to_string());
        let verified = self.verifier.verify(artifact)?;
        subject.signers = verified
            .verdict()
            .signers()
            .iter()
            .map(ToString::to_string)
            .collect();
        self.events.record(subject, &Event::VerifyPassed {})?;
        let manifest = manifest(verified.inner())?;
        let schemas = manifest
            .tools
            .iter()
            .map(|tool| Ok((tool.name.clone(), Schemas::compile(tool)?)))
            .collect::<Result<_>>()?;
        let policy = self.skills.get(&manifest.name).unwrap_or(&self.others);
        let granted = match policy::decide(&manifest, &policy.grant, &self.limits) {
            Ok(grant) => Ok(open(grant)?),
            Err(denied) => Err(denied),
        };
        let start = self.clock.monotonic();
        let compiled = self.compile(verified)?;
        let compile_ms = millis(self.clock.monotonic().saturating_duration_since(start));
        let loaded = Loaded {
            path: path.to_owned(),
            prepared: sandbox::prepare(&self.linker, &compiled)?,
            compiled,
            manifest,
            schemas,
            granted,
            settings: Arc::new(policy.settings.clone()),
        };
        Ok((loaded, compile_ms))
    }

    /// Compiles on this thread, and lets the runtime move other work away.
    fn compile(&self, verified: crate::verify::Verified<Artifact>) -> Result<Compiled> {
        match tokio::runtime::Handle::current().runtime_flavor() {
            tokio::runtime::RuntimeFlavor::MultiThread => {
                tokio::task::block_in_place(|| self.compiler.compile(verified))
            }
            _ => self.compiler.compile(verified),
        }
    }

    fn rejected(&self, subject: &Subject, error: Error) -> Error {
        let (kind, reason) = (error.kind(), error.message().to_owned());
        let event = if kind.is_trust() {
            Event::VerifyFailed { kind, reason }
        } else {
            Event::SkillRejected { kind, reason }
        };
        self.events.record(subject, &event).err().unwrap_or(error)
    }

    fn begin(&self, subject: &Subject, invocation: &Invocation) -> Result<()> {
        let text = invocation.input.text();
        self.events.record(
            subject,
            &Event::InvocationStarted {
                input_sha256: Digest::of(text.as_bytes()).to_string(),
                input_bytes: text.len() as u64,
            },
        )
    }

    fn finish(&self, subject: &Subject, answer: &Answer) -> Result<()> {
        let failure = answer.outcome.as_ref().err();
        self.events.record(
            subject,
            &Event::InvocationFinished {
                outcome: if failure.is_some() { "error" } else { "ok" },
                kind: failure.map(Error::kind),
                reason: failure.map(|error| one_line(error.message(), MAX_LINE)),
                usage: answer.usage,
            },
        )
    }

    /// Records what the attempt brought to light, and makes the answer of it.
    fn answered(
        &self,
        invocation: &Invocation,
        subject: &Subject,
        loaded: &Loaded,
        ended: Ended,
    ) -> Answer {
        let mut recorded = Ok(());
        for event in events_of(&ended) {
            recorded = recorded.and_then(|()| self.events.record(subject, &event));
        }
        Answer {
            invocation: invocation.id.to_string(),
            outcome: recorded.and(ended.outcome.map_err(|fault| fault.error)),
            usage: ended.usage,
            skill: Some(loaded.info()),
            diagnostics: lines(&ended.diagnostics),
        }
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

impl Answer {
    fn failed(invocation: &Invocation, error: Error) -> Self {
        Self {
            invocation: invocation.id.to_string(),
            outcome: Err(error),
            usage: Usage::default(),
            skill: None,
            diagnostics: Diagnostics::default(),
        }
    }
}

impl Subject {
    fn of(invocation: &Invocation) -> Self {
        Self {
            invocation: Some(invocation.id.to_string()),
            principal: Some(invocation.principal.to_string()),
            skill: Some(invocation.skill.to_string()),
            tool: Some(one_line(&invocation.tool, 80)),
            ..Self::default()
        }
    }

    /// Before its manifest is read, a skill is known by its file's name.
    fn of_file(path: &Path) -> Self {
        let name = path
            .file_stem()
            .map(|name| one_line(&name.to_string_lossy(), 80));
        Self {
            skill: name,
            ..Self::default()
        }
    }

    fn describe(&mut self, loaded: &Loaded) {
        let info = loaded.info();
        self.skill = Some(info.name);
        self.version = Some(info.version);
        self.digest = Some(info.digest);
        self.signers = info.signers;
    }
}

/// The manifest of a component whose signatures hold.
fn manifest(artifact: &Artifact) -> Result<Manifest> {
    let sections = section::read(artifact.bytes()).map_err(|cause| {
        Error::new(
            Kind::ComponentInvalid,
            format!("The file is no skill: {cause}."),
        )
    })?;
    Manifest::parse(sections.manifest).map_err(|cause| {
        Error::new(
            Kind::ManifestInvalid,
            format!("The component is no skill: {cause}."),
        )
        .with_hint("Build it with `skillhost build`, which writes the manifest.")
    })
}

fn open(grant: Grant) -> Result<Granted> {
    let mounts = Mounts::open(grant.directories())?;
    Ok(Granted { grant, mounts })
}

fn overloaded() -> Error {
    Error::new(
        Kind::Overloaded,
        format!("{MAX_CONCURRENT} calls are running, which is all that this host takes."),
    )
    .with_hint("Try again in a second.")
}

fn check_output(schemas: &Schemas, ended: &mut Ended) {
    if let Ok(output) = &ended.outcome
        && let Err(error) = schemas.check_output(output.structured.as_ref())
    {
        ended.outcome = Err(Fault {
            error,
            cause: Cause::Guest,
        });
    }
}

/// When a skill failed after something was refused to it, the grant that would
/// have allowed it is what its operator needs to read.
fn explain_denial(observer: &Observer, ended: &mut Ended) {
    let Err(fault) = &mut ended.outcome else {
        return;
    };
    let denials = observer.denials();
    let Some(denial) = denials.first() else {
        return;
    };
    if matches!(fault.error.kind(), Kind::Denied | Kind::GuestFailed) {
        let message = fault.error.message().to_owned();
        fault.error = Error::new(Kind::Denied, message).with_hint(format!(
            "{} was refused: {}. Allow it with {}.",
            denial.capability, denial.target, denial.grant
        ));
    }
}

fn events_of(ended: &Ended) -> Vec<Event> {
    let mut events = Vec::new();
    let dropped = [
        ("stdout", ended.diagnostics.stdout.dropped),
        ("stderr", ended.diagnostics.stderr.dropped),
        ("log", ended.diagnostics.log.dropped),
    ];
    for (stream, dropped) in dropped.into_iter().filter(|(_, dropped)| *dropped > 0) {
        events.push(Event::OutputTruncated { stream, dropped });
    }
    if let Err(fault) = &ended.outcome {
        let reason = one_line(fault.error.message(), MAX_LINE);
        match fault.cause {
            Cause::Limit => events.push(Event::LimitExceeded {
                kind: fault.error.kind(),
                reason,
            }),
            Cause::Trap => events.push(Event::GuestTrapped { reason }),
            Cause::Panic => events.push(Event::HostPanicked {}),
            Cause::Guest | Cause::Cancelled => {}
        }
    }
    events
}

/// What a skill wrote, each line marked with where it comes from.
fn lines(diagnostics: &sandbox::Diagnostics) -> Diagnostics {
    let mut lines = Vec::new();
    for line in &diagnostics.log.lines {
        let fields: String = line
            .fields
            .iter()
            .map(|(key, value)| format!(" {key}={value}"))
            .collect();
        lines.push(format!(
            "{}: {}",
            line.level,
            one_line(&format!("{}{fields}", line.message), MAX_LINE)
        ));
    }
    for (stream, captured) in [
        ("stdout", &diagnostics.stdout),
        ("stderr", &diagnostics.stderr),
    ] {
        lines.extend(
            captured
                .text()
                .lines()
                .map(|line| format!("{stream}: {}", one_line(line, MAX_LINE))),
        );
    }
    Diagnostics { lines }
}
