//! The audit log: one JSON object on each line of files that are only appended
//! to, each line bound to the one before.
//!
//! [`verify`] says whether a log is as it was written, and [`Lines`] reads it.

mod chain;
mod checkpoint;
mod head;
mod lines;
mod report;
mod segments;
mod verify;

pub use self::head::HeadKey;
pub use self::lines::{Line, Lines, MAX_LINE};
pub use self::report::{Broken, Checked, Damage, HeadCheck, Keys, MAX_BROKEN, Report};
pub use self::segments::{Segment, segments};
pub use self::verify::verify;
