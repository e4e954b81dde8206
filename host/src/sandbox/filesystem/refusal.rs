//! What is said about an operation that is refused: an error code to the
//! guest, and to the operator the guest's path and what would allow it.

use wasmtime_wasi::p2::FsError;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

use super::mounts::Mount;
use super::{Place, View};
use crate::policy::directory::Access;
use crate::policy::remedy;
use crate::sandbox::Observer;

/// Why an operation is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The directory is granted for reading only.
    ReadOnly,
    /// The path leads out of the directory.
    Outside,
    /// It is neither a regular file nor a directory, or one of the kernel's.
    Special,
    /// Guests make no symbolic links.
    Link,
    /// From one granted directory into another.
    Across,
    /// The file runs with the rights of its owner or group.
    Privileged,
    /// The operating system says no to the host itself.
    System,
    /// The host has no more file descriptors to give.
    Exhausted,
}

impl Refusal {
    const fn code(self) -> ErrorCode {
        match self {
            Self::System => ErrorCode::Access,
            Self::Exhausted => ErrorCode::Quota,
            _ => ErrorCode::NotPermitted,
        }
    }

    /// The rule that refuses it.
    const fn rule(self) -> &'static str {
        match self {
            Self::ReadOnly => "the directory is granted for reading only",
            Self::Outside => "the path leads out of the granted directory",
            Self::Special => "only regular files and directories are offered",
            Self::Link => "skills make no symbolic links",
            Self::Across => "nothing is moved or linked from one granted directory into another",
            Self::Privileged => "a setuid or setgid file is not written to",
            Self::System => "the operating system refuses it to the host",
            Self::Exhausted => "guests hold as many files as this process may open for them",
        }
    }

    /// What would allow it.
    fn grant(self, observer: &Observer, mount: &Mount) -> String {
        let directory = |guest: &str, access| {
            remedy::directory(observer.skill(), guest, access, observer.wanted())
        };
        match self {
            Self::ReadOnly => directory(mount.guest(), Access::ReadWrite),
            Self::Outside => directory("/", Access::ReadOnly),
            Self::System => "nothing here: see the owner and the mode of the file".to_owned(),
            Self::Exhausted => "more file descriptors for the host (`ulimit -n`)".to_owned(),
            Self::Special | Self::Link | Self::Across | Self::Privileged => {
                format!("nothing: {}", self.rule())
            }
        }
    }
}

impl View<'_> {
    /// Records a refusal, and returns it as an error for the guest.
    pub(super) fn refuse(&self, place: &Place, refusal: Refusal) -> FsError {
        self.record(place, refusal);
        refusal.code().into()
    }

    /// Records a refusal.
    pub(super) fn record(&self, place: &Place, refusal: Refusal) {
        let grant = refusal.grant(self.observer, &place.mount);
        self.observer.file(&place.path, refusal.rule(), &grant);
    }
}
