//! What came of one call, and what must hold of each, whatever its row says.

use serde_json::Value;

use super::ground::SECRET;
use super::records::text;
use super::row::{Must, NotHeld};
use super::skill::{SILENCE, words};
use crate::answer::Answer;
use crate::error::Error;

/// The one answer of a call, and its events in order.
pub(super) struct Called {
    answer: Answer,
    events: Vec<Value>,
}

impl Called {
    /// A call that has one start and one end on record, of which the end says what
    /// the answer says, and that shows nothing of what lies outside.
    pub(super) fn new(answer: Answer, events: Vec<Value>) -> Result<Self, NotHeld> {
        let called = Self { answer, events };
        called.check_record()?;
        Ok(called)
    }

    /// Whether what must happen happened.
    pub(super) fn judge(&self, must: Must) -> Result<String, NotHeld> {
        let happened = self.happened();
        let kind = self.answer.outcome.as_ref().err().map(Error::kind);
        let held = match must {
            Must::Stop(wanted, limit) => {
                kind == Some(wanted) && self.recorded("limit.exceeded", Some(limit))
            }
            Must::Fail(wanted, event) => kind == Some(wanted) && self.recorded(event, None),
            Must::Tell(told, event) => {
                let said = self.answer.outcome.as_ref().ok().map(words);
                let is_told = said.is_some_and(|said| told.iter().any(|it| *it == said));
                is_told && event.is_none_or(|event| self.recorded(event, None))
            }
            Must::Show(line) => {
                kind.is_none() && self.answer.diagnostics.lines.iter().any(|it| it == line)
            }
            Must::NotCompile(_) | Must::NotLoad(_) => false,
        };
        if held {
            Ok(happened)
        } else {
            let events: Vec<&str> = self
                .events
                .iter()
                .filter_map(|it| text(it, "event"))
                .collect();
            Err(NotHeld::failed(
                happened,
                format!("events: {}", events.join(", ")),
            ))
        }
    }

    fn recorded(&self, event: &str, limit: Option<&str>) -> bool {
        self.events.iter().any(|record| {
            text(record, "event") == Some(event)
                && (limit.is_none() || text(record, "limit") == limit)
        })
    }

    /// How it ended, and for a call that came to its end what was recorded of it.
    pub(super) fn happened(&self) -> String {
        let output = match &self.answer.outcome {
            Err(error) => return refused(error),
            Ok(output) => output,
        };
        let said = match words(output) {
            said if said == SILENCE => "went on to its end".to_owned(),
            said => format!("told {said}"),
        };
        let mut events: Vec<&str> = self
            .events
            .iter()
            .filter_map(|record| text(record, "event"))
            .filter(|event| !event.starts_with("invocation."))
            .collect();
        events.dedup();
        match events.as_slice() {
            [] => said,
            _ => format!("{said} ({})", events.join(", ")),
        }
    }

    fn check_record(&self) -> Result<(), NotHeld> {
        let named = |event: &str| {
            self.events
                .iter()
                .filter(|it| text(it, "event") == Some(event))
                .count()
        };
        let failed = |why: &str| Err(NotHeld::failed(self.happened(), why));
        if named("invocation.started") != 1 || named("invocation.finished") != 1 {
            return failed("the call has not exactly one start and one end on record");
        }
        let last = self.events.last().cloned().unwrap_or_default();
        let kind = self
            .answer
            .outcome
            .as_ref()
            .err()
            .map(|error| error.kind().to_string());
        if text(&last, "event") != Some("invocation.finished")
            || text(&last, "kind") != kind.as_deref()
        {
            return failed("the record does not say what the answer says");
        }
        let seen = format!("{:?}", (&self.answer.outcome, &self.answer.diagnostics));
        if seen.contains(SECRET) {
            return failed("the answer shows what lies outside");
        }
        Ok(())
    }
}

/// A failure in one line.
pub(super) fn refused(error: &Error) -> String {
    format!("{}: {}", error.kind(), error.message())
}
