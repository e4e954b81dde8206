//! What the protocol's requests mean here.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use rmcp::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CancelTaskParams, CompleteRequestMethod,
    CompleteRequestParams, CompleteResult, CustomRequest, CustomResult, ErrorData, GetTaskParams,
    GetTaskResult, Implementation, InitializeRequestParams, InitializeResult,
    ListPromptsRequestMethod, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ProgressToken,
    ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SubscriptionFilter, Tool, UpdateTaskParams,
};
use rmcp::service::{NotificationContext, Peer, RequestContext, RoleServer, SubscriptionContext};
use tokio::sync::mpsc;

use super::ask::{Came, Round};
use super::caller::Caller;
use super::stop::Calls;
use super::tasks::{self, Called};
use super::{changes, logs, message, names, pages, result, tools};
use crate::answer::Answer;
use crate::error::Result;
use crate::event::{Event, Subject};
use crate::host::Host;
use crate::invocation::{Invocation, InvocationId, Progress, ProgressSink, TraceParent};
use crate::question::Earlier;

/// Reports of progress that wait to be sent; further ones are left out.
const MAX_WAITING_REPORTS: usize = 16;

/// Serves one client.
#[derive(Debug, Clone)]
pub(super) struct Server {
    host: Arc<Host>,
    caller: Caller,
    calls: Arc<Calls>,
    log_level: Arc<logs::Chosen>,
    /// Whether the client is told of changes since it said that it began.
    is_told: Arc<AtomicBool>,
}

impl Server {
    pub(super) fn new(host: Arc<Host>, caller: Caller, calls: Arc<Calls>) -> Self {
        Self {
            host,
            caller,
            calls,
            log_level: Arc::default(),
            is_told: Arc::default(),
        }
    }

    pub(super) const fn host(&self) -> &Arc<Host> {
        &self.host
    }

    pub(super) const fn caller(&self) -> &Caller {
        &self.caller
    }

    /// From which level on the client hears what skills log.
    pub(super) fn log_level(&self) -> &logs::Chosen {
        &self.log_level
    }

    pub(super) const fn calls(&self) -> &Arc<Calls> {
        &self.calls
    }

    /// Whether nobody tells the client of changes yet; whoever asks does from now on.
    pub(super) fn begins_telling(&self) -> bool {
        !self.is_told.swap(true, Ordering::Relaxed)
    }

    /// Says that the host panicked outside of the attempts of a call, which say
    /// so themselves.
    pub(super) fn record_panic(&self) {
        let subject = Subject {
            principal: Some(self.caller.principal.as_str().into()),
            ..Subject::default()
        };
        // A panic in the log itself must not end the answer to the first.
        let recording = || self.host.events().record(&subject, &Event::HostPanicked {});
        let _ = catch_unwind(AssertUnwindSafe(recording));
    }

    async fn call(
        &self,
        mut request: CallToolRequestParams,
        mut context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let running = self.calls.begin(&context.ct);
        self.host.until_ready(changes::FIRST_LOAD).await;
        let round = Round::of(&mut request, &context, &self.caller.principal);
        let (skill, tool) = names::meant(&self.host, &request.name)
            .ok_or_else(|| result::no_such_tool(&request.name))?;
        let may_be_task = tasks::may_be(self, &request.name, (&skill, &tool), &round)?;
        let id = match InvocationId::random() {
            Ok(id) => id,
            Err(error) => return Ok(result::failure(&error).into()),
        };
        let token = context.meta.get_progress_token();
        let (sink, reports) = mpsc::channel(MAX_WAITING_REPORTS);
        let (heard, lines) = logs::channel(self, &context, &skill);
        let invocation = Invocation {
            id,
            principal: self.caller.principal.clone(),
            scope: self.caller.scope.clone(),
            skill,
            tool,
            input: message::input(&mut context.extensions, request.arguments)?,
            cancelled: running.cancelled(),
            progress: token.is_some().then(|| progress_sink(sink)),
            log: heard,
            parent: context.meta.get_traceparent().and_then(TraceParent::parse),
            earlier: Earlier::default(),
        };
        let answered = context.ct.child_token();
        let reporting = answered.run_until_cancelled(report(reports, token, &context.peer));
        let logging = answered.run_until_cancelled(lines.tell(&context.peer));
        let calling = async {
            if !may_be_task {
                return round.call(&self.host, invocation).await;
            }
            let name = request.name.to_string();
            let called = Called::new(self.clone(), name, invocation, &round);
            called.answer(round, &context.ct, &answered).await
        };
        let (came, ..) = tokio::join!(calling, reporting, logging);
        match came? {
            Came::Other(response) => Ok(*response),
            Came::Answer(answer) => {
                log(&request.name, &answer);
                result::of(&self.host, &self.caller, &request.name, *answer).map(Into::into)
            }
        }
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_tasks();
        let capabilities = logs::declared(self, capabilities.build());
        ServerConfig::new(capabilities).with_server_info(Implementation::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
        ))
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        logs::until_known(self).await;
        changes::initialize(self, &request, &context)
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        changes::tell(self, context).await;
    }

    fn accepted_subscription_filter(
        &self,
        requested: &SubscriptionFilter,
    ) -> Option<SubscriptionFilter> {
        Some(changes::accepted(requested))
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        changes::listen(self, context).await
    }

    async fn set_level(
        &self,
        request: logs::SetLevel,
        context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        logs::choose(self, &request, &context)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        self.host.until_ready(changes::FIRST_LOAD).await;
        tools::page(&self.host, &self.caller, request)
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        tools::find(&self.host, &self.caller, name)
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        pages::list(&self.host, &self.caller, request.as_ref())
    }

    async fn list_resource_templates(
        &self,
        request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        pages::templates(request.as_ref())
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        pages::read(&self.host, &self.caller, &request.uri).map(Into::into)
    }

    /// A panic would leave the client without an answer.
    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let called = AssertUnwindSafe(self.call(request, context)).catch_unwind();
        called.await.unwrap_or_else(|_panic| {
            self.record_panic();
            Ok(result::host_failed().into())
        })
    }

    async fn get_task(
        &self,
        request: GetTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<GetTaskResult, ErrorData> {
        tasks::get(self, &request)
    }

    async fn update_task(
        &self,
        request: UpdateTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::update(self, request)
    }

    async fn cancel_task(
        &self,
        request: CancelTaskParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        tasks::cancel(self, &request)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let served = self.get_info().capabilities;
        Err(message::unknown(
            &request.method,
            &served,
            context.protocol_version(),
        ))
    }

    // What follows is not declared, and so does not exist; `rmcp` would answer
    // with empty lists.

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Err(ErrorData::method_not_found::<ListPromptsRequestMethod>())
    }

    async fn complete(
        &self,
        _request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        Err(ErrorData::method_not_found::<CompleteRequestMethod>())
    }
}

/// A skill is not held up by a client that reads slowly.
fn progress_sink(sink: mpsc::Sender<Progress>) -> ProgressSink {
    Arc::new(move |progress| {
        let _left_out_when_full = sink.try_send(progress);
    })
}

/// Tells the client how far the call is, until the skill has ended.
async fn report(
    mut reports: mpsc::Receiver<Progress>,
    token: Option<ProgressToken>,
    client: &Peer<RoleServer>,
) {
    let Some(token) = token else { return };
    while let Some(progress) = reports.recv().await {
        let told = client.notify_progress(notification(token.clone(), progress));
        if told.await.is_err() {
            return;
        }
    }
}

fn notification(token: ProgressToken, progress: Progress) -> ProgressNotificationParam {
    let mut notification = ProgressNotificationParam::new(token, progress.done);
    notification.total = progress.total;
    notification.message = progress.message;
    notification
}

pub(super) fn log(tool: &str, answer: &Answer) {
    for line in &answer.diagnostics.lines {
        tracing::info!(
            tool,
            invocation = answer.invocation,
            guest = line,
            "a skill wrote"
        );
    }
}
