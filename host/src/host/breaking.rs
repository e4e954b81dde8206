//! Breakers and last good answers on the way of a call.

use tokio::time::Instant;

use super::Host;
use super::attempt::NotRun;
use super::chain::Target;
use crate::answer::Output;
use crate::artifact::Digest;
use crate::error::{Error, Kind, Result};
use crate::event::Subject;
use crate::recovery::{Circuit, Health, Pass, Question, Recovery, Shut, health};
use crate::registry::Loaded;
use crate::run::{Cause, Ended};
use crate::time::millis;

impl Host {
    /// Asks the tool's breaker for leave. A tool that was replaced meanwhile has
    /// another.
    pub(super) fn ask_breaker(
        &self,
        subject: &Subject,
        loaded: &Loaded,
        recovery: &Recovery,
    ) -> Result<Pass<'_>, NotRun> {
        let entered = self
            .breakers
            .enter(recovery.breaker, || circuit(subject), Instant::now());
        match entered {
            Ok((pass, change)) => {
                if let Some(change) = change {
                    self.events.record(subject, &change.event())?;
                }
                Ok(pass)
            }
            Err(_) if !self.upholds(loaded) => Err(NotRun::Outdated),
            Err(shut) => Err(breaker_open(shut).into()),
        }
    }

    /// Tells the tool's breaker how it went. Of an attempt that had less than its
    /// whole budget, a limit that was reached says nothing.
    pub(super) fn tell_breaker(
        &self,
        subject: &Subject,
        recovery: &Recovery,
        pass: Pass<'_>,
        ended: &Ended,
        was_first: bool,
    ) -> Result<()> {
        let health = match &ended.outcome {
            Ok(_) => Health::Well,
            Err(fault) if fault.error.kind().is_limit() && !was_first => Health::Unknown,
            Err(fault) => health(fault.error.kind(), fault.cause == Cause::Unavailable),
        };
        let change = pass.settle(
            recovery.breaker,
            || circuit(subject),
            health,
            Instant::now(),
        );
        change.map_or(Ok(()), |change| {
            self.events.record(subject, &change.event())
        })
    }

    /// Keeps a good answer, if it may stand in for a later one.
    pub(super) fn keep_answer(&self, target: &Target, loaded: &Loaded, output: &Output) {
        let rules = &loaded.recovery;
        if rules.keeps_answers
            && let Some(tool) = rules.shared(&target.invocation.tool)
            && tool.keeps_answers()
        {
            self.last_good
                .keep(question(target), output, Instant::now());
        }
    }
}

/// What is asked, and by whom.
pub(super) fn question(target: &Target) -> Question {
    let Circuit {
        digest,
        tool,
        principal,
    } = circuit(&target.subject);
    Question {
        digest,
        tool,
        principal,
        arguments: Digest::of(target.invocation.input.text().as_bytes()),
    }
}

fn circuit(subject: &Subject) -> Circuit {
    Circuit {
        digest: subject.digest.clone().unwrap_or_default(),
        tool: subject.tool.clone().unwrap_or_default(),
        principal: subject.principal.clone().unwrap_or_default(),
    }
}

fn breaker_open(shut: Shut) -> Error {
    let seconds = millis(shut.retry_after).div_ceil(1000).max(1);
    Error::new(
        Kind::BreakerOpen,
        "The tool keeps failing, and is left alone for a while.",
    )
    .with_hint(format!("Use something else, or try again in {seconds} s."))
    .with_retry_after(shut.retry_after)
}
