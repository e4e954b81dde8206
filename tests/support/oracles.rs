//! What must hold after every call, whatever the guest did. Each rule is a
//! function of what was seen, so that it can be shown that it notices.
//!
//! [`Bench`](crate::Bench) asks them after each call. What belongs to a whole
//! process (memory, CPU time, descriptors, threads) is asked by
//! [`Scale`](crate::Scale), in a process of its own.

use std::collections::BTreeMap;
use std::io;
use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};
use skillhost::event::audit::Report;
use skillhost::{Answer, Error};

/// Stands in host paths, in another skill's settings, in the arguments of a
/// sibling and, where a test has a process of its own, in its environment. No
/// call may show it.
pub const SECRET: &str = "SKH_CANARY_9b1f";

/// How much longer than its deadline a call may take.
pub const GRACE: Duration = Duration::from_millis(250);

/// How long an honest call may take beside an attack, on two cores that others
/// use as well.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// That a rule holds, or in one sentence how it was broken.
pub type Verdict = Result<(), String>;

fn hold(holds: bool, otherwise: impl FnOnce() -> String) -> Verdict {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// O1: one start, one end, and the end says what the answer says.
///
/// # Errors
///
/// Which of these is not so.
pub fn o1_one_answer(answer: &Answer, events: &[Value]) -> Verdict {
    let named = |name: &str| events.iter().filter(|it| it["event"] == name).count();
    for name in ["invocation.started", "invocation.finished"] {
        hold(named(name) == 1, || {
            format!("{name} stands there {} times: {events:#?}", named(name))
        })?;
    }
    let (first, last) = (&events[0], &events[events.len() - 1]);
    hold(first["event"] == "invocation.started", || {
        format!("it does not begin with its start: {first}")
    })?;
    hold(last["event"] == "invocation.finished", || {
        format!("it does not end with its end: {last}")
    })?;
    let kind = answer.outcome.as_ref().err().map(Error::kind);
    hold(
        last.get("kind").cloned() == kind.map(|kind| json!(kind)),
        || format!("the answer is {kind:?}, and its record {last}"),
    )
}

/// O2: a call ends at its deadline.
///
/// # Errors
///
/// If it took longer.
pub fn o2_in_time(took: Duration, deadline: Duration) -> Verdict {
    hold(took <= deadline + GRACE, || {
        format!("it took {took:?} of {deadline:?}")
    })
}

/// O2: CPU time is bounded as well.
///
/// # Errors
///
/// If more was used.
pub fn o2_little_work(used: Duration, allowed: Duration) -> Verdict {
    hold(used <= allowed, || {
        format!("it took {used:?} of CPU time, where {allowed:?} are allowed")
    })
}

/// O3: the process grew by no more than that.
///
/// # Errors
///
/// If it grew by more.
pub fn o3_within_memory(before: u64, peak: u64, allowed: u64) -> Verdict {
    let grown = peak.saturating_sub(before);
    hold(grown <= allowed, || {
        format!("it grew by {grown} bytes, where {allowed} are allowed")
    })
}

/// What a process holds on to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Held {
    /// Open files, sockets and the like.
    pub descriptors: usize,
    /// Threads.
    pub threads: usize,
    /// Tasks of the runtime.
    pub tasks: usize,
}

/// O4: nothing is left of a call.
///
/// # Errors
///
/// If there is more of anything than there was.
pub fn o4_nothing_left(before: Held, after: Held) -> Verdict {
    let more = after.descriptors > before.descriptors
        || after.threads > before.threads
        || after.tasks > before.tasks;
    hold(!more, || format!("there were {before:?} and are {after:?}"))
}

/// O5: the honest skill of another author answers another caller, and soon.
///
/// # Errors
///
/// If it answered something else, or late.
pub fn o5_canary_sings(heard: Result<&str, &Error>, expected: &str, took: Duration) -> Verdict {
    hold(heard.is_ok_and(|heard| heard == expected), || {
        format!("the canary says {heard:?}")
    })?;
    hold(took <= PATIENCE, || format!("the canary took {took:?}"))
}

/// What [`snapshot`](crate::tree::snapshot) saw.
pub type Tree = BTreeMap<PathBuf, String>;

/// O6: nothing was made, changed or removed outside the grant.
///
/// # Errors
///
/// The first entry that is not as it was.
pub fn o6_untouched(before: &Tree, after: &Tree) -> Verdict {
    let changed = after
        .iter()
        .find(|(path, entry)| before.get(*path) != Some(*entry))
        .map(|(path, _)| path);
    let gone = before.keys().find(|path| !after.contains_key(*path));
    match changed.or(gone) {
        None => Ok(()),
        Some(path) => Err(format!("{} is not as it was", path.display())),
    }
}

/// O6: nobody connected to a listener that was not granted.
///
/// # Errors
///
/// Who did.
pub fn o6_unheard(listener: &TcpListener) -> Verdict {
    match listener.accept() {
        Err(cause) if cause.kind() == io::ErrorKind::WouldBlock => Ok(()),
        other => Err(format!("somebody connected: {other:?}")),
    }
}

/// O7: what belongs to others is not to be seen.
///
/// # Errors
///
/// The text, if the secret stands in it.
pub fn o7_no_secret(seen: &str) -> Verdict {
    hold(!seen.contains(SECRET), || format!("it shows: {seen}"))
}

/// O8: records count up from zero.
///
/// # Errors
///
/// The numbers, if one is missing or stands twice.
pub fn o8_without_gap(sequence: &[u64]) -> Verdict {
    hold(
        sequence.iter().copied().eq(0..sequence.len() as u64),
        || format!("the records are {sequence:?}"),
    )
}

/// O8: no line of a log on disk was changed, moved or taken away, and it has a
/// record for every number.
///
/// # Errors
///
/// The first place that is not as it was written.
pub fn o8_intact(report: &Report) -> Verdict {
    let broken = report.first().map(ToString::to_string);
    broken.map_or(Ok(()), Err)?;
    hold(report.gaps == 0, || {
        format!("{} records are missing", report.gaps)
    })
}

/// O9: the host did not panic.
///
/// # Errors
///
/// Its record, if it did.
pub fn o9_no_panic(records: &[Value]) -> Verdict {
    let panicked = records.iter().find(|it| it["event"] == "host.panicked");
    panicked.map_or(Ok(()), |record| Err(record.to_string()))
}
