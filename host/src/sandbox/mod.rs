//! [`Grant`](crate::policy::Grant) → a store in which a guest runs: everything
//! that it can touch.
//!
//! Each call gets a store of its own and nothing of an earlier one. One
//! capability stands in one file; the linker offers no other.

mod call;
mod clock;
mod config;
mod filesystem;
mod http;
mod limiter;
mod linker;
mod logging;
pub(crate) mod meter;
pub(crate) mod network;
mod observer;
pub(crate) mod random;
mod secrets;
mod state;
mod stdio;
mod timer;

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use wasmtime::component::ResourceTable;
use wasmtime::{CallHook, Store, Trap};
use wasmtime_wasi::clocks::HostMonotonicClock;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use self::call::Call;
use self::filesystem::Files;
pub(crate) use self::filesystem::{Descriptors, Mounts};
use self::limiter::Limiter;
pub(crate) use self::linker::{Linkers, Prepared};
use self::logging::Logging;
use self::meter::{Budget, Meter};
use self::network::Reach;
use self::network::egress::Egress;
use self::network::gateway::Gateway;
use self::network::reach::Open;
use self::network::sockets::Sockets;
pub(crate) use self::observer::Observer;
use self::random::Random;
pub(crate) use self::secrets::Entrusted;
pub(crate) use self::state::Kept;
use self::stdio::Capture;
use crate::error::{Error, Kind, Result};
use crate::invocation::Invocation;
use crate::log;
use crate::policy::Grant;
use crate::policy::limits::{HOST_CALL_FUEL, Limits};

/// Generated from `wit/`.
#[expect(
    clippy::error_impl_error,
    reason = "generated: the WIT calls its errors `error`"
)]
pub(crate) mod bindings {
    wasmtime::component::bindgen!({
        path: "wit",
        world: "skill",
        imports: {
            default: trappable,
            "skillhost:skill/http.send": async | trappable,
            "skillhost:skill/state.get": async | trappable,
            "skillhost:skill/state.set": async | trappable,
            "skillhost:skill/state.delete": async | trappable,
            "skillhost:skill/state.keys": async | trappable,
        },
        exports: { default: async },
    });
}

/// What the store of one call holds.
pub(crate) struct State {
    wasi: WasiCtx,
    http: WasiHttpCtx,
    egress: Egress,
    files: Files,
    /// Raw connections, for a skill that asks for them.
    raw: Option<Arc<Sockets>>,
    /// Sockets that are open, by their handle in the table.
    open: BTreeMap<u32, Open>,
    table: ResourceTable,
    limiter: Limiter,
    call: Call,
    logging: Logging,
    random: Random,
    clock: clock::Coarse,
    settings: Arc<serde_json::Map<String, serde_json::Value>>,
    entrusted: Arc<Entrusted>,
    kept: Option<Kept>,
    observer: Observer,
    meter: Meter,
    stdout: Capture,
    stderr: Capture,
}

/// What a call is made of beside its grant.
pub(crate) struct Parts<'a> {
    pub(crate) invocation: &'a Invocation,
    pub(crate) grant: &'a Grant,
    pub(crate) limits: &'a Limits,
    pub(crate) mounts: &'a Mounts,
    pub(crate) gateway: &'a Arc<Gateway>,
    pub(crate) kept: &'a Option<Kept>,
    pub(crate) settings: &'a Arc<serde_json::Map<String, serde_json::Value>>,
    pub(crate) environment: &'a [(String, String)],
    /// Who hears what it logs.
    pub(crate) log: Option<&'a log::Sink>,
    pub(crate) entrusted: &'a Arc<Entrusted>,
    pub(crate) observer: Observer,
    pub(crate) deadline: tokio::time::Instant,
}

/// A store with every limit set, before anything of the guest is in it.
pub(crate) fn store(engine: &wasmtime::Engine, parts: Parts<'_>) -> Result<Store<State>> {
    let limits = *parts.limits;
    let deadline = parts.deadline;
    let cancelled = parts.invocation.cancelled.clone();
    let mut store = Store::new(engine, State::new(parts));
    store.limiter(|state| &mut state.limiter);
    store.set_fuel(limits.fuel).map_err(|cause| {
        Error::new(Kind::Internal, "The engine does not count fuel.").with_internal(cause)
    })?;
    store.set_hostcall_fuel(bytes(limits.output.saturating_add(limits.hostcall)));
    store.set_max_component_handles(bytes(limits.resources).saturating_mul(4));
    charge_host_calls(&mut store);
    interrupt_at(&mut store, deadline, cancelled);
    Ok(store)
}

/// Counts and charges each call into the host, the engine's own included
/// (growing a memory): no guest gets work of the host for nothing.
fn charge_host_calls(store: &mut Store<State>) {
    store.call_hook(|mut store, transition| {
        if !matches!(transition, CallHook::CallingHost) {
            return Ok(());
        }
        store.data().meter.spend(Budget::HostCalls, 1)?;
        let fuel = store.get_fuel()?.checked_sub(HOST_CALL_FUEL);
        store.set_fuel(fuel.ok_or(Trap::OutOfFuel)?)
    });
}

/// Stops a guest that computes at the deadline or when the caller has given
/// up, and lets others run in between. One that waits in the host is stopped
/// by [`run`](crate::run).
fn interrupt_at(
    store: &mut Store<State>,
    deadline: tokio::time::Instant,
    cancelled: CancellationToken,
) {
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(move |_| {
        let over = tokio::time::Instant::now() >= deadline || cancelled.is_cancelled();
        Ok(if over {
            wasmtime::UpdateDeadline::Interrupt
        } else {
            wasmtime::UpdateDeadline::Yield(1)
        })
    });
}

impl State {
    fn new(parts: Parts<'_>) -> Self {
        let limits = parts.limits;
        let observer = parts.observer.of_skill_that_wants(parts.grant.wanted());
        let meter = Meter::new(limits);
        let clock = clock::Coarse::start();
        let stdout = Capture::new(limits.stdout);
        let stderr = Capture::new(limits.stderr);
        let reach = Reach::new(Arc::clone(parts.gateway), meter.clone(), observer.clone());
        let raw = parts.grant.sockets();
        let raw = raw.map(|grant| Arc::new(Sockets::new(grant, reach.clone())));
        let mut wasi = WasiCtxBuilder::new();
        wasi.stdout(stdout.clone())
            .stderr(stderr.clone())
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .monotonic_clock(clock)
            .wall_clock(clock::CoarseWall)
            .envs(parts.environment);
        if let Some(sockets) = &raw {
            sockets.judge_for(&mut wasi);
        }
        let wasi = wasi.build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(bytes(limits.resources));
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(bytes(limits.http_headers));
        Self {
            wasi,
            http,
            egress: Egress::new(parts.grant, limits, reach).entrusted_with(parts.entrusted),
            files: Files::new(parts.mounts),
            raw,
            open: BTreeMap::new(),
            table,
            limiter: Limiter::new(limits.memory),
            call: Call::new(parts.invocation, parts.deadline),
            logging: Logging::new(limits.log, limits.log_lines, parts.log.cloned()),
            random: Random::new(limits, meter.clone()),
            clock,
            settings: Arc::clone(parts.settings),
            entrusted: Arc::clone(parts.entrusted),
            kept: parts.kept.clone(),
            observer,
            meter,
            stdout,
            stderr,
        }
    }

    /// Bytes over all memories and tables at the highest point.
    pub(crate) const fn memory_peak(&self) -> u64 {
        self.limiter.peak()
    }

    /// Whether the guest wanted more memory than it may have.
    pub(crate) const fn memory_refused(&self) -> bool {
        self.limiter.refused()
    }

    /// What it used of each budget.
    pub(crate) const fn meter(&self) -> &Meter {
        &self.meter
    }

    /// The guest's clock.
    fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Sees what is refused to it, and takes secrets out of what it says.
    pub(crate) const fn observer(&self) -> &Observer {
        &self.observer
    }

    /// What the guest wrote and logged, for the operator.
    pub(crate) fn diagnostics(&mut self) -> Diagnostics {
        Diagnostics {
            stdout: self.stdout.take(),
            stderr: self.stderr.take(),
            log: self.logging.take(),
        }
    }
}

/// What a guest wrote and logged, up to its limits.
#[derive(Debug, Clone, Default)]
pub(crate) struct Diagnostics {
    pub(crate) stdout: stdio::Captured,
    pub(crate) stderr: stdio::Captured,
    pub(crate) log: logging::Logged,
}

impl Diagnostics {
    /// The same without secrets. Lines are cut later: half of a secret would
    /// not be known for one.
    pub(crate) fn redacted(mut self, observer: &Observer) -> Self {
        if !observer.knows_secrets() {
            return self;
        }
        for captured in [&mut self.stdout, &mut self.stderr] {
            let text = captured.text();
            let clean = observer.redact_cut(&text, captured.dropped > 0);
            captured.kept = clean.into_owned().into_bytes();
        }
        for line in &mut self.log.lines {
            line.redact(observer);
        }
        self
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView {
            hooks: &mut self.egress,
            table: &mut self.table,
            ctx: &mut self.http,
        }
    }
}

/// A limit as the engine wants it.
fn bytes(limit: u64) -> usize {
    usize::try_from(limit).unwrap_or(usize::MAX)
}
