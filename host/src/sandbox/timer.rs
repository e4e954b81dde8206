//! Timers of `wasi:clocks`, counted: a guest that polls waits for each of them
//! anew at each turn.

use std::time::Duration;

use tokio::time::Instant;
use wasmtime::component::{Linker, Resource};
use wasmtime::{Result, StoreContextMut};
use wasmtime_wasi::p2::{DynPollable, Pollable, subscribe};

use super::State;
use super::meter::{Budget, Held};

/// The interface whose timers are ours; the version is wasmtime-wasi's.
const MONOTONIC_CLOCK: &str = "wasi:clocks/monotonic-clock@0.2.12";

/// Replaces wasmtime-wasi's own.
pub(super) fn link(linker: &mut Linker<State>) -> Result<()> {
    linker.allow_shadowing(true);
    let mut clock = linker.instance(MONOTONIC_CLOCK)?;
    clock.func_wrap(
        "subscribe-duration",
        |mut store: StoreContextMut<'_, State>, (nanos,): (u64,)| {
            Ok((store.data_mut().timer(Duration::from_nanos(nanos))?,))
        },
    )?;
    clock.func_wrap(
        "subscribe-instant",
        |mut store: StoreContextMut<'_, State>, (instant,): (u64,)| {
            let state = store.data_mut();
            let wait = instant.saturating_sub(state.now());
            Ok((state.timer(Duration::from_nanos(wait))?,))
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

impl State {
    fn timer(&mut self, wait: Duration) -> Result<Resource<DynPollable>> {
        let held = self.meter.hold(Budget::Timers)?;
        // No call lasts as long as what cannot be added.
        let end = Instant::now().checked_add(wait);
        let timer = self.table.push(Timer { end, _held: held })?;
        subscribe(&mut self.table, timer)
    }
}

/// The end of a wait; none is never.
struct Timer {
    end: Option<Instant>,
    _held: Held,
}

#[wasmtime_wasi::async_trait]
impl Pollable for Timer {
    async fn ready(&mut self) {
        match self.end {
            // Whoever polls without end must let the runtime see other events.
            Some(end) if end <= Instant::now() => tokio::task::yield_now().await,
            Some(end) => tokio::time::sleep_until(end).await,
            None => std::future::pending().await,
        }
    }
}
