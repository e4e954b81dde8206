//! The tasks there are, whose they are, and for how long.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rmcp::model::{
    CallToolResult, DetailedTask, ErrorData, InputRequests, InputResponses, JsonObject, Task,
    TaskPayload, TaskStatus,
};
use serde::Serialize;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind};
use crate::invocation::Principal;
use crate::mcp::pages::Paging;
use crate::mcp::result;
use crate::time::{Clock, millis};

/// The most tasks in all.
const MAX_TASKS: usize = 1024;

/// What a task may take beside its input while it lives: questions, answers, and
/// what is sealed between them.
const ALIVE: u64 = 128 << 10;

/// What one that has ended takes beside its result.
const ENDED: u64 = 1 << 10;

/// How often a client is to ask, in milliseconds.
const POLL: u64 = 1000;

/// Tasks, each until some time after its end.
#[derive(Debug)]
pub(crate) struct Tasks {
    paging: Paging,
    clock: Arc<dyn Clock>,
    kept: Mutex<BTreeMap<u128, Entry>>,
}

/// What is to be a task.
pub(super) struct Opening<'a> {
    pub(super) owner: &'a Principal,
    /// As the client calls it.
    pub(super) tool: &'a str,
    /// How large the arguments are, in bytes.
    pub(super) input: usize,
    /// Cancels the call.
    pub(super) stop: &'a CancellationToken,
}

#[derive(Debug)]
struct Entry {
    owner: Principal,
    tool: String,
    stop: CancellationToken,
    created: Timestamp,
    updated: Timestamp,
    began: Instant,
    state: State,
    /// How often it asked.
    rounds: u32,
    /// What it takes, in bytes.
    size: u64,
}

#[derive(Debug)]
enum State {
    Working,
    Asking(Asking),
    Ended { at: Instant, payload: TaskPayload },
}

#[derive(Debug)]
struct Asking {
    /// Before each key: no key may come twice in a task, and a skill may ask
    /// the same thing again.
    prefix: String,
    left: InputRequests,
    replies: BTreeMap<String, Value>,
    told: oneshot::Sender<BTreeMap<String, Value>>,
}

impl Tasks {
    /// None yet. They are kept as large outputs are.
    pub(crate) fn new(paging: Paging, clock: Arc<dyn Clock>) -> Self {
        Self {
            paging,
            clock,
            kept: Mutex::default(),
        }
    }

    /// A task that works; none if there is no room for it, or no randomness for
    /// its id. What is there is never dropped for it: a client was told how long
    /// it can rely on that.
    pub(super) fn begin(&self, opening: &Opening<'_>) -> Option<(u128, Task)> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).ok()?;
        let id = u128::from_be_bytes(bytes);
        let size = ALIVE + opening.input as u64;
        let (began, created) = (self.clock.monotonic(), self.clock.wall());
        let mut kept = self.lock(began);
        let own = kept.values().filter(|it| it.owner == *opening.owner);
        let count = u32::try_from(own.count()).unwrap_or(u32::MAX);
        let is_full = kept.len() >= MAX_TASKS || count >= self.paging.keep_count;
        if is_full || !fits(&kept, opening.owner, size, &self.paging) {
            return None;
        }
        let entry = Entry {
            owner: opening.owner.clone(),
            tool: opening.tool.to_owned(),
            stop: opening.stop.clone(),
            created,
            updated: created,
            began,
            state: State::Working,
            rounds: 0,
            size,
        };
        let task = entry.task(id, began, self.paging.keep);
        kept.insert(id, entry);
        Some((id, task))
    }

    /// The tool of a task, if it is this principal's.
    pub(super) fn tool(&self, owner: &Principal, id: u128) -> Option<String> {
        let kept = self.lock(self.clock.monotonic());
        let entry = kept.get(&id).filter(|entry| entry.owner == *owner)?;
        Some(entry.tool.clone())
    }

    /// How far a task is.
    pub(super) fn get(&self, id: u128) -> Option<DetailedTask> {
        let now = self.clock.monotonic();
        let kept = self.lock(now);
        let entry = kept.get(&id)?;
        let task = entry.task(id, now, self.paging.keep);
        Some(DetailedTask::new(task, entry.payload()))
    }

    /// Has a task wait for answers, which come by the keys of the questions.
    pub(super) fn ask(
        &self,
        id: u128,
        requests: InputRequests,
    ) -> oneshot::Receiver<BTreeMap<String, Value>> {
        let (told, replies) = oneshot::channel();
        self.change(id, |entry| {
            entry.rounds += 1;
            let prefix = format!("{}.", entry.rounds);
            let named = |(key, request)| (format!("{prefix}{key}"), request);
            entry.state = State::Asking(Asking {
                left: requests.into_iter().map(named).collect(),
                prefix,
                replies: BTreeMap::new(),
                told,
            });
        });
        replies
    }

    /// Takes answers. When each question has one, the task works again.
    pub(super) fn answer(&self, id: u128, responses: InputResponses) {
        self.change(id, |entry| {
            let State::Asking(asking) = &mut entry.state else {
                return;
            };
            asking.take(responses);
            if asking.left.is_empty()
                && let State::Asking(asking) = std::mem::replace(&mut entry.state, State::Working)
            {
                // Whoever waits no more has ended the task.
                let _ = asking.told.send(asking.replies);
            }
        });
    }

    /// Has the call of a task end.
    pub(super) fn cancel(&self, id: u128) {
        self.change(id, |entry| {
            if matches!(entry.state, State::Asking(_)) {
                entry.state = State::Working;
            }
            entry.stop.cancel();
        });
    }

    /// A task has ended. A result for which there is no room is left out.
    pub(super) fn end(&self, id: u128, payload: TaskPayload) {
        let now = self.clock.monotonic();
        let updated = self.clock.wall();
        let mut kept = self.lock(now);
        let Some(mut entry) = kept.remove(&id) else {
            return;
        };
        let size = ENDED + size(&payload);
        let has_room = size <= entry.size || fits(&kept, &entry.owner, size, &self.paging);
        entry.size = if has_room { size } else { ENDED };
        let payload = if has_room { payload } else { no_room() };
        entry.state = State::Ended { at: now, payload };
        entry.updated = updated;
        kept.insert(id, entry);
    }

    /// Changes a task that has not ended.
    fn change(&self, id: u128, change: impl FnOnce(&mut Entry)) {
        let updated = self.clock.wall();
        let mut kept = self.lock(self.clock.monotonic());
        let entry = kept.get_mut(&id);
        if let Some(entry) = entry.filter(|it| !matches!(it.state, State::Ended { .. })) {
            change(entry);
            entry.updated = updated;
        }
    }

    /// What is still kept. A panic cannot leave an entry half written.
    fn lock(&self, now: Instant) -> MutexGuard<'_, BTreeMap<u128, Entry>> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|_, entry| match entry.state {
            State::Ended { at, .. } => now.saturating_duration_since(at) < self.paging.keep,
            State::Working | State::Asking(_) => true,
        });
        kept
    }
}

impl Entry {
    /// A task that has not ended is there until some time after its end, which is
    /// not known yet: what is told now is the least.
    fn task(&self, id: u128, now: Instant, keep: Duration) -> Task {
        let ended = match self.state {
            State::Ended { at, .. } => at,
            State::Working | State::Asking(_) => now,
        };
        let lives = ended.saturating_duration_since(self.began) + keep;
        Task::new(
            format!("{id:032x}"),
            TaskStatus::Working,
            self.created.to_string(),
            self.updated.to_string(),
        )
        .with_ttl_ms(millis(lives))
        .with_poll_interval_ms(POLL)
    }

    fn payload(&self) -> TaskPayload {
        match &self.state {
            State::Working => TaskPayload::Working,
            State::Asking(asking) => TaskPayload::InputRequired {
                input_requests: asking.left.clone(),
            },
            State::Ended { payload, .. } => payload.clone(),
        }
    }
}

impl Asking {
    fn take(&mut self, responses: InputResponses) {
        for (key, reply) in responses {
            if self.left.remove(&key).is_some()
                && let Some(own) = key.strip_prefix(&self.prefix)
            {
                self.replies.insert(own.to_owned(), reply);
            }
        }
    }
}

/// An id as clients have it.
pub(super) fn parse(id: &str) -> Option<u128> {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_id = id.len() == 32 && id.bytes().all(is_digit);
    is_id.then(|| u128::from_str_radix(id, 16).ok()).flatten()
}

/// A call that was answered, also with a failure that a model reads.
pub(super) fn completed(result: &CallToolResult) -> TaskPayload {
    TaskPayload::Completed {
        result: object(result),
    }
}

/// A call that ended in an error of the protocol.
pub(super) fn failed(error: &ErrorData) -> TaskPayload {
    TaskPayload::Failed {
        error: object(error),
    }
}

fn no_room() -> TaskPayload {
    let error = Error::new(
        Kind::OutputLimit,
        "There is no room to keep the tool's answer until it is asked for.",
    );
    let hint = "Wait until earlier tasks are forgotten, and call again.";
    completed(&result::failure(&error.with_hint(hint)))
}

/// What is read from JSON or made for it can be written as JSON.
fn object(value: &impl Serialize) -> JsonObject {
    match serde_json::to_value(value) {
        Ok(Value::Object(object)) => object,
        _ => JsonObject::new(),
    }
}

fn size(payload: &TaskPayload) -> u64 {
    let object = match payload {
        TaskPayload::Completed { result: object } | TaskPayload::Failed { error: object } => object,
        _ => return 0,
    };
    serde_json::to_vec(object).map_or(0, |json| json.len() as u64)
}

/// Whether so many bytes more of a caller's are within its own and all bounds.
fn fits(kept: &BTreeMap<u128, Entry>, owner: &Principal, size: u64, paging: &Paging) -> bool {
    let all: u64 = kept.values().map(|entry| entry.size).sum();
    let own = kept.values().filter(|entry| entry.owner == *owner);
    let own: u64 = own.map(|entry| entry.size).sum();
    own + size <= paging.keep_size_per_caller && all + size <= paging.keep_size
}

#[cfg(test)]
mod tests;
