//! Calls that outlive their requests (MCP, extension `io.modelcontextprotocol/tasks`).
//!
//! An operator says of which tools ([`TaskUse`]). Such a call is begun like any
//! other. If it has its answer, or a question, within [`QUICK`], its client gets
//! that; if not, and the client knows tasks, it gets a task, and the call goes on
//! for itself, with the same limits and the same record. The client asks how far
//! it is, answers what it asks, or cancels it.
//!
//! A task is found by the principal that began it, as long as its tool is in the
//! list of whoever asks: for anybody else it is absent, in the same bytes as one
//! that never was (CVE-2026-52870).

mod job;
mod store;

use std::time::Duration;

use rmcp::model::{
    CancelTaskParams, ClientCapabilities, ErrorData, GetTaskParams, GetTaskResult, UpdateTaskParams,
};
use serde::Deserialize;

pub(super) use self::job::Called;
pub(crate) use self::store::Tasks;
use super::ask::Round;
use super::server::Server;
use super::tools;
use crate::manifest::SkillName;
use crate::question::MAX_ANSWERED;

/// How long a call has to end before it becomes a task. People do not notice it,
/// and clients do not give up on it.
const QUICK: Duration = Duration::from_millis(500);

/// Which clients get tasks for calls of a tool (`[skill.NAME.tool.TOOL] task`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskUse {
    /// Those that know them; others wait for the answer.
    Optional,
    /// Those that know them; others cannot call the tool, since they would give up
    /// before it answers.
    Required,
}

/// Whether a call may become a task.
///
/// # Errors
///
/// `-32021` if the tool needs a client that knows tasks, and this one does not.
/// Whoever may not call the tool does not learn that it is there.
pub(super) fn may_be(
    server: &Server,
    name: &str,
    (skill, tool): (&SkillName, &str),
    round: &Round,
) -> Result<bool, ErrorData> {
    let Some(used) = server.host().task_use(skill, tool) else {
        return Ok(false);
    };
    if round.takes_tasks() {
        return Ok(true);
    }
    match used {
        TaskUse::Required if finds(server, name) => {
            let needed = ClientCapabilities::builder().enable_tasks().build();
            Err(ErrorData::missing_required_client_capability(needed))
        }
        _ => Ok(false),
    }
}

/// How far a task is.
///
/// # Errors
///
/// `-32602`, the same for each id that names no task of this caller's.
pub(super) fn get(server: &Server, request: &GetTaskParams) -> Result<GetTaskResult, ErrorData> {
    let id = own(server, &request.task_id)?;
    let task = server.host().tasks().get(id).ok_or_else(no_such_task)?;
    Ok(GetTaskResult::new(task))
}

/// Takes answers to what a task asks. What it does not ask is left out.
///
/// # Errors
///
/// As [`get`]; `-32602` for more than answers may take.
pub(super) fn update(server: &Server, request: UpdateTaskParams) -> Result<(), ErrorData> {
    let id = own(server, &request.task_id)?;
    let size: usize = request
        .input_responses
        .values()
        .map(|value| value.to_string().len())
        .sum();
    if size > MAX_ANSWERED {
        let told = format!("The answers take more than {MAX_ANSWERED} bytes.");
        return Err(ErrorData::invalid_params(told, None));
    }
    server.host().tasks().answer(id, request.input_responses);
    Ok(())
}

/// Has a task end. One that has ended stays as it is.
///
/// # Errors
///
/// As [`get`].
pub(super) fn cancel(server: &Server, request: &CancelTaskParams) -> Result<(), ErrorData> {
    let id = own(server, &request.task_id)?;
    server.host().tasks().cancel(id);
    Ok(())
}

/// The id of a task that this caller began with a tool that it still finds.
fn own(server: &Server, id: &str) -> Result<u128, ErrorData> {
    let owner = &server.caller().principal;
    let id = store::parse(id).ok_or_else(no_such_task)?;
    let tool = server.host().tasks().tool(owner, id);
    let tool = tool.ok_or_else(no_such_task)?;
    if finds(server, &tool) {
        return Ok(id);
    }
    Err(no_such_task())
}

fn finds(server: &Server, tool: &str) -> bool {
    tools::ask(server.host(), server.caller(), tool, |_| ()).is_some()
}

fn no_such_task() -> ErrorData {
    ErrorData::invalid_params("There is no such task.", None)
}
