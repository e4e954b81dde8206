//! What is refused, as events: one for each source and reason in a second, with
//! how often it happened again. Nobody fills the log by being refused.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::HeaderValue;
use tokio::time::Instant;

use crate::event::{Event, Events, Subject};
use crate::manifest::text::one_line;

/// How long the same is counted and not told.
const WINDOW: Duration = Duration::from_secs(1);

/// Sources and reasons that are counted at once, about 300 bytes each. What
/// comes beyond is counted for all others together.
const MAX_ENTRIES: usize = 4096;

/// The longest part of a header that is recorded, in characters.
const MAX_VALUE: usize = 100;

/// A limit of the wire that was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Broken {
    /// Its name in a configuration, or what is asked of every request.
    pub(super) limit: &'static str,
    /// In one sentence.
    pub(super) reason: &'static str,
}

/// Records what is refused.
#[derive(Debug)]
pub(super) struct Refusals {
    events: Arc<Events>,
    entries: Mutex<HashMap<(Source, Reason), Entry>>,
}

/// None: all for whom there is no room.
type Source = Option<IpAddr>;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Reason {
    Header(&'static str),
    Wire(Broken),
}

#[derive(Debug)]
struct Entry {
    since: Instant,
    repeated: u64,
    value: String,
}

impl Refusals {
    pub(super) fn new(events: Arc<Events>) -> Self {
        Self {
            events,
            entries: Mutex::default(),
        }
    }

    /// A header names somebody who is not served.
    pub(super) fn header(&self, source: IpAddr, name: &'static str, value: Option<&HeaderValue>) {
        let text = value.map_or_else(
            || "(missing)".into(),
            |value| String::from_utf8_lossy(value.as_bytes()),
        );
        let value = one_line(&text, MAX_VALUE);
        self.refuse(source, Reason::Header(name), value, Instant::now());
    }

    /// A limit of the wire was broken.
    pub(super) fn wire(&self, source: IpAddr, broken: Broken) {
        self.refuse(source, Reason::Wire(broken), String::new(), Instant::now());
    }

    /// Tells what was counted and not told for a second.
    pub(super) fn tell(&self) {
        self.tell_at(Instant::now());
    }

    /// Tells everything that was counted and not told.
    pub(super) fn tell_all(&self) {
        self.tell_at(Instant::now() + WINDOW);
    }

    fn tell_at(&self, now: Instant) {
        let mut told = Vec::new();
        self.locked(|entries| {
            entries.retain(|(source, reason), entry| {
                if now.duration_since(entry.since) < WINDOW {
                    return true;
                }
                if let Some(repeated) = entry.repeated.checked_sub(1) {
                    told.push(event(*source, *reason, &entry.value, repeated));
                }
                false
            });
        });
        self.record(&told);
    }

    fn refuse(&self, source: IpAddr, reason: Reason, value: String, now: Instant) {
        let told = self.locked(|entries| {
            let mut key = (Some(source), reason);
            if entries.len() >= MAX_ENTRIES && !entries.contains_key(&key) {
                key.0 = None;
            }
            count(entries, key, value, now)
        });
        self.record(told.as_slice());
    }

    fn record(&self, events: &[Event]) {
        for event in events {
            // What is refused stays refused, whether that is recorded or not.
            if let Err(error) = self.events.record(&Subject::default(), event) {
                tracing::debug!(internal = error.internal(), "a refusal is not recorded");
            }
        }
    }

    fn locked<T>(&self, work: impl FnOnce(&mut HashMap<(Source, Reason), Entry>) -> T) -> T {
        work(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The event of what happens now; none if it is only counted.
fn count(
    entries: &mut HashMap<(Source, Reason), Entry>,
    (source, reason): (Source, Reason),
    value: String,
    now: Instant,
) -> Option<Event> {
    let mut repeated = 0;
    if let Some(entry) = entries.get_mut(&(source, reason)) {
        if now.duration_since(entry.since) < WINDOW {
            entry.repeated = entry.repeated.saturating_add(1);
            return None;
        }
        repeated = entry.repeated;
    }
    let told = event(source, reason, &value, repeated);
    let entry = Entry {
        since: now,
        repeated: 0,
        value,
    };
    entries.insert((source, reason), entry);
    Some(told)
}

fn event(source: Source, reason: Reason, value: &str, repeated: u64) -> Event {
    let source = source.map_or_else(|| "others".to_owned(), |source| source.to_string());
    match reason {
        Reason::Header(header) => Event::OriginRejected {
            source,
            header,
            value: value.to_owned(),
            repeated,
        },
        Reason::Wire(Broken { limit, reason }) => Event::WireRejected {
            source,
            limit,
            reason: reason.to_owned(),
            repeated,
        },
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::event::{Record, Sink};

    const BROKEN: Broken = Broken {
        limit: "body",
        reason: "It is too large.",
    };

    #[derive(Debug, Clone, Default)]
    struct Kept(Arc<Mutex<Vec<(String, u64)>>>);

    impl Sink for Kept {
        fn write(&self, record: &Record<'_>) -> crate::Result<()> {
            let record = serde_json::to_value(record).unwrap();
            let source = record["source"].as_str().unwrap().to_owned();
            let repeated = record["repeated"].as_u64().unwrap();
            self.0.lock().unwrap().push((source, repeated));
            Ok(())
        }
    }

    fn refusals() -> (Refusals, Kept) {
        let kept = Kept::default();
        let events = Events::new(Box::new(kept.clone()), Vec::new(), crate::time::system());
        (Refusals::new(Arc::new(events.unwrap())), kept)
    }

    fn ip(number: u32) -> IpAddr {
        IpAddr::V4(Ipv4Addr::from(number))
    }

    #[test]
    fn m11_what_happens_again_within_a_second_is_counted() {
        let (refusals, kept) = refusals();
        let start = Instant::now();
        let refuse = |number, now| {
            refusals.refuse(ip(number), Reason::Wire(BROKEN), String::new(), now);
        };
        for _ in 0..1000 {
            refuse(1, start);
        }
        refuse(2, start);
        refusals.tell_at(start);
        refuse(1, start + WINDOW);
        refuse(1, start + WINDOW);
        refusals.tell_at(start + WINDOW * 2);
        let told = kept.0.lock().unwrap();
        let expected = [
            ("0.0.0.1", 0),
            ("0.0.0.2", 0),
            ("0.0.0.1", 999),
            ("0.0.0.1", 0),
        ];
        let expected = expected.map(|(source, repeated)| (source.to_owned(), repeated));
        assert_eq!(*told, expected);
        let all: u64 = told.iter().map(|it| it.1 + 1).sum();
        assert_eq!(all, 1003, "each is told of");
        assert!(refusals.locked(|entries| entries.is_empty()));
    }

    #[test]
    fn m08_sources_without_end_take_a_bounded_amount_of_memory() {
        let (refusals, kept) = refusals();
        let many = u32::try_from(MAX_ENTRIES).unwrap() + 100;
        for number in 0..many {
            refusals.wire(ip(number), BROKEN);
        }
        assert_eq!(refusals.locked(|entries| entries.len()), MAX_ENTRIES + 1);
        refusals.tell_all();
        assert!(refusals.locked(|entries| entries.is_empty()));
        let told = kept.0.lock().unwrap();
        let others: u64 = told
            .iter()
            .filter(|(source, _)| source == "others")
            .map(|it| it.1 + 1)
            .sum();
        assert_eq!(others, 100);
    }
}
