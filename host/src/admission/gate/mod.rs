//! Who starts next. Calls for which there is room start at once. The others wait
//! in a line for each principal, and the lines take turns, so that a principal
//! with a thousand calls delays one with a single call by one turn.
//!
//! * A turn goes to the principal that was given least. What counts is the larger
//!   share of seats or memory that its calls took while others waited (start-time
//!   fair queueing over the dominant share).
//! * Within a line the order is that of arrival. A call whose skill or tool has
//!   as many calls as it may is passed over; one whose principal has, holds its
//!   line, and no other.
//! * **A call whose turn it is waits for its memory, and nobody goes before it.**
//!   So large calls are not starved by small ones: they have what others leave.
//!
//! All numbers change under one lock, which is held for a few comparisons and
//! never across an await.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::capacity::{Capacity, PAGE, pages_of};
use crate::error::Result;
use crate::policy::limits::Limits;
use crate::time::millis;

/// The shortest and the longest time after which a caller is told to come back.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_mins(1)];

/// What a call costs that takes a whole host.
const WHOLE: u64 = 1 << 24;

/// Lets calls in while there is room for them.
#[derive(Debug)]
pub(super) struct Gate {
    capacity: Capacity,
    room: Mutex<Room>,
    /// Milliseconds that a call takes, the last ones counting most.
    typical: AtomicU64,
}

/// What the calls of one principal, skill or tool take together, and the most
/// that they may. The numbers change under the lock of the gate.
#[derive(Debug)]
pub(super) struct Share {
    bounds: Bounds,
    /// Shared with the share that took its place when the configuration changed.
    taken: Arc<Taken>,
}

#[derive(Debug, Default)]
struct Taken {
    calls: AtomicU32,
    pages: AtomicU64,
    /// Of a principal: what it was given while others waited.
    turn: AtomicU64,
}

/// The most that a share may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bounds {
    /// Calls at once.
    pub(super) calls: u32,
    /// Pages of memory at once; one call may have more, when it is the only one.
    pub(super) pages: u64,
    /// Calls that wait; of principals.
    pub(super) queue: u32,
    /// The tables that say so.
    pub(super) calls_rule: Box<str>,
    pub(super) queue_rule: Box<str>,
}

/// What one call takes, and of whose shares.
#[derive(Debug, Clone)]
pub(super) struct Claim {
    pages: u64,
    principal: Arc<Share>,
    others: [Option<Arc<Share>>; 2],
}

/// Room for one call, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat<'a> {
    gate: &'a Gate,
    since: Instant,
    claim: Claim,
}

/// Why a call was not let in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TurnedAway {
    Cancelled,
    /// The host has no room.
    Full(Load),
    /// The rule of the configuration by which it has none for this call.
    Share(Box<str>, Load),
}

/// How busy a host is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    pub(crate) running: u64,
    pub(crate) waiting: u64,
    /// Bytes that are set aside.
    pub(crate) memory: u64,
    pub(crate) retry_after: Duration,
}

impl Gate {
    /// # Errors
    ///
    /// Those of [`Capacity::check`].
    pub(super) fn new(capacity: Capacity) -> Result<Self> {
        capacity.check()?;
        Ok(Self {
            capacity,
            room: Mutex::new(Room::of(&capacity)),
            typical: AtomicU64::new(0),
        })
    }

    pub(super) const fn capacity(&self) -> &Capacity {
        &self.capacity
    }

    /// Waits for room, until the deadline and no longer than calls may wait.
    pub(super) async fn enter(
        &self,
        claim: Claim,
        deadline: Instant,
        cancelled: &CancellationToken,
    ) -> Result<Seat<'_>, TurnedAway> {
        let waiting = match self.arrive(claim)? {
            Arrival::Seated(seat) => return Ok(seat),
            Arrival::Waiting(waiting) => waiting,
        };
        let until = deadline.min(Instant::now() + self.capacity.wait);
        let turn = Arc::clone(&waiting.turn);
        tokio::select! {
            biased;
            () = cancelled.cancelled() => Err(TurnedAway::Cancelled),
            () = turn.notified() => waiting.seated(),
            () = sleep_until(until) => Err(self.too_late(&waiting)),
        }
    }

    fn arrive(&self, claim: Claim) -> Result<Arrival<'_>, TurnedAway> {
        let mut room = self.room();
        if room.next().is_none() && room.has_room_for(&claim) {
            room.take(&claim);
            drop(room);
            return Ok(Arrival::Seated(self.seat(claim)));
        }
        if room.waiting >= u64::from(self.capacity.queue) {
            return Err(TurnedAway::Full(self.load_of(&room)));
        }
        let bounds = &claim.principal.bounds;
        if room.waiting_of(&claim.principal) >= u64::from(bounds.queue) {
            let rule = bounds.queue_rule.clone();
            return Err(TurnedAway::Share(rule, self.load_of(&room)));
        }
        let turn = Arc::new(Notify::new());
        let ticket = room.line_up(claim.clone(), Arc::clone(&turn));
        let called = room.call_up();
        drop(room);
        notify(called);
        Ok(Arrival::Waiting(Waiting {
            gate: self,
            ticket,
            claim: Some(claim),
            turn,
        }))
    }

    /// Whose bound it was that kept a call waiting for too long.
    fn too_late(&self, waiting: &Waiting<'_>) -> TurnedAway {
        let room = self.room();
        let load = self.load_of(&room);
        let full = waiting.claim.as_ref().and_then(Claim::bounded_by);
        full.map_or(TurnedAway::Full(load), |share| {
            TurnedAway::Share(share.bounds.calls_rule.clone(), load)
        })
    }

    fn seat(&self, claim: Claim) -> Seat<'_> {
        Seat {
            gate: self,
            since: Instant::now(),
            claim,
        }
    }

    /// Gives back what a call took, and starts those for which there is room now.
    fn give_back(&self, claim: &Claim) {
        let mut room = self.room();
        room.give_back(claim);
        let called = room.call_up();
        drop(room);
        notify(called);
    }

    /// A call waits no longer: it leaves its line, or what it was just given.
    fn leave(&self, ticket: u64, claim: &Claim) {
        let mut room = self.room();
        if !room.leave_line(ticket, &claim.principal) {
            room.give_back(claim);
        }
        let called = room.call_up();
        drop(room);
        notify(called);
    }

    /// A panic cannot leave it half changed: nothing under the lock can fail.
    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn load(&self) -> Load {
        self.load_of(&self.room())
    }

    fn load_of(&self, room: &Room) -> Load {
        let calls = u64::from(self.capacity.calls);
        let typical = self.typical.load(Relaxed);
        let turns = room.waiting / calls + 1;
        let [soonest, latest] = RETRY;
        Load {
            running: calls.saturating_sub(room.seats),
            waiting: room.waiting,
            memory: (self.capacity.pages().saturating_sub(room.pages)).saturating_mul(PAGE),
            retry_after: Duration::from_millis(typical.saturating_mul(turns))
                .clamp(soonest, latest),
        }
    }
}

impl Share {
    pub(super) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            taken: Arc::default(),
        }
    }

    /// Within these bounds from now on, calls that run already included.
    pub(super) fn after(mut self, known: Option<&Self>) -> Self {
        if let Some(known) = known {
            self.taken = Arc::clone(&known.taken);
        }
        self
    }

    /// Whether none of its calls runs.
    pub(super) fn is_idle(&self) -> bool {
        self.taken.calls.load(Relaxed) == 0
    }

    fn has_room_for(&self, pages: u64) -> bool {
        let calls = self.taken.calls.load(Relaxed);
        let sum = self.taken.pages.load(Relaxed).saturating_add(pages);
        calls < self.bounds.calls && (calls == 0 || sum <= self.bounds.pages)
    }

    fn take(&self, pages: u64) {
        self.taken.calls.fetch_add(1, Relaxed);
        self.taken.pages.fetch_add(pages, Relaxed);
    }

    fn give_back(&self, pages: u64) {
        self.taken.calls.fetch_sub(1, Relaxed);
        self.taken.pages.fetch_sub(pages, Relaxed);
    }
}

impl Claim {
    pub(super) fn new(
        limits: &Limits,
        principal: Arc<Share>,
        others: [Option<Arc<Share>>; 2],
    ) -> Self {
        Self {
            pages: pages_of(limits),
            principal,
            others,
        }
    }

    fn shares(&self) -> impl Iterator<Item = &Arc<Share>> {
        std::iter::once(&self.principal).chain(self.others.iter().flatten())
    }

    /// The first share that has no room for it.
    fn bounded_by(&self) -> Option<&Arc<Share>> {
        self.shares().find(|share| !share.has_room_for(self.pages))
    }

    /// Whether skill and tool have room for it.
    fn may_follow(&self) -> bool {
        let mut others = self.others.iter().flatten();
        others.all(|share| share.has_room_for(self.pages))
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let took = millis(self.since.elapsed());
        let typical = &self.gate.typical;
        // A lost update costs nothing: this is an estimate.
        let before = typical.load(Relaxed);
        typical.store((before * 7).saturating_add(took) / 8, Relaxed);
        self.gate.give_back(&self.claim);
    }
}

enum Arrival<'a> {
    Seated(Seat<'a>),
    Waiting(Waiting<'a>),
}

/// A call that waits. Whenever it is dropped, it gives up its place in the line,
/// or the room that it was given and did not take.
struct Waiting<'a> {
    gate: &'a Gate,
    ticket: u64,
    claim: Option<Claim>,
    turn: Arc<Notify>,
}

impl<'a> Waiting<'a> {
    /// It was called, so the room is taken for it.
    fn seated(mut self) -> Result<Seat<'a>, TurnedAway> {
        let claim = self.claim.take().ok_or(TurnedAway::Cancelled)?;
        Ok(self.gate.seat(claim))
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        if let Some(claim) = self.claim.take() {
            self.gate.leave(self.ticket, &claim);
        }
    }
}

/// What is free, and who waits for it.
#[derive(Debug)]
struct Room {
    seats: u64,
    pages: u64,
    /// What a whole host has of both.
    all: (u64, u64),
    /// Where a line begins to be counted: lines that wait have more or less.
    now: u64,
    tickets: u64,
    waiting: u64,
    lines: Vec<Line>,
}

/// The calls of one principal that wait.
#[derive(Debug)]
struct Line {
    principal: Arc<Share>,
    waiting: VecDeque<Place>,
}

/// A place in a line.
#[derive(Debug)]
struct Place {
    ticket: u64,
    claim: Claim,
    turn: Arc<Notify>,
}

impl Room {
    fn of(capacity: &Capacity) -> Self {
        let (seats, pages) = (u64::from(capacity.calls), capacity.pages());
        Self {
            seats,
            pages,
            all: (seats, pages),
            now: 0,
            tickets: 0,
            waiting: 0,
            lines: Vec::new(),
        }
    }

    fn fits(&self, claim: &Claim) -> bool {
        self.seats > 0 && claim.pages <= self.pages
    }

    fn has_room_for(&self, claim: &Claim) -> bool {
        self.fits(claim) && claim.bounded_by().is_none()
    }

    fn take(&mut self, claim: &Claim) {
        self.seats -= 1;
        self.pages -= claim.pages;
        claim.shares().for_each(|share| share.take(claim.pages));
    }

    fn give_back(&mut self, claim: &Claim) {
        self.seats += 1;
        self.pages += claim.pages;
        claim
            .shares()
            .for_each(|share| share.give_back(claim.pages));
    }

    fn waiting_of(&self, principal: &Arc<Share>) -> u64 {
        let line = self.lines.iter().find(|line| line.is_of(principal));
        line.map_or(0, |line| line.waiting.len() as u64)
    }

    fn line_up(&mut self, claim: Claim, turn: Arc<Notify>) -> u64 {
        self.tickets += 1;
        self.waiting += 1;
        let place = Place {
            ticket: self.tickets,
            claim,
            turn,
        };
        let principal = &place.claim.principal;
        match self.lines.iter_mut().find(|line| line.is_of(principal)) {
            Some(line) => line.waiting.push_back(place),
            None => {
                // Who did not wait has saved up nothing.
                principal.taken.turn.fetch_max(self.now, Relaxed);
                self.lines.push(Line {
                    principal: Arc::clone(principal),
                    waiting: VecDeque::from([place]),
                });
            }
        }
        self.tickets
    }

    /// Whether the call still stood in its line.
    fn leave_line(&mut self, ticket: u64, principal: &Arc<Share>) -> bool {
        let line = self.lines.iter().position(|line| line.is_of(principal));
        let place = line.and_then(|line| Some((line, self.lines.get(line)?.position(ticket)?)));
        place.is_some_and(|(line, place)| self.remove(line, place).is_some())
    }

    fn remove(&mut self, line: usize, place: usize) -> Option<Place> {
        let waiting = &mut self.lines.get_mut(line)?.waiting;
        let removed = waiting.remove(place)?;
        self.waiting -= 1;
        if waiting.is_empty() {
            self.lines.swap_remove(line);
        }
        Some(removed)
    }

    /// Takes room for those whose turn it is, as long as there is any.
    fn call_up(&mut self) -> Vec<Arc<Notify>> {
        let mut called = Vec::new();
        while let Some((line, place)) = self.next() {
            let Some(place) = self.fitting(line, place) else {
                break;
            };
            self.take(&place.claim);
            self.charge(&place.claim);
            called.push(place.turn);
        }
        called
    }

    fn fitting(&mut self, line: usize, place: usize) -> Option<Place> {
        let claim = &self.lines.get(line)?.waiting.get(place)?.claim;
        if self.fits(claim) {
            self.remove(line, place)
        } else {
            None
        }
    }

    /// Whose turn it is: line and place of the call that goes next when there is
    /// room in the host.
    fn next(&self) -> Option<(usize, usize)> {
        let candidates = self.lines.iter().enumerate().filter_map(|(at, line)| {
            let (place, ticket) = line.first_that_may()?;
            Some((
                (line.principal.taken.turn.load(Relaxed), ticket),
                (at, place),
            ))
        });
        candidates.min().map(|(_, place)| place)
    }

    /// Counts what a principal was given, and lets time go on, the slower the
    /// more wait: else ever new principals would go before those who wait.
    fn charge(&mut self, claim: &Claim) {
        let (seats, pages) = self.all;
        let cost = (WHOLE / seats.max(1)).max(claim.pages.saturating_mul(WHOLE) / pages.max(1));
        let cost = cost.max(1);
        let turn = &claim.principal.taken.turn;
        let before = turn.fetch_add(cost, Relaxed);
        let lines = self.lines.len() as u64;
        self.now = self.now.max(before) + (cost / lines.max(1)).max(1);
    }
}

impl Line {
    fn is_of(&self, principal: &Arc<Share>) -> bool {
        Arc::ptr_eq(&self.principal.taken, &principal.taken)
    }

    fn position(&self, ticket: u64) -> Option<usize> {
        self.waiting.iter().position(|place| place.ticket == ticket)
    }

    /// Place and ticket of the first call that may start by what its principal,
    /// skill and tool have. Behind one that waits for its principal's own share
    /// nobody goes ahead: a small call would keep a large one waiting.
    fn first_that_may(&self) -> Option<(usize, u64)> {
        let (at, place) = self
            .waiting
            .iter()
            .enumerate()
            .find(|(_, place)| place.claim.may_follow())?;
        let has_room = place.claim.principal.has_room_for(place.claim.pages);
        has_room.then_some((at, place.ticket))
    }
}

fn notify(called: Vec<Arc<Notify>>) {
    for turn in called {
        turn.notify_one();
    }
}

#[cfg(test)]
mod tests;
