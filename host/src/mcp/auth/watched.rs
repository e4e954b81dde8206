//! Notices that a file changed, at the next request.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Kind, Result};
use crate::trust::Watch;

/// How often the file is looked at where the kernel sends no notices.
const LOOK: Duration = Duration::from_secs(1);

/// One file.
#[derive(Debug)]
pub(super) struct Watched {
    watch: Watch,
    looked: Option<Instant>,
}

impl Watched {
    /// Watches the file at `path`, which need not be there yet. What it holds is
    /// read after this.
    ///
    /// # Errors
    ///
    /// `Internal`.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let folder = path.parent().unwrap_or(Path::new("."));
        let files: BTreeSet<PathBuf> = BTreeSet::from([path.to_owned()]);
        let watch = std::fs::create_dir_all(folder).and_then(|()| Watch::new(&files));
        let mut watch = watch.map_err(|cause| {
            let message = format!("The file {} cannot be watched.", path.display());
            Error::new(Kind::Internal, message).with_internal(cause)
        })?;
        watch.look();
        Ok(Self {
            watch,
            looked: None,
        })
    }

    /// Whether something happened to the file since this was last asked. One
    /// system call if not.
    pub(super) fn is_changed(&mut self, now: Instant) -> bool {
        let since = self
            .looked
            .map(|looked| now.saturating_duration_since(looked));
        let due = since.is_none_or(|since| since >= LOOK);
        let changed = self.watch.is_noticed() || (due && self.watch.looks_changed());
        if due || changed {
            self.looked = Some(now);
            self.watch.look();
        }
        changed
    }
}
