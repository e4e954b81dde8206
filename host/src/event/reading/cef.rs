//! Records in the Common Event Format of ArcSight, version 0.
//!
//! `CEF:0|vendor|product|version|id|name|severity|key=value …`. In the part
//! before the last bar, `\` and `|` are escaped and there are no line ends; in
//! the values behind it, `\`, `=` and line ends are escaped.

use std::fmt::Write as _;

use super::Entry;
use crate::event::Severity;

/// A field of a record, its key in CEF, and its label if the key is one of those
/// that have no meaning of their own.
const FIELDS: [(&str, &str, Option<&str>); 16] = [
    ("principal", "suser", None),
    ("outcome", "outcome", None),
    ("reason", "reason", None),
    ("target", "request", None),
    ("address", "dst", None),
    ("skill", "cs1", Some("skill")),
    ("tool", "cs2", Some("tool")),
    ("invocation", "cs3", Some("invocation")),
    ("digest", "cs4", Some("digest")),
    ("signers", "cs5", Some("signers")),
    ("kind", "cs6", Some("kind")),
    ("wall_ms", "cn1", Some("wall_ms")),
    ("fuel", "cn2", Some("fuel")),
    ("trust_generation", "cn3", Some("trust_generation")),
    ("version", "flexString1", Some("version")),
    ("grant", "flexString2", Some("grant")),
];

/// The record as CEF has it: one line, without its end.
#[must_use]
pub fn of(line: &Entry) -> String {
    let mut record = format!(
        "CEF:0|skillhost|skillhost|{}|{}|{}|{}|",
        env!("CARGO_PKG_VERSION"),
        in_header(line.event()),
        in_header(&line.words()),
        severity(line.severity()),
    );
    let time = line.time().unwrap_or_default().as_millisecond();
    let run = line.text("run").unwrap_or_default();
    let sequence = line.number("sequence").unwrap_or_default();
    // Writing to a text does not fail.
    let _ = write!(record, "rt={time} externalId={}-{sequence}", in_value(run));
    for (field, key, label) in FIELDS {
        let Some(value) = line.shown(field) else {
            continue;
        };
        let _ = write!(record, " {key}={}", in_value(&value));
        if let Some(label) = label {
            let _ = write!(record, " {key}Label={label}");
        }
    }
    record
}

const fn severity(severity: Severity) -> u8 {
    match severity {
        Severity::Info => 3,
        Severity::Warning => 6,
        Severity::High => 9,
    }
}

fn in_header(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('|', r"\|");
    escaped.replace(['\r', '\n'], " ")
}

fn in_value(text: &str) -> String {
    let escaped = text.replace('\\', r"\\").replace('=', r"\=");
    escaped.replace('\n', r"\n").replace('\r', r"\r")
}
