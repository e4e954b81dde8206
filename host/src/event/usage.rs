//! What a call used of what it may.

use serde::Serialize;

/// What a call used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Usage {
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes over all memories and tables at the highest point.
    pub memory_bytes: u64,
    /// Milliseconds of wall-clock time.
    pub wall_ms: u64,
    /// How often the tool was tried.
    pub attempts: u32,
    /// What it used of its other limits; what it did not use is left out.
    #[serde(flatten)]
    pub spent: Spent,
}

impl Usage {
    /// Nothing of anything.
    pub const NOTHING: Self = Self {
        fuel: 0,
        memory_bytes: 0,
        wall_ms: 0,
        attempts: 0,
        spent: Spent::NOTHING,
    };

    /// What two attempts took together. One has given back what it held before
    /// the next one began, so of that the most counts.
    #[must_use]
    pub fn and(self, next: &Self) -> Self {
        let (spent, more) = (self.spent, next.spent);
        Self {
            fuel: self.fuel.saturating_add(next.fuel),
            memory_bytes: self.memory_bytes.max(next.memory_bytes),
            wall_ms: self.wall_ms.saturating_add(next.wall_ms),
            attempts: self.attempts.saturating_add(next.attempts),
            spent: Spent {
                open_files: spent.open_files.max(more.open_files),
                sockets: spent.sockets.max(more.sockets),
                timers: spent.timers.max(more.timers),
                state_bytes: spent.state_bytes.max(more.state_bytes),
                ..spent.summed(more)
            },
        }
    }
}

/// Makes [`Spent`], each number of which is left out where it is 0.
macro_rules! spent {
    ($($(#[$doc:meta])* $field:ident,)*) => {
        /// What a call used of its limits, besides fuel, memory and time.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
        pub struct Spent {
            $($(#[$doc])* #[serde(skip_serializing_if = "is_zero")] pub $field: u64,)*
        }

        impl Spent {
            /// Nothing of anything.
            pub const NOTHING: Self = Self { $($field: 0,)* };

            fn summed(self, more: Self) -> Self {
                Self { $($field: self.$field.saturating_add(more.$field),)* }
            }
        }
    };
}

spent! {
    /// Calls into the host.
    host_calls,
    /// Random bytes.
    random_bytes,
    /// Bytes of the answer.
    output_bytes,
    /// Bytes written to standard output, those that were dropped too.
    stdout_bytes,
    /// Bytes written to standard error, those that were dropped too.
    stderr_bytes,
    /// Bytes of log messages, those that were dropped too.
    log_bytes,
    /// Log messages that were kept.
    log_lines,
    /// Files that were open at once, at most.
    open_files,
    /// Sockets that were open at once, at most.
    sockets,
    /// Timers at once, at most.
    timers,
    /// Bytes written to files.
    disk_bytes,
    /// Files, directories and links made.
    disk_files,
    /// Entries of directories that were listed.
    listed,
    /// HTTP requests.
    http_requests,
    /// Bytes of request bodies.
    http_sent_bytes,
    /// Bytes of response bodies.
    http_received_bytes,
    /// Milliseconds of HTTP requests, added up.
    http_ms,
    /// Bytes of all that the skill keeps, if it kept something more.
    state_bytes,
    /// Connections tried.
    connects,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde calls")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}
