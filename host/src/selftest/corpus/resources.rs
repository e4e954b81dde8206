//! What a skill does with its time and its memory, what it says, what it takes
//! from the host, and what it is made of.

use std::time::Duration;

use super::super::row::Must::{Fail, NotCompile, NotLoad, Stop, Tell};
use super::super::row::{Offer, Row};
use super::super::skill::SILENCE;
use super::guest::*;
use crate::error::Kind::{
    ComponentInvalid, DeadlineExceeded, FuelExhausted, HostcallLimit, MemoryLimit, OutputLimit,
    ResourceLimit, StackExhausted, Trapped,
};
use crate::policy::limits::LimitsChange;

const TRUNCATED: Option<&str> = Some("output.truncated");

/// R01 to R06: time and stack.
pub(super) fn computing() -> Vec<Row> {
    let fuel = || LimitsChange {
        fuel: Some(20_000_000),
        ..LimitsChange::default()
    };
    let out_of_fuel = Stop(FuelExhausted, "fuel");
    let too_late = Stop(DeadlineExceeded, "timeout");
    vec![
        Row::call("R01", "computes without end", LOOP_IN_TOOL, out_of_fuel).within(fuel()),
        Row::call(
            "R01",
            "computes without end, with fuel to spare",
            LOOP_IN_TOOL,
            too_late,
        )
        .within(hurry()),
        Row::call(
            "R02",
            "computes without end when it is started",
            START_LOOP,
            out_of_fuel,
        )
        .within(fuel()),
        Row::call("R02", "likewise, with fuel to spare", START_LOOP, too_late).within(hurry()),
        Row::call(
            "R03",
            "computes without end when it is given its arguments",
            REALLOC_LOOP,
            out_of_fuel,
        )
        .within(fuel()),
        Row::call(
            "R04",
            "answers, and then computes without end",
            POST_LOOP,
            too_late,
        )
        .within(hurry()),
        Row::call(
            "R04",
            "answers, and then crashes",
            POST_TRAP,
            Fail(Trapped, "guest.trapped"),
        ),
        Row::call(
            "R05",
            "fills its memory again and again",
            FILL_MEMORY,
            too_late,
        )
        .within(hurry()),
        Row::call(
            "R06",
            "calls itself without end",
            RECURSE,
            Stop(StackExhausted, "stack"),
        ),
    ]
}

/// A tenth of a second, and fuel without end.
fn hurry() -> LimitsChange {
    LimitsChange {
        fuel: Some(u64::MAX),
        timeout: Some(Duration::from_millis(100)),
        ..LimitsChange::default()
    }
}

/// R08 to R11: memory and tables.
pub(super) fn memory() -> Vec<Row> {
    let full = Stop(MemoryLimit, "memory");
    let little = LimitsChange {
        memory: Some(200_000),
        ..LimitsChange::default()
    };
    let refused = NotLoad(ComponentInvalid);
    vec![
        Row::call("R08", "grows its memory without end", MEMORY_GROW, full),
        Row::call(
            "R09",
            "has many memories, each within the limit",
            MANY_INSTANCES,
            full,
        ),
        Row::offer(
            "R09",
            "has two memories in one module",
            MANY_MEMORIES,
            Offer::Signed,
            refused,
        ),
        Row::call("R10", "grows its table without end", TABLE_GROW, full).within(little),
        Row::offer(
            "R10",
            "declares a table of a billion elements",
            BIG_TABLE,
            Offer::Signed,
            refused,
        ),
        Row::call("R11", "declares 4 GiB of memory", BIG_MEMORY, full),
    ]
}

/// R14 to R20: what it says, and what it takes from the host.
pub(super) fn calls() -> Vec<Row> {
    let counted = LimitsChange {
        host_calls: Some(100_000),
        ..LimitsChange::default()
    };
    let went_on = Tell(&[SILENCE], TRUNCATED);
    vec![
        Row::call(
            "R14",
            "answers with more than it may",
            OUTPUT_OVER,
            Stop(OutputLimit, "output"),
        ),
        Row::call(
            "R14",
            "answers with four billion blocks",
            RESULT_ENDLESS,
            Fail(Trapped, "guest.trapped"),
        ),
        Row::call("R16", "floods standard output", PRINT, went_on).with(&["1000"]),
        Row::call("R17", "floods the log", LOG, went_on).with(&["10000"]),
        Row::call(
            "R18",
            "asks for a TiB of random bytes",
            RANDOM,
            Stop(HostcallLimit, "random"),
        )
        .with(&["1099511627776"]),
        Row::call(
            "R18",
            "asks for random bytes again and again",
            RANDOM,
            Stop(HostcallLimit, "random-total"),
        )
        .with(&["65536"]),
        Row::call(
            "R18",
            "calls the host without end",
            LOG,
            Stop(HostcallLimit, "host-calls"),
        )
        .with(&["1000000"])
        .within(counted),
        Row::call(
            "R19",
            "asks for timers without end",
            TIMERS,
            Stop(ResourceLimit, "timers"),
        ),
        Row::call(
            "R20",
            "sleeps in the host",
            SLEEP,
            Stop(DeadlineExceeded, "timeout"),
        )
        .within(hurry()),
    ]
}

/// R34, S27 and N12: what no component may be made of.
pub(super) fn features() -> Vec<Row> {
    let signed =
        |id, attack, guest| Row::offer(id, attack, guest, Offer::Signed, NotLoad(ComponentInvalid));
    let bare = |attack, guest| {
        Row::offer(
            "S27",
            attack,
            guest,
            Offer::Bare,
            NotCompile(ComponentInvalid),
        )
    };
    vec![
        signed("R34", "shares memory between threads", THREADS),
        signed("R34", "has memory of 64-bit addresses", MEMORY64),
        signed(
            "R34",
            "wants a garbage collector of the host",
            GARBAGE_COLLECTION,
        ),
        signed("N12", "imports raw connections", SOCKETS),
        signed("N12", "imports the running of programs", SHELL),
        bare("a core module is offered", CORE_MODULE),
        bare("WebAssembly text is offered", TEXT),
        bare("native code is offered", NATIVE),
    ]
}
