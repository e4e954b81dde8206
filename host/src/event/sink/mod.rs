//! Where events go besides the audit log.
//!
//! Each sink has a queue of its own, bounded in events and in bytes, and a
//! thread of its own that empties it. A call hands its events to the queues and
//! goes on: nothing here waits, and what does not fit is dropped and counted.
//! The audit log is the record, and has it all.

mod dial;
mod file;
mod get;
mod otlp;
mod post;
mod queue;
mod settings;
mod syslog;
mod webhook;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use self::dial::{Address, Protocol, Target};
pub use self::settings::{
    Credential, Destination, EventPattern, Facility, OtlpSettings, QueueSize, SinkName,
    SinkSettings, SyslogSettings, WebhookSettings,
};

pub(crate) use self::dial::Dialer;
pub(crate) use self::get::get;
use self::queue::{Line, Queue};
use self::worker::{Tools, Worker};
use super::{Record, Severity, Sink};
use crate::error::Result;
use crate::secret::Secrets;
use crate::time::Clock;

/// How often a sink says that it lost events, at most.
const REPORT_EVERY: Duration = Duration::from_secs(10);

/// All sinks that have a queue.
pub(crate) struct Outlets {
    outlets: Vec<Outlet>,
    clock: Arc<dyn Clock>,
}

struct Outlet {
    name: SinkName,
    at_least: Severity,
    events: Vec<EventPattern>,
    queue: Arc<Queue>,
    worker: Worker,
}

/// Events that a sink lost since it was last told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The sink's name.
    pub sink: String,
    /// How many events.
    pub count: u64,
}

/// What a sink has done so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) sink: SinkName,
    pub(crate) delivered: u64,
    pub(crate) dropped: u64,
    pub(crate) queued: u64,
}

impl Tally {
    pub(crate) fn name(&self) -> String {
        self.sink.to_string()
    }
}

impl Outlets {
    /// Starts a thread for each of these sinks.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if a secret has no value, or a file cannot be opened by
    /// its form; `Internal` if a thread cannot be started.
    pub(crate) fn start(
        settings: Vec<SinkSettings>,
        secrets: &Secrets,
        dialer: &Dialer,
        metrics: &Arc<crate::metrics::Metrics>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self> {
        let outlets = settings
            .into_iter()
            .map(|settings| {
                Outlet::start(
                    settings,
                    secrets,
                    Tools {
                        dialer: dialer.clone(),
                        metrics: Arc::clone(metrics),
                        clock: Arc::clone(clock),
                    },
                )
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            outlets,
            clock: Arc::clone(clock),
        })
    }

    /// Tells what each sink has done so far, whenever it is asked.
    pub(crate) fn tallies(&self) -> impl Fn() -> Vec<Tally> + Send + Sync + 'static {
        let own = |outlet: &Outlet| (outlet.name.clone(), Arc::clone(&outlet.queue));
        let queues: Vec<_> = self.outlets.iter().map(own).collect();
        move || {
            let tally = |(name, queue): &(SinkName, Arc<Queue>)| queue.tally(name);
            queues.iter().map(tally).collect()
        }
    }
}

impl Outlet {
    fn start(settings: SinkSettings, secrets: &Secrets, tools: Tools) -> Result<Self> {
        let (queue, lines) = Queue::new(settings.queue);
        let queue = Arc::new(queue);
        let delivery = worker::Delivery::new(&settings, secrets, tools)?;
        let worker = Worker::start(&settings.name, Arc::clone(&queue), lines, delivery)?;
        Ok(Self {
            name: settings.name,
            at_least: settings.at_least,
            events: settings.events,
            queue,
            worker,
        })
    }

    fn wants(&self, record: &Record<'_>) -> bool {
        record.severity >= self.at_least
            && (self.events.is_empty() || self.events.iter().any(|it| it.fits(record.event.name())))
    }
}

impl Sink for Outlets {
    /// Serialises the record at most once, and waits for nothing.
    fn write(&self, record: &Record<'_>) -> Result<()> {
        let mut serialised: Option<Line> = None;
        for outlet in self.outlets.iter().filter(|outlet| outlet.wants(record)) {
            let line = match &serialised {
                Some(line) => line,
                None => serialised.insert(Line::of(record)?),
            };
            outlet.queue.push(line);
        }
        Ok(())
    }

    fn losses(&self, at_the_end: bool) -> Vec<Loss> {
        let every = if at_the_end {
            Duration::ZERO
        } else {
            REPORT_EVERY
        };
        let untold = |outlet: &Outlet| {
            let count = outlet.queue.untold(every, || self.clock.monotonic())?;
            Some(Loss {
                sink: outlet.name.to_string(),
                count,
            })
        };
        self.outlets.iter().filter_map(untold).collect()
    }

    /// Tells every worker to end, and then waits for all of them together.
    fn close(&self, within: Duration) {
        let until = self.clock.monotonic() + within;
        for outlet in &self.outlets {
            outlet.worker.end(within);
        }
        for outlet in &self.outlets {
            let left = until.saturating_duration_since(self.clock.monotonic());
            if !outlet.worker.wait(left) {
                outlet.queue.abandon();
            }
        }
    }
}

impl fmt::Debug for Outlets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.outlets.iter().map(|outlet| &outlet.name);
        f.debug_set().entries(names).finish()
    }
}

/// When something was last said, for those who say it seldom.
type Said = Option<Instant>;
