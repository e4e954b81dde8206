//! Between a search and the host that asked for it.

use std::fmt::Display;
use std::io;
use std::path::Path;
use std::time::Duration;

use skillhost_sdk::prelude::*;
use skillhost_sdk::{is_cancelled, progress, remaining};

use crate::find::{Stop, Watch};
use crate::grants;

/// Time kept for writing the answer.
const RESERVE: Duration = Duration::from_millis(250);
/// Progress is reported each time so many files are done.
const REPORT_EVERY: u64 = 256;

/// The call that the search is for.
pub(crate) struct Call;

impl Watch for Call {
    fn stop(&mut self) -> Option<Stop> {
        if is_cancelled() {
            Some(Stop::Cancelled)
        } else {
            (remaining() < RESERVE).then_some(Stop::Deadline)
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "no tree has 2^53 files")]
    fn searched(&mut self, files: u64) {
        if files.is_multiple_of(REPORT_EVERY) {
            progress(files as f64, None, Some("files searched"));
        }
    }
}

/// The pattern or the glob is none.
pub(crate) fn refused(reason: impl Display) -> Error {
    Error::invalid_arguments(reason.to_string()).code("invalid-pattern")
}

/// Why a directory or file cannot be searched, and what to do about it.
pub(crate) fn unsearchable(root: &Path, error: &io::Error) -> Error {
    let path = root.display();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
            Error::not_found(format!("There is no {path} here. {}", granted())).code("no-such-path")
        }
        io::ErrorKind::PermissionDenied => {
            Error::denied(format!("{path} must not be read. {}", granted())).code("unreadable")
        }
        io::ErrorKind::InvalidInput => Error::invalid_arguments(format!(
            "{path} is a symbolic link, and those are not followed. Name its target."
        ))
        .code("symbolic-link"),
        _ => Error::failed(format!("{path} cannot be searched: {error}.")).code("unreadable"),
    }
}

/// No directory was granted.
pub(crate) fn nothing_granted() -> Error {
    Error::not_found(granted()).code("nothing-granted")
}

fn granted() -> String {
    let directories = grants::directories();
    if directories.is_empty() {
        return "No directory is granted to this skill. The host must grant one (`--allow-dir DIR`).".to_owned();
    }
    let names: Vec<_> = directories
        .iter()
        .map(|directory| directory.display().to_string())
        .collect();
    format!(
        "Granted are: {}. The host can grant others (`--allow-dir DIR`).",
        names.join(", ")
    )
}
