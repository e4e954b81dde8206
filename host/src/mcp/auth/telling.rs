//! How failures get on record without filling it: one event for each source,
//! reason and second, and so many for all together.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::reason::Reason;
use super::source::{Source, Table};

/// Between two events of the same.
const PAUSE: Duration = Duration::from_secs(1);

/// Sources and reasons that are told apart.
const KEPT: usize = 4096;

/// Events in a second, whatever they are of.
const MOST: u32 = 50;

/// Says which failures get an event.
#[derive(Debug)]
pub(super) struct Telling {
    start: Instant,
    told: Mutex<Told>,
}

#[derive(Debug)]
struct Told {
    each: Table<(Source, Reason), Last>,
    second: u64,
    in_second: u32,
}

#[derive(Debug, Default)]
struct Last {
    told: Option<Duration>,
    untold: u64,
}

impl Telling {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            start: now,
            told: Mutex::new(Told {
                each: Table::new(KEPT),
                second: 0,
                in_second: 0,
            }),
        }
    }

    /// Whether this one gets an event; then how often the same happened since the
    /// last.
    pub(super) fn tells(&self, source: Source, reason: Reason, now: Instant) -> Option<u64> {
        let now = now.saturating_duration_since(self.start);
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let has_room = told.has_room(now);
        let last = told.each.of((source, reason))?;
        if last
            .told
            .is_some_and(|then| now.saturating_sub(then) < PAUSE)
            || !has_room
        {
            last.untold = last.untold.saturating_add(1);
            return None;
        }
        last.told = Some(now);
        let untold = std::mem::take(&mut last.untold);
        told.in_second += 1;
        Some(untold)
    }
}

impl Told {
    fn has_room(&mut self, now: Duration) -> bool {
        if self.second != now.as_secs() {
            self.second = now.as_secs();
            self.in_second = 0;
        }
        self.in_second < MOST
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn m03_a_flood_of_failures_is_an_event_a_second_with_their_number() {
        let start = crate::time::system().monotonic();
        let telling = Telling::new(start);
        let one = Source::from(SocketAddr::from(([192, 0, 2, 1], 1)));
        let tells = |reason, ms| telling.tells(one, reason, start + Duration::from_millis(ms));
        assert_eq!(tells(Reason::WrongKey, 0), Some(0));
        for ms in 0..999 {
            assert_eq!(tells(Reason::WrongKey, ms), None);
        }
        assert_eq!(tells(Reason::Missing, 500), Some(0), "another reason");
        assert_eq!(tells(Reason::WrongKey, 1000), Some(999));
        assert_eq!(tells(Reason::WrongKey, 2000), Some(0));
    }

    #[test]
    fn m03_a_flood_of_sources_is_so_many_events_a_second() {
        let start = crate::time::system().monotonic();
        let telling = Telling::new(start);
        let told = (0..10_000_u32).filter(|last| {
            let [_, a, b, c] = last.to_be_bytes();
            let source = Source::from(SocketAddr::from(([10, a, b, c], 1)));
            telling.tells(source, Reason::WrongKey, start).is_some()
        });
        assert_eq!(told.count(), 50);
    }
}
