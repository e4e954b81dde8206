//! Keys and values that outlive a call, private to the skill.
//!
//! A skill asks for them in its `skill.toml`:
//!
//! ```toml
//! [capabilities.state]
//! reason = "Remembers what the user has seen already"
//! ```
//!
//! Calls may run at once. To change what was read, use [`set_if`] with the
//! version that was read, and begin again on [`Error::Conflict`].

use std::fmt;
use std::time::Duration;

use crate::host;

/// A stored value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What was stored.
    pub value: Vec<u8>,
    /// Grows with each change; never 0.
    pub version: u64,
}

/// Why the store refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The skill was not granted the `state` capability.
    NotGranted,
    /// The value would exceed the skill's quota.
    QuotaExceeded,
    /// The stored version is not the expected one.
    Conflict,
    /// The store does not answer now.
    Unavailable(String),
}

/// The entry with that key, or none.
///
/// # Errors
///
/// [`Error::NotGranted`] or [`Error::Unavailable`].
pub fn get(key: &str) -> Result<Option<Entry>, Error> {
    host::state_get(key)
}

/// Stores a value for good and returns its version. It outlives a crash of the
/// host. A key has at most 512 bytes.
///
/// # Errors
///
/// Every [`Error`] but [`Error::Conflict`].
pub fn set(key: &str, value: &[u8]) -> Result<u64, Error> {
    host::state_set(key, value, None, None)
}

/// Stores a value for a time, in whole milliseconds, and returns its version.
///
/// # Errors
///
/// Every [`Error`] but [`Error::Conflict`].
pub fn set_for(key: &str, value: &[u8], time: Duration) -> Result<u64, Error> {
    host::state_set(key, value, None, Some(time))
}

/// Stores a value only if `version` is the stored one (0: the key is absent),
/// and returns the next version.
///
/// # Errors
///
/// [`Error::Conflict`] if another call was faster: read again and decide anew.
pub fn set_if(key: &str, value: &[u8], version: u64) -> Result<u64, Error> {
    host::state_set(key, value, Some(version), None)
}

/// Removes an entry; removing an absent one is no error.
///
/// # Errors
///
/// [`Error::NotGranted`] or [`Error::Unavailable`].
pub fn delete(key: &str) -> Result<(), Error> {
    host::state_delete(key)
}

/// At most `limit` keys, and at most 1,000, that begin with `prefix`, in order, after the key
/// `after`.
///
/// # Errors
///
/// [`Error::NotGranted`] or [`Error::Unavailable`].
pub fn keys(prefix: &str, after: Option<&str>, limit: u32) -> Result<Vec<String>, Error> {
    host::state_keys(prefix, after, limit)
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotGranted => {
                formatter.write_str("The operator has not granted this skill to keep state.")
            }
            Self::QuotaExceeded => formatter.write_str("The skill has no room left for its state."),
            Self::Conflict => {
                formatter.write_str("Another call has changed the same entry. Try again.")
            }
            Self::Unavailable(reason) => {
                write!(formatter, "The store does not answer now: {reason}")
            }
        }
    }
}

impl std::error::Error for Error {}
