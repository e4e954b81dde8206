//! All rows, by family: R for resources, F for files, N for the network, X for
//! what a skill may not see, S for signatures.

use std::time::Duration;

use self::guest::*;
use super::row::Must::{Fail, NotCompile, NotLoad, Show, Stop, Tell};
use super::row::{Offer, Rights, Row, Trial};
use super::skill::SILENCE;
use crate::error::Kind::{
    ComponentInvalid, ConfigInsecure, DeadlineExceeded, DigestMismatch, FuelExhausted,
    HostcallLimit, IdentityMismatch, MemoryLimit, OutputLimit, ResourceLimit, SignatureMissing,
    StackExhausted, Trapped,
};
use crate::policy::limits::LimitsChange;

/// The assembled guests, each under the name of its file.
mod guest {
    include!(concat!(env!("OUT_DIR"), "/selftest_guests.rs"));

    /// Machine code, or at least a file that begins like it.
    pub(super) const NATIVE: &[u8] =
        b"\x7fELF\x02\x01\x01\0 machine code that an engine would trust";

    /// A component as text.
    pub(super) const TEXT: &[u8] = b"(component)";
}

/// The honest skill.
pub(super) const CANARY: &[u8] = SAYS;

/// The guest that opens what it is told.
pub(super) const OPENER: &[u8] = OPEN;

const DENIED: Option<&str> = Some("capability.denied");
const REQUEST_DENIED: Option<&str> = Some("egress.denied");
const TRUNCATED: Option<&str> = Some("output.truncated");

/// Every row.
pub(super) fn rows() -> Vec<Row> {
    [
        computing(),
        memory(),
        calls(),
        features(),
        files(),
        network(),
        sights(),
        signatures(),
    ]
    .concat()
}

/// R01 to R06: time and stack.
fn computing() -> Vec<Row> {
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
fn memory() -> Vec<Row> {
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
fn calls() -> Vec<Row> {
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
fn features() -> Vec<Row> {
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

/// F01 to F10 and R23: what it reaches for on the disk.
fn files() -> Vec<Row> {
    let little = LimitsChange {
        disk_bytes: Some(1 << 20),
        ..LimitsChange::default()
    };
    let full = Tell(&["insufficient-space", "quota"], Some("limit.exceeded"));
    let refused = Tell(&["not-permitted"], DENIED);
    let read_only = Tell(&["not-permitted", "read-only"], DENIED);
    let open = |id, attack, paths| {
        Row::call(id, attack, OPEN, refused)
            .with(paths)
            .granted(Rights::Read)
    };
    let climb: &[&str] = &[
        "r../outside/secret.txt",
        "r./../outside/secret.txt",
        "rsub/../../outside/secret.txt",
    ];
    vec![
        open("F01", "reads outside through `..`", climb),
        open(
            "F01",
            "writes outside through `..`",
            &["w../outside/new.txt"],
        )
        .granted(Rights::Write),
        open(
            "F02",
            "reads an absolute path",
            &["r/etc/passwd", "r//etc/passwd", "r{outside}/secret.txt"],
        ),
        open(
            "F03",
            "follows links that lead out",
            &["rlink", "rabsolute-link"],
        ),
        Row::call("F07", "writes where it may read", OPEN, read_only)
            .with(&["winside.txt", "wnew.txt"])
            .granted(Rights::Read),
        Row::call(
            "F07",
            "removes and renames where it may read",
            CHANGE,
            read_only,
        )
        .granted(Rights::Read),
        Row::offer(
            "F09",
            "is granted `/proc`",
            OPEN,
            Offer::Signed,
            NotCompile(ConfigInsecure),
        )
        .granted(Rights::Proc),
        Row::call("R23", "fills the disk", FILL_DISK, full)
            .granted(Rights::Write)
            .within(little),
        open("F10", "opens a pipe that nobody writes", &["rpipe"]),
    ]
}

/// N01 to N05: where it sends requests to.
fn network() -> Vec<Row> {
    let send = |id, attack, requests| {
        Row::call(id, attack, SEND, Tell(&["denied"], REQUEST_DENIED))
            .with(requests)
            .granted(Rights::AnyOrigin)
    };
    let ambiguous = Tell(&["denied", "invalid-request"], REQUEST_DENIED);
    vec![
        send(
            "N01",
            "sends a request to this machine",
            &[
                "GET http://127.0.0.1:{port}/",
                "GET http://localhost:{port}/",
            ],
        ),
        send(
            "N02",
            "likewise, in IPv6",
            &[
                "GET http://[::1]:{port}/",
                "GET http://[::ffff:127.0.0.1]:{port}/",
            ],
        ),
        send(
            "N03",
            "asks the cloud's metadata service",
            &["GET http://169.254.169.254/latest/meta-data/"],
        ),
        Row::call(
            "N04",
            "writes this machine's address as a number",
            SEND,
            ambiguous,
        )
        .with(&[
            "GET http://2130706433:{port}/",
            "GET http://0177.0.0.1:{port}/",
        ])
        .granted(Rights::AnyOrigin),
        send(
            "N05",
            "sends a request to a private address",
            &[
                "GET http://10.0.0.1/",
                "GET http://192.168.0.1/",
                "GET http://[fd00::1]/",
            ],
        ),
        send(
            "N05",
            "uses a method that was not granted",
            &[
                "POST http://127.0.0.1:{port}/",
                "DELETE http://127.0.0.1:{port}/",
            ],
        )
        .granted(Rights::Listener),
        send(
            "N05",
            "sends a request without any grant",
            &["GET http://127.0.0.1:{port}/"],
        )
        .granted(Rights::Nothing),
    ]
}

/// X01, X06 and M14: what it sees of others, and who sees what it writes.
fn sights() -> Vec<Row> {
    vec![
        Row::call(
            "X01",
            "looks for variables and arguments",
            ENVIRONMENT,
            Tell(&["0 variables, 0 arguments"], None),
        ),
        Row::call(
            "X01",
            "asks for a secret that it was not given",
            SECRETS,
            Tell(&["not-granted", "undeclared"], DENIED),
        ),
        Row::call(
            "X06",
            "leaves something for later without a grant",
            STATE,
            Tell(&["not-granted"], DENIED),
        ),
        Row::call(
            "X06",
            "looks for what a call before left in memory",
            SCAN_MEMORY,
            Tell(&["clean"], None),
        )
        .with(&["", "", ""]),
        Row::call(
            "M14",
            "prints",
            PRINT,
            Show("stdout: printed by a guest of the selftest"),
        )
        .with(&["1"]),
    ]
}

/// S01 to S22: what is not what was signed.
fn signatures() -> Vec<Row> {
    let offer = |id, attack, offer, kind| Row::offer(id, attack, SAYS, offer, NotCompile(kind));
    let replaced = |id, attack, offer, kind, event| Row {
        trial: Trial::Replaced(offer),
        ..Row::call(id, attack, SAYS, Fail(kind, event))
    };
    vec![
        offer(
            "S01",
            "is signed by nobody",
            Offer::Unsigned,
            SignatureMissing,
        ),
        offer(
            "S03",
            "has the signature of another skill",
            Offer::WithOthersBundle,
            DigestMismatch,
        ),
        offer(
            "S04",
            "is signed by a stranger",
            Offer::ByStranger,
            IdentityMismatch,
        ),
        offer(
            "S23",
            "has one bit changed after it was signed",
            Offer::Flipped,
            DigestMismatch,
        ),
        replaced(
            "S02",
            "loses its signature while the host runs",
            Offer::Unsigned,
            SignatureMissing,
            "verify.failed",
        ),
        replaced(
            "S22",
            "is changed while the host runs",
            Offer::Flipped,
            DigestMismatch,
            "verify.failed",
        ),
        replaced(
            "S22",
            "is signed anew by a stranger while the host runs",
            Offer::ByStranger,
            IdentityMismatch,
            "verify.failed",
        ),
    ]
}
