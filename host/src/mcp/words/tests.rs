//! What a model reads of each kind of failure, word by word. The messages are
//! those of the places where they are made.

use super::*;

/// Kind, message, hint, and what a model reads.
const TOLD: [(Kind, &str, &str, &str); 43] = [
    (
        Kind::InvalidRequest,
        "There is no file /srv/skills/a.wasm.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (InvalidRequest). Only the operator of this host can mend that.",
    ),
    (
        Kind::UnknownTool,
        "There is no skill `x`.",
        "",
        "There is no skill `x`.",
    ),
    (
        Kind::InvalidInput,
        "The arguments do not fit the tool's schema: `text` is missing.",
        "Correct the arguments and call again.",
        "The arguments do not fit the tool's schema: `text` is missing. Correct the arguments and call again. The same call would fail again.",
    ),
    (
        Kind::InputTooLarge,
        "The arguments are 2000000 bytes; at most 1048576 are allowed.",
        "Send less, or have the skill read a file.",
        "The arguments are 2000000 bytes; at most 1048576 are allowed. Send less, or have the skill read a file. The same call would fail again.",
    ),
    (
        Kind::Unauthenticated,
        "Nobody said who calls.",
        "",
        "Nobody said who calls. The same call would fail again.",
    ),
    (
        Kind::Denied,
        "notes wants to write to a directory, to keep your notes, and was granted none.",
        "Allow it with `skillhost grant notes directory=DIR:rw`, or `directories = [\"DIR:/notes:rw\"]` under `[skill.notes]` in skillhost.toml.",
        "notes wants to write to a directory, to keep your notes, and was granted none. Allow it with `skillhost grant notes directory=DIR:rw`, or `directories = [\"DIR:/notes:rw\"]` under `[skill.notes]` in skillhost.toml. That is for the person who operates this host to decide, not for you: tell the user, and do not try to get around it. The same call would fail again.",
    ),
    (
        Kind::Forbidden,
        "You may not call the tool `delete` of notes.",
        "`tools.allow` under `[principal.ci]` names those that you may call.",
        "The tool cannot be used: what would be used in its place is not allowed to you. Use something else.",
    ),
    (
        Kind::RateLimited,
        "You make more calls than the operator allows.",
        "Try again in 3 seconds.",
        "You make more calls than the operator allows. Try again in 3 seconds.",
    ),
    (
        Kind::Overloaded,
        "The host is busy with as many calls as it takes.",
        "Try again in 250 ms.",
        "The host is busy with as many calls as it takes. Try again in 250 ms.",
    ),
    (
        Kind::BreakerOpen,
        "The tool keeps failing, and is left alone for a while.",
        "Use something else, or try again in 12 s.",
        "The tool keeps failing, and is left alone for a while. Use something else, or try again in 12 s.",
    ),
    (
        Kind::Suspended,
        "The skill `notes` is suspended: alert `denials` about principal ci.",
        "It runs again when an operator of this host has looked: `skillhost resume notes`.",
        "The skill is suspended until the operator of this host has looked at it. Use something else, and tell the user.",
    ),
    (
        Kind::Cancelled,
        "The call was cancelled.",
        "",
        "The call was cancelled.",
    ),
    (
        Kind::SignatureMissing,
        "There is no bundle /srv/skills/a.wasm.sigstore.json.",
        "Bring it.",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (SignatureMissing). Only the operator of this host can mend that.",
    ),
    (
        Kind::SignatureInvalid,
        "A bundle is broken.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (SignatureInvalid). Only the operator of this host can mend that.",
    ),
    (
        Kind::IdentityMismatch,
        "It is signed by mallory@example.com.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (IdentityMismatch). Only the operator of this host can mend that.",
    ),
    (
        Kind::ThresholdUnmet,
        "One signature counts, and two are needed.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (ThresholdUnmet). Only the operator of this host can mend that.",
    ),
    (
        Kind::DigestMismatch,
        "The bundles sign other bytes.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (DigestMismatch). Only the operator of this host can mend that.",
    ),
    (
        Kind::ArtifactChanged,
        "The skill's file is no longer there, or cannot be read.",
        "The operator has to put the skill back.",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (ArtifactChanged). Only the operator of this host can mend that.",
    ),
    (
        Kind::Expired,
        "The signature is too old.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (Expired). Only the operator of this host can mend that.",
    ),
    (
        Kind::Revoked,
        "The deny list /etc/skillhost/deny.json names it.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (Revoked). Only the operator of this host can mend that.",
    ),
    (
        Kind::RolledBack,
        "Version 2.0.0 was accepted before.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (RolledBack). Only the operator of this host can mend that.",
    ),
    (
        Kind::NotApproved,
        "It differs from what was approved.",
        "Run `skillhost lock --approve`.",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (NotApproved). Only the operator of this host can mend that.",
    ),
    (
        Kind::TrustRootInvalid,
        "The trusted root /etc/skillhost/root.json cannot be used.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (TrustRootInvalid). Only the operator of this host can mend that.",
    ),
    (
        Kind::ComponentInvalid,
        "The file is no skill: unexpected end.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (ComponentInvalid). Only the operator of this host can mend that.",
    ),
    (
        Kind::ManifestInvalid,
        "The component is no skill: it has no manifest.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (ManifestInvalid). Only the operator of this host can mend that.",
    ),
    (
        Kind::CompileLimit,
        "The component takes more than 2m to compile.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (CompileLimit). Only the operator of this host can mend that.",
    ),
    (
        Kind::FuelExhausted,
        "The skill used all of its 1000000000 units of fuel.",
        "Ask for less at a time, or allow it more (`--fuel`, `fuel` under `[limits]`).",
        "The skill used all of its 1000000000 units of fuel. Ask for less at a time, or allow it more (`--fuel`, `fuel` under `[limits]`). Only the operator of this host can raise a limit. The same call would fail again.",
    ),
    (
        Kind::DeadlineExceeded,
        "The skill did not finish within 30000 ms.",
        "Ask for less at a time, or allow it more time (`--timeout`, `timeout` under `[limits]`).",
        "The skill did not finish within 30000 ms. Ask for less at a time, or allow it more time (`--timeout`, `timeout` under `[limits]`). Only the operator of this host can raise a limit. Trying again later may help.",
    ),
    (
        Kind::MemoryLimit,
        "The skill needed more than its 67108864 bytes of memory.",
        "Ask for less at a time, or allow it more (`--memory`, `memory` under `[limits]`).",
        "The skill needed more than its 67108864 bytes of memory. Ask for less at a time, or allow it more (`--memory`, `memory` under `[limits]`). Only the operator of this host can raise a limit. The same call would fail again.",
    ),
    (
        Kind::StackExhausted,
        "The skill used all of its stack, as endless recursion does.",
        "This is a defect of the skill, or its input is nested too deeply.",
        "The skill used all of its stack, as endless recursion does. This is a defect of the skill, or its input is nested too deeply. The same call would fail again.",
    ),
    (
        Kind::OutputLimit,
        "The skill's answer is 1048577 bytes; at most 1048576 are allowed.",
        "Ask for less at a time, for example with a limit or a narrower search.",
        "The skill's answer is 1048577 bytes; at most 1048576 are allowed. Ask for less at a time, for example with a limit or a narrower search. Only the operator of this host can raise a limit. The same call would fail again.",
    ),
    (
        Kind::HostcallLimit,
        "The skill passed more bytes to the host at once than it may.",
        "Ask for less at a time, or allow it more (`hostcall`, `output` under `[limits]`).",
        "The skill passed more bytes to the host at once than it may. Ask for less at a time, or allow it more (`hostcall`, `output` under `[limits]`). Only the operator of this host can raise a limit. The same call would fail again.",
    ),
    (
        Kind::ResourceLimit,
        "The skill held more than 256 open files, streams or requests at once.",
        "This is a defect of the skill: it should close what it no longer needs.",
        "The skill held more than 256 open files, streams or requests at once. This is a defect of the skill: it should close what it no longer needs. Only the operator of this host can raise a limit. The same call would fail again.",
    ),
    (
        Kind::Trapped,
        "The skill crashed: index out of bounds.",
        "This is a defect of the skill; tell its author.",
        "The skill crashed: index out of bounds. This is a defect of the skill; tell its author. Trying once more may help.",
    ),
    (
        Kind::GuestFailed,
        "The page does not exist",
        "What was asked for does not exist; ask for something else.",
        "The page does not exist. What was asked for does not exist; ask for something else.",
    ),
    (
        Kind::GuestFailed,
        "Not now!",
        "Try again in 3 seconds.",
        "Not now! Try again in 3 seconds.",
    ),
    (
        Kind::GuestFailed,
        "It cannot be done.",
        "The same call would fail again.",
        "It cannot be done. The same call would fail again.",
    ),
    (
        Kind::InvalidOutput,
        "The skill's structured answer does not fit its own schema: `n` is no number.",
        "This is a defect of the skill; tell its author.",
        "The skill's structured answer does not fit its own schema: `n` is no number. This is a defect of the skill; tell its author. Trying again later may help.",
    ),
    (
        Kind::AuditUnavailable,
        "The audit log cannot be written, so nothing is run.",
        "Make room for it or mend its permissions; `skillhost doctor` says where it is.",
        "This host cannot record what it does just now, and so runs nothing. Only its operator can mend that: tell the user. Trying again later may help.",
    ),
    (
        Kind::ConfigInvalid,
        "The directory /srv/notes cannot be granted.",
        "",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (ConfigInvalid). Only the operator of this host can mend that.",
    ),
    (
        Kind::ConfigInsecure,
        "Others may write /etc/skillhost/skillhost.toml.",
        "Run `chmod go-w`.",
        "The skill cannot be used, because its files or its configuration are not what this host accepts (ConfigInsecure). Only the operator of this host can mend that.",
    ),
    (
        Kind::Internal,
        "The host failed while it served this call.",
        "The call's record in the audit log has its id; please report it.",
        "The host failed while it served this call. The call's record in the audit log has its id; please report it. Trying once more may help.",
    ),
    (
        Kind::Internal,
        "No hint",
        "",
        "No hint. Trying once more may help.",
    ),
];

fn error(kind: Kind, message: &str, hint: &str) -> Error {
    let error = Error::new(kind, message).with_internal("SKH_CANARY_internal /etc/shadow");
    match hint {
        "" => error,
        hint => error.with_hint(hint),
    }
}

#[test]
fn each_kind_is_told_to_a_model_in_these_words() {
    for kind in Kind::ALL {
        assert!(TOLD.iter().any(|(told, ..)| *told == kind), "{kind}");
    }
    for (kind, message, hint, expected) in TOLD {
        assert_eq!(told(&error(kind, message, hint)), expected, "{kind}");
    }
}

#[test]
fn no_failure_names_a_file_of_the_host_or_what_only_its_operator_may_see() {
    for (kind, message, hint, expected) in TOLD {
        let says = |word: &str| expected.contains(word);
        assert!(
            !says("SKH_CANARY") && !says("/etc/") && !says("/srv/"),
            "{kind}"
        );
        let is_fixed = !is_for_models(kind);
        let is_passed_on = !is_fixed && (says(message) && says(hint));
        assert!(is_fixed != is_passed_on, "{kind}");
    }
}

/// A model that may run commands reads what an operator would type.
#[test]
fn a_command_for_the_operator_is_never_told_as_if_it_were_for_the_model() {
    for (kind, .., expected) in TOLD {
        if expected.contains("`skillhost ") {
            assert_eq!(kind, Kind::Denied, "{expected}");
            assert!(expected.contains("not for you"), "{expected}");
        }
    }
}

#[test]
fn what_is_known_of_this_call_comes_before_what_its_kind_says() {
    let mut error = error(Kind::Trapped, "The skill crashed.", "");
    error.tell(Some(crate::error::Again::MakeSure));
    assert_eq!(
        told(&error),
        "The skill crashed. It may have taken effect all the same: make sure before you call it again."
    );
}
