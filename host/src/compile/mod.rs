//! [`Verified<Artifact>`] → [`Compiled`]: machine code, from a compiler that is
//! killed when it takes too much, or from a cache that is authenticated.
//!
//! There is no function from a path or from bytes to compiled code: whoever
//! has none of [`verify`](crate::verify)'s proofs cannot compile.

mod cache;
mod flight;
mod limits;
mod native;
mod sealed;
mod settings;
mod ticker;
mod turns;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use wasmtime::Engine;
use wasmtime::component::Component;

pub use self::cache::{CACHE_SIZE, CacheSettings};
use self::cache::{Fingerprint, Rejected, Shelf};
use self::flight::{Flights, Landing};
pub use self::limits::CompileLimits;
use self::native::MachineCode;
use self::settings::code_config;
pub use self::settings::config;
pub(crate) use self::settings::{CORE_INSTANCES, MEMORIES, TABLES};
pub use self::ticker::TICK;
use self::ticker::Ticker;
pub(crate) use self::ticker::Ticking;
use self::turns::Turns;
pub use self::worker::{Worker, work_if_asked};
use crate::artifact::{Artifact, Digest};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Events, Subject};
use crate::time::Clock;
use crate::verify::Verified;

/// How machine code is made and kept.
///
/// # Defaults
///
/// It is made by another process of this program, which must expect that (see
/// [`Worker::ThisProgram`]), within [`CompileLimits::default`], and not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Compilation {
    /// Who compiles.
    pub worker: Worker,
    /// How much that may take.
    pub limits: CompileLimits,
    /// Where machine code is kept; none: each host compiles anew.
    pub cache: Option<CacheSettings>,
}

/// A component as machine code, and the proof that it may run.
#[derive(Debug, Clone)]
pub struct Compiled {
    code: Arc<Code>,
    verified: Verified<Artifact>,
}

/// Machine code, mapped.
#[derive(Debug)]
struct Code {
    component: Component,
}

impl Compiled {
    /// The machine code.
    pub(crate) fn component(&self) -> &Component {
        &self.code.component
    }

    /// What it was compiled from.
    #[must_use]
    pub const fn verified(&self) -> &Verified<Artifact> {
        &self.verified
    }

    /// The same machine code with a later proof, if that is about the same
    /// bytes.
    pub(crate) fn renewed(&self, verified: &Verified<Artifact>) -> Option<Self> {
        (verified.verdict().digest() == self.verified.verdict().digest()).then(|| Self {
            code: Arc::clone(&self.code),
            verified: verified.clone(),
        })
    }
}

/// Why there is no machine code.
#[derive(Debug, Clone)]
pub struct Failure {
    /// What went wrong.
    pub error: Error,
    /// The limit that it would have broken, if that is why.
    pub limit: Option<&'static str>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, limit: None }
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        failure.error
    }
}

/// The one engine of a host, and who makes code for it.
#[derive(Debug)]
pub struct Compiler {
    workshop: Arc<Workshop>,
    ticker: Arc<Ticker>,
    flights: Arc<Flights>,
}

/// What a thread needs to come by code.
#[derive(Debug)]
struct Workshop {
    engine: Engine,
    fingerprint: Fingerprint,
    settings: Compilation,
    events: Arc<Events>,
    clock: Arc<dyn Clock>,
    turns: Turns,
    compiled: AtomicU64,
    cached: AtomicU64,
}

impl Compiler {
    /// An engine with the settings of [`config`] for so many calls at once, and
    /// the thread that ticks its epoch while they run.
    pub fn new(
        calls: u32,
        settings: Compilation,
        events: Arc<Events>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let engine = Engine::new(&config(calls)).map_err(|cause| {
            Error::new(
                Kind::Internal,
                "The WebAssembly engine cannot start on this machine.",
            )
            .with_internal(format_args!("{cause:#}"))
        })?;
        Ok(Self {
            ticker: Ticker::start(&engine)?,
            flights: Flights::new(Arc::clone(&clock)),
            workshop: Arc::new(Workshop {
                fingerprint: Fingerprint::of(&engine),
                engine,
                settings,
                events,
                clock,
                turns: Turns::default(),
                compiled: AtomicU64::new(0),
                cached: AtomicU64::new(0),
            }),
        })
    }

    /// Machine code of a component: that which is in use already, that of the
    /// cache, or that of a compiler. However many wait for the same component,
    /// it is compiled once, and whoever no longer waits disturbs nobody.
    ///
    /// # Errors
    ///
    /// `ComponentInvalid` if the bytes are no valid component or use a feature
    /// of WebAssembly that this host does not allow; `CompileLimit` if compiling
    /// it would take more than it may; `Internal` and `ConfigInvalid` if the
    /// compiler cannot do its work; `AuditUnavailable` if something cannot be
    /// recorded.
    pub async fn compile(
        &self,
        verified: Verified<Artifact>,
        subject: &Subject,
    ) -> Result<Compiled, Failure> {
        let artifact = verified.inner();
        let start = |landing| self.start(artifact.clone(), subject.clone(), landing);
        let code = self.flights.join(artifact.digest(), start).await?;
        Ok(Compiled { code, verified })
    }

    /// Compiles on a thread of its own: it may take minutes, and outlive those
    /// who wait for it. The compiler's process lives no longer than this thread.
    fn start(&self, artifact: Artifact, subject: Subject, landing: Landing) -> Result<(), Failure> {
        let workshop = Arc::clone(&self.workshop);
        let work = move || landing.report(workshop.obtain(&artifact, &subject));
        match thread::Builder::new()
            .name("compile".to_owned())
            .spawn(work)
        {
            Ok(_runs_by_itself) => Ok(()),
            Err(cause) => {
                let error = Error::new(Kind::Internal, "The host cannot start a thread.");
                Err(error.with_internal(cause).into())
            }
        }
    }

    /// How many components this host has begun to compile.
    #[must_use]
    pub fn compilations(&self) -> u64 {
        self.workshop.compiled.load(Ordering::Relaxed)
    }

    /// How many components this host has found in the cache.
    #[must_use]
    pub fn cache_hits(&self) -> u64 {
        self.workshop.cached.load(Ordering::Relaxed)
    }

    /// Tells how many components were begun to be compiled, and how many were
    /// found in the cache, for as long as this compiler lives.
    pub(crate) fn counts(&self) -> impl Fn() -> (u64, u64) + Send + Sync + 'static {
        let workshop = Arc::downgrade(&self.workshop);
        move || {
            let Some(workshop) = workshop.upgrade() else {
                return (0, 0);
            };
            let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
            (count(&workshop.compiled), count(&workshop.cached))
        }
    }

    /// Whether components are compiled without any limit.
    pub(crate) fn is_unbounded(&self) -> bool {
        self.workshop.settings.worker == Worker::InProcess
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.workshop.engine
    }

    /// Keeps the epoch ticking until the guard is dropped.
    pub(crate) fn tick(&self) -> Ticking {
        self.ticker.tick()
    }
}

impl Workshop {
    /// Limits that cost nothing, the cache, and then the compiler.
    fn obtain(&self, artifact: &Artifact, subject: &Subject) -> Result<Arc<Code>, Failure> {
        self.settings.limits.check(artifact.bytes())?;
        let shelf = self.shelf(subject)?;
        let digest = artifact.digest();
        if let Some(shelf) = &shelf
            && let Some(component) = self.find(shelf, digest, subject)?
        {
            self.cached.fetch_add(1, Ordering::Relaxed);
            return Ok(Arc::new(Code { component }));
        }
        let code = self.compile(artifact.bytes())?;
        let component = code.map(&self.engine);
        let component = component.map_err(|cause| unfit(&code, &cause))?;
        if let Some(shelf) = shelf
            && let Err(cause) = shelf.keep(digest, self.fingerprint, code.bytes())
        {
            tracing::warn!(%cause, "compiled code is not kept");
        }
        Ok(Arc::new(Code { component }))
    }

    fn compile(&self, component: &[u8]) -> Result<MachineCode, Failure> {
        let Compilation { worker, limits, .. } = &self.settings;
        self.turns.take(|| {
            self.compiled.fetch_add(1, Ordering::Relaxed);
            let code = worker.compile(component, &self.engine, limits, &*self.clock)?;
            Ok(MachineCode::vouched_for(code))
        })
    }

    /// The cache, if there is one. One that others may write is not used: it
    /// would have to be believed, and without it things are slower and no worse.
    fn shelf(&self, subject: &Subject) -> Result<Option<Shelf<'_>>> {
        let Some(cache) = &self.settings.cache else {
            return Ok(None);
        };
        match cache.open() {
            Ok(shelf) => Ok(Some(shelf)),
            Err(error) if error.kind() == Kind::ConfigInsecure => {
                let reason = error.message().to_owned();
                self.events
                    .record(subject, &Event::ConfigInsecure { reason })?;
                Ok(None)
            }
            Err(error) => {
                tracing::warn!(cause = error.internal(), "{error}");
                Ok(None)
            }
        }
    }

    /// What the cache has, if it is what this host put there.
    fn find(
        &self,
        shelf: &Shelf<'_>,
        digest: Digest,
        subject: &Subject,
    ) -> Result<Option<Component>> {
        let found = shelf.find(digest, self.fingerprint).and_then(|code| {
            let map = |code| MachineCode::vouched_for(code).map(&self.engine);
            let mapped = code.map(map).transpose();
            mapped.map_err(|cause| Rejected::Foreign(format!("{cause:#}")))
        });
        match found {
            Ok(component) => Ok(component),
            Err(rejected) => {
                let reason = format!("The compiled code in the cache is not used: {rejected}.");
                self.events
                    .record(subject, &Event::CacheRejected { reason })?;
                Ok(None)
            }
        }
    }
}

/// What the compiler says of a component that it does not take.
fn invalid(complaint: &str) -> Failure {
    let first = complaint.lines().next().unwrap_or_default();
    Error::new(
        Kind::ComponentInvalid,
        format!(
            "The component is not valid: {}.",
            crate::manifest::text::one_line(first, 300)
        ),
    )
    .with_hint("Build it with `skillhost build`, or for `wasm32-wasip2`.")
    .with_internal(complaint)
    .into()
}

/// What was compiled cannot be run: it wants more than any sandbox has, such as
/// a table of a billion elements, or it is no machine code at all.
fn unfit(code: &MachineCode, cause: &wasmtime::Error) -> Failure {
    if code.is_component() {
        return invalid(&format!("{cause:#}"));
    }
    Error::new(Kind::Internal, "What the compiler made cannot be used.")
        .with_hint("Let the compiler be a `skillhost` of the same version.")
        .with_internal(format_args!("{cause:#}"))
        .into()
}
