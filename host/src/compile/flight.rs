//! One compilation for each component, however many wait for it.
//!
//! It belongs to none of those who wait: whoever gives up leaves the others as
//! they were, and if it fails, it fails for all of them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::{Code, Failure};
use crate::artifact::Digest;
use crate::error::{Error, Kind};
use crate::time::Clock;

/// How long it is remembered that a component cannot be compiled. Without, each
/// call of a skill whose file was replaced by a bomb would set it off again.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// What came of it.
type Landed = Result<Arc<Code>, Failure>;

/// All that are under way, and what became of the others.
#[derive(Debug)]
pub(super) struct Flights {
    known: Mutex<HashMap<Digest, Flight>>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
enum Flight {
    UnderWay(watch::Receiver<Option<Landed>>),
    Landed(Weak<Code>),
    Failed(Failure, Instant),
}

impl Flights {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self {
            known: Mutex::default(),
            clock,
        })
    }

    /// The code of a component: what somebody has or waits for already, else
    /// what `start` will report.
    pub(super) async fn join(
        self: &Arc<Self>,
        digest: Digest,
        start: impl FnOnce(Landing) -> Result<(), Failure>,
    ) -> Landed {
        let mut landed = match self.board(digest, start)? {
            Boarded::Landed(code) => return Ok(code),
            Boarded::UnderWay(landed) => landed,
        };
        match landed.wait_for(Option::is_some).await {
            Ok(landed) => landed.clone().unwrap_or_else(|| Err(lost())),
            Err(_gone) => Err(lost()),
        }
    }

    fn board(
        self: &Arc<Self>,
        digest: Digest,
        start: impl FnOnce(Landing) -> Result<(), Failure>,
    ) -> Result<Boarded, Failure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.monotonic();
        known.retain(|_, flight| flight.matters(now));
        match known.get(&digest) {
            Some(Flight::UnderWay(landed)) => return Ok(Boarded::UnderWay(landed.clone())),
            Some(Flight::Failed(failure, _)) => return Err(failure.clone()),
            Some(Flight::Landed(code)) => {
                if let Some(code) = code.upgrade() {
                    return Ok(Boarded::Landed(code));
                }
            }
            None => {}
        }
        let (report, landed) = watch::channel(None);
        start(Landing {
            flights: Arc::clone(self),
            digest,
            report,
        })?;
        known.insert(digest, Flight::UnderWay(landed.clone()));
        Ok(Boarded::UnderWay(landed))
    }
}

enum Boarded {
    UnderWay(watch::Receiver<Option<Landed>>),
    Landed(Arc<Code>),
}

impl Flight {
    fn matters(&self, now: Instant) -> bool {
        match self {
            // Its thread is gone if it can report no more.
            Self::UnderWay(landed) => landed.has_changed().is_ok(),
            Self::Landed(code) => code.strong_count() > 0,
            Self::Failed(_, until) => now < *until,
        }
    }
}

/// Where a compilation reports what came of it.
#[derive(Debug)]
pub(super) struct Landing {
    flights: Arc<Flights>,
    digest: Digest,
    report: watch::Sender<Option<Landed>>,
}

impl Landing {
    pub(super) fn report(self, landed: Landed) {
        let flight = match &landed {
            Ok(code) => Some(Flight::Landed(Arc::downgrade(code))),
            // These would fail again; what is wrong with this machine may not.
            Err(failure) if is_lasting(failure.error.kind()) => {
                let until = self.flights.clock.monotonic() + REMEMBERED;
                Some(Flight::Failed(failure.clone(), until))
            }
            Err(_) => None,
        };
        let known = &self.flights.known;
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match flight {
            Some(flight) => known.insert(self.digest, flight),
            None => known.remove(&self.digest),
        };
        drop(known);
        self.report.send_replace(Some(landed));
    }
}

const fn is_lasting(kind: Kind) -> bool {
    matches!(kind, Kind::CompileLimit | Kind::ComponentInvalid)
}

fn lost() -> Failure {
    Error::new(Kind::Internal, "The thread that compiled has gone.").into()
}
