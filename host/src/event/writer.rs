//! Writes events, each with its time, its number and its run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::audit::{Audit, Due};
use super::monitor::{Consequence, Moment, Monitor, Rules};
use super::sink::Loss;
use super::{Event, Record, Sink, Subject};
use crate::error::Result;
use crate::metrics::Metrics;
use crate::secret::{Redactor, Secrets};
use crate::time::Clock;

/// Writes events: to the audit log first, then to the other sinks.
#[derive(Debug)]
pub struct Events {
    pub(super) audit: Box<dyn Audit>,
    others: Vec<Box<dyn Sink>>,
    clock: Arc<dyn Clock>,
    start: std::time::Instant,
    run: String,
    /// The next number. Held while a record is written, so that the numbers of
    /// a run stand in the log in their order.
    next: Mutex<u64>,
    /// Whether the last record reached the audit log.
    is_kept: AtomicBool,
    redactor: Redactor,
    metrics: Arc<Metrics>,
    monitor: Option<Monitor>,
}

/// When something was recorded, and its number.
#[derive(Debug, Clone, Copy)]
struct Stamp {
    time: Timestamp,
    monotonic_ms: u64,
    sequence: u64,
}

impl Events {
    /// Events of one run of a host. `audit` is the record; `others` may lose
    /// what they are given.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable` if the audit log cannot be written.
    pub fn new(
        audit: Box<dyn Audit>,
        others: Vec<Box<dyn Sink>>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        let run = crate::invocation::InvocationId::random()?.to_string();
        audit.begin(&run, clock.wall())?;
        Ok(Self {
            audit,
            others,
            start: clock.monotonic(),
            clock,
            run,
            next: Mutex::new(0),
            is_kept: AtomicBool::new(true),
            redactor: Redactor::default(),
            metrics: Arc::default(),
            monitor: None,
        })
    }

    /// With one sink more.
    #[must_use]
    pub(crate) fn and(mut self, sink: Box<dyn Sink>) -> Self {
        self.others.push(sink);
        self
    }

    /// What is counted of all events.
    pub(crate) const fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// Takes these secrets out of everything that is written from now on.
    #[must_use]
    pub(crate) fn without(mut self, secrets: &Secrets) -> Self {
        self.redactor = secrets.redactor().clone();
        self
    }

    /// Shows the monitor every event from now on, but those that it causes.
    #[must_use]
    pub(crate) fn watched_by(mut self, monitor: Monitor) -> Self {
        self.monitor = Some(monitor);
        self
    }

    /// Has the monitor watch by other rules from now on.
    pub(crate) fn watch_by(&self, rules: &Rules) {
        if let Some(monitor) = &self.monitor {
            monitor.follow(rules);
        }
    }

    /// What takes secrets out of texts.
    pub(crate) const fn redactor(&self) -> &Redactor {
        &self.redactor
    }

    /// Whether the last event reached the audit log.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_kept.load(Ordering::Relaxed)
    }

    /// Writes one event, what the monitor makes of it, and what sinks have lost.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable` if it did not reach the audit log.
    pub fn record(&self, subject: &Subject, event: &Event) -> Result<()> {
        let kept = self.keep(subject, event);
        self.tell_losses(false);
        kept
    }

    /// Has every sink send what waits, for as long as that at most, and records
    /// what they lost.
    pub(crate) fn close(&self, within: Duration) {
        for sink in &self.others {
            sink.close(within);
        }
        self.tell_losses(true);
        self.seal();
    }

    /// Brings the log to a clean end: it is signed up to here.
    fn seal(&self) {
        let mut own = Vec::new();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_due(&mut next, &mut own, |audit, now| audit.closing(now));
        self.end(&mut next, &mut own);
        drop(next);
        for (stamp, due) in &own {
            self.tell(&self.page(*stamp, &due.subject, &due.event));
        }
    }

    /// What sinks lose is itself an event.
    fn tell_losses(&self, at_the_end: bool) {
        let losses = self.others.iter().flat_map(|sink| sink.losses(at_the_end));
        for Loss { sink, count } in losses {
            let event = Event::SinkDropped { sink, count };
            if let Err(error) = self.keep(&Subject::default(), &event) {
                tracing::debug!(internal = error.internal(), "a loss is not recorded");
            }
        }
    }

    /// Writes one event, and what the monitor makes of it.
    fn keep(&self, subject: &Subject, event: &Event) -> Result<()> {
        let mut consequences = Vec::new();
        let mut kept = self.write(subject, event, &mut consequences);
        for (subject, event) in consequences {
            kept = kept.and(self.write(&subject, &event, &mut Vec::new()));
        }
        kept
    }

    /// Writes one event, and before it what the audit log has to say of itself.
    fn write(
        &self,
        subject: &Subject,
        event: &Event,
        consequences: &mut Vec<Consequence>,
    ) -> Result<()> {
        let mut own = Vec::new();
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.write_due(&mut next, &mut own, |audit, now| audit.due(now));
        let stamp = self.stamp(&mut next);
        let kept = self.audit.write(&self.page(stamp, subject, event));
        self.metrics.audited(kept.is_ok());
        self.is_kept.store(kept.is_ok(), Ordering::Relaxed);
        self.end(&mut next, &mut own);
        drop(next);
        for (stamp, due) in &own {
            self.tell(&self.page(*stamp, &due.subject, &due.event));
            consequences.extend(self.seen(*stamp, &due.subject, &due.event));
        }
        self.tell(&self.page(stamp, subject, event));
        consequences.extend(self.seen(stamp, subject, event));
        kept
    }

    fn seen(&self, stamp: Stamp, subject: &Subject, event: &Event) -> Vec<Consequence> {
        let now = Moment {
            monotonic_ms: stamp.monotonic_ms,
            wall: stamp.time,
        };
        let monitor = self.monitor.as_ref();
        monitor.map_or_else(Vec::new, |it| it.see(subject, event, now))
    }

    /// Waits until everything that was recorded before is on disk, if the
    /// operator wants that.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable` if it cannot be brought there.
    pub async fn settle(&self) -> Result<()> {
        match self.audit.settle() {
            Some(settling) => settling.await,
            None => Ok(()),
        }
    }

    fn write_due(
        &self,
        next: &mut u64,
        own: &mut Vec<(Stamp, Due)>,
        due: impl Fn(&dyn Audit, Timestamp) -> Option<Due>,
    ) {
        while let Some(due) = due(&*self.audit, self.clock.wall()) {
            let stamp = self.stamp(next);
            let page = self.page(stamp, &due.subject, &due.event);
            if self.audit.write(&page).is_err() {
                // It is made again, and takes the number then.
                *next = stamp.sequence;
                self.metrics.audited(false);
                return;
            }
            self.metrics.audited(true);
            own.push((stamp, due));
        }
    }

    fn end(&self, next: &mut u64, own: &mut Vec<(Stamp, Due)>) {
        if let Some(event) = self.audit.end() {
            let subject = Subject::default();
            own.push((self.stamp(next), Due { subject, event }));
        }
    }

    fn stamp(&self, next: &mut u64) -> Stamp {
        let sequence = *next;
        *next += 1;
        let running = self.clock.monotonic().saturating_duration_since(self.start);
        Stamp {
            time: self.clock.wall(),
            monotonic_ms: crate::time::millis(running),
            sequence,
        }
    }

    fn page<'a>(&'a self, stamp: Stamp, subject: &'a Subject, event: &'a Event) -> Record<'a> {
        Record {
            time: stamp.time,
            monotonic_ms: stamp.monotonic_ms,
            run: &self.run,
            sequence: stamp.sequence,
            severity: event.severity(),
            review: event.needs_review(),
            event,
            subject,
            redactor: &self.redactor,
        }
    }

    fn tell(&self, record: &Record<'_>) {
        self.metrics.count(record);
        for sink in &self.others {
            if let Err(error) = sink.write(record) {
                tracing::debug!(internal = error.internal(), "a sink lost an event");
            }
        }
    }
}

impl Drop for Events {
    /// For who did not close them, or recorded something later.
    fn drop(&mut self) {
        self.seal();
    }
}
