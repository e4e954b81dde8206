//! What the process asks of the system, and what it lets others see of it: no
//! core dump, no memory for other programs of the same user, and no words of a
//! panic.

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getrlimit, set_dumpable_behavior, setrlimit,
};
use tokio::signal::unix::{SignalKind, signal};
use wasmtime::PoolingAllocationConfig;

use crate::error::{Error, Kind, Result};

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

/// Before anything secret is read, and again whenever the program begins anew.
pub(super) fn harden() -> Result<()> {
    crate::panic::install();
    // The engine keeps open what it opens now. It could not later: what belongs
    // to a process without dumps in `/proc` is root's, to the process itself too.
    let _ = PoolingAllocationConfig::is_pagemap_scan_available();
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    setrlimit(Resource::Core, none)
        .and_then(|()| set_dumpable_behavior(DumpableBehavior::NotDumpable))
        .map_err(|cause| {
            Error::new(
                Kind::Internal,
                "The host cannot keep its memory from other programs.",
            )
            .with_internal(cause)
        })
}
