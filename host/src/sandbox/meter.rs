//! What a call has used of what it may use, counted in one place: each limit
//! that is a number of things or of bytes is a [`Budget`].

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::event::Spent;
use crate::policy::limits::Limits;
use crate::time::millis;

/// Makes [`Budget`] of one table: what it counts, the limit, the name of the
/// limit, and what a person calls it.
macro_rules! budgets {
    ($($budget:ident $field:ident: $limit:expr, $name:literal, $what:literal;)*) => {
        /// Something of which a call has so much and no more.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Budget {
            $(#[doc = concat!("Limit `", $name, "`: ", $what, ".")]
            $budget,)*
        }

        impl Budget {
            const ALL: [Self; COUNT] = [$(Self::$budget,)*];

            /// The limit's name in a configuration.
            pub(crate) const fn name(self) -> &'static str {
                match self { $(Self::$budget => $name,)* }
            }

            /// What is counted, behind a number.
            pub(crate) const fn what(self) -> &'static str {
                match self { $(Self::$budget => $what,)* }
            }

            fn limit(self, limits: &Limits) -> u64 {
                let limit: fn(&Limits) -> u64 = match self { $(Self::$budget => $limit,)* };
                limit(limits)
            }
        }

        /// How many budgets there are.
        const COUNT: usize = [$($name,)*].len();

        impl Meter {
            /// What was used of each; of things that are open at once, the most.
            pub(crate) fn spent(&self) -> Spent {
                Spent { $($field: self.most(Budget::$budget),)* ..Spent::default() }
            }
        }
    };
}

budgets! {
    HostCalls host_calls: |it| it.host_calls, "host-calls", "calls into the host";
    Random random_bytes: |it| it.random_total, "random-total", "random bytes";
    OpenFiles open_files: |it| it.open_files, "open-files", "files open at once";
    Sockets sockets: |it| it.sockets, "sockets", "sockets open at once";
    Timers timers: |it| it.timers, "timers", "timers at once";
    DiskBytes disk_bytes: |it| it.disk_bytes, "disk-bytes", "bytes written to files";
    DiskFiles disk_files: |it| it.disk_files, "disk-files", "files, directories and links made";
    Listed listed: |it| it.listed, "listed", "directory entries listed";
    HttpRequests http_requests: |it| it.http_requests, "http-requests", "HTTP requests";
    HttpSent http_sent_bytes: |it| it.http_requests.saturating_mul(it.http_request_body), "http-request-body", "bytes of request bodies";
    HttpReceived http_received_bytes: |it| it.http_requests.saturating_mul(it.http_response_body), "http-response-body", "bytes of response bodies";
    HttpTime http_ms: |it| it.http_requests.saturating_mul(millis(it.http_time)), "http-time", "milliseconds of HTTP requests";
    StateBytes state_bytes: |it| it.state_bytes, "state-bytes", "bytes of state";
    Connects connects: |it| it.connects, "connects", "connections tried";
}

/// A budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exceeded {
    pub(crate) budget: Budget,
    pub(crate) limit: u64,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the skill may have no more than {} {}",
            self.limit,
            self.budget.what()
        )
    }
}

impl std::error::Error for Exceeded {}

/// Counts what one call uses. Clones count together.
#[derive(Debug, Clone)]
pub(crate) struct Meter(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    each: [Counter; COUNT],
    /// One bit for each budget that was exceeded.
    exceeded: AtomicU32,
}

#[derive(Debug)]
struct Counter {
    limit: u64,
    used: AtomicU64,
    most: AtomicU64,
}

impl Meter {
    pub(crate) fn new(limits: &Limits) -> Self {
        let each = Budget::ALL.map(|budget| Counter {
            limit: budget.limit(limits),
            used: AtomicU64::new(0),
            most: AtomicU64::new(0),
        });
        Self(Arc::new(Counters {
            each,
            exceeded: AtomicU32::new(0),
        }))
    }

    /// Takes `amount` of a budget, or nothing of it if there is less left.
    pub(crate) fn spend(&self, budget: Budget, amount: u64) -> Result<(), Exceeded> {
        let counter = self.counter(budget);
        let add = |used: u64| used.checked_add(amount).filter(|sum| *sum <= counter.limit);
        match counter
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, add)
        {
            Ok(before) => {
                counter
                    .most
                    .fetch_max(before.saturating_add(amount), Ordering::Relaxed);
                Ok(())
            }
            Err(_over) => Err(self.exceed(budget)),
        }
    }

    /// Takes one of a budget until the guard is dropped.
    pub(crate) fn hold(&self, budget: Budget) -> Result<Held, Exceeded> {
        self.spend(budget, 1)?;
        Ok(Held {
            meter: self.clone(),
            budget,
        })
    }

    /// Gives back what was taken and not used after all.
    pub(crate) fn refund(&self, budget: Budget, amount: u64) {
        let less = |used: u64| Some(used.saturating_sub(amount));
        let used = &self.counter(budget).used;
        let _ = used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }

    /// Notes how much there is of something that outlives the call.
    pub(crate) fn level(&self, budget: Budget, amount: u64) {
        let most = &self.counter(budget).most;
        most.fetch_max(amount, Ordering::Relaxed);
    }

    /// What is left of a budget.
    pub(crate) fn left(&self, budget: Budget) -> u64 {
        let counter = self.counter(budget);
        counter
            .limit
            .saturating_sub(counter.used.load(Ordering::Relaxed))
    }

    /// Remembers that a budget was exceeded.
    pub(crate) fn exceed(&self, budget: Budget) -> Exceeded {
        self.0.exceeded.fetch_or(bit(budget), Ordering::Relaxed);
        Exceeded {
            budget,
            limit: self.counter(budget).limit,
        }
    }

    /// Each budget of which the guest wanted more than there was.
    pub(crate) fn exceeded(&self) -> Vec<Exceeded> {
        let exceeded = self.0.exceeded.load(Ordering::Relaxed);
        let over = |budget: &Budget| exceeded & bit(*budget) != 0;
        let over = Budget::ALL.into_iter().filter(over);
        over.map(|budget| Exceeded {
            budget,
            limit: self.counter(budget).limit,
        })
        .collect()
    }

    fn most(&self, budget: Budget) -> u64 {
        self.counter(budget).most.load(Ordering::Relaxed)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "there is a counter for each budget"
    )]
    fn counter(&self, budget: Budget) -> &Counter {
        &self.0.each[budget as usize]
    }
}

const fn bit(budget: Budget) -> u32 {
    1 << budget as u32
}

/// One of a budget, for as long as it lives.
#[derive(Debug)]
pub(crate) struct Held {
    meter: Meter,
    budget: Budget,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.meter.refund(self.budget, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(connects: u64) -> Meter {
        Meter::new(&Limits {
            connects,
            ..Limits::default()
        })
    }

    #[test]
    fn a_budget_is_taken_in_whole_or_not_at_all() {
        let meter = meter(10);
        assert_eq!(meter.spend(Budget::Connects, 8), Ok(()));
        let over = meter.spend(Budget::Connects, 3).unwrap_err();
        assert_eq!((over.budget, over.limit), (Budget::Connects, 10));
        assert_eq!(meter.spend(Budget::Connects, 2), Ok(()));
        assert_eq!(meter.spent().connects, 10);
        assert_eq!(meter.exceeded(), [over]);
    }

    #[test]
    fn nothing_overflows() {
        let meter = meter(u64::MAX);
        assert_eq!(meter.spend(Budget::Connects, u64::MAX), Ok(()));
        assert!(meter.spend(Budget::Connects, 1).is_err());
        meter.refund(Budget::Timers, 5);
        assert_eq!(
            meter.spend(Budget::Timers, Limits::default().timers),
            Ok(())
        );
        assert!(meter.spend(Budget::Timers, 1).is_err());
    }

    #[test]
    fn what_is_held_is_given_back_and_the_most_is_remembered() {
        let meter = meter(2);
        let first = meter.hold(Budget::Connects).unwrap();
        let second = meter.hold(Budget::Connects).unwrap();
        assert!(meter.hold(Budget::Connects).is_err());
        drop((first, second));
        assert!(meter.hold(Budget::Connects).is_ok());
        assert_eq!(meter.spent().connects, 2);
    }
}
