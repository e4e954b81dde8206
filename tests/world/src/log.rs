//! Signature logs: Rekor v1, which promises at once and proves later, and
//! Rekor v2, which only proves. Both sign their tree as a checkpoint, a note in
//! the form of the transparency log ecosystem (C2SP `signed-note`).

use serde_json::{Map, Value, json};

use crate::authority::START_TEXT;
use crate::encode::{base64, hex, sha256};
use crate::entry::Entry;
use crate::evidence::Evidence;
use crate::key::Key;
use crate::tree::{Hash, INDEX, SIZE, Tree};

/// In the log as a whole; [`INDEX`] counts in the newest of its trees.
const GLOBAL_INDEX: u64 = 1_000_005;

#[derive(Clone, Debug)]
pub(crate) struct Log {
    url: &'static str,
    /// First line of a checkpoint.
    origin: &'static str,
    /// Who signs it.
    name: &'static str,
    key: Key,
    id: Hash,
}

impl Log {
    /// A log of Rekor v1. cosign wants a tree number in its origin.
    pub(crate) fn v1() -> Self {
        let key = Key::generate();
        Self {
            url: "https://rekor.test",
            origin: "rekor.test - 1193050959916656506",
            name: "rekor.test",
            id: sha256(&key.public_der()),
            key,
        }
    }

    /// A log of Rekor v2, known by the id that `signed-note` gives its key.
    pub(crate) fn v2() -> Self {
        const NAME: &str = "tiles.rekor.test";
        const ED25519: &[u8] = b"\n\x01";
        let key = Key::generate_ed25519();
        Self {
            url: "https://tiles.rekor.test",
            origin: NAME,
            name: NAME,
            id: sha256(&[NAME.as_bytes(), ED25519, key.public_bytes()].concat()),
            key,
        }
    }

    /// Goes by this log's id, without its key.
    pub(crate) fn impostor(&self) -> Self {
        Self {
            key: self.key.another(),
            ..self.clone()
        }
    }

    pub(crate) fn trusted(&self) -> Value {
        trusted(self.url, &self.key, &self.id)
    }

    /// An entry, recorded at a time in Unix seconds. Rekor v2 says nothing
    /// about time.
    pub(crate) fn record(&self, entry: &Entry, evidence: Evidence, at: i64) -> Value {
        let is_v2 = evidence == Evidence::V2;
        let mut record = Map::new();
        let index = if is_v2 { INDEX } else { GLOBAL_INDEX };
        record.insert("logIndex".to_owned(), json!(index.to_string()));
        record.insert("logId".to_owned(), json!({"keyId": base64(self.id)}));
        record.insert("kindVersion".to_owned(), entry.kind_version());
        if !is_v2 {
            record.insert("integratedTime".to_owned(), json!(at.to_string()));
        }
        if evidence.has_promise() {
            let promise = json!({"signedEntryTimestamp": base64(self.promise(entry, at))});
            record.insert("inclusionPromise".to_owned(), promise);
        }
        if evidence.has_proof() {
            record.insert("inclusionProof".to_owned(), self.proof(&entry.body));
        }
        record.insert("canonicalizedBody".to_owned(), json!(base64(&entry.body)));
        Value::Object(record)
    }

    /// The signed entry timestamp: a signature over canonical JSON.
    fn promise(&self, entry: &Entry, at: i64) -> Vec<u8> {
        let promised = json!({
            "body": base64(&entry.body),
            "integratedTime": at,
            "logID": hex(&self.id),
            "logIndex": GLOBAL_INDEX,
        });
        self.key.sign(promised.to_string().as_bytes())
    }

    fn proof(&self, body: &[u8]) -> Value {
        let tree = Tree::around(body);
        let hashes: Vec<String> = tree.path().iter().map(base64).collect();
        json!({
            "logIndex": INDEX.to_string(),
            "rootHash": base64(tree.root()),
            "treeSize": SIZE.to_string(),
            "hashes": hashes,
            "checkpoint": {"envelope": self.checkpoint(&tree.root(), SIZE)},
        })
    }

    fn checkpoint(&self, root: &Hash, size: u64) -> String {
        let note = format!("{}\n{size}\n{}\n", self.origin, base64(root));
        let [a, b, c, d, ..] = self.id;
        let signature = [[a, b, c, d].as_slice(), &self.key.sign(note.as_bytes())].concat();
        format!("{note}\n\u{2014} {} {}\n", self.name, base64(signature))
    }
}

/// A log of any kind as a trusted root lists it.
pub(crate) fn trusted(url: &str, key: &Key, id: &Hash) -> Value {
    json!({
        "baseUrl": url,
        "hashAlgorithm": "SHA2_256",
        "publicKey": {
            "rawBytes": base64(key.public_der()),
            "keyDetails": key.details(),
            "validFor": {"start": START_TEXT},
        },
        "logId": {"keyId": base64(id)},
    })
}
