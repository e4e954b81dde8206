//! How long one request takes, and how large its response is.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;
use wasmtime_wasi_http::Error;

use super::super::meter::{Budget, Meter};
use super::egress::Permit;
use crate::time::millis;

/// The longest time for a connection, for the first byte, or between two, unless
/// the guest asks for less. The time of the request and the deadline of the call
/// hold in any case.
pub(in crate::sandbox) const PATIENCE: Duration = Duration::from_secs(30);

/// The time that one request has, from its judgement to its last byte.
#[derive(Debug)]
pub(in crate::sandbox) struct Allowance {
    start: Instant,
    pub(in crate::sandbox) deadline: Instant,
    pub(in crate::sandbox) meter: Meter,
}

impl Allowance {
    pub(in crate::sandbox) fn of(permit: &Permit) -> Self {
        Self {
            start: Instant::now(),
            deadline: permit.deadline,
            meter: permit.reach.meter().clone(),
        }
    }

    /// The end of a step that is to take `wanted` at most, if the guest says so.
    fn step(&self, wanted: Option<Duration>) -> Instant {
        let patience = wanted.unwrap_or(PATIENCE).min(PATIENCE);
        self.deadline.min(Instant::now() + patience)
    }

    /// What comes of one step, if it ends in time.
    pub(in crate::sandbox) async fn within<T>(
        &self,
        wanted: Option<Duration>,
        step: impl Future<Output = T>,
    ) -> Option<T> {
        let end = self.step(wanted);
        let done = tokio::time::timeout_at(end, step).await.ok();
        if done.is_none() {
            self.late();
        }
        done
    }

    /// Records that the request took all of its time, if it did.
    fn late(&self) {
        if Instant::now() >= self.deadline {
            self.meter.exceed(Budget::HttpTime);
        }
    }
}

/// What the whole took.
impl Drop for Allowance {
    fn drop(&mut self) {
        // Each request keeps its own time; the sum is for the report.
        let _ = self
            .meter
            .spend(Budget::HttpTime, millis(self.start.elapsed()));
    }
}

/// A response body that ends with an error at its limit, when nothing comes for
/// too long, or when the request took all of its time.
pub(in crate::sandbox) struct Incoming {
    body: hyper::body::Incoming,
    limit: u64,
    left: u64,
    time: Allowance,
    idle: Option<Duration>,
    timer: Pin<Box<tokio::time::Sleep>>,
}

impl Incoming {
    pub(in crate::sandbox) fn new(
        body: hyper::body::Incoming,
        limit: u64,
        time: Allowance,
        idle: Option<Duration>,
    ) -> Self {
        Self {
            body,
            limit,
            left: limit,
            timer: Box::pin(tokio::time::sleep_until(time.step(idle))),
            time,
            idle,
        }
    }

    fn count(&mut self, frame: &Frame<Bytes>) -> Result<(), Error> {
        let size = size_of(frame);
        let _ = self.time.meter.spend(Budget::HttpReceived, size);
        self.left = self.left.checked_sub(size).ok_or_else(|| {
            self.time.meter.exceed(Budget::HttpReceived);
            Error::HttpResponseBodySize(Some(self.limit))
        })?;
        let end = self.time.step(self.idle);
        self.timer.as_mut().reset(end);
        Ok(())
    }
}

impl Body for Incoming {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        // Bytes that keep coming do not lengthen the time.
        if Instant::now() >= self.time.deadline {
            self.time.late();
            return Poll::Ready(Some(Err(Error::ConnectionReadTimeout)));
        }
        match Pin::new(&mut self.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(self.count(&frame).map(|()| frame))),
            Poll::Ready(Some(Err(cause))) => Poll::Ready(Some(Err(cause.into()))),
            Poll::Ready(None) => Poll::Ready(None),
            Poll::Pending => {
                ready!(self.timer.as_mut().poll(context));
                self.time.late();
                Poll::Ready(Some(Err(Error::ConnectionReadTimeout)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

/// Bytes of data in one part of a body.
pub(in crate::sandbox) fn size_of(frame: &Frame<Bytes>) -> u64 {
    frame.data_ref().map_or(0, |bytes| bytes.len() as u64)
}
