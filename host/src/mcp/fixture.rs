//! What a host of a test is made of.

use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::error::Result;
use crate::event::{Record, Sink};
use crate::sign::PrivateKey;
use crate::verify::{PublicKey, Signer, TrustPolicy};

pub(super) type Events = Arc<Mutex<Vec<Value>>>;

#[derive(Debug)]
pub(super) struct Kept(pub(super) Events);

impl Sink for Kept {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        self.0
            .lock()
            .unwrap()
            .push(serde_json::to_value(record).unwrap());
        Ok(())
    }
}

pub(super) fn trust() -> TrustPolicy {
    let folder = tempfile::tempdir().unwrap();
    let (_, public) = PrivateKey::generate()
        .unwrap()
        .save(&folder.path().join("alice"))
        .unwrap();
    let key = PublicKey::from_pem(&std::fs::read_to_string(public).unwrap()).unwrap();
    TrustPolicy::one(Signer::with_keys("alice", [key])).unwrap()
}
