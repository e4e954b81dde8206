//! All rows, by family: R for resources, F for files, N for the network, X for
//! what a skill may not see, M for what it writes, S for signatures.

mod reach;
mod resources;

use super::row::Row;

/// The assembled guests, each under the name of its file.
mod guest {
    include!(concat!(env!("OUT_DIR"), "/selftest_guests.rs"));

    /// Machine code, or at least a file that begins like it.
    pub(super) const NATIVE: &[u8] =
        b"\x7fELF\x02\x01\x01\0 machine code that an engine would trust";

    /// A component as text.
    pub(super) const TEXT: &[u8] = b"(component)";
}

/// The honest skill.
pub(super) const CANARY: &[u8] = guest::SAYS;

/// The guest that opens what it is told.
pub(super) const OPENER: &[u8] = guest::OPEN;

/// Every row.
pub(super) fn rows() -> Vec<Row> {
    [
        resources::computing(),
        resources::memory(),
        resources::calls(),
        resources::features(),
        reach::files(),
        reach::network(),
        reach::sights(),
        reach::signatures(),
    ]
    .concat()
}
