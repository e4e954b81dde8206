//! [`Host::invoke`]: the one way in for every call.

mod asking;
mod attempt;
mod breaking;
mod chain;
mod door;
mod grant;
mod load;
mod loading;
mod numbers;
mod record;
mod reload;
mod serving;
mod snapshot;
mod whole;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};
use tokio::sync::watch;

pub(crate) use self::asking::{Human, Next};
use self::chain::Chain;
pub(crate) use self::door::Surroundings;
pub(crate) use self::load::blocking;
use self::loading::Loading;
pub(crate) use self::reload::Circumstances;
pub use self::serving::FirstLoad;
use self::serving::Listeners;
pub use self::snapshot::Terms;
use self::snapshot::{Current, Snapshot};
use crate::admission::capacity::Capacity;
use crate::admission::rules::{AdmissionRules, SkillRules};
use crate::admission::{Admission, Scope};
use crate::answer::Answer;
use crate::compile::{Compilation, Compiler};
use crate::config::Override;
use crate::consent::Book;
use crate::consent::ask::{AskRules, Asking};
use crate::error::{Error, Kind, Result};
use crate::event::audit::Audit;
use crate::event::monitor::{Monitor, Rules};
use crate::event::sink::SinkSettings;
use crate::event::{Events, Sink};
use crate::invocation::{Invocation, Principal};
use crate::manifest::{SkillName, ToolName};
use crate::mcp::{Definitions, ListedName, Outputs, Paging, TaskUse, Tasks};
use crate::policy::OperatorGrant;
use crate::policy::ceiling::LevelCeiling;
use crate::policy::limits::Limits;
use crate::policy::requirement::Requirements;
use crate::recovery::{self, Breakers, LastGood, RecoveryChange, SkillRecovery};
use crate::registry::Loaded;
use crate::sandbox::network::gateway::{Gateway, OwnListener};
use crate::sandbox::network::{Network, SystemNetwork};
use crate::sandbox::{Descriptors, Linkers};
use crate::secret::Secrets;
use crate::state::{States, Transient};
use crate::suspension::Suspensions;
use crate::time::Clock;
use crate::trust::{Authority, TrustSource};
use crate::verify::TrustLevel;

/// What an operator decides about one skill.
#[derive(Debug, Clone, Default)]
pub struct SkillPolicy {
    /// What it may use.
    pub grant: OperatorGrant,
    /// Its settings, by key.
    pub settings: Map<String, Value>,
    /// How often it is tried, and what is used instead.
    pub recovery: SkillRecovery,
    /// Variables of its environment, which is empty otherwise.
    pub environment: BTreeMap<String, String>,
    /// Whether those who call it may hear its log.
    pub log_to_client: bool,
    /// How much may be done with it, and by which names.
    pub admission: SkillRules,
    /// What its tools are called in MCP's list; by themselves `SKILL_TOOL`.
    pub names: BTreeMap<ToolName, ListedName>,
    /// Calls of which tools may outlive their requests over MCP.
    pub tasks: BTreeMap<ToolName, TaskUse>,
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
    /// What no skill of a level of trust goes beyond.
    pub ceilings: BTreeMap<TrustLevel, LevelCeiling>,
    /// What is required of every skill.
    pub requirements: Requirements,
    /// Where `skillhost grant` keeps what it granted; none: nowhere.
    pub consents: Option<PathBuf>,
    /// Who is asked for what was not granted.
    pub asking: AskRules,
    /// What all calls together may take.
    pub capacity: Capacity,
    /// How large results are sent over MCP.
    pub paging: Paging,
    /// What each caller may do, and what arguments are searched for.
    pub admission: AdmissionRules,
    /// How often tools are tried, unless a skill's policy says otherwise.
    pub recovery: RecoveryChange,
    /// What each skill may use.
    pub skills: BTreeMap<SkillName, SkillPolicy>,
    /// What a skill may use that is not named.
    pub others: SkillPolicy,
    /// Secrets, by the operator's names for them.
    pub secrets: Secrets,
    /// Where events are kept; nothing runs without.
    pub audit: Box<dyn Audit>,
    /// Where else events go.
    pub sinks: Vec<Box<dyn Sink>>,
    /// Likewise, each behind a queue and a thread of its own.
    pub queued_sinks: Vec<SinkSettings>,
    /// Which events, in which number, are an alert.
    pub monitor: Rules,
    /// The list of suspended skills; none: it ends with the host.
    pub suspended: Option<PathBuf>,
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
    pub fn new(trust: impl Into<TrustSource>, audit: Box<dyn Audit>) -> Self {
        Self {
            trust: trust.into(),
            danger_override: Override::NONE,
            limits: Limits::default(),
            ceilings: BTreeMap::new(),
            requirements: Requirements::default(),
            consents: None,
            asking: AskRules::default(),
            capacity: Capacity::default(),
            paging: Paging::default(),
            admission: AdmissionRules::default(),
            recovery: RecoveryChange::default(),
            skills: BTreeMap::new(),
            others: SkillPolicy::default(),
            secrets: Secrets::default(),
            audit,
            sinks: Vec::new(),
            queued_sinks: Vec::new(),
            monitor: Rules::default(),
            suspended: None,
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
    current: Current,
    ready: watch::Sender<bool>,
    listeners: Listeners,
    events: Arc<Events>,
    suspensions: Arc<Suspensions>,
    descriptors: Descriptors,
    loading: Loading,
    consents: Book,
    asking: Asking,
    breakers: Breakers,
    last_good: LastGood,
    secrets: Secrets,
    states: Arc<dyn States>,
    private: Vec<PathBuf>,
    clock: Arc<dyn Clock>,
    gateway: Arc<Gateway>,
    definitions: Definitions,
    outputs: Outputs,
    tasks: Tasks,
}

impl Host {
    /// A host without skills.
    pub fn new(setup: Setup) -> Result<Self> {
        check_fallbacks(&setup.skills)?;
        let gateway = Arc::new(Gateway::new(Arc::clone(&setup.network)));
        let calls = setup.capacity.calls;
        let clock = setup.clock;
        let admission = Admission::new(setup.capacity, &setup.admission, &setup.skills, &clock)?;
        let events = Events::new(setup.audit, setup.sinks, Arc::clone(&clock))?;
        let suspensions = Suspensions::open(setup.suspended.as_deref())?;
        let monitor = Monitor::new(&setup.monitor, Arc::clone(&suspensions));
        let events = numbers::with_sinks(
            events.without(&setup.secrets).watched_by(monitor),
            setup.queued_sinks,
            &setup.secrets,
            (setup.network, Arc::clone(&gateway)),
            &clock,
        )?;
        let events = Arc::new(events);
        let compiler = Compiler::new(
            calls,
            setup.compile,
            Arc::clone(&events),
            Arc::clone(&clock),
        )?;
        numbers::observe(events.metrics(), &admission, &compiler);
        let consents = Book::open(setup.consents, Arc::clone(&clock), Arc::clone(&events))?;
        Ok(Self {
            authority: Authority::open(
                setup.trust,
                Arc::clone(&clock),
                Arc::clone(&events),
                setup.danger_override,
            )?,
            linkers: Linkers::new(compiler.engine())?,
            compiler,
            events,
            suspensions,
            descriptors: Descriptors::of_process(&setup.limits),
            loading: Loading::default(),
            consents,
            asking: Asking::new(setup.asking, Arc::clone(&clock))?,
            ready: watch::Sender::new(true),
            listeners: Listeners::default(),
            current: Current::new(Snapshot::new(
                Terms {
                    limits: setup.limits,
                    ceilings: setup.ceilings,
                    requirements: setup.requirements,
                    admission: setup.admission,
                    recovery: setup.recovery,
                    skills: setup.skills,
                    others: setup.others,
                    monitor: setup.monitor,
                },
                admission,
            )),
            breakers: Breakers::default(),
            last_good: LastGood::default(),
            secrets: setup.secrets,
            states: setup.states,
            private: setup.private,
            definitions: Definitions::default(),
            outputs: Outputs::new(setup.paging, Arc::clone(&clock)),
            tasks: Tasks::new(setup.paging, Arc::clone(&clock)),
            clock,
            gateway,
        })
    }

    /// The skills of this host, by name.
    #[must_use]
    pub fn skills(&self) -> Vec<Arc<Loaded>> {
        let now = self.current.get();
        now.skills.iter().map(|(_, it)| Arc::clone(it)).collect()
    }

    /// The skill with that name.
    pub(crate) fn skill(&self, name: &SkillName) -> Option<Arc<Loaded>> {
        self.current.get().skills.find(name)
    }

    /// Tools as MCP lists them, made once.
    pub(crate) const fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// Large outputs of tools, which are read in pages.
    pub(crate) const fn outputs(&self) -> &Outputs {
        &self.outputs
    }

    /// Calls that outlive their requests.
    pub(crate) const fn tasks(&self) -> &Tasks {
        &self.tasks
    }

    /// Whether a caller finds that tool in a list: it may call it, and the tool is
    /// not blocked.
    #[must_use]
    pub fn offers(
        &self,
        principal: &Principal,
        scope: Option<&Scope>,
        loaded: &Loaded,
        tool: &ToolName,
    ) -> bool {
        let admission = &self.current.get().admission;
        admission.offers(principal, scope, loaded, tool)
    }

    /// The limits of a call whose skill has none of its own.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.current.get().terms.limits
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

    /// Fallbacks that no skill offers that is loaded by now, in words. Until one
    /// is, they are passed over.
    #[must_use]
    pub fn unknown_fallbacks(&self) -> Vec<String> {
        let now = self.current.get();
        let skills = &now.skills;
        let is_offered = |skill: &SkillName, tool: &ToolName| {
            let loaded = skills.get(skill);
            loaded.is_ok_and(|it| it.manifest.tool(tool.as_str()).is_some())
        };
        let named = skills.iter().flat_map(|(name, loaded)| {
            let targets = loaded.recovery.targets(name);
            targets.map(move |(from, skill, tool)| (name, from, skill, tool))
        });
        named
            .filter(|(_, _, skill, tool)| !is_offered(skill, tool))
            .map(|(name, from, skill, tool)| {
                format!("{name}/{from} falls back to {skill}/{tool}, which no skill offers")
            })
            .collect()
    }

    /// Calls a tool. Every call gets exactly one answer, and exactly one
    /// `invocation.finished` event, however often it is tried.
    pub async fn invoke(&self, invocation: Invocation) -> Answer {
        let mut chain = match Chain::begin(self, invocation) {
            Ok(chain) => chain,
            Err(answer) => return *answer,
        };
        loop {
            let (target, whole) = chain.current();
            let attempted = self.attempt(target, whole).await;
            match chain.after(attempted) {
                Some(pause) => chain.wait(pause).await,
                None => break,
            }
        }
        let mut answer = chain.finish();
        if let Err(unavailable) = self.events.settle().await {
            answer.outcome = Err(unavailable);
        }
        answer
    }
}

fn check_fallbacks(skills: &BTreeMap<SkillName, SkillPolicy>) -> Result<()> {
    let recoveries = skills.iter().map(|(name, policy)| (name, &policy.recovery));
    match recovery::problem(recoveries) {
        None => Ok(()),
        Some(problem) => Err(Error::new(
            Kind::ConfigInvalid,
            format!("What is used instead of a tool is wrong: {problem}."),
        )
        .with_hint("Let each list of fallbacks end with something that has none.")),
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host")
            .field("current", &self.current)
            .finish_non_exhaustive()
    }
}
