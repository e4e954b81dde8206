//! What skills keep from call to call: for each skill a store of its own, with
//! keys, values and versions, under a quota.
//!
//! [`States`] hands out a [`Store`] for a skill, and is where another engine
//! would stand, such as one that several machines share. [`Files`] is the one
//! that every host has: one file for each skill, so that a skill can neither
//! reach, nor break, nor hold up what another keeps. [`Transient`] is the same
//! in memory.
//!
//! A store belongs to those who signed every release that used it. A release
//! that none of them signed does not get it, whatever its name.

mod embedded;
mod file;
mod place;

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

pub use self::place::{Files, Kept, Transient};
use crate::error::{Error, Kind, Result};
use crate::manifest::SkillName;
use crate::verify::SignerName;

/// Where skills keep things.
pub trait States: fmt::Debug + Send + Sync {
    /// The store of a skill whose release these have signed. It may wait for
    /// the disk.
    ///
    /// # Errors
    ///
    /// `Denied` if it belongs to others; `ConfigInvalid` if it is broken, or in
    /// use by another host; `ConfigInsecure` if others may read or write it.
    fn open(&self, skill: &SkillName, signers: &[SignerName]) -> Result<Arc<dyn Store>>;
}

/// What one skill keeps. Each function is one step that happens as a whole or
/// not at all, and may wait for the disk; what [`set`](Self::set) and
/// [`delete`](Self::delete) have returned outlives a crash.
///
/// An entry whose time is over is absent.
pub trait Store: fmt::Debug + Send + Sync {
    /// The entry with that key, or none.
    fn get(&self, key: &str, now: Timestamp) -> Result<Option<Entry>, Refused>;

    /// Stores a value.
    fn set(&self, change: &Change<'_>, quota: &Quota, now: Timestamp) -> Result<Stored, Refused>;

    /// Removes an entry; removing an absent one is no error.
    fn delete(&self, key: &str, now: Timestamp) -> Result<(), Refused>;

    /// Keys in order.
    fn keys(&self, page: &Page<'_>, now: Timestamp) -> Result<Vec<String>, Refused>;
}

/// A value as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What was stored.
    pub value: Vec<u8>,
    /// Grows with each change of the store; never 0, and never the same again,
    /// not even for a key that was removed in between.
    pub version: u64,
}

/// A value to be stored.
#[derive(Debug, Clone, Copy)]
pub struct Change<'a> {
    /// Where.
    pub key: &'a str,
    /// What.
    pub value: &'a [u8],
    /// Only if that is the stored version; 0: only if the key is absent.
    pub expect: Option<u64>,
    /// Only for so many milliseconds.
    pub ttl_ms: Option<u64>,
}

/// What came of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// The entry's version.
    pub version: u64,
    /// Bytes of all keys and values of the store now.
    pub bytes: u64,
}

/// Which keys are wanted.
#[derive(Debug, Clone, Copy)]
pub struct Page<'a> {
    /// What they begin with.
    pub prefix: &'a str,
    /// The key that they come after, itself left out.
    pub after: Option<&'a str>,
    /// At most so many; never more than [`MAX_PAGE`].
    pub limit: u32,
}

/// The most keys that are listed at once.
pub const MAX_PAGE: u32 = 1000;

/// How much a skill may keep.
///
/// # Defaults
///
/// | quota | default |
/// |---|---|
/// | `bytes` | the limit [`state_bytes`](crate::policy::limits::Limits::state_bytes) |
/// | `entries` | 10,000 |
/// | `key` | 512 bytes |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quota {
    /// Bytes of all keys and values.
    pub bytes: u64,
    /// How many entries.
    pub entries: u64,
    /// Bytes of one key.
    pub key: usize,
}

impl Quota {
    /// So many bytes, and the defaults.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self {
            bytes,
            entries: 10_000,
            key: 512,
        }
    }
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It would hold more than the quota.
    #[error("it would hold more than the skill may keep")]
    QuotaExceeded,
    /// The stored version is not the expected one.
    #[error("the stored version is not the expected one")]
    Conflict,
    /// It cannot be read or written; why is for the operator alone.
    #[error("it cannot be read or written: {0}")]
    Unavailable(String),
}

/// The store of a release that its signers do not own.
fn not_owned(skill: &SkillName, owners: &[String]) -> Error {
    let owners = match owners {
        [unsigned] if unsigned.is_empty() => "by releases that nobody signed".to_owned(),
        owners => format!("by releases that {} signed", owners.join(" and ")),
    };
    Error::new(
        Kind::Denied,
        format!("The state of `{skill}` was written {owners}, and this release is not theirs."),
    )
    .with_hint(format!(
        "Let the next release have it with `skillhost state hand-over {skill}`, or begin anew with `skillhost state clear {skill}`."
    ))
}

#[cfg(test)]
mod tests;
