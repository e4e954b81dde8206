//! [`Verified<Artifact>`] → [`Compiled`]: the engine and its settings.
//!
//! There is no function from a path or from bytes to compiled code: whoever
//! has none of [`verify`](crate::verify)'s proofs cannot compile.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    Strategy,
};

use crate::artifact::Artifact;
use crate::error::{Error, Kind, Result};
use crate::policy::limits::MAX_MEMORY;
use crate::verify::Verified;

/// How often a running guest is looked at: deadlines and cancellation hold to
/// about this.
pub const TICK: Duration = Duration::from_millis(1);

/// A component as machine code, and the proof that it may run.
#[derive(Debug, Clone)]
pub struct Compiled {
    component: Component,
    verified: Verified<Artifact>,
}

impl Compiled {
    /// The machine code.
    pub(crate) const fn component(&self) -> &Component {
        &self.component
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
            component: self.component.clone(),
            verified: verified.clone(),
        })
    }
}

/// The one engine of a host.
#[derive(Debug)]
pub struct Compiler {
    engine: Engine,
    ticker: Arc<Ticker>,
    compiled: AtomicU64,
}

impl Compiler {
    /// An engine with the settings of [`config`] for so many calls at once, and
    /// the thread that ticks its epoch while they run.
    pub fn new(calls: u32) -> Result<Self> {
        let engine = Engine::new(&config(calls)).map_err(|cause| {
            Error::new(
                Kind::Internal,
                "The WebAssembly engine cannot start on this machine.",
            )
            .with_internal(format_args!("{cause:#}"))
        })?;
        let ticker = Ticker::start(&engine)?;
        Ok(Self {
            engine,
            ticker,
            compiled: AtomicU64::new(0),
        })
    }

    /// Compiles a component. Blocks its thread for as long as that takes:
    /// about a millisecond for each KiB.
    ///
    /// # Errors
    ///
    /// `ComponentInvalid` if the bytes are no valid component or use a feature
    /// of WebAssembly that this host does not allow.
    pub fn compile(&self, verified: Verified<Artifact>) -> Result<Compiled> {
        self.compiled.fetch_add(1, Ordering::Relaxed);
        let component =
            Component::from_binary(&self.engine, verified.inner().bytes()).map_err(|cause| {
                Error::new(
                    Kind::ComponentInvalid,
                    format!("The component is not valid: {}.", first_line(&cause)),
                )
                .with_hint("Build it with `skillhost build`, or for `wasm32-wasip2`.")
                .with_internal(format_args!("{cause:#}"))
            })?;
        Ok(Compiled {
            component,
            verified,
        })
    }

    /// How many components this host has begun to compile.
    #[must_use]
    pub fn compilations(&self) -> u64 {
        self.compiled.load(Ordering::Relaxed)
    }

    pub(crate) const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// Keeps the epoch ticking until the guard is dropped.
    pub(crate) fn tick(&self) -> Ticking {
        self.ticker.begin();
        Ticking(Arc::clone(&self.ticker))
    }
}

/// Engine settings, each for speed or for a smaller attack surface; the
/// figures are in `docs/decisions/0002-engine-settings.md`.
#[must_use]
pub fn config(calls: u32) -> Config {
    let mut config = Config::new();
    config
        .strategy(Strategy::Cranelift)
        .cranelift_opt_level(OptLevel::Speed)
        .parallel_compilation(true)
        .consume_fuel(true)
        .epoch_interruption(true)
        .wasm_component_model(true)
        .concurrency_support(false)
        .memory_init_cow(true)
        .max_wasm_stack(512 << 10)
        .async_stack_size(1 << 20)
        .wasm_backtrace_max_frames(std::num::NonZeroUsize::new(16))
        .relaxed_simd_deterministic(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(calls)));
    refuse_features(&mut config);
    config
}

/// No guest toolchain that we know emits these.
fn refuse_features(config: &mut Config) {
    config
        .shared_memory(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false)
        .wasm_tail_call(false)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false);
}

/// Slots that are kept warm: a fresh instance costs about ten microseconds.
fn pool(calls: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(calls)
        .total_stacks(calls)
        .total_core_instances(calls.saturating_mul(8))
        .total_memories(calls.saturating_mul(2))
        .total_tables(calls.saturating_mul(4))
        .max_memory_size(usize::try_from(MAX_MEMORY).unwrap_or(usize::MAX))
        .table_elements(20_000)
        .max_memories_per_module(1)
        .max_tables_per_module(2)
        .max_core_instances_per_component(32)
        .max_memories_per_component(4)
        .max_tables_per_component(8)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .linear_memory_keep_resident(512 << 10)
        .table_keep_resident(64 << 10)
        .async_stack_keep_resident(16 << 10)
        .max_unused_warm_slots(64);
    if PoolingAllocationConfig::is_pagemap_scan_available() {
        pool.pagemap_scan(Enabled::Yes);
    }
    pool
}

/// The thread that increments the engine's epoch. It sleeps while no call
/// runs, and ends with the engine.
#[derive(Debug)]
struct Ticker {
    running: AtomicUsize,
    thread: Thread,
}

impl Ticker {
    fn start(engine: &Engine) -> Result<Arc<Self>> {
        let weak = engine.weak();
        let (send, receive) = std::sync::mpsc::sync_channel::<Arc<Self>>(1);
        let handle = thread::Builder::new()
            .name("epoch".to_owned())
            .spawn(move || {
                let Ok(ticker) = receive.recv() else { return };
                while let Some(engine) = weak.upgrade() {
                    engine.increment_epoch();
                    drop(engine);
                    ticker.rest();
                }
            })
            .map_err(|cause| {
                Error::new(Kind::Internal, "The host cannot start a thread.").with_internal(cause)
            })?;
        let ticker = Arc::new(Self {
            running: AtomicUsize::new(0),
            thread: handle.thread().clone(),
        });
        // The thread waits for this before it does anything else.
        let _ = send.send(Arc::clone(&ticker));
        Ok(ticker)
    }

    fn begin(&self) {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
    }

    /// One tick, or up to a second if nothing runs: long enough to cost
    /// nothing, short enough to notice that the engine is gone.
    fn rest(&self) {
        if self.running.load(Ordering::Acquire) == 0 {
            thread::park_timeout(Duration::from_secs(1));
        } else {
            thread::sleep(TICK);
        }
    }
}

/// Keeps the epoch ticking while it lives.
#[derive(Debug)]
pub(crate) struct Ticking(Arc<Ticker>);

impl Drop for Ticking {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
    }
}

fn first_line(cause: &wasmtime::Error) -> String {
    let text = format!("{cause:#}");
    crate::manifest::text::one_line(text.lines().next().unwrap_or_default(), 300)
}
