//! What is refused, as events: one for each limit in a second, with how often it
//! happened again. A client that sends garbage does not fill the log.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::event::{Event, Events, Subject};

/// How long the same is counted and not told.
const WINDOW: Duration = Duration::from_secs(1);

/// Tells what is refused; what is only counted, at its end.
#[derive(Debug)]
pub(super) struct Refusals {
    events: Arc<Events>,
    counted: BTreeMap<&'static str, Counted>,
}

#[derive(Debug)]
struct Counted {
    since: Instant,
    repeated: u64,
    reason: String,
}

impl Refusals {
    pub(super) const fn new(events: Arc<Events>) -> Self {
        Self {
            events,
            counted: BTreeMap::new(),
        }
    }

    /// Something broke that limit.
    pub(super) fn tell(&mut self, limit: &'static str, reason: &str) {
        let since = Instant::now();
        let mut repeated = 0;
        if let Some(counted) = self.counted.get_mut(limit) {
            if since.duration_since(counted.since) < WINDOW {
                counted.repeated = counted.repeated.saturating_add(1);
                reason.clone_into(&mut counted.reason);
                return;
            }
            repeated = counted.repeated;
        }
        let counted = Counted {
            since,
            repeated: 0,
            reason: reason.to_owned(),
        };
        self.counted.insert(limit, counted);
        self.record(limit, reason, repeated);
    }

    fn record(&self, limit: &'static str, reason: &str, repeated: u64) {
        let event = Event::WireRejected {
            source: "stdio".to_owned(),
            limit,
            reason: reason.to_owned(),
            repeated,
        };
        // What is refused stays refused, whether that is recorded or not.
        if let Err(error) = self.events.record(&Subject::default(), &event) {
            tracing::debug!(internal = error.internal(), "a refusal is not recorded");
        }
    }
}

impl Drop for Refusals {
    fn drop(&mut self) {
        for (limit, counted) in std::mem::take(&mut self.counted) {
            if let Some(repeated) = counted.repeated.checked_sub(1) {
                self.record(limit, &counted.reason, repeated);
            }
        }
    }
}
