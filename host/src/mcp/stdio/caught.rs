//! A panic of the host is the end of one request.

use std::borrow::Cow;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use rmcp::Service;
use rmcp::model::{
    ClientNotification, ClientRequest, ErrorData, ProtocolVersion, ServerConfig, ServerResult,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer};

use crate::mcp::server::Server;

/// A server that answers every request: `rmcp` answers none that panics, and the
/// client would wait for ever.
#[derive(Debug, Clone)]
pub(super) struct Caught(pub(super) Server);

impl Service<RoleServer> for Caught {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        let answering = Service::handle_request(&self.0, request, context);
        let answered = AssertUnwindSafe(answering).catch_unwind().await;
        answered.unwrap_or_else(|_panic| {
            self.0.record_panic();
            let told = "The host failed while it served this request.";
            Err(ErrorData::internal_error(told, None))
        })
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        let heeding = Service::handle_notification(&self.0, notification, context);
        let heeded = AssertUnwindSafe(heeding).catch_unwind().await;
        heeded.unwrap_or_else(|_panic| {
            self.0.record_panic();
            Ok(())
        })
    }

    fn get_info(&self) -> ServerConfig {
        Service::get_info(&self.0)
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        Service::supported_protocol_versions(&self.0)
    }
}
