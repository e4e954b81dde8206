//! Who is loading what.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::OwnedMutexGuard;

/// A file is loaded once at a time; one that takes long to
/// compile holds up no other.
#[derive(Debug, Default)]
pub(super) struct Loading {
    files: Mutex<HashMap<PathBuf, Weak<OneFile>>>,
    registering: Mutex<()>,
}

/// The right to load a file, which one at a time has.
type OneFile = tokio::sync::Mutex<()>;

/// The right to make another snapshot, which one at a time has.
pub(super) type Turn<'a> = MutexGuard<'a, ()>;

impl Loading {
    /// Waits until nobody else loads that file.
    pub(super) async fn of(&self, path: &Path) -> OwnedMutexGuard<()> {
        self.turn(path).lock_owned().await
    }

    fn turn(&self, path: &Path) -> Arc<OneFile> {
        let mut files = self.files.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = files.get(path).and_then(Weak::upgrade) {
            return turn;
        }
        files.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(OneFile::default());
        files.insert(path.to_owned(), Arc::downgrade(&turn));
        turn
    }

    pub(super) fn registering(&self) -> Turn<'_> {
        let registering = self.registering.lock();
        registering.unwrap_or_else(PoisonError::into_inner)
    }
}
