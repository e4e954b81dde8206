//! What is written to the client, one message at a time.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rmcp::model::ServerJsonRpcMessage;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::{Mutex, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// How long a client may read nothing while something is written to it.
const PATIENCE: Duration = Duration::from_secs(30);

/// As long as more than that waits to be written, nothing more is read, in bytes:
/// who asks without end and reads nothing fills its own pipe, not the host.
const MAX_WAITING: usize = 1 << 20;

/// The way to the client.
#[derive(Debug)]
pub(super) struct Out<W> {
    output: Mutex<Option<W>>,
    waiting: watch::Sender<usize>,
    /// Cancelled when the client is gone.
    gone: CancellationToken,
    has_stalled: AtomicBool,
    patience: Duration,
}

impl<W: AsyncWrite + Send + Unpin + 'static> Out<W> {
    /// A client that reads nothing for [`PATIENCE`] is gone; `gone` says so.
    pub(super) fn new(output: W, gone: CancellationToken) -> Arc<Self> {
        Self::with_patience(output, gone, PATIENCE)
    }

    fn with_patience(output: W, gone: CancellationToken, patience: Duration) -> Arc<Self> {
        Arc::new(Self {
            output: Mutex::new(Some(output)),
            waiting: watch::Sender::new(0),
            gone,
            has_stalled: AtomicBool::new(false),
            patience,
        })
    }

    /// Writes a message. It counts as waiting from now on, whether or not the
    /// future is polled.
    pub(super) fn send(
        self: &Arc<Self>,
        message: &ServerJsonRpcMessage,
    ) -> impl Future<Output = io::Result<()>> + Send + use<W> {
        let line = serde_json::to_vec(message).map(|mut line| {
            line.push(b'\n');
            line
        });
        let length = line.as_ref().map_or(0, Vec::len);
        let waiting = Waiting::of(Arc::clone(self), length);
        async move { waiting.out.write(&line?).await }
    }

    /// Ends when there is room for more answers.
    pub(super) async fn has_room(&self) {
        self.waits_for(MAX_WAITING).await;
    }

    /// Ends when nothing waits.
    pub(super) async fn is_idle(&self) {
        self.waits_for(0).await;
    }

    /// Nothing is written any more.
    pub(super) async fn close(&self) {
        drop(self.output.lock().await.take());
    }

    /// Whether the client was given up because it read nothing.
    pub(super) fn has_stalled(&self) -> bool {
        self.has_stalled.load(Ordering::Relaxed)
    }

    async fn waits_for(&self, most: usize) {
        let mut waiting = self.waiting.subscribe();
        // The sender is here, so that it cannot be gone.
        let _enough = waiting.wait_for(|waiting| *waiting <= most).await;
    }

    async fn write(&self, line: &[u8]) -> io::Result<()> {
        let mut output = self.output.lock().await;
        let Some(open) = output.as_mut() else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let written = write(open, line, self.patience).await;
        if let Err(cause) = &written {
            let has_stalled = cause.kind() == io::ErrorKind::TimedOut;
            self.has_stalled.store(has_stalled, Ordering::Relaxed);
            // A line that is half written would run into the next.
            *output = None;
            self.gone.cancel();
        }
        written
    }
}

/// However long a line is, as long as it goes on the client reads.
async fn write(
    output: &mut (impl AsyncWrite + Unpin),
    mut line: &[u8],
    patience: Duration,
) -> io::Result<()> {
    while !line.is_empty() {
        let written = timeout(patience, output.write(line)).await??;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        line = line.get(written..).unwrap_or_default();
    }
    timeout(patience, output.flush()).await?
}

/// Bytes that wait until this is dropped.
struct Waiting<W> {
    out: Arc<Out<W>>,
    length: usize,
}

impl<W> Waiting<W> {
    fn of(out: Arc<Out<W>>, length: usize) -> Self {
        out.waiting
            .send_modify(|waiting| *waiting = waiting.saturating_add(length));
        Self { out, length }
    }
}

impl<W> Drop for Waiting<W> {
    fn drop(&mut self) {
        let length = self.length;
        self.out
            .waiting
            .send_modify(|waiting| *waiting = waiting.saturating_sub(length));
    }
}

#[cfg(test)]
mod tests {
    use rmcp::model::{ErrorData, RequestId};
    use tokio::io::{AsyncReadExt, DuplexStream, duplex};

    use super::*;

    fn message(length: usize) -> ServerJsonRpcMessage {
        let error = ErrorData::internal_error("x".repeat(length), None);
        ServerJsonRpcMessage::error(error, Some(RequestId::Number(1)))
    }

    fn out(patience: Duration) -> (Arc<Out<DuplexStream>>, DuplexStream, CancellationToken) {
        let (near, far) = duplex(1024);
        let gone = CancellationToken::new();
        (Out::with_patience(near, gone.clone(), patience), far, gone)
    }

    #[tokio::test]
    async fn m10_a_client_that_reads_nothing_is_given_up() {
        let (out, _far, gone) = out(Duration::from_millis(50));
        let first = tokio::spawn(out.send(&message(5000)));
        let second = tokio::spawn(out.send(&message(5000)));
        let failed = first.await.unwrap().unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::TimedOut);
        assert!(gone.is_cancelled() && out.has_stalled());
        let failed = second.await.unwrap().unwrap_err();
        assert_eq!(failed.kind(), io::ErrorKind::NotConnected);
        out.is_idle().await;
    }

    #[tokio::test]
    async fn a_client_that_reads_slowly_gets_everything() {
        let (out, mut far, gone) = out(Duration::from_secs(2));
        let sending = tokio::spawn(out.send(&message(4000)));
        let mut read = 0;
        while read < 4000 {
            tokio::time::sleep(Duration::from_millis(700)).await;
            let mut part = [0; 1024];
            read += far.read(&mut part).await.unwrap();
        }
        drop(tokio::spawn(async move {
            far.read_to_end(&mut Vec::new()).await
        }));
        sending.await.unwrap().unwrap();
        assert!(!gone.is_cancelled());
    }

    #[tokio::test]
    async fn what_waits_is_counted_before_it_is_written() {
        let (out, mut far, _gone) = out(PATIENCE);
        let waits = out.send(&message(MAX_WAITING));
        let soon = Duration::from_millis(10);
        assert!(timeout(soon, out.has_room()).await.is_err());
        let writing = tokio::spawn(waits);
        let mut whole = Vec::new();
        let closing = async {
            writing.await.unwrap().unwrap();
            out.has_room().await;
            out.close().await;
        };
        let ((), read) = tokio::join!(closing, far.read_to_end(&mut whole));
        assert!(read.unwrap() > MAX_WAITING);
        let dropped = out.send(&message(10));
        drop(dropped);
        out.is_idle().await;
    }
}
