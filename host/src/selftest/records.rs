//! The audit log of the bench, in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;

use crate::error::{Error, Kind, Result};
use crate::event::{Record, Sink};

/// Every record, as it would be written.
#[derive(Debug, Clone, Default)]
pub(super) struct Records(Arc<Mutex<Vec<Value>>>);

impl Records {
    /// Those of one call.
    pub(super) fn of(&self, invocation: &str) -> Vec<Value> {
        let records = self.lock();
        let of = |record: &&Value| text(record, "invocation") == Some(invocation);
        records.iter().filter(of).cloned().collect()
    }

    /// How often something happened.
    pub(super) fn count(&self, event: &str) -> usize {
        self.lock()
            .iter()
            .filter(|record| text(record, "event") == Some(event))
            .count()
    }

    /// Whether any of them holds that text.
    pub(super) fn mention(&self, needle: &str) -> bool {
        self.lock()
            .iter()
            .any(|record| record.to_string().contains(needle))
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A field of a record that is text.
pub(super) fn text<'a>(record: &'a Value, field: &str) -> Option<&'a str> {
    record.get(field)?.as_str()
}

impl Sink for Records {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        let value = serde_json::to_value(record).map_err(|cause| {
            Error::new(Kind::AuditUnavailable, "The record is no JSON.").with_internal(cause)
        })?;
        self.lock().push(value);
        Ok(())
    }
}
