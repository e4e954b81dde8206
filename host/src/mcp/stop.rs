//! How serving ends. Asked once, the calls that run have some time to end; asked
//! twice, they are cancelled at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};

/// Whether the host is to serve no more.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    asked: CancellationToken,
    at_once: CancellationToken,
}

impl Stop {
    /// Asked by SIGTERM and SIGINT, within a tokio runtime.
    ///
    /// # Errors
    ///
    /// `Internal` if signals cannot be received.
    pub fn on_signals() -> Result<Self> {
        let mut terminate = listen(SignalKind::terminate())?;
        let mut interrupt = listen(SignalKind::interrupt())?;
        let stop = Self::default();
        let told = stop.clone();
        tokio::spawn(async move {
            while !told.at_once.is_cancelled() {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                }
                told.ask();
            }
        });
        Ok(stop)
    }

    /// Asks to stop; the second time, at once.
    pub fn ask(&self) {
        if self.asked.is_cancelled() {
            self.at_once.cancel();
        }
        self.asked.cancel();
    }

    /// Ends when it is asked to stop.
    pub async fn asked(&self) {
        self.asked.cancelled().await;
    }

    /// Ends when it is asked to stop at once.
    pub async fn at_once(&self) {
        self.at_once.cancelled().await;
    }

    /// Cancelled when it is asked to stop.
    pub(super) const fn token(&self) -> &CancellationToken {
        &self.asked
    }
}

fn listen(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|cause| {
        Error::new(Kind::Internal, "The host cannot receive signals.").with_internal(cause)
    })
}

/// The calls that run.
#[derive(Debug, Default)]
pub(super) struct Calls(watch::Sender<Table>);

#[derive(Debug, Default)]
struct Table {
    next: u64,
    running: BTreeMap<u64, CancellationToken>,
    /// What begins from now on is cancelled.
    is_over: bool,
}

impl Calls {
    /// A call begins, which its caller may give up.
    pub(super) fn begin(self: &Arc<Self>, given_up: &CancellationToken) -> Running {
        let cancelled = given_up.child_token();
        let mut number = 0;
        self.0.send_modify(|table| {
            number = table.next;
            table.next = table.next.wrapping_add(1);
            table.running.insert(number, cancelled.clone());
            if table.is_over {
                cancelled.cancel();
            }
        });
        Running {
            calls: Arc::clone(self),
            number,
            cancelled,
        }
    }

    /// How many run.
    pub(super) fn running(&self) -> u64 {
        u64::try_from(self.0.borrow().running.len()).unwrap_or(u64::MAX)
    }

    /// Cancels those that run, and whatever begins after.
    pub(super) fn cancel(&self) {
        self.0.send_modify(|table| {
            table.is_over = true;
            table.running.values().for_each(CancellationToken::cancel);
        });
    }

    /// Ends when none runs.
    pub(super) async fn ended(&self) {
        let mut table = self.0.subscribe();
        // The sender is here, so that it cannot be gone.
        let _none = table.wait_for(|table| table.running.is_empty()).await;
    }
}

/// A call that runs, until it is dropped.
#[derive(Debug)]
pub(super) struct Running {
    calls: Arc<Calls>,
    number: u64,
    cancelled: CancellationToken,
}

impl Running {
    /// Cancelled when the caller gives up, and when serving ends.
    pub(super) fn cancelled(&self) -> CancellationToken {
        self.cancelled.clone()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.calls.0.send_modify(|table| {
            table.running.remove(&self.number);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    const SOON: Duration = Duration::from_millis(1);

    #[tokio::test]
    async fn m19_asked_once_it_stops_and_asked_twice_at_once() {
        let stop = Stop::default();
        assert!(timeout(SOON, stop.asked()).await.is_err());
        stop.ask();
        stop.asked().await;
        assert!(timeout(SOON, stop.at_once()).await.is_err());
        stop.ask();
        stop.at_once().await;
    }

    #[tokio::test]
    async fn m19_calls_are_cancelled_and_those_that_begin_later_too() {
        let (calls, client) = (Arc::new(Calls::default()), CancellationToken::new());
        let early = calls.begin(&client);
        assert_eq!(
            (calls.running(), early.cancelled().is_cancelled()),
            (1, false)
        );
        calls.cancel();
        let late = calls.begin(&client);
        assert!(early.cancelled().is_cancelled() && late.cancelled().is_cancelled());
        assert!(!client.is_cancelled());
        assert!(timeout(SOON, calls.ended()).await.is_err());
        drop((early, late));
        calls.ended().await;
    }

    #[test]
    fn m12_a_call_that_its_caller_gives_up_ends_alone() {
        let calls = Arc::new(Calls::default());
        let (mine, yours) = (CancellationToken::new(), CancellationToken::new());
        let (given_up, other) = (calls.begin(&mine), calls.begin(&yours));
        mine.cancel();
        assert!(given_up.cancelled().is_cancelled() && !other.cancelled().is_cancelled());
    }
}
