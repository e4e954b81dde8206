//! What is refused, as events: one for each source and reason in a second, with
//! how often it happened again, and so many for all together. Nobody fills the log
//! by being refused.

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

/// Events in a second, whatever they are of. What comes beyond is counted for all
/// others together, which is an event for each reason.
const MOST: usize = 50;

/// Sources and reasons that are counted at once, about 300 bytes each; likewise.
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
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    entries: HashMap<(Source, Reason), Entry>,
    /// When the second began of which events are counted.
    since: Option<Instant>,
    in_second: usize,
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
            counts: Mutex::default(),
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
        let told = self.locked(|counts| counts.due(now));
        self.record(&told);
    }

    fn refuse(&self, source: IpAddr, reason: Reason, value: String, now: Instant) {
        let told = self.locked(|counts| counts.count(source, reason, value, now));
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

    fn locked<T>(&self, work: impl FnOnce(&mut Counts) -> T) -> T {
        work(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Counts {
    /// The event of what happens now; none if it is only counted.
    fn count(
        &mut self,
        source: IpAddr,
        reason: Reason,
        value: String,
        now: Instant,
    ) -> Option<Event> {
        let (own, others) = ((Some(source), reason), (None, reason));
        if self.is_counted(own, now) {
            return None;
        }
        let has_place = self.entries.len() < MAX_ENTRIES || self.entries.contains_key(&own);
        if has_place && self.has_room(now) {
            return Some(self.begin(own, value, now));
        }
        let is_counted = self.is_counted(others, now);
        (!is_counted).then(|| self.begin(others, value, now))
    }

    /// What was counted and not told for a second.
    fn due(&mut self, now: Instant) -> Vec<Event> {
        let mut over = Vec::new();
        self.entries.retain(|(source, reason), entry| {
            let is_over = now.duration_since(entry.since) >= WINDOW;
            if is_over && entry.repeated > 0 {
                let value = std::mem::take(&mut entry.value);
                over.push((*source, *reason, value, entry.repeated));
            }
            !is_over
        });
        let mut told = Vec::new();
        let mut others = HashMap::new();
        for (source, reason, value, times) in over {
            if source.is_some() && self.has_room(now) {
                told.push(event(source, reason, &value, times.saturating_sub(1)));
            } else {
                let (_, all) = others.entry(reason).or_insert((value, 0_u64));
                *all = all.saturating_add(times);
            }
        }
        let others = others.into_iter();
        told.extend(
            others.map(|(reason, (value, times))| {
                event(None, reason, &value, times.saturating_sub(1))
            }),
        );
        told
    }

    /// Counts it, if the same was told within the last second.
    fn is_counted(&mut self, key: (Source, Reason), now: Instant) -> bool {
        let Some(entry) = self.entries.get_mut(&key) else {
            return false;
        };
        let is_counted = now.duration_since(entry.since) < WINDOW;
        if is_counted {
            entry.repeated = entry.repeated.saturating_add(1);
        }
        is_counted
    }

    /// Whether there may be another event in this second, which is then counted.
    fn has_room(&mut self, now: Instant) -> bool {
        let is_over = |since: Instant| now.duration_since(since) >= WINDOW;
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.in_second = 0;
        }
        let has_room = self.in_second < MOST;
        if has_room {
            self.in_second += 1;
        }
        has_room
    }

    /// The event with which a second of counting begins.
    fn begin(&mut self, key: (Source, Reason), value: String, now: Instant) -> Event {
        let (source, reason) = key;
        let repeated = self.entries.get(&key).map_or(0, |before| before.repeated);
        let told = event(source, reason, &value, repeated);
        let entry = Entry {
            since: now,
            repeated: 0,
            value,
        };
        self.entries.insert(key, entry);
        told
    }
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
        assert!(refusals.locked(|counts| counts.entries.is_empty()));
    }

    #[test]
    fn m08_sources_without_end_take_a_bounded_amount_of_memory() {
        let (refusals, kept) = refusals();
        let (start, many) = (Instant::now(), 10_000);
        for number in 0..many {
            refusals.refuse(ip(number), Reason::Wire(BROKEN), String::new(), start);
        }
        assert_eq!(refusals.locked(|counts| counts.entries.len()), MOST + 1);
        refusals.tell_all();
        assert!(refusals.locked(|counts| counts.entries.is_empty()));
        let told = kept.0.lock().unwrap();
        assert_eq!(told.len(), MOST + 2, "so many, and two of all others");
        let others = told.iter().filter(|(source, _)| source == "others");
        assert_eq!(others.count(), 2);
        let all: u64 = told.iter().map(|it| it.1 + 1).sum();
        assert_eq!(all, u64::from(many), "each is told of");
    }

    #[test]
    fn m08_what_was_counted_of_many_sources_is_told_of_so_many() {
        let (refusals, kept) = refusals();
        let start = Instant::now();
        for (first, now) in [(0, start), (50, start + WINDOW)] {
            for number in (first..first + 50).chain(first..first + 50) {
                refusals.refuse(ip(number), Reason::Wire(BROKEN), String::new(), now);
            }
        }
        kept.0.lock().unwrap().clear();
        refusals.tell_at(start + WINDOW * 2);
        let told = kept.0.lock().unwrap();
        assert_eq!(told.len(), MOST + 1);
        let others = ("others".to_owned(), 49);
        assert!(told.contains(&others), "{told:?}");
    }
}
