//! The guest's monotonic clock: starts at zero with the call and moves in
//! steps of a millisecond, so that it tells nothing about the host's uptime
//! and little about its caches.

use std::time::Duration;

use tokio::time::Instant;
use wasmtime_wasi::clocks::HostMonotonicClock;

const STEP: Duration = Duration::from_millis(1);

#[derive(Debug, Clone, Copy)]
pub(super) struct Coarse(Instant);

impl Coarse {
    pub(super) fn start() -> Self {
        Self(Instant::now())
    }
}

impl HostMonotonicClock for Coarse {
    fn resolution(&self) -> u64 {
        nanos(STEP)
    }

    fn now(&self) -> u64 {
        let elapsed = nanos(self.0.elapsed());
        elapsed - elapsed % nanos(STEP)
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
