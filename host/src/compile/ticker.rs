//! The thread that makes a running guest look up: deadlines and cancellation
//! hold to about a [`TICK`].

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, Thread};
use std::time::Duration;

use wasmtime::Engine;

use crate::error::{Error, Kind, Result};

/// How often a running guest is looked at: deadlines and cancellation hold to
/// about this.
pub const TICK: Duration = Duration::from_millis(1);

/// Increments the engine's epoch. It sleeps while no call runs, and ends with
/// the engine.
#[derive(Debug)]
pub(super) struct Ticker {
    running: AtomicUsize,
    thread: Thread,
}

impl Ticker {
    pub(super) fn start(engine: &Engine) -> Result<Arc<Self>> {
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

    /// Keeps ticking until the guard is dropped.
    pub(super) fn tick(self: &Arc<Self>) -> Ticking {
        if self.running.fetch_add(1, Ordering::AcqRel) == 0 {
            self.thread.unpark();
        }
        Ticking(Arc::clone(self))
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
