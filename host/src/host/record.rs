//! What is recorded of a call, and what its caller and its operator are told.

use std::path::Path;
use std::sync::Arc;

use super::Host;
use crate::admission::Schemas;
use crate::answer::{Answer, Diagnostics, Output, SkillInfo, Wants};
use crate::artifact::Digest;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject, Usage};
use crate::invocation::Invocation;
use crate::manifest::text::one_line;
use crate::registry::{Granted, Loaded};
use crate::run::{Cause, Ended, Fault};
use crate::sandbox::{self, Observer};

/// The longest line of a skill's output that is kept, in characters.
pub(super) const MAX_LINE: usize = 500;

/// The most lines of one call's output that are kept.
const MAX_LINES: usize = 200;

impl Host {
    pub(super) fn begin(&self, subject: &Subject, invocation: &Invocation) -> Result<()> {
        let text = invocation.input.text();
        self.events.record(
            subject,
            &Event::InvocationStarted {
                input_sha256: Digest::of(text.as_bytes()).to_string(),
                input_bytes: text.len() as u64,
            },
        )
    }

    pub(super) fn finish(&self, subject: &Subject, answer: &Answer) -> Result<()> {
        let failure = answer.outcome.as_ref().err();
        self.events.record(
            subject,
            &Event::InvocationFinished {
                outcome: if failure.is_some() { "error" } else { "ok" },
                kind: failure.map(Error::kind),
                reason: failure.map(|error| one_line(error.message(), MAX_LINE)),
                usage: answer.usage,
            },
        )
    }

    /// Records what the attempt brought to light.
    pub(super) fn attempted(&self, subject: &Subject, loaded: &Loaded, ended: Ended) -> Attempted {
        let mut recorded = Ok(());
        for event in events_of(&ended) {
            recorded = recorded.and_then(|()| self.events.record(subject, &event));
        }
        let unavailable = matches!(
            &ended.outcome,
            Err(Fault {
                cause: Cause::Unavailable,
                ..
            })
        );
        Attempted {
            outcome: recorded.and(ended.outcome.map_err(|fault| fault.error)),
            unavailable,
            wants: ended.wants,
            usage: ended.usage,
            charged: ended.charged,
            skill: Some(Arc::clone(loaded.info())),
            diagnostics: lines(&ended.diagnostics),
        }
    }
}

/// What came of one attempt.
pub(super) struct Attempted {
    pub(super) outcome: Result<Output>,
    /// The guest said `unavailable`.
    pub(super) unavailable: bool,
    pub(super) wants: Wants,
    pub(super) usage: Usage,
    /// Units of fuel that it counts for.
    pub(super) charged: u64,
    pub(super) skill: Option<Arc<SkillInfo>>,
    pub(super) diagnostics: Diagnostics,
}

impl Attempted {
    /// No guest was run to an end.
    pub(super) fn failed(error: Error) -> Self {
        Self {
            outcome: Err(error),
            unavailable: false,
            wants: Wants::default(),
            usage: Usage::default(),
            charged: 0,
            skill: None,
            diagnostics: Diagnostics::default(),
        }
    }
}

impl Diagnostics {
    /// Adds what was written in a further attempt, as long as there is room.
    pub(super) fn append(&mut self, more: Self) {
        if self.lines.is_empty() {
            *self = more;
            return;
        }
        let room = MAX_LINES.saturating_sub(self.lines.len());
        self.lines.extend(more.lines.into_iter().take(room));
    }
}

impl Answer {
    pub(super) fn failed(invocation: &Invocation, error: Error) -> Self {
        Self {
            invocation: invocation.id.to_string(),
            outcome: Err(error),
            usage: Usage::default(),
            skill: None,
            diagnostics: Diagnostics::default(),
            attempts: Vec::new(),
            stale: None,
            wants: Wants::default(),
        }
    }
}

impl Subject {
    pub(super) fn of(invocation: &Invocation) -> Self {
        Self {
            invocation: Some(invocation.id.to_string().into()),
            principal: Some(invocation.principal.to_string().into()),
            skill: Some(invocation.skill.as_str().into()),
            tool: Some(one_line(&invocation.tool, 80).into()),
            traceparent: invocation.parent.map(|parent| parent.to_string().into()),
            ..Self::default()
        }
    }

    /// Before its manifest is read, a skill is known by its file's name.
    pub(super) fn of_file(path: &Path) -> Self {
        let name = path
            .file_stem()
            .map(|name| one_line(&name.to_string_lossy(), 80).into());
        Self {
            skill: name,
            ..Self::default()
        }
    }

    pub(super) fn describe(&mut self, loaded: &Loaded) {
        let info = loaded.info();
        self.skill = Some(Arc::clone(&info.name));
        self.version = Some(Arc::clone(&info.version));
        self.digest = Some(Arc::clone(&info.digest));
        self.signers = Arc::clone(&info.signers);
        self.trust_generation = Some(loaded.verdict().decision().trust_generation);
    }
}

pub(super) fn check_output(schemas: &Schemas, ended: &mut Ended) {
    if let Ok(output) = &ended.outcome
        && let Err(error) = schemas.check_output(output.structured.as_ref())
    {
        ended.outcome = Err(Fault {
            error,
            cause: Cause::Guest,
        });
    }
}

/// A question that may not be put to anybody is a failure.
pub(super) fn check_questions(subject: &Subject, granted: &Granted, ended: &mut Ended) {
    let Some(questions) = &ended.wants.questions else {
        return;
    };
    let skill = subject.skill.as_deref().unwrap_or_default();
    if let Err(error) = questions.check_addresses(skill, &granted.grant) {
        ended.wants.questions = None;
        ended.outcome = Err(Fault {
            error,
            cause: Cause::Guest,
        });
    }
}

/// When a skill failed after something was refused to it, the grant that would
/// have allowed it is what its operator needs to read.
pub(super) fn explain_denial(observer: &Observer, ended: &mut Ended) {
    let Err(fault) = &mut ended.outcome else {
        return;
    };
    let denials = observer.denials();
    let Some(denial) = denials.first() else {
        return;
    };
    if matches!(fault.error.kind(), Kind::Denied | Kind::GuestFailed) {
        let message = fault.error.message().to_owned();
        ended.wants.rights = observer.askable();
        fault.error = Error::new(Kind::Denied, message).with_hint(format!(
            "{} was refused: {}. Allow it with {}.",
            denial.capability, denial.target, denial.grant
        ));
    }
}

/// Errors are what callers and operators read; the answer itself is the
/// skill's to give.
pub(super) fn redact(observer: &Observer, ended: &mut Ended) {
    if let Err(fault) = &mut ended.outcome {
        fault.error.edit(|text| observer.redact_in(text));
    }
    ended.redactions = observer.redactions();
}

fn events_of(ended: &Ended) -> Vec<Event> {
    let told = [&ended.repeats, &ended.redactions];
    let mut events: Vec<Event> = told.into_iter().flatten().cloned().collect();
    let dropped = [
        ("stdout", ended.diagnostics.stdout.dropped),
        ("stderr", ended.diagnostics.stderr.dropped),
        ("log", ended.diagnostics.log.dropped),
    ];
    for (stream, dropped) in dropped.into_iter().filter(|(_, dropped)| *dropped > 0) {
        events.push(Event::OutputTruncated { stream, dropped });
    }
    events.extend(limits_of(ended));
    if let Err(fault) = &ended.outcome {
        let reason = one_line(fault.error.message(), MAX_LINE);
        match fault.cause {
            Cause::Limit(limit) => events.push(Event::LimitExceeded {
                limit,
                kind: fault.error.kind(),
                reason,
            }),
            Cause::Trap => events.push(Event::GuestTrapped {
                reason,
                detail: one_line(fault.error.internal().unwrap_or_default(), MAX_LINE),
            }),
            Cause::Withdrawn if fault.error.kind() == Kind::NotApproved => {
                events.push(Event::ToolChanged { reason });
            }
            Cause::Withdrawn => events.push(Event::SkillRevoked { reason }),
            Cause::Panic => events.push(Event::HostPanicked {}),
            Cause::Guest | Cause::Unavailable | Cause::Cancelled => {}
        }
    }
    events
}

/// Limits that did not end the call: the skill got an error and went on.
fn limits_of(ended: &Ended) -> impl Iterator<Item = Event> {
    let ended_by = match &ended.outcome {
        Err(Fault {
            cause: Cause::Limit(limit),
            ..
        }) => Some(*limit),
        _ => None,
    };
    let others = ended
        .exceeded
        .iter()
        .filter(move |exceeded| Some(exceeded.budget.name()) != ended_by);
    others.map(|exceeded| Event::LimitExceeded {
        limit: exceeded.budget.name(),
        kind: Kind::ResourceLimit,
        reason: format!("A part of what it wanted was refused: {exceeded}."),
    })
}

/// What a skill wrote, each line marked with where it comes from. Blank lines
/// are left out, and there is an end to them.
fn lines(diagnostics: &sandbox::Diagnostics) -> Diagnostics {
    let log = diagnostics.log.lines.iter().map(|line| {
        let fields: String = line
            .fields
            .iter()
            .map(|(key, value)| format!(" {key}={value}"))
            .collect();
        format!(
            "{}: {}",
            line.level,
            one_line(&format!("{}{fields}", line.message), MAX_LINE)
        )
    });
    let mut lines: Vec<String> = log.take(MAX_LINES).collect();
    for (stream, captured) in [
        ("stdout", &diagnostics.stdout),
        ("stderr", &diagnostics.stderr),
    ] {
        let text = captured.text();
        let written = text.lines().filter(|line| !line.trim().is_empty());
        lines.extend(
            written
                .take(MAX_LINES.saturating_sub(lines.len()))
                .map(|line| format!("{stream}: {}", one_line(line, MAX_LINE))),
        );
    }
    Diagnostics { lines }
}
