//! `skillhost:skill/call`: the call in progress.

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use wasmtime::Result;

use super::State;
use super::bindings::skillhost::skill::call::Host;
use crate::invocation::{Invocation, Progress, ProgressSink};
use crate::question::Earlier;
use crate::time::millis;

/// Reports that are passed on; a guest that sends more is not heard further.
const MAX_REPORTS: u32 = 1000;

/// The longest message of a report, in characters.
const MAX_MESSAGE: usize = 500;

pub(super) struct Call {
    id: String,
    deadline: Instant,
    cancelled: CancellationToken,
    progress: Option<ProgressSink>,
    reports: u32,
    done: f64,
    earlier: Earlier,
}

impl Call {
    pub(super) fn new(invocation: &Invocation, deadline: Instant) -> Self {
        Self {
            id: invocation.id.to_string(),
            deadline,
            cancelled: invocation.cancelled.clone(),
            progress: invocation.progress.clone(),
            reports: 0,
            done: f64::NEG_INFINITY,
            earlier: invocation.earlier.clone(),
        }
    }

    /// Whether a report would be passed on: what is not costs next to nothing.
    fn hears(&self, done: f64) -> bool {
        let grows = done.is_finite() && done > self.done;
        self.progress.is_some() && grows && self.reports < MAX_REPORTS
    }

    /// MCP wants progress to grow, so what does not is left out.
    fn report(&mut self, done: f64, total: Option<f64>, message: Option<String>) {
        let Some(sink) = &self.progress else { return };
        let total = total.filter(|total| total.is_finite());
        self.reports += 1;
        self.done = done;
        let message = message.map(|text| crate::manifest::text::one_line(&text, MAX_MESSAGE));
        sink(Progress {
            done,
            total,
            message,
        });
    }
}

impl Host for State {
    fn id(&mut self) -> Result<String> {
        Ok(self.call.id.clone())
    }

    fn remaining_ms(&mut self) -> Result<u64> {
        Ok(millis(
            self.call.deadline.saturating_duration_since(Instant::now()),
        ))
    }

    fn is_cancelled(&mut self) -> Result<bool> {
        Ok(self.call.cancelled.is_cancelled())
    }

    fn progress(&mut self, done: f64, total: Option<f64>, message: Option<String>) -> Result<()> {
        if self.call.hears(done) {
            let message = message.map(|text| self.observer.redact(&text).into_owned());
            self.call.report(done, total, message);
        }
        Ok(())
    }

    fn input_response(&mut self, key: String) -> Result<Option<String>> {
        let answer = self.call.earlier.answers.get(&key);
        Ok(answer.map(ToString::to_string))
    }

    fn input_state(&mut self) -> Result<Option<Vec<u8>>> {
        Ok(self.call.earlier.state.clone())
    }
}
