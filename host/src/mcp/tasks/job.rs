//! A call on its way to its answer, whoever still waits for it.

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use rmcp::model::{CallToolResponse, CreateTaskResult, ErrorData, InputRequests, TaskPayload};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::QUICK;
use super::store::{Opening, completed, failed};
use crate::answer::Answer;
use crate::error::Kind;
use crate::invocation::{Invocation, InvocationId};
use crate::mcp::ask::{Came, Round};
use crate::mcp::result;
use crate::mcp::server::{Server, log};

/// What became of a round, some time.
type Coming = BoxFuture<'static, Result<Came, ErrorData>>;

/// A call of a tool that may take long.
pub(in crate::mcp) struct Called {
    server: Server,
    /// The tool, as the client calls it.
    name: String,
    invocation: Invocation,
    /// How the client is asked.
    asking: Round,
    /// Cancelled when the client gives up.
    stop: CancellationToken,
}

impl Called {
    pub(in crate::mcp) fn new(
        server: Server,
        name: String,
        invocation: Invocation,
        round: &Round,
    ) -> Self {
        Self {
            server,
            name,
            invocation,
            asking: round.after(None, BTreeMap::new()),
            stop: CancellationToken::new(),
        }
    }

    /// The answer, if it is there soon; a task otherwise, if there is room for it.
    /// `answered` is cancelled when it is a task: the client is told no more of
    /// the request.
    pub(in crate::mcp) async fn answer(
        self,
        round: Round,
        given_up: &CancellationToken,
        answered: &CancellationToken,
    ) -> Result<Came, ErrorData> {
        // A client that is gone leaves nothing behind that runs.
        let gone = self.stop.clone().drop_guard();
        let mut first = self.begin(round, self.invocation.clone());
        tokio::select! {
            came = &mut first => return came,
            () = given_up.cancelled() => {
                self.stop.cancel();
                return first.await;
            }
            () = tokio::time::sleep(QUICK) => {}
        }
        let opening = Opening {
            owner: &self.server.caller().principal,
            tool: &self.name,
            input: self.invocation.input.text().len(),
            stop: &self.stop,
        };
        let Some((id, task)) = self.server.host().tasks().begin(&opening) else {
            tokio::select! {
                came = &mut first => return came,
                () = given_up.cancelled() => self.stop.cancel(),
            }
            return first.await;
        };
        gone.disarm();
        answered.cancel();
        tokio::spawn(self.go_on(id, first));
        Ok(Came::Other(Box::new(CreateTaskResult::new(task).into())))
    }

    /// Each round counts as a call that runs; between them, nothing does.
    fn begin(&self, round: Round, mut call: Invocation) -> Coming {
        let host = Arc::clone(self.server.host());
        let running = self.server.calls().begin(&self.stop);
        call.cancelled = running.cancelled();
        async move {
            let came = round.call(&host, call).await;
            drop(running);
            came
        }
        .boxed()
    }

    /// Follows a call to its end, whatever happens.
    async fn go_on(self, id: u128, first: Coming) {
        let ended = AssertUnwindSafe(self.end(id, first)).catch_unwind().await;
        let payload = ended.unwrap_or_else(|_panic| {
            self.server.record_panic();
            let told = "The host failed while it served this call.";
            failed(&ErrorData::internal_error(told, None))
        });
        self.server.host().tasks().end(id, payload);
    }

    async fn end(&self, id: u128, first: Coming) -> TaskPayload {
        let mut came = first.await;
        loop {
            let response = match came {
                Ok(Came::Other(response)) => response,
                Ok(Came::Answer(answer)) => return self.of(*answer),
                Err(error) => return failed(&error),
            };
            let asked = match *response {
                CallToolResponse::InputRequired(asked) => asked,
                CallToolResponse::Complete(result) => return completed(&result),
                _ => return failed(&ErrorData::internal_error("This is no answer.", None)),
            };
            let replies = self.ask(id, asked.input_requests.unwrap_or_default());
            came = match replies.await {
                Ok(replies) => self.again(asked.request_state, replies).await,
                Err(payload) => return payload,
            };
        }
    }

    /// The next round, as the client would begin it with these answers.
    async fn again(
        &self,
        state: Option<String>,
        replies: BTreeMap<String, Value>,
    ) -> Result<Came, ErrorData> {
        let id = match InvocationId::random() {
            Ok(id) => id,
            Err(error) => return Ok(Came::Other(Box::new(result::failure(&error).into()))),
        };
        let call = Invocation {
            id,
            ..self.invocation.clone()
        };
        self.begin(self.asking.after(state, replies), call).await
    }

    /// The answers to what is asked, or how the task ends without.
    async fn ask(
        &self,
        id: u128,
        requests: InputRequests,
    ) -> Result<BTreeMap<String, Value>, TaskPayload> {
        let host = self.server.host();
        let replies = host.tasks().ask(id, requests);
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Err(TaskPayload::Cancelled),
            replies = replies => replies.map_err(|_gone| TaskPayload::Cancelled),
            () = tokio::time::sleep(host.patience()) => {
                let told = "Nobody answered in time what the tool asked.";
                Err(failed(&ErrorData::invalid_request(told, None)))
            }
        }
    }

    fn of(&self, answer: Answer) -> TaskPayload {
        let is_cancelled = |error: &crate::error::Error| error.kind() == Kind::Cancelled;
        if answer.outcome.as_ref().is_err_and(is_cancelled) {
            return TaskPayload::Cancelled;
        }
        log(&self.name, &answer);
        let (host, caller) = (self.server.host(), self.server.caller());
        match result::of(host, caller, &self.name, answer) {
            Ok(result) => completed(&result),
            Err(error) => failed(&error),
        }
    }
}
