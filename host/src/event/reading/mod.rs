//! Reading what was recorded: one line, which lines somebody wants, one call as
//! a story, how often what happened, and the lines as other programs want them.
//!
//! A log may be of an older or a newer host, and cut off anywhere: an event that
//! is not known and a field that is missing are shown as far as they are there.
//! Texts in it come from guests and callers; whatever could forge a line or
//! steer a terminal is escaped before a person sees it.

pub mod cef;
mod filter;
mod entry;
pub mod ocsf;
mod stats;
mod story;
#[cfg(test)]
mod tests;

pub use self::entry::Entry;
pub use self::filter::Filter;
pub use self::stats::{Stats, Tally};
pub use self::story::Story;
