//! The two lines that every call leaves in the audit log.

use skillhost::event::{Event, Events, Subject, Usage};

/// The record of a call: its start and its end.
pub(crate) fn record(events: &Events) {
    begin(events);
    end(events);
}

pub(crate) fn begin(events: &Events) {
    let event = Event::InvocationStarted {
        input_sha256: "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            .to_owned(),
        input_bytes: 16,
    };
    events.record(&subject(), &event).unwrap();
}

pub(crate) fn end(events: &Events) {
    let event = Event::InvocationFinished {
        outcome: "ok",
        kind: None,
        reason: None,
        usage: Usage::default(),
    };
    events.record(&subject(), &event).unwrap();
}

fn subject() -> Subject {
    Subject {
        invocation: Some("0123456789abcdef0123456789abcdef".into()),
        principal: Some("stdio".into()),
        skill: Some("echo".into()),
        tool: Some("echo".into()),
        ..Subject::default()
    }
}
