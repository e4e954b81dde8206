//! The call in progress.

use std::time::Duration;

use crate::host;

/// Identifies this call in the host's records: 32 hexadecimal digits.
#[must_use]
pub fn id() -> String {
    host::call_id()
}

/// How long until the deadline, at which the host stops the skill.
#[must_use]
pub fn remaining() -> Duration {
    host::remaining()
}

/// Whether the caller has given up. For a clean end of long loops: return
/// [`Error::cancelled`](crate::Error::cancelled). A skill that does not ask is
/// interrupted all the same.
#[must_use]
pub fn is_cancelled() -> bool {
    host::is_cancelled()
}

/// Reports progress: how much is `done`, of how much if that is known. `done`
/// must grow from one report to the next.
pub fn progress(done: f64, total: Option<f64>, message: Option<&str>) {
    host::progress(done, total, message);
}
