//! What is kept of large outputs, for whom and for how long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::cut::Document;
use crate::invocation::Principal;
use crate::time::Clock;

/// What an output takes beside its bytes: an entry, a name, where pages begin.
const OVERHEAD: u64 = 1024;

/// How results of tools are sent that are large (`[mcp]`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Paging {
    /// The largest result that is sent as a whole, in bytes of JSON. Clients take
    /// about a mebibyte.
    pub inline: u64,
    /// How much of a larger one is sent at once, in bytes of JSON.
    pub page: u64,
    /// For how long it can be read.
    pub keep: Duration,
    /// What all that is kept may take, in bytes.
    pub keep_size: u64,
    /// What is kept for one caller may take, in bytes.
    pub keep_size_per_caller: u64,
    /// How many outputs are kept for one caller.
    pub keep_count: u32,
}

impl Default for Paging {
    /// # Defaults
    ///
    /// Half a mebibyte at once, pages of 64 KiB; 64 outputs for each caller, for
    /// ten minutes, in 16 MiB of 64 MiB.
    fn default() -> Self {
        Self {
            inline: 512 << 10,
            page: 64 << 10,
            keep: Duration::from_secs(600),
            keep_size: 64 << 20,
            keep_size_per_caller: 16 << 20,
            keep_count: 64,
        }
    }
}

/// Outputs that can be read in pages.
#[derive(Debug)]
pub(crate) struct Outputs {
    paging: Paging,
    clock: Arc<dyn Clock>,
    kept: Mutex<Kept>,
}

/// The entries, by the order in which they came.
#[derive(Debug, Default)]
struct Kept {
    next: u64,
    entries: BTreeMap<u64, Entry>,
}

#[derive(Debug)]
struct Entry {
    id: u128,
    owner: Principal,
    until: Instant,
    document: Arc<Document>,
}

/// An output that is still there.
#[derive(Debug)]
pub(super) struct Output {
    pub(super) id: u128,
    pub(super) document: Arc<Document>,
    /// For how long it is there.
    pub(super) left: Duration,
}

impl Outputs {
    /// Keeps nothing yet.
    pub(crate) fn new(paging: Paging, clock: Arc<dyn Clock>) -> Self {
        Self {
            paging,
            clock,
            kept: Mutex::default(),
        }
    }

    /// How large results are sent.
    pub(super) const fn paging(&self) -> &Paging {
        &self.paging
    }

    /// Keeps a document for its caller; what it held the longest makes room. None
    /// if there is no room for it, or no randomness for its id.
    pub(super) fn keep(&self, owner: &Principal, document: Document) -> Option<Output> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        let id = u128::from_be_bytes(bytes);
        let document = Arc::new(document);
        let now = self.clock.monotonic();
        let mut kept = self.lock(now);
        if !kept.make_room(owner, size(&document), &self.paging) {
            return None;
        }
        let entry = Entry {
            id,
            owner: owner.clone(),
            until: now + self.paging.keep,
            document,
        };
        let output = entry.output(now);
        let place = kept.next;
        kept.next += 1;
        kept.entries.insert(place, entry);
        Some(output)
    }

    /// A caller's output by its id.
    pub(super) fn find(&self, caller: &Principal, id: u128) -> Option<Output> {
        let now = self.clock.monotonic();
        let kept = self.lock(now);
        let mut entries = kept.entries.values();
        let entry = entries.find(|entry| entry.id == id && entry.owner == *caller);
        entry.map(|entry| entry.output(now))
    }

    /// A caller's outputs, the oldest first.
    pub(super) fn of(&self, caller: &Principal) -> Vec<Output> {
        let now = self.clock.monotonic();
        let kept = self.lock(now);
        let entries = kept.entries.values();
        let own = entries.filter(|entry| entry.owner == *caller);
        own.map(|entry| entry.output(now)).collect()
    }

    /// What is still kept. A panic cannot leave an entry half written.
    fn lock(&self, now: Instant) -> MutexGuard<'_, Kept> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entries.retain(|_, entry| now < entry.until);
        kept
    }
}

impl Kept {
    /// Whether there is room for so many bytes of a caller's. First its own oldest
    /// outputs make way. If others hold too much in all, whoever holds more than
    /// the caller would: nobody can keep all of it by being first.
    fn make_room(&mut self, owner: &Principal, size: u64, paging: &Paging) -> bool {
        if size > paging.keep_size_per_caller.min(paging.keep_size) || paging.keep_count == 0 {
            return false;
        }
        loop {
            let (bytes, count) = self.held_by(owner);
            if bytes + size <= paging.keep_size_per_caller && count < paging.keep_count {
                break;
            }
            self.drop_oldest_of(owner);
        }
        while self.bytes() + size > paging.keep_size {
            let victim = self.largest_holder(owner, size);
            let Some(victim) = victim else { return false };
            self.drop_oldest_of(&victim);
        }
        true
    }

    /// Who holds the most, if that is more than `owner` will, or `owner` itself.
    fn largest_holder(&self, owner: &Principal, size: u64) -> Option<Principal> {
        let mut holders: BTreeMap<&Principal, u64> = BTreeMap::new();
        for entry in self.entries.values() {
            *holders.entry(&entry.owner).or_default() += entry.size();
        }
        let own = holders.get(owner).copied().unwrap_or_default();
        let (most, bytes) = holders.into_iter().max_by_key(|(_, bytes)| *bytes)?;
        if bytes > own + size {
            return Some(most.clone());
        }
        (own > 0).then(|| owner.clone())
    }

    fn bytes(&self) -> u64 {
        self.entries.values().map(Entry::size).sum()
    }

    fn held_by(&self, owner: &Principal) -> (u64, u32) {
        let own = self.entries.values().filter(|entry| entry.owner == *owner);
        own.fold((0, 0), |(bytes, count), entry| {
            (bytes + entry.size(), count + 1)
        })
    }

    fn drop_oldest_of(&mut self, owner: &Principal) {
        let mut entries = self.entries.iter();
        let oldest = entries.find_map(|(place, entry)| (entry.owner == *owner).then_some(*place));
        if let Some(oldest) = oldest {
            self.entries.remove(&oldest);
        }
    }
}

impl Entry {
    fn size(&self) -> u64 {
        size(&self.document)
    }

    fn output(&self, now: Instant) -> Output {
        Output {
            id: self.id,
            document: Arc::clone(&self.document),
            left: self.until.saturating_duration_since(now),
        }
    }
}

fn size(document: &Document) -> u64 {
    document.size() as u64 + document.pages() as u64 * 8 + OVERHEAD
}

#[cfg(test)]
mod tests {
    use super::super::cut::Body;
    use super::*;

    /// A clock that stands until it is moved.
    #[derive(Debug)]
    struct Hand(Instant, Mutex<Duration>);

    impl Hand {
        fn turn(&self, by: Duration) {
            *self.1.lock().unwrap() += by;
        }
    }

    impl Clock for Hand {
        fn wall(&self) -> jiff::Timestamp {
            jiff::Timestamp::UNIX_EPOCH
        }

        fn monotonic(&self) -> Instant {
            self.0 + *self.1.lock().unwrap()
        }
    }

    fn outputs(paging: Paging) -> (Outputs, Arc<Hand>) {
        let start = crate::time::system().monotonic();
        let clock = Arc::new(Hand(start, Mutex::default()));
        (Outputs::new(paging, Arc::clone(&clock) as _), clock)
    }

    fn named(name: &str) -> Principal {
        Principal::Named(name.parse().unwrap())
    }

    fn document(bytes: usize) -> Document {
        let body = Body::Bytes(vec![0; bytes]);
        Document::new("output".to_owned(), None, body, 1 << 16)
    }

    const SMALL: Paging = Paging {
        inline: 0,
        page: 0,
        keep: Duration::from_secs(60),
        keep_size: 100 << 10,
        keep_size_per_caller: 60 << 10,
        keep_count: 3,
    };

    #[test]
    fn m18_an_output_is_found_by_its_caller_alone_and_until_its_time_is_over() {
        let (outputs, clock) = outputs(SMALL);
        let (alice, bob) = (named("alice"), named("bob"));
        let id = outputs.keep(&alice, document(10)).unwrap().id;
        assert_eq!(outputs.find(&alice, id).unwrap().document.size(), 10);
        assert!(outputs.find(&bob, id).is_none() && outputs.of(&bob).is_empty());
        assert!(outputs.find(&alice, id ^ 1).is_none());
        clock.turn(Duration::from_secs(59));
        assert_eq!(outputs.find(&alice, id).unwrap().left.as_secs(), 1);
        clock.turn(Duration::from_secs(1));
        assert!(outputs.find(&alice, id).is_none());
        assert!(outputs.kept.lock().unwrap().entries.is_empty());
    }

    #[test]
    fn a_callers_oldest_outputs_make_room_for_its_own() {
        let (outputs, _) = outputs(SMALL);
        let alice = named("alice");
        let ids: Vec<u128> = (0..5)
            .map(|_| outputs.keep(&alice, document(10)).unwrap().id)
            .collect();
        let kept: Vec<u128> = outputs.of(&alice).iter().map(|it| it.id).collect();
        assert_eq!(kept, ids[2..]);
        let large = outputs.keep(&alice, document(58 << 10)).unwrap().id;
        assert_eq!(outputs.of(&alice).len(), 1);
        assert!(outputs.find(&alice, large).is_some());
        assert!(outputs.keep(&alice, document(60 << 10)).is_none());
        assert!(outputs.find(&alice, large).is_some());
    }

    #[test]
    fn nobody_holds_all_the_room_by_being_first() {
        let (outputs, _) = outputs(SMALL);
        let (alice, bob, carol) = (named("alice"), named("bob"), named("carol"));
        for _ in 0..2 {
            outputs.keep(&alice, document(28 << 10)).unwrap();
        }
        let bobs = outputs.keep(&bob, document(30 << 10)).unwrap().id;
        let carols = outputs.keep(&carol, document(28 << 10)).unwrap().id;
        assert_eq!(outputs.of(&alice).len(), 1, "who held the most gave way");
        assert!(outputs.find(&bob, bobs).is_some() && outputs.find(&carol, carols).is_some());
        let dave = named("dave");
        assert!(
            outputs.keep(&dave, document(50 << 10)).is_none(),
            "whoever would hold the most gets no more"
        );
        assert!(outputs.kept.lock().unwrap().bytes() <= SMALL.keep_size);
    }
}
