//! Which directories the host granted.

use std::path::PathBuf;

/// The guest paths of the granted directories.
#[cfg(target_family = "wasm")]
pub(crate) fn directories() -> Vec<PathBuf> {
    wasip2::filesystem::preopens::get_directories()
        .into_iter()
        .map(|(_, path)| PathBuf::from(path))
        .collect()
}

/// A native test may read everything.
#[cfg(not(target_family = "wasm"))]
pub(crate) fn directories() -> Vec<PathBuf> {
    vec![PathBuf::from("/")]
}
