//! A client that takes its time. Each connection is in one of three phases, and
//! the two in which the host waits for the client have an end; so has what the
//! client does not take.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::settings::HttpLimits;

/// How long a connection may stay as it is.
#[derive(Debug)]
pub(super) struct Pace {
    limits: HttpLimits,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    since: Instant,
    broken: Option<Slow>,
    /// Who reads while a request is served, and has to wait for the next from the
    /// moment in which it is not any more.
    reader: Option<Waker>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Between two requests.
    Idle,
    /// A request has begun, and its head is not there yet.
    Head,
    /// A request is served.
    Busy,
}

/// What took too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slow {
    Idle,
    Head,
    Taking,
}

impl Pace {
    /// Of a connection on which nothing was heard: the first request has to be
    /// there as soon as any other.
    pub(super) fn new(limits: HttpLimits) -> Arc<Self> {
        let state = State {
            phase: Phase::Head,
            since: Instant::now(),
            broken: None,
            reader: None,
        };
        Arc::new(Self {
            limits,
            state: Mutex::new(state),
        })
    }

    /// A request is served, until what is returned is dropped.
    pub(super) fn serve(self: &Arc<Self>) -> Serving {
        self.enter(Phase::Busy);
        Serving(Arc::clone(self))
    }

    /// What took too long, if something did.
    pub(super) fn broken(&self) -> Option<Slow> {
        self.locked(|state| state.broken)
    }

    fn heard(&self) {
        self.locked(|state| {
            if state.phase == Phase::Idle {
                state.phase = Phase::Head;
                state.since = Instant::now();
            }
        });
    }

    fn enter(&self, phase: Phase) {
        let reader = self.locked(|state| {
            state.phase = phase;
            state.since = Instant::now();
            state.reader.take()
        });
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// When the client has to be heard, and what is late if it is not. Whoever
    /// asks while that has no end is woken when it has one.
    fn due(&self, cx: &Context<'_>) -> Option<(Instant, Slow)> {
        self.locked(|state| match state.phase {
            Phase::Idle => Some((state.since + self.limits.idle_timeout, Slow::Idle)),
            Phase::Head => Some((state.since + self.limits.header_timeout, Slow::Head)),
            Phase::Busy => {
                state.reader = Some(cx.waker().clone());
                None
            }
        })
    }

    fn break_off(&self, slow: Slow) -> io::Error {
        self.locked(|state| state.broken = Some(slow));
        io::ErrorKind::TimedOut.into()
    }

    fn locked<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        work(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A request that is served, and whose answer is being written.
#[derive(Debug)]
pub(super) struct Serving(Arc<Pace>);

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

/// A stream that breaks off when its client takes longer than the pace allows.
pub(super) struct Paced<S> {
    stream: S,
    pace: Arc<Pace>,
    reading: Pin<Box<Sleep>>,
    writing: Pin<Box<Sleep>>,
    /// Whether something is written that the client has not taken.
    is_held_up: bool,
}

impl<S> Paced<S> {
    pub(super) fn new(stream: S, pace: Arc<Pace>) -> Self {
        let now = Instant::now();
        Self {
            stream,
            pace,
            reading: Box::pin(sleep_until(now)),
            writing: Box::pin(sleep_until(now)),
            is_held_up: false,
        }
    }

    fn waits(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some((due, slow)) = self.pace.due(cx) else {
            return Poll::Pending;
        };
        if self.reading.deadline() != due {
            self.reading.as_mut().reset(due);
        }
        ready!(self.reading.as_mut().poll(cx));
        Poll::Ready(Err(self.pace.break_off(slow)))
    }

    /// The time for taking runs from the first byte that is held up until
    /// everything is taken: who takes one byte now and then is late as well.
    fn written<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
        is_everything: bool,
    ) -> Poll<io::Result<T>> {
        match written {
            Poll::Ready(_) if is_everything => self.is_held_up = false,
            Poll::Pending if !self.is_held_up => {
                self.is_held_up = true;
                let due = Instant::now() + self.pace.limits.write_timeout;
                self.writing.as_mut().reset(due);
            }
            Poll::Ready(_) | Poll::Pending => {}
        }
        if self.is_held_up && self.writing.as_mut().poll(cx).is_ready() {
            return Poll::Ready(Err(self.pace.break_off(Slow::Taking)));
        }
        written
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Paced<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.stream).poll_read(cx, buffer) {
            Poll::Pending => self.waits(cx),
            Poll::Ready(read) => {
                if buffer.filled().len() > before {
                    self.pace.heard();
                }
                Poll::Ready(read)
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Paced<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(cx, written, false)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, slices);
        self.written(cx, written, false)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        self.written(cx, flushed, true)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.written(cx, shut, true)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    const SHORT: Duration = Duration::from_millis(100);
    const NEVER: Duration = Duration::from_secs(3600);
    const MOMENT: Duration = Duration::from_millis(1);

    fn paced(
        change: impl FnOnce(&mut HttpLimits),
    ) -> (DuplexStream, Paced<DuplexStream>, Arc<Pace>) {
        let mut limits = HttpLimits {
            header_timeout: NEVER,
            write_timeout: NEVER,
            idle_timeout: NEVER,
            ..HttpLimits::default()
        };
        change(&mut limits);
        let (client, host) = duplex(64);
        let pace = Pace::new(limits);
        let paced = Paced::new(host, Arc::clone(&pace));
        (client, paced, pace)
    }

    #[tokio::test]
    async fn m10_a_head_has_its_time_however_often_a_byte_comes() {
        let (mut client, mut paced, pace) = paced(|limits| limits.header_timeout = SHORT);
        let trickle = async {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(MOMENT).await;
            }
        };
        let mut read = Vec::new();
        let ended = tokio::select! {
            () = trickle => panic!("the client went"),
            ended = paced.read_to_end(&mut read) => ended,
        };
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(pace.broken(), Some(Slow::Head));
    }

    #[tokio::test]
    async fn m10_between_two_requests_there_is_another_time() {
        let (mut client, mut paced, pace) = paced(|limits| {
            limits.header_timeout = SHORT;
            limits.idle_timeout = SHORT * 2;
        });
        let serving = pace.serve();
        let mut byte = [0];
        let busy = tokio::time::timeout(SHORT * 3, paced.read(&mut byte)).await;
        assert!(busy.is_err(), "a call takes as long as its limits allow");
        drop(serving);
        let ended = paced.read(&mut byte).await;
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(pace.broken(), Some(Slow::Idle));
        drop(pace.serve());
        client.write_all(b"x").await.unwrap();
        assert_eq!(paced.read(&mut byte).await.unwrap(), 1);
        paced.read(&mut byte).await.unwrap_err();
        assert_eq!(pace.broken(), Some(Slow::Head), "a request has begun");
    }

    /// Who reads already when a request is answered would wait for ever.
    #[tokio::test]
    async fn m10_the_time_between_two_requests_begins_with_the_answer() {
        let (_client, mut paced, pace) = paced(|limits| limits.idle_timeout = SHORT);
        let serving = pace.serve();
        let reading = tokio::spawn(async move { paced.read(&mut [0; 1]).await });
        tokio::time::sleep(SHORT).await;
        assert!(!reading.is_finished(), "a request is served");
        drop(serving);
        let read = tokio::time::timeout(SHORT * 100, reading).await;
        assert_eq!(
            read.unwrap().unwrap().unwrap_err().kind(),
            io::ErrorKind::TimedOut
        );
        assert_eq!(pace.broken(), Some(Slow::Idle));
    }

    #[tokio::test]
    async fn m10_who_takes_a_byte_now_and_then_is_late_as_well() {
        let (mut client, mut paced, pace) = paced(|limits| limits.write_timeout = SHORT);
        let trickle = async {
            while client.read_u8().await.is_ok() {
                tokio::time::sleep(MOMENT).await;
            }
        };
        let ended = tokio::select! {
            () = trickle => panic!("the client went"),
            ended = paced.write_all(&[0; 1 << 20]) => ended,
        };
        assert_eq!(ended.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert_eq!(pace.broken(), Some(Slow::Taking));
    }

    #[tokio::test]
    async fn a_client_that_takes_everything_in_time_is_never_late() {
        let (mut client, mut paced, pace) = paced(|limits| limits.write_timeout = SHORT * 4);
        for _ in 0..3 {
            let taken = async {
                tokio::time::sleep(SHORT * 2).await;
                client.read_exact(&mut [0; 100]).await
            };
            let written = async {
                paced.write_all(&[0; 100]).await?;
                paced.flush().await
            };
            let (written, taken) = tokio::join!(written, taken);
            assert!(written.is_ok() && taken.is_ok());
        }
        assert_eq!(pace.broken(), None);
    }
}
