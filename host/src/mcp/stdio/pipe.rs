//! The transport under `rmcp`: what comes in is checked before it sees it, and
//! what goes out answers somebody who waits for it.

use std::io;
use std::sync::Arc;

use rmcp::model::{ClientNotification, ClientRequest, GetExtensions, JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, TxJsonRpcMessage};
use rmcp::transport::Transport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::GRACE;
use super::ledger::Ledger;
use super::lines::{Line, Lines};
use super::out::Out;
use super::refusals::Refusals;
use crate::event::Events;
use crate::mcp::message::{self, Answers, Arguments, Fault, Malformed, Shape};

/// How many calls of a client may run at once, and how many other requests:
/// whoever waits for its calls can still ask whether the host is there. What it
/// gave up counts until it has ended.
const IN_FLIGHT: usize = 64;

/// One client's messages, as lines.
#[derive(Debug)]
pub(super) struct Pipe<R, W> {
    lines: Lines<R>,
    longest: usize,
    out: Arc<Out<W>>,
    ledger: Ledger,
    calls: Arc<Semaphore>,
    others: Arc<Semaphore>,
    refusals: Refusals,
    ended: CancellationToken,
}

/// Held by a request while it runs.
#[derive(Debug, Clone)]
struct Place {
    _taken: Arc<OwnedSemaphorePermit>,
}

impl<R, W> Pipe<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Lines may be `longest` bytes long. `ended` is cancelled when no more
    /// comes: `rmcp` lets calls run on for five seconds then and tells nobody.
    pub(super) fn new(
        input: R,
        out: Arc<Out<W>>,
        longest: usize,
        events: Arc<Events>,
        ended: CancellationToken,
    ) -> Self {
        Self {
            lines: Lines::new(input, longest),
            longest,
            out,
            ledger: Ledger::default(),
            calls: Arc::new(Semaphore::new(IN_FLIGHT)),
            others: Arc::new(Semaphore::new(IN_FLIGHT)),
            refusals: Refusals::new(events),
            ended,
        }
    }

    /// The next message that is one.
    async fn next(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        loop {
            self.out.has_room().await;
            let taken = match self.lines.next().await {
                Ok(Line::Whole(line)) => {
                    let taken = self.take(&line);
                    self.lines.give_back(line);
                    taken
                }
                Ok(Line::TooLong(beginning)) => {
                    let (id, is_answer) = message::beginning(&beginning);
                    Err(Fault::too_long(self.longest).of(id, is_answer))
                }
                Ok(Line::End) | Err(_) => return None,
            };
            match taken {
                Ok(Some(message)) => return Some(message),
                Ok(None) => {}
                Err(malformed) => self.refuse(malformed),
            }
        }
    }

    fn refuse(&mut self, mut malformed: Malformed) {
        self.refusals.tell(malformed.limit(), malformed.reason());
        // With that id it would be the answer to another request.
        malformed.id.take_if(|id| self.ledger.is_used(id));
        if let Some(answer) = malformed.answer() {
            // Waiting here would end with `rmcp`'s patience for a message, in the
            // middle of a line.
            tokio::spawn(self.out.send(&answer));
        }
    }

    fn take(&mut self, line: &[u8]) -> Result<Option<RxJsonRpcMessage<RoleServer>>, Malformed> {
        let message = message::read(line, Answers::Taken)?;
        let shape = message.shape.clone();
        let (text, arguments) = message.into_parts();
        let parsed = serde_json::from_str(&text);
        match (shape, parsed) {
            (Shape::Request(id), Ok(request)) => self.admit(id, request, arguments).map(Some),
            (Shape::Notification, Ok(notification)) => Ok(self.heed(notification)),
            (Shape::Answer(id), Ok(answer)) if self.ledger.answer(&id) => Ok(Some(answer)),
            (Shape::Answer(id), _) => {
                Err(Fault::invalid("nothing was asked that this could answer").of(Some(id), true))
            }
            (Shape::Request(id), Err(cause)) => Err(Fault::invalid(cause).of(Some(id), false)),
            // Nobody waits for an answer to it.
            (Shape::Notification, Err(cause)) => Err(Fault::invalid(cause).of(None, true)),
        }
    }

    fn admit(
        &mut self,
        id: RequestId,
        mut message: RxJsonRpcMessage<RoleServer>,
        arguments: Option<Arguments>,
    ) -> Result<RxJsonRpcMessage<RoleServer>, Malformed> {
        let JsonRpcMessage::Request(request) = &mut message else {
            return Err(Fault::invalid("it is no request").of(Some(id), false));
        };
        let places = match &request.request {
            ClientRequest::CallToolRequest(_) => &self.calls,
            _ => &self.others,
        };
        let Ok(taken) = Arc::clone(places).try_acquire_owned() else {
            return Err(Fault::overloaded(IN_FLIGHT).of(Some(id), false));
        };
        if !self.ledger.open(&id) {
            let fault = Fault::invalid("its id is that of another request");
            return Err(fault.of(Some(id), false));
        }
        let extensions = request.request.extensions_mut();
        extensions.insert(Place {
            _taken: Arc::new(taken),
        });
        if let Some(arguments) = arguments {
            extensions.insert(arguments);
        }
        Ok(message)
    }

    /// What is given up that nobody waits for, or somebody else, is nothing.
    fn heed(
        &mut self,
        message: RxJsonRpcMessage<RoleServer>,
    ) -> Option<RxJsonRpcMessage<RoleServer>> {
        if let JsonRpcMessage::Notification(it) = &message
            && let ClientNotification::CancelledNotification(cancelled) = &it.notification
        {
            let id = cancelled.params.request_id.as_ref()?;
            return self.ledger.give_up(id).then_some(message);
        }
        Some(message)
    }

    /// Whether the client waits for it: for one answer to each of its requests,
    /// and for whatever answers none.
    fn is_awaited(&mut self, message: &TxJsonRpcMessage<RoleServer>) -> bool {
        match message {
            JsonRpcMessage::Response(response) => self.ledger.close(&response.id),
            JsonRpcMessage::Error(error) => {
                error.id.as_ref().is_none_or(|id| self.ledger.close(id))
            }
            JsonRpcMessage::Request(request) => {
                self.ledger.ask(&request.id);
                true
            }
            JsonRpcMessage::Notification(_) => true,
        }
    }
}

impl<R, W> Transport<RoleServer> for Pipe<R, W>
where
    R: AsyncRead + Send + Unpin + 'static,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        message: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let sending = self.is_awaited(&message).then(|| self.out.send(&message));
        async move {
            match sending {
                Some(sending) => sending.await,
                None => Ok(()),
            }
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let ended = self.ended.clone();
        let message = ended.run_until_cancelled(self.next()).await.flatten();
        if message.is_none() {
            ended.cancel();
            if self.out.has_stalled() {
                self.refusals
                    .tell("write", "The client reads nothing any more.");
            }
        }
        message
    }

    async fn close(&mut self) -> io::Result<()> {
        let _in_time = timeout(GRACE, self.out.is_idle()).await;
        self.out.close().await;
        Ok(())
    }
}
