//! What the process asks of the system before it runs skills.

use rustix::process::{Resource, Rlimit, Signal, getrlimit, setrlimit};
use tokio::signal::unix::{SignalKind, signal};

/// Lets the process open as many files as it may, and go on when a file may
/// grow no longer. It is called where the runtime runs.
pub(super) fn prepare() {
    raise_descriptors();
    survive_file_limit();
}

/// The soft limit of many systems is 1,024, for programs that count descriptors
/// in a fixed table. This one does not.
fn raise_descriptors() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(errno) = setrlimit(Resource::Nofile, raised) {
        tracing::debug!(%errno, "the limit of open files stays as it is");
    }
}

/// Writing past the limit of `ulimit -f` sends a signal that ends the process,
/// and a guest can write there. With a listener, the write fails instead. The
/// listener stays when its handle is dropped.
fn survive_file_limit() {
    let kind = SignalKind::from_raw(Signal::XFSZ.as_raw());
    if let Err(cause) = signal(kind) {
        tracing::debug!(%cause, "a limit of file sizes would end this process");
    }
}
