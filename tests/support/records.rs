//! An audit log in memory.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use skillhost::event::{Record, Sink};
use skillhost::{Error, Kind, Result};

/// Every record of a host, as it would be written.
#[derive(Debug, Clone, Default)]
pub struct Records {
    kept: Arc<Mutex<Vec<Value>>>,
    full: Arc<AtomicBool>,
}

impl Records {
    /// All records so far.
    #[must_use]
    pub fn all(&self) -> Vec<Value> {
        self.kept.lock().unwrap().clone()
    }

    /// Those of one call.
    #[must_use]
    pub fn of(&self, invocation: &str) -> Vec<Value> {
        let mut records = self.all();
        records.retain(|record| record["invocation"] == invocation);
        records
    }

    /// Those of one event.
    #[must_use]
    pub fn named(&self, event: &str) -> Vec<Value> {
        let mut records = self.all();
        records.retain(|record| record["event"] == event);
        records
    }

    /// From now on nothing can be written, as on a full disk; or it can again.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }
}

impl Sink for Records {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        if self.full.load(Ordering::SeqCst) {
            return Err(Error::new(Kind::AuditUnavailable, "The disk is full."));
        }
        self.kept
            .lock()
            .unwrap()
            .push(serde_json::to_value(record).unwrap());
        Ok(())
    }
}
