//! The thread of one sink: takes what waits, in batches, and sends it.
//!
//! A thread, not a task: a file that blocks (a pipe that nobody reads) blocks
//! nobody else, and a sink works before and after the runtime of the calls.

use std::future::pending;
use std::sync::mpsc::{self as done, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::Dialer;
use super::file::JsonLines;
use super::otlp::Collector;
use super::queue::{Line, Queue};
use super::settings::{Destination, SinkName, SinkSettings};
use super::syslog::Daemon;
use super::webhook::Webhook;
use crate::error::{Error, Kind, Result};
use crate::metrics::Metrics;
use crate::secret::Secrets;
use crate::time::Clock;

/// Events that are sent together, at most.
const MAX_BATCH: usize = 256;

/// Bytes of events that are sent together; one event more may go beyond it.
const MAX_BATCH_BYTES: usize = 512 * 1024;

/// How long a sink goes on that nobody told to end.
const GRACE: Duration = Duration::from_secs(2);

/// What a sink needs of its host.
pub(super) struct Tools {
    pub(super) dialer: Dialer,
    pub(super) metrics: Arc<Metrics>,
    pub(super) clock: Arc<dyn Clock>,
}

/// How events leave the host.
pub(super) enum Delivery {
    File(JsonLines),
    Webhook(Box<Webhook>),
    Syslog(Daemon),
    Otlp(Box<Collector>),
}

/// A batch was not delivered whole.
#[derive(Debug)]
pub(super) struct Undelivered {
    /// How many events of its end are lost.
    pub(super) lost: usize,
    /// Why, as part of a sentence, without secrets.
    pub(super) cause: String,
}

impl Delivery {
    pub(super) fn new(settings: &SinkSettings, secrets: &Secrets, tools: Tools) -> Result<Self> {
        let name = &settings.name;
        Ok(match settings.to.clone() {
            Destination::File(path) => Self::File(JsonLines::new(path)),
            Destination::Webhook(webhook) => {
                Self::Webhook(Box::new(Webhook::new(name, webhook, secrets, tools)?))
            }
            Destination::Syslog(daemon) => Self::Syslog(Daemon::new(daemon, tools.dialer)),
            Destination::Otlp(collector) => {
                Self::Otlp(Box::new(Collector::new(name, &collector, secrets, tools)?))
            }
        })
    }

    async fn deliver(&mut self, batch: &[Line]) -> Result<(), Undelivered> {
        match self {
            Self::File(file) => file.append(batch),
            Self::Webhook(webhook) => webhook.send(batch).await,
            Self::Syslog(daemon) => daemon.send(batch).await,
            Self::Otlp(collector) => collector.send(batch).await,
        }
    }

    /// How long to wait for more events after the first. What goes to a server
    /// is worth a request for many.
    const fn linger(&self) -> Duration {
        match self {
            Self::File(_) | Self::Syslog(_) => Duration::ZERO,
            Self::Webhook(_) => Duration::from_millis(100),
            Self::Otlp(_) => Duration::from_millis(500),
        }
    }

    /// Waits until something else than events is to be sent.
    async fn due(&self) {
        match self {
            Self::Otlp(collector) => collector.due().await,
            Self::File(_) | Self::Webhook(_) | Self::Syslog(_) => pending().await,
        }
    }

    async fn send_what_is_due(&mut self) -> Result<(), Undelivered> {
        match self {
            Self::Otlp(collector) => collector.send_metrics().await,
            Self::File(_) | Self::Webhook(_) | Self::Syslog(_) => Ok(()),
        }
    }
}

/// The thread of one sink, seen from outside.
#[derive(Debug)]
pub(super) struct Worker {
    end: watch::Sender<Option<Instant>>,
    /// Says that the thread has ended, by being closed.
    ended: Mutex<done::Receiver<()>>,
}

impl Worker {
    pub(super) fn start(
        name: &SinkName,
        queue: Arc<Queue>,
        lines: mpsc::Receiver<Line>,
        delivery: Delivery,
    ) -> Result<Self> {
        let failed = |cause| {
            Error::new(Kind::Internal, "The host cannot start a thread for a sink.")
                .with_internal(cause)
        };
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(failed)?;
        let (end, ending) = watch::channel(None);
        let (alive, ended) = done::channel();
        let shift = Shift {
            name: name.clone(),
            queue,
            lines,
            delivery,
            ending,
            failing: false,
        };
        let work = move || {
            let _alive: done::Sender<()> = alive;
            runtime.block_on(shift.work());
        };
        let thread = thread::Builder::new().name(format!("sink {name}"));
        thread.spawn(work).map_err(failed)?;
        Ok(Self {
            end,
            ended: Mutex::new(ended),
        })
    }

    /// Takes no further events, and has this long for those that wait.
    pub(super) fn end(&self, within: Duration) {
        // What is left is counted by the thread itself, so it needs a moment
        // less than whoever waits for it.
        self.end
            .send_replace(Some(Instant::now() + within / 10 * 9));
    }

    /// Whether the thread ends within this time.
    pub(super) fn wait(&self, within: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        ended.recv_timeout(within) == Err(RecvTimeoutError::Disconnected)
    }
}

/// The work of one thread.
struct Shift {
    name: SinkName,
    queue: Arc<Queue>,
    lines: mpsc::Receiver<Line>,
    delivery: Delivery,
    ending: watch::Receiver<Option<Instant>>,
    failing: bool,
}

impl Shift {
    async fn work(mut self) {
        let mut ending = self.ending.clone();
        let mut is_open = true;
        loop {
            let first = tokio::select! {
                biased;
                line = self.lines.recv() => line,
                () = self.delivery.due() => {
                    self.send_what_is_due().await;
                    continue;
                }
                _told_or_forgotten = ending.changed(), if is_open => {
                    is_open = false;
                    self.lines.close();
                    continue;
                }
            };
            let Some(first) = first else { break };
            let batch = self.gather(first).await;
            self.deliver(&batch).await;
        }
        self.send_what_is_due().await;
    }

    /// What is sent together with a first event.
    async fn gather(&mut self, first: Line) -> Vec<Line> {
        let linger = self.delivery.linger();
        if !linger.is_zero() {
            let mut ending = self.ending.clone();
            let _either = timeout(linger, ending.wait_for(Option::is_some)).await;
        }
        let mut bytes = first.json.len();
        let mut batch = vec![first];
        while batch.len() < MAX_BATCH && bytes < MAX_BATCH_BYTES {
            let Ok(line) = self.lines.try_recv() else {
                break;
            };
            bytes += line.json.len();
            batch.push(line);
        }
        batch
    }

    async fn deliver(&mut self, batch: &[Line]) {
        let late = over(self.ending.clone());
        let done = tokio::select! {
            biased;
            done = self.delivery.deliver(batch) => done,
            () = late => Err(Undelivered { lost: batch.len(), cause: "the host ends".to_owned() }),
        };
        let lost = done
            .as_ref()
            .err()
            .map_or(0, |undelivered| undelivered.lost);
        self.queue.settle(batch, lost);
        self.note(done);
    }

    async fn send_what_is_due(&mut self) {
        let late = over(self.ending.clone());
        // The end of the host says nothing about the sink.
        tokio::select! {
            biased;
            done = self.delivery.send_what_is_due() => self.note(done),
            () = late => {}
        }
    }

    /// Says once that a sink fails, and once that it works again.
    fn note(&mut self, done: Result<(), Undelivered>) {
        let sink = self.name.as_str();
        let failed = done.is_err();
        match done {
            Ok(()) if self.failing => tracing::info!(sink, "events are delivered again"),
            Err(Undelivered { cause, .. }) if !self.failing => {
                tracing::warn!(sink, cause, "events are not delivered, and are lost");
            }
            Ok(()) | Err(_) => {}
        }
        self.failing = failed;
    }
}

/// Waits until the time for what is left is over.
async fn over(mut ending: watch::Receiver<Option<Instant>>) {
    let told = ending.wait_for(Option::is_some).await;
    match told.ok().and_then(|until| *until) {
        Some(until) => sleep_until(until).await,
        None => sleep(GRACE).await,
    }
}
