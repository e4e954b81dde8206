//! What a skill reaches for: files, addresses, secrets, and being run without the
//! right signature.

use super::super::row::Must::{Fail, NotCompile, Show, Tell};
use super::super::row::{Offer, Rights, Row, Trial};
use super::guest::*;
use crate::error::Kind::{ConfigInsecure, DigestMismatch, IdentityMismatch, SignatureMissing};
use crate::policy::limits::LimitsChange;

const DENIED: Option<&str> = Some("capability.denied");
const REQUEST_DENIED: Option<&str> = Some("egress.denied");

/// F01 to F10 and R23: what it reaches for on the disk.
pub(super) fn files() -> Vec<Row> {
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
pub(super) fn network() -> Vec<Row> {
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
            &["POST http://127.0.0.1:9/", "DELETE http://127.0.0.1:9/"],
        )
        .granted(Rights::OneOrigin),
        send(
            "N05",
            "sends a request without any grant",
            &["GET http://127.0.0.1:{port}/"],
        )
        .granted(Rights::Nothing),
    ]
}

/// X01, X06 and M14: what it sees of others, and who sees what it writes.
pub(super) fn sights() -> Vec<Row> {
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
pub(super) fn signatures() -> Vec<Row> {
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
