//! What all calls of a host may take together: each has its memory set aside
//! before it starts, so that all of them never need more than the host was given.

use std::fs;
use std::time::Duration;

use crate::error::{Error, Kind, Result};
use crate::policy::limits::Limits;

/// What memory is set aside in: a page of WebAssembly.
pub(super) const PAGE: u64 = 64 * 1024;

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

impl Capacity {
    /// Whether there is anything to give out.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for no calls, no memory, or more calls than the kernel
    /// has mappings for.
    pub(super) fn check(&self) -> Result<()> {
        if self.calls == 0 || self.pages() == 0 {
            return Err(Error::new(
                Kind::ConfigInvalid,
                "A host that is given no calls or no memory runs nothing.",
            )
            .with_hint("Raise `calls` and `memory` under `[capacity]`."));
        }
        check_mappings(self.calls)
    }

    /// Whether a call with these limits can ever be let in.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if it needs more than all calls may have together.
    pub(super) fn check_fits(&self, limits: &Limits) -> Result<()> {
        let (needed, given) = (needed(limits), self.memory);
        if pages_of(limits) <= self.pages() {
            return Ok(());
        }
        Err(Error::new(
            Kind::ConfigInvalid,
            format!("A call of the skill may need {needed} bytes of memory, and the host was given {given} for all calls."),
        )
        .with_hint("Lower `memory` under `[limits]`, or raise `memory` under `[capacity]`."))
    }

    /// Whole pages of all the memory.
    pub(super) const fn pages(&self) -> u64 {
        self.memory / PAGE
    }
}

/// Pages that are set aside for a call with these limits.
pub(super) fn pages_of(limits: &Limits) -> u64 {
    needed(limits).div_ceil(PAGE)
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

    #[test]
    fn the_memory_of_the_machine_is_read() {
        let text = "MemFree: 1 kB\nMemTotal:       24689456 kB\n";
        assert_eq!(total(text), Some(24_689_456 * 1024));
        assert_eq!(total("MemTotal: many kB"), None);
        assert!(memory_of_machine() > 64 * MIB);
    }

    #[test]
    fn what_can_never_run_is_told_at_once() {
        let capacity = |calls, memory| Capacity {
            calls,
            memory,
            ..Capacity::default()
        };
        let limits = |memory| Limits {
            memory,
            ..Limits::default()
        };
        let small = capacity(1, 64 * MIB);
        assert!(small.check_fits(&limits(MIB)).is_ok());
        let error = small.check_fits(&limits(64 * MIB)).unwrap_err();
        assert_eq!(error.kind(), Kind::ConfigInvalid);
        for (calls, memory) in [(0, MIB), (1, 0), (u32::MAX, MIB)] {
            let error = capacity(calls, memory).check().unwrap_err();
            assert_eq!(error.kind(), Kind::ConfigInvalid);
        }
    }
}
