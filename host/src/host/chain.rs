//! One call from its start to its answer: what is tried, and what came of it.

use std::mem;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Host;
use super::breaking::question;
use super::record::{Attempted, MAX_LINE};
use super::whole::Whole;
use crate::answer::{Answer, Attempt, Diagnostics, Output, SkillInfo, Wants};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject, Usage};
use crate::invocation::{Invocation, growing};
use crate::manifest::text::one_line;
use crate::manifest::{SkillName, ToolName};
use crate::question::Earlier;
use crate::recovery::{Course, Decision, Failure, Fallback, Why};
use crate::time::millis;

/// What is tried, and whom its events are about.
pub(super) struct Target {
    pub(super) invocation: Invocation,
    pub(super) subject: Subject,
}

/// A call that began and has not ended. When its future is dropped, or the host
/// panics, it has ended as well, and its record says so.
pub(super) struct Chain<'a> {
    host: &'a Host,
    asked: Target,
    /// What is tried in its place.
    instead: Option<Target>,
    whole: Whole,
    /// What is decided after failures; none as long as there was none.
    course: Option<Course>,
    attempts: Vec<Attempt>,
    /// What came of it so far.
    outcome: Option<Result<Output>>,
    skill: Option<Arc<SkillInfo>>,
    diagnostics: Diagnostics,
    /// How old the answer is, if it is an earlier one.
    stale: Option<Duration>,
    wants: Wants,
    is_open: bool,
}

/// An attempt that is over, as it is recorded.
struct Tried {
    kind: Option<Kind>,
    reason: String,
    usage: Usage,
}

/// An earlier answer.
struct Recalled {
    output: Output,
    age: Duration,
    skill: Arc<SkillInfo>,
}

impl<'a> Chain<'a> {
    /// Records that the call began.
    ///
    /// # Errors
    ///
    /// `AuditUnavailable` as the answer if it cannot be recorded: it does not
    /// begin then.
    pub(super) fn begin(host: &'a Host, mut invocation: Invocation) -> Result<Self, Box<Answer>> {
        invocation.progress = invocation.progress.map(growing);
        let subject = Subject::of(&invocation);
        if let Err(error) = host.begin(&subject, &invocation) {
            return Err(Box::new(Answer::failed(&invocation, error)));
        }
        Ok(Self {
            host,
            asked: Target {
                invocation,
                subject,
            },
            instead: None,
            whole: Whole::new(Instant::now(), host.current.get()),
            course: None,
            attempts: Vec::new(),
            outcome: None,
            skill: None,
            diagnostics: Diagnostics::default(),
            stale: None,
            wants: Wants::default(),
            is_open: true,
        })
    }

    /// What is to be tried, within what is left.
    pub(super) const fn current(&mut self) -> (&mut Target, &mut Whole) {
        let target = match &mut self.instead {
            Some(instead) => instead,
            None => &mut self.asked,
        };
        (target, &mut self.whole)
    }

    /// Takes what came of an attempt, and says how long to wait before the next;
    /// none if the call has its answer.
    pub(super) fn after(&mut self, attempted: Attempted) -> Option<Duration> {
        let next = self.take(attempted);
        // What is not recorded is not done.
        next.unwrap_or_else(|unavailable| {
            self.outcome = Some(Err(unavailable));
            None
        })
    }

    /// Waits for the next attempt; who gives up ends that. Nothing is held
    /// meanwhile: no seat, no memory, no store.
    pub(super) async fn wait(&self, pause: Duration) {
        if !pause.is_zero() {
            let cancelled = &self.asked.invocation.cancelled;
            let _ = tokio::time::timeout(pause, cancelled.cancelled()).await;
        }
    }

    /// Records how the call ended.
    pub(super) fn finish(mut self) -> Answer {
        let mut answer = Answer {
            invocation: self.asked.invocation.id.to_string(),
            outcome: self.outcome.take().unwrap_or_else(|| Err(unanswered())),
            usage: self.whole.usage(),
            skill: self.skill.take(),
            diagnostics: mem::take(&mut self.diagnostics),
            attempts: mem::take(&mut self.attempts),
            stale: self.stale,
            wants: mem::take(&mut self.wants),
        };
        if let Err(unavailable) = self.host.finish(&self.asked.subject, &answer) {
            answer.outcome = Err(unavailable);
        }
        self.is_open = false;
        answer
    }

    fn take(&mut self, attempted: Attempted) -> Result<Option<Duration>> {
        self.whole.took(&attempted);
        self.diagnostics.append(attempted.diagnostics);
        let usage = attempted.usage;
        let outcome = attempted.outcome.and_then(|output| self.fitting(output));
        let error = match outcome {
            Ok(output) => return self.succeed(output, attempted.skill, usage),
            Err(error) => error,
        };
        let failure = Failure {
            kind: error.kind(),
            unavailable: attempted.unavailable,
            ran: usage.attempts > 0,
            retry_after: error.retry_after(),
        };
        let tried = Tried {
            kind: Some(error.kind()),
            reason: one_line(error.message(), MAX_LINE),
            usage,
        };
        // What a caller is told is how the tool failed that it asked for.
        if self.instead.is_none() || Course::is_over_by(error.kind()) {
            self.outcome = Some(Err(error));
            self.skill = attempted.skill;
        }
        // What is used instead asks nobody, for it was not called.
        if self.instead.is_none() {
            self.wants = attempted.wants;
            // A tool that asks has not failed: nothing is used instead of it.
            if self.wants.questions.is_some() {
                return Ok(None);
            }
        }
        match self.decide(failure) {
            Some(decision) => self.follow(decision, tried),
            None => Ok(None),
        }
    }

    /// What is used instead of a tool answers as that tool promises.
    fn fitting(&self, output: Output) -> Result<Output> {
        if self.instead.is_none() {
            return Ok(output);
        }
        let asked = &self.asked.invocation;
        let loaded = self.whole.snapshot.skills.get(&asked.skill)?;
        let mut schemas = loaded.schemas.iter();
        let schemas = schemas.find(|(tool, _)| tool.as_str() == asked.tool);
        match schemas.map(|(_, it)| it.check_output(output.structured.as_ref())) {
            Some(Ok(())) => Ok(output),
            _ => Err(Error::new(
                Kind::InvalidOutput,
                "What was used instead does not answer as the tool promises.",
            )
            .with_hint("The operator has to name another fallback.")),
        }
    }

    /// What comes next; none for a tool that is not known.
    fn decide(&mut self, failure: Failure) -> Option<Decision> {
        let asked = &self.asked.invocation;
        let loaded = self.whole.snapshot.skills.get(&asked.skill).ok()?;
        let rules = loaded.recovery.shared(&asked.tool)?;
        let left = self.whole.left();
        let course = self
            .course
            .get_or_insert_with(|| Course::new(rules, asked.id.chance()));
        let budget = &loaded.recovery.budget;
        Some(course.after(failure, left, || budget.take(Instant::now())))
    }

    fn follow(&mut self, decision: Decision, tried: Tried) -> Result<Option<Duration>> {
        match decision {
            Decision::Retry(pause) => {
                self.note(tried, "retry", pause)?;
                Ok(Some(pause))
            }
            Decision::FallBack(Fallback::Tool { skill, tool }) => {
                self.note(tried, "fallback", Duration::ZERO)?;
                self.fall_back(skill, &tool);
                Ok(Some(Duration::ZERO))
            }
            Decision::FallBack(Fallback::LastGood(oldest)) => match self.recall(oldest) {
                Some(again) => self.answer_again(again, tried).map(|()| None),
                None => self.next_fallback(tried),
            },
            Decision::GiveUp(why) => {
                self.give_up(why, tried)?;
                Ok(None)
            }
        }
    }

    /// What the tool answered earlier to the same, if it may still run: what is
    /// no longer trusted, or is suspended by now, is not repeated either.
    fn recall(&self, oldest: Duration) -> Option<Recalled> {
        let skills = &self.whole.snapshot.skills;
        let loaded = skills.get(&self.asked.invocation.skill).ok()?;
        let question = question(&self.asked);
        let last_good = &self.host.last_good;
        let (output, age) = last_good.recall(&question, oldest, Instant::now())?;
        let may_run = question.digest == loaded.info().digest
            && self.host.refuse_suspended(&self.asked.invocation).is_ok()
            && self.host.upholds(&loaded);
        may_run.then(|| Recalled {
            output,
            age,
            skill: Arc::clone(loaded.info()),
        })
    }

    fn answer_again(&mut self, again: Recalled, tried: Tried) -> Result<()> {
        self.note(tried, "fallback", Duration::ZERO)?;
        self.instead = None;
        let kind = self.failed().unwrap_or(Kind::Internal);
        self.record(&Event::FallbackUsed {
            from: self.asked.invocation.target(),
            to: "last-good".to_owned(),
            kind,
        })?;
        self.outcome = Some(Ok(again.output));
        self.stale = Some(again.age);
        self.skill = Some(again.skill);
        Ok(())
    }

    fn next_fallback(&mut self, tried: Tried) -> Result<Option<Duration>> {
        let left = self.whole.left();
        match self.course.as_mut().map(|course| course.instead(left)) {
            Some(decision) => self.follow(decision, tried),
            None => Ok(None),
        }
    }

    fn succeed(
        &mut self,
        output: Output,
        skill: Option<Arc<SkillInfo>>,
        usage: Usage,
    ) -> Result<Option<Duration>> {
        if !self.attempts.is_empty() {
            let tried = Tried {
                kind: None,
                reason: "It answered.".to_owned(),
                usage,
            };
            self.note(tried, "done", Duration::ZERO)?;
        }
        if let (Some(instead), Some(kind)) = (&self.instead, self.failed()) {
            let to = instead.invocation.target();
            self.record(&Event::FallbackUsed {
                from: self.asked.invocation.target(),
                to,
                kind,
            })?;
        }
        self.outcome = Some(Ok(output));
        self.skill = skill;
        Ok(None)
    }

    fn failed(&self) -> Option<Kind> {
        self.course.as_ref().and_then(Course::failed)
    }

    /// The same arguments for another tool; what it may use, and whether it may
    /// run, is asked when it is tried.
    fn fall_back(&mut self, skill: Option<SkillName>, tool: &ToolName) {
        let mut invocation = self.asked.invocation.clone();
        invocation.skill = skill.unwrap_or(invocation.skill);
        invocation.tool = tool.to_string();
        // What was allowed and answered was for the other one.
        invocation.earlier = Earlier::default();
        // It may be one that the caller is not to know of.
        invocation.log = None;
        self.instead = Some(Target {
            subject: Subject::of(&invocation),
            invocation,
        });
    }

    fn give_up(&mut self, why: Why, tried: Tried) -> Result<()> {
        if !self.attempts.is_empty() {
            self.note(tried, "give-up", Duration::ZERO)?;
        }
        if let Some(reason) = why.refusal() {
            let reason = reason.to_owned();
            self.record(&Event::RetryRefused { reason })?;
        }
        let runs = self.whole.usage().attempts;
        let again = self.course.as_ref().and_then(|it| it.advice(runs));
        if let Some(Err(error)) = &mut self.outcome {
            error.tell(again);
        }
        Ok(())
    }

    /// Keeps what an attempt came to, and what follows.
    fn note(&mut self, tried: Tried, next: &'static str, pause: Duration) -> Result<()> {
        let Tried {
            kind,
            reason,
            usage,
        } = tried;
        let wait_ms = millis(pause);
        self.record(&Event::InvocationAttempted {
            attempt: u32::try_from(self.attempts.len() + 1).unwrap_or(u32::MAX),
            outcome: if kind.is_some() { "error" } else { "ok" },
            kind,
            next,
            reason: reason.clone(),
            wait_ms,
            fuel: usage.fuel,
            wall_ms: usage.wall_ms,
        })?;
        let target = self.instead.as_ref().unwrap_or(&self.asked);
        self.attempts.push(Attempt {
            tool: target.invocation.target(),
            kind,
            next,
            reason,
            wait_ms,
        });
        Ok(())
    }

    /// Records something about what is tried now.
    fn record(&self, event: &Event) -> Result<()> {
        let target = self.instead.as_ref().unwrap_or(&self.asked);
        self.host.events.record(&target.subject, event)
    }
}

fn unanswered() -> Error {
    Error::new(Kind::Internal, "The call has no answer.")
}

impl Drop for Chain<'_> {
    fn drop(&mut self) {
        if !self.is_open {
            return;
        }
        let (kind, reason) = if std::thread::panicking() {
            (Kind::Internal, "The host failed while it served this call.")
        } else {
            (Kind::Cancelled, "Nobody waits for this call any longer.")
        };
        let event = Event::InvocationFinished {
            outcome: "error",
            kind: Some(kind),
            reason: Some(reason.to_owned()),
            usage: self.whole.usage(),
        };
        if let Err(error) = self.host.events.record(&self.asked.subject, &event) {
            tracing::debug!(internal = error.internal(), "an end could not be recorded");
        }
    }
}
