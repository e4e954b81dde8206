//! An audit log in memory, and one on disk.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use skillhost::event::audit::{AuditLog, AuditOptions, Durability};
use skillhost::event::{Record, Sink};
use skillhost::sign::PrivateKey;
use skillhost::{Error, Kind, Result};

/// Every record of a host, as it would be written.
#[derive(Debug, Clone, Default)]
pub struct Records {
    kept: Arc<Mutex<Vec<Value>>>,
    lost: Arc<Mutex<Vec<u64>>>,
    full: Arc<AtomicBool>,
}

impl Records {
    /// All records so far.
    #[must_use]
    pub fn all(&self) -> Vec<Value> {
        self.matching(|_| true)
    }

    /// Those of one call.
    #[must_use]
    pub fn of(&self, invocation: &str) -> Vec<Value> {
        self.matching(|record| record["invocation"] == invocation)
    }

    /// Those of one event.
    #[must_use]
    pub fn named(&self, event: &str) -> Vec<Value> {
        self.matching(|record| record["event"] == event)
    }

    /// The newest.
    #[must_use]
    pub fn newest(&self) -> Value {
        self.kept
            .lock()
            .unwrap()
            .last()
            .cloned()
            .unwrap_or_default()
    }

    /// The newest of one event.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn last(&self, event: &str) -> Value {
        let kept = self.kept.lock().unwrap();
        let found = kept.iter().rev().find(|record| record["event"] == event);
        found.unwrap_or_else(|| panic!("no {event}")).clone()
    }

    /// The numbers of all records, lost ones too, in order.
    #[must_use]
    pub fn sequence(&self) -> Vec<u64> {
        let mut numbers = self.lost.lock().unwrap().clone();
        let kept = self.all();
        numbers.extend(kept.iter().filter_map(|record| record["sequence"].as_u64()));
        numbers.sort_unstable();
        numbers
    }

    fn matching(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let kept = self.kept.lock().unwrap();
        kept.iter()
            .filter(|record| wanted(record))
            .cloned()
            .collect()
    }

    /// From now on nothing can be written, as on a full disk; or it can again.
    pub fn set_full(&self, full: bool) {
        self.full.store(full, Ordering::SeqCst);
    }
}

impl Sink for Records {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        if self.full.load(Ordering::SeqCst) {
            self.lost.lock().unwrap().push(record.sequence);
            return Err(Error::new(Kind::AuditUnavailable, "The disk is full."));
        }
        self.kept
            .lock()
            .unwrap()
            .push(serde_json::to_value(record).unwrap());
        Ok(())
    }
}

/// `audit.jsonl` in that folder, signed with a key `host` beside it.
///
/// # Panics
///
/// If it cannot be opened.
#[must_use]
pub fn audit_log(folder: &Path, durability: Durability) -> Box<AuditLog> {
    let key = PrivateKey::load_or_create(&folder.join("host")).unwrap();
    let options = AuditOptions::new(key, durability);
    Box::new(AuditLog::open(&folder.join("audit.jsonl"), options).unwrap())
}
