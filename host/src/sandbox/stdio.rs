//! Standard output and error: what fits is kept, the rest is counted, and the
//! guest goes on. wasmtime's own pipe traps a guest that writes past its end.

use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

/// Bytes that the guest may write at once.
const WINDOW: usize = 64 * 1024;

/// One stream of one call.
#[derive(Debug, Clone)]
pub(super) struct Capture {
    limit: u64,
    shared: Arc<Mutex<Captured>>,
}

/// What a guest wrote.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Captured {
    /// The first bytes, up to the limit.
    pub(crate) kept: Vec<u8>,
    /// How many more there were.
    pub(crate) dropped: u64,
}

impl Captured {
    /// All bytes that were written.
    pub(crate) fn size(&self) -> u64 {
        self.dropped.saturating_add(self.kept.len() as u64)
    }

    /// As text; what is not UTF-8 is replaced.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.kept).into_owned()
    }
}

impl Capture {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            shared: Arc::default(),
        }
    }

    pub(super) fn take(&self) -> Captured {
        std::mem::take(&mut self.lock())
    }

    fn push(&self, bytes: &[u8]) {
        let mut captured = self.lock();
        let room = super::bytes(self.limit).saturating_sub(captured.kept.len());
        let (kept, dropped) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
        captured.kept.extend_from_slice(kept);
        captured.dropped = captured.dropped.saturating_add(dropped.len() as u64);
    }

    /// A panic in between leaves the bytes as they were, which is fine here.
    fn lock(&self) -> MutexGuard<'_, Captured> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl IsTerminal for Capture {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Capture {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Capture {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.push(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WINDOW)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Capture {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Capture {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        self.push(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r16_the_first_bytes_are_kept_and_the_rest_is_counted() {
        let capture = Capture::new(5);
        capture.push(b"abc");
        capture.push(b"defg");
        capture.push(b"h");
        let captured = capture.take();
        assert_eq!((captured.text().as_str(), captured.dropped), ("abcde", 3));
    }
}
