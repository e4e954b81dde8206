//! The bounded queue between those who make events and the one who sends them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::settings::{QueueSize, SinkName};
use super::{Said, Tally};
use crate::error::{Error, Kind, Result};
use crate::event::{Record, Severity};

/// One event, serialised once for all sinks: without known secrets.
#[derive(Debug, Clone)]
pub(super) struct Line {
    /// One JSON object without a line end.
    pub(super) json: Bytes,
    pub(super) severity: Severity,
}

impl Line {
    pub(super) fn of(record: &Record<'_>) -> Result<Self> {
        let json = serde_json::to_vec(record).map_err(|cause| {
            Error::new(Kind::Internal, "An event cannot be written as JSON.").with_internal(cause)
        })?;
        Ok(Self {
            json: json.into(),
            severity: record.severity,
        })
    }

    fn bytes(&self) -> u64 {
        self.json.len() as u64
    }
}

/// The end at which events come in, and what became of them.
#[derive(Debug)]
pub(super) struct Queue {
    sender: mpsc::Sender<Line>,
    room: u64,
    bytes: AtomicU64,
    waiting: AtomicU64,
    delivered: AtomicU64,
    dropped: AtomicU64,
    /// How many of those that were dropped were told of.
    told: AtomicU64,
    said: Mutex<Said>,
}

impl Queue {
    pub(super) fn new(size: QueueSize) -> (Self, mpsc::Receiver<Line>) {
        let events = usize::try_from(size.events.get()).unwrap_or(usize::MAX);
        let (sender, lines) = mpsc::channel(events);
        let queue = Self {
            sender,
            room: size.bytes,
            bytes: AtomicU64::new(0),
            waiting: AtomicU64::new(0),
            delivered: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            told: AtomicU64::new(0),
            said: Mutex::new(None),
        };
        (queue, lines)
    }

    /// Takes a line if there is room for it. Its bytes count until it was
    /// delivered or given up, so that a batch on its way is no extra room.
    pub(super) fn push(&self, line: &Line) {
        let bytes = line.bytes();
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let fits = before.saturating_add(bytes) <= self.room;
        if !fits || self.sender.try_send(line.clone()).is_err() {
            self.forget(line);
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What came of a batch: so many of its last lines were not delivered.
    pub(super) fn settle(&self, batch: &[Line], lost: usize) {
        batch.iter().for_each(|line| self.forget(line));
        let lost = lost.min(batch.len());
        let delivered = (batch.len() - lost) as u64;
        self.delivered.fetch_add(delivered, Ordering::Relaxed);
        self.dropped.fetch_add(lost as u64, Ordering::Relaxed);
    }

    fn forget(&self, line: &Line) {
        self.bytes.fetch_sub(line.bytes(), Ordering::Relaxed);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Nobody waits for those any longer that still wait.
    pub(super) fn abandon(&self) {
        let waiting = self.waiting.load(Ordering::Relaxed);
        self.dropped.fetch_add(waiting, Ordering::Relaxed);
    }

    /// How many events were dropped of which nobody was told, if some were and
    /// it is time to tell.
    pub(super) fn untold(&self, every: Duration, now: impl FnOnce() -> Instant) -> Option<u64> {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped == self.told.load(Ordering::Relaxed) {
            return None;
        }
        let now = now();
        // Held for two comparisons; nothing is half-done when it is poisoned.
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.is_some_and(|said| now.saturating_duration_since(said) < every) {
            return None;
        }
        *said = Some(now);
        let told = self.told.swap(dropped, Ordering::Relaxed);
        dropped.checked_sub(told).filter(|count| *count > 0)
    }

    pub(super) fn tally(&self, sink: &SinkName) -> Tally {
        Tally {
            sink: sink.clone(),
            delivered: self.delivered.load(Ordering::Relaxed),
            dropped: self.dropped.load(Ordering::Relaxed),
            queued: self.waiting.load(Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    fn line(bytes: usize) -> Line {
        Line {
            json: vec![b'x'; bytes].into(),
            severity: Severity::Info,
        }
    }

    fn queue(events: u32, bytes: u64) -> (Queue, mpsc::Receiver<Line>) {
        Queue::new(QueueSize {
            events: NonZeroU32::new(events).unwrap(),
            bytes,
        })
    }

    #[test]
    fn d09_a_queue_is_bounded_in_events_and_in_bytes() {
        let (queue, mut lines) = queue(2, 100);
        for _ in 0..3 {
            queue.push(&line(10));
        }
        let tally = queue.tally(&"a".parse().unwrap());
        assert_eq!((tally.queued, tally.dropped), (2, 1));
        let first = lines.try_recv().unwrap();
        queue.settle(&[first], 0);
        queue.push(&line(91));
        assert_eq!(
            queue.tally(&"a".parse().unwrap()).dropped,
            2,
            "10 + 91 bytes are too many"
        );
        queue.push(&line(90));
        let tally = queue.tally(&"a".parse().unwrap());
        assert_eq!((tally.queued, tally.dropped, tally.delivered), (2, 2, 1));
    }

    #[test]
    fn d09_what_was_dropped_is_told_once_and_seldom() {
        let (queue, _lines) = queue(1, 100);
        let start = crate::time::system().monotonic();
        let every = Duration::from_secs(10);
        assert_eq!(queue.untold(every, || start), None);
        queue.push(&line(1));
        queue.push(&line(1));
        assert_eq!(queue.untold(every, || start), Some(1));
        queue.push(&line(1));
        queue.push(&line(1));
        assert_eq!(queue.untold(every, || start + every / 2), None);
        assert_eq!(queue.untold(every, || start + every), Some(2));
        queue.abandon();
        assert_eq!(queue.untold(Duration::ZERO, || start + every), Some(1));
    }
}
