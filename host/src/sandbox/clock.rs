//! The guest's clocks move in steps of a millisecond, so that they tell little
//! about the host's caches. The monotonic one starts at zero with the call, and
//! so tells nothing about the host's uptime.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;
use wasmtime_wasi::clocks::{HostMonotonicClock, HostWallClock};

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

/// The time of day.
#[derive(Debug, Clone, Copy)]
pub(super) struct CoarseWall;

impl HostWallClock for CoarseWall {
    fn resolution(&self) -> Duration {
        STEP
    }

    #[expect(clippy::disallowed_methods, reason = "the guest's own clock")]
    fn now(&self) -> Duration {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Duration::from_millis(crate::time::millis(now.unwrap_or_default()))
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
