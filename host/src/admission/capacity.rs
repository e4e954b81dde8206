//! How many calls run at once: each has its memory set aside before it starts,
//! so that all of them together never need more than the host was given.

use std::fs;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};
use crate::policy::limits::Limits;
use crate::time::millis;

/// What memory is set aside in: a page of WebAssembly.
const PAGE: u64 = 64 * 1024;

/// Memory of the host for one call besides what the guest can fill: stack,
/// tables and what is kept of it (measured: 44 to 56 KiB for a small one).
const OVERHEAD: u64 = 256 * 1024;

/// Memory of the host for what a skill answers as JSON, parsed; the number of
/// its values is bounded.
const ANSWER: u64 = 20 << 20;

/// Memory of the host for an entry of a directory that is listed: its name has
/// at most 255 bytes.
const ENTRY: u64 = 300;

/// What a machine is taken to have that does not tell: 2 GiB.
const FALLBACK: u64 = 2 << 30;

/// Mappings of one live instance (measured with wasmtime 48).
const MAPPINGS: u64 = 6;

/// The shortest and the longest time after which a caller is told to come back.
const RETRY: [Duration; 2] = [Duration::from_millis(100), Duration::from_mins(1)];

/// What all calls of a host may take together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capacity {
    /// Calls that run at once. Default: 256.
    pub calls: u32,
    /// Bytes of memory for all calls. Default: three quarters of what the
    /// machine or the control group has.
    pub memory: u64,
    /// Calls that wait for others to end. Default: 1024.
    pub queue: u32,
    /// How long a call waits at most, within its deadline. Default: 10 s.
    pub wait: Duration,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            calls: 256,
            memory: memory_of_machine() / 4 * 3,
            queue: 1024,
            wait: Duration::from_secs(10),
        }
    }
}

/// Lets calls in while there is room for them.
#[derive(Debug)]
pub(crate) struct Gate {
    capacity: Capacity,
    seats: Semaphore,
    pages: Semaphore,
    waiting: AtomicU32,
    /// Milliseconds that a call takes, the last ones counting most.
    typical: AtomicU64,
}

/// Room for one call, until it is dropped.
#[derive(Debug)]
pub(crate) struct Seat<'a> {
    gate: &'a Gate,
    since: Instant,
    _seat: SemaphorePermit<'a>,
    _pages: SemaphorePermit<'a>,
}

/// Why a call was not let in.
#[derive(Debug)]
pub(crate) enum TurnedAway {
    Cancelled,
    Full(Load),
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
    /// `ConfigInvalid` for no calls, no memory, or more calls than the kernel
    /// has mappings for.
    pub(crate) fn new(capacity: Capacity) -> Result<Self> {
        let pages = usize::try_from(capacity.memory / PAGE).unwrap_or(usize::MAX);
        if capacity.calls == 0 || pages == 0 {
            return Err(Error::new(
                Kind::ConfigInvalid,
                "A host that is given no calls or no memory runs nothing.",
            )
            .with_hint("Raise `calls` and `memory` under `[capacity]`."));
        }
        check_mappings(capacity.calls)?;
        Ok(Self {
            capacity,
            seats: Semaphore::new(capacity.calls as usize),
            pages: Semaphore::new(pages.min(Semaphore::MAX_PERMITS)),
            waiting: AtomicU32::new(0),
            typical: AtomicU64::new(0),
        })
    }

    /// Whether a call with these limits can ever be let in.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if it needs more than all calls may have together.
    pub(crate) fn check(&self, limits: &Limits) -> Result<()> {
        let (needed, given) = (needed(limits), self.capacity.memory);
        if needed <= given / PAGE * PAGE {
            return Ok(());
        }
        Err(Error::new(
            Kind::ConfigInvalid,
            format!("A call of the skill may need {needed} bytes of memory, and the host was given {given} for all calls."),
        )
        .with_hint("Lower `memory` under `[limits]`, or raise `memory` under `[capacity]`."))
    }

    /// Waits for room, behind those who came earlier.
    pub(crate) async fn enter(
        &self,
        limits: &Limits,
        deadline: Instant,
        cancelled: &CancellationToken,
    ) -> Result<Seat<'_>, TurnedAway> {
        let pages = u32::try_from(needed(limits).div_ceil(PAGE)).unwrap_or(u32::MAX);
        if let Some(seat) = self.free(pages) {
            return Ok(seat);
        }
        let _waiting = self.queue()?;
        let until = deadline.min(Instant::now() + self.capacity.wait);
        tokio::select! {
            biased;
            () = cancelled.cancelled() => Err(TurnedAway::Cancelled),
            seat = timeout_at(until, self.next(pages)) => {
                seat.ok().flatten().ok_or_else(|| TurnedAway::Full(self.load()))
            }
        }
    }

    /// Room that is there now. Both semaphores are fair: nobody overtakes.
    fn free(&self, pages: u32) -> Option<Seat<'_>> {
        let seat = self.seats.try_acquire().ok()?;
        let pages = self.pages.try_acquire_many(pages).ok()?;
        Some(self.seat(seat, pages))
    }

    /// None if the host shuts down.
    async fn next(&self, pages: u32) -> Option<Seat<'_>> {
        let seat = self.seats.acquire().await.ok()?;
        let pages = self.pages.acquire_many(pages).await.ok()?;
        Some(self.seat(seat, pages))
    }

    fn seat<'a>(&'a self, seat: SemaphorePermit<'a>, pages: SemaphorePermit<'a>) -> Seat<'a> {
        Seat {
            gate: self,
            since: Instant::now(),
            _seat: seat,
            _pages: pages,
        }
    }

    fn queue(&self) -> Result<Waiting<'_>, TurnedAway> {
        let room = |waiting: u32| (waiting < self.capacity.queue).then(|| waiting + 1);
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, room)
            .map(|_before| Waiting(&self.waiting))
            .map_err(|_full| TurnedAway::Full(self.load()))
    }

    fn load(&self) -> Load {
        let running =
            u64::from(self.capacity.calls).saturating_sub(self.seats.available_permits() as u64);
        let free = (self.pages.available_permits() as u64).saturating_mul(PAGE);
        let waiting = u64::from(self.waiting.load(Ordering::Relaxed));
        let typical = self.typical.load(Ordering::Relaxed);
        let turns = waiting / u64::from(self.capacity.calls) + 1;
        let [soonest, latest] = RETRY;
        Load {
            running,
            waiting,
            memory: self.capacity.memory.saturating_sub(free),
            retry_after: Duration::from_millis(typical.saturating_mul(turns))
                .clamp(soonest, latest),
        }
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let took = millis(self.since.elapsed());
        let typical = &self.gate.typical;
        // A lost update costs nothing: this is an estimate.
        let before = typical.load(Ordering::Relaxed);
        typical.store((before * 7).saturating_add(took) / 8, Ordering::Relaxed);
    }
}

/// Counted while a call waits.
struct Waiting<'a>(&'a AtomicU32);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Bytes that one call can make the host hold at once.
fn needed(limits: &Limits) -> u64 {
    [
        OVERHEAD,
        ANSWER,
        limits.hostcall,
        limits.output,
        limits.stdout,
        limits.stderr,
        limits.log,
        limits.http_request_body,
        limits.http_response_body,
        limits.listed.saturating_mul(ENTRY),
    ]
    .into_iter()
    .fold(limits.memory, u64::saturating_add)
}

fn check_mappings(calls: u32) -> Result<()> {
    let most = read_number("/proc/sys/vm/max_map_count").unwrap_or(65_530);
    let needed = u64::from(calls).saturating_mul(MAPPINGS);
    if needed <= most {
        return Ok(());
    }
    Err(Error::new(
        Kind::ConfigInvalid,
        format!("{calls} calls at once need {needed} memory mappings, and this machine allows a process {most}."),
    )
    .with_hint("Lower `calls` under `[capacity]`, or raise the machine's `vm.max_map_count`."))
}

/// What the machine has, or the control group (version 2) that we are in.
fn memory_of_machine() -> u64 {
    let group = read_number("/sys/fs/cgroup/memory.max");
    let machine = fs::read_to_string("/proc/meminfo").ok();
    let machine = machine.as_deref().and_then(total).unwrap_or(FALLBACK);
    group.map_or(machine, |group| group.min(machine))
}

/// Bytes of the line `MemTotal` (proc_meminfo(5)), which counts KiB.
fn total(meminfo: &str) -> Option<u64> {
    let line = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

fn read_number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn gate(calls: u32, memory: u64, queue: u32) -> Gate {
        Gate::new(Capacity {
            calls,
            memory,
            queue,
            wait: Duration::from_millis(200),
        })
        .unwrap()
    }

    fn limits(memory: u64) -> Limits {
        Limits {
            memory,
            ..Limits::default()
        }
    }

    async fn enter(gate: &Gate, memory: u64) -> Result<Seat<'_>, TurnedAway> {
        let deadline = Instant::now() + Duration::from_secs(60);
        gate.enter(&limits(memory), deadline, &CancellationToken::new())
            .await
    }

    #[tokio::test]
    async fn r31_memory_that_is_set_aside_is_never_more_than_was_given() {
        let one = needed(&limits(64 * MIB)).next_multiple_of(PAGE);
        let gate = gate(100, 3 * one, 0);
        let mut seats = Vec::new();
        for _ in 0..3 {
            seats.push(enter(&gate, 64 * MIB).await.unwrap());
        }
        let Err(TurnedAway::Full(load)) = enter(&gate, 64 * MIB).await else {
            panic!("a fourth call was let in");
        };
        assert_eq!((load.running, load.memory), (3, 3 * one));
        seats.pop();
        assert!(enter(&gate, 64 * MIB).await.is_ok());
    }

    #[tokio::test]
    async fn r31_those_who_wait_are_let_in_when_others_leave_and_turned_away_in_time() {
        let gate = gate(1, 1024 * MIB, 1);
        let first = enter(&gate, MIB).await.unwrap();
        let late = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            drop(first);
        };
        let (second, ()) = tokio::join!(enter(&gate, MIB), late);
        let second = second.unwrap();
        let start = Instant::now();
        let (third, fourth) = tokio::join!(enter(&gate, MIB), enter(&gate, MIB));
        assert!(matches!(third, Err(TurnedAway::Full(_))));
        assert!(matches!(
            fourth,
            Err(TurnedAway::Full(Load { waiting: 1, .. }))
        ));
        assert!(start.elapsed() >= Duration::from_millis(200));
        drop(second);
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn who_gives_up_leaves_the_queue() {
        let gate = gate(1, 1024 * MIB, 1);
        let _first = enter(&gate, MIB).await.unwrap();
        let token = CancellationToken::new();
        token.cancel();
        let deadline = Instant::now() + Duration::from_secs(60);
        let second = gate.enter(&limits(MIB), deadline, &token).await;
        assert!(matches!(second, Err(TurnedAway::Cancelled)));
        assert_eq!(gate.waiting.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn the_memory_of_the_machine_is_read() {
        let text = "MemFree: 1 kB\nMemTotal:       24689456 kB\n";
        assert_eq!(total(text), Some(24_689_456 * 1024));
        assert_eq!(total("MemTotal: many kB"), None);
        assert!(memory_of_machine() > 64 * MIB);
    }

    #[test]
    fn what_can_never_run_is_told_at_once() {
        let gate = gate(1, 64 * MIB, 1);
        assert!(gate.check(&limits(MIB)).is_ok());
        let error = gate.check(&limits(64 * MIB)).unwrap_err();
        assert_eq!(error.kind(), Kind::ConfigInvalid);
        for (calls, memory) in [(0, MIB), (1, 0), (u32::MAX, MIB)] {
            let capacity = Capacity {
                calls,
                memory,
                ..Capacity::default()
            };
            assert_eq!(Gate::new(capacity).unwrap_err().kind(), Kind::ConfigInvalid);
        }
    }
}
