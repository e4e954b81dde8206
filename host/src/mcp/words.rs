//! Failures in words for a model: what went wrong, what to change, and whether
//! trying again is of use.
//!
//! A model may act on whatever it reads. So it is told no name that it could not
//! know, no file of the host, and of what an operator has to do, that it is for
//! the operator.

use crate::error::{Error, Kind};
use crate::recovery;

/// A failure of a call.
pub(super) fn told(error: &Error) -> String {
    if let Some(fixed) = fixed(error.kind()) {
        return fixed;
    }
    let parts = [
        Some(error.message()),
        error.hint(),
        whose(error.kind()),
        recovery::told(error),
    ];
    sentences(parts.into_iter().flatten())
}

/// Of these the message is for the operator: it names files, rules or commands.
fn fixed(kind: Kind) -> Option<String> {
    let text = match kind {
        Kind::Forbidden => {
            "The tool cannot be used: what would be used in its place is not allowed to you. Use something else."
        }
        Kind::Suspended => {
            "The skill is suspended until the operator of this host has looked at it. Use something else, and tell the user."
        }
        Kind::AuditUnavailable => {
            "This host cannot record what it does just now, and so runs nothing. Only its operator can mend that: tell the user. Trying again later may help."
        }
        kind if names_host_files(kind) => {
            return Some(format!(
                "The skill cannot be used, because its files or its configuration are not what this host accepts ({kind}). Only the operator of this host can mend that."
            ));
        }
        _ => return None,
    };
    Some(text.to_owned())
}

/// Whose the remedy is that the hint tells, where it is not the model's.
const fn whose(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Denied => Some(
            "That is for the person who operates this host to decide, not for you: tell the user, and do not try to get around it.",
        ),
        // No operator sets the depth of a stack.
        Kind::StackExhausted => None,
        kind if kind.is_limit() => Some("Only the operator of this host can raise a limit."),
        _ => None,
    }
}

/// Kinds that come of reading a skill anew, whose messages name files of the
/// host.
pub(super) const fn names_host_files(kind: Kind) -> bool {
    kind.is_trust()
        || matches!(
            kind,
            Kind::InvalidRequest
                | Kind::ComponentInvalid
                | Kind::ManifestInvalid
                | Kind::CompileLimit
                | Kind::ConfigInvalid
                | Kind::ConfigInsecure
        )
}

/// Whether a model may read a message of that kind as it is.
pub(super) fn is_for_models(kind: Kind) -> bool {
    fixed(kind).is_none()
}

/// A skill's own message may have no full stop.
fn sentences<'a>(parts: impl Iterator<Item = &'a str>) -> String {
    let mut text = String::new();
    for part in parts {
        if !text.is_empty() && !text.ends_with(['.', '!', '?']) {
            text.push('.');
        }
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(part);
    }
    text
}

#[cfg(test)]
mod tests;
