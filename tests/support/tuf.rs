//! A TUF repository on loopback with keys of its own (specification 1.0, with
//! consistent snapshots, as Sigstore's is). It is honest until a test makes it
//! say something else.

use serde_json::{Map, Value, json};
use sigstore_crypto::{KeyPair, sha256};
use sigstore_tuf::canonical_json::to_canonical_bytes;

use crate::server::{Files, Reply, Server};

/// Long after any test.
const FUTURE: &str = "2999-01-01T00:00:00Z";

/// Before any test.
const PAST: &str = "2026-01-01T00:00:00Z";

/// A key that signs metadata.
#[derive(Debug)]
pub struct Key {
    pair: KeyPair,
    id: String,
}

impl Key {
    /// A key that nobody else has.
    #[must_use]
    pub fn generate() -> Self {
        let pair = KeyPair::generate_ecdsa_p256().unwrap();
        let id = sha256(pair.public_key_bytes()).to_hex();
        Self { pair, id }
    }

    fn json(&self) -> Value {
        json!({
            "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256",
            "keyval": {"public": self.pair.public_key_der().unwrap().to_pem()},
        })
    }

    fn signature(&self, signed: &Value) -> Value {
        let signature = self
            .pair
            .sign(&to_canonical_bytes(signed).unwrap())
            .unwrap();
        let bytes = signature.as_bytes().iter();
        json!({"keyid": self.id, "sig": bytes.map(|byte| format!("{byte:02x}")).collect::<String>()})
    }
}

/// A metadata file, signed by these keys.
#[must_use]
pub fn sign(signed: &Value, keys: &[&Key]) -> Vec<u8> {
    let signatures: Vec<Value> = keys.iter().map(|key| key.signature(signed)).collect();
    serde_json::to_vec(&json!({"signed": signed, "signatures": signatures})).unwrap()
}

/// What the roles of a repository say at one time.
#[derive(Debug, Clone)]
pub struct Release {
    /// Version of each role.
    pub timestamp: u64,
    /// The one that the timestamp names.
    pub snapshot: u64,
    /// The one that the snapshot names.
    pub targets: u64,
    /// A role whose metadata has expired.
    pub expired: Option<&'static str>,
    /// The file that is offered.
    pub trusted_root: Vec<u8>,
    /// Files by name with length and hashes, if it is not the one offered.
    pub listed: Option<Value>,
    /// Roles that targets are delegated to, in order: name, and what it is told
    /// to say in addition to `_type`, version and expiry.
    pub delegated: Vec<(String, Value)>,
}

impl Release {
    /// All roles at one version.
    #[must_use]
    pub fn new(version: u64, trusted_root: impl Into<Vec<u8>>) -> Self {
        Self {
            timestamp: version,
            snapshot: version,
            targets: version,
            expired: None,
            trusted_root: trusted_root.into(),
            listed: None,
            delegated: Vec::new(),
        }
    }

    fn sha256(&self) -> String {
        sha256(&self.trusted_root).to_hex()
    }

    /// Where the file is offered.
    #[must_use]
    pub fn target_path(&self) -> String {
        format!("/targets/{}.trusted_root.json", self.sha256())
    }

    /// The file, as a role that lists it says it.
    #[must_use]
    pub fn listing(&self) -> Value {
        let length = self.trusted_root.len();
        json!({"trusted_root.json": {"length": length, "hashes": {"sha256": self.sha256()}}})
    }

    fn role(&self, role: &str, version: u64, rest: Value) -> Value {
        let expires = if self.expired == Some(role) {
            PAST
        } else {
            FUTURE
        };
        metadata(role, version, expires, rest)
    }
}

fn metadata(role: &str, version: u64, expires: &str, rest: Value) -> Value {
    let mut signed = json!({
        "_type": role, "spec_version": "1.0.31", "version": version, "expires": expires,
    });
    if let Value::Object(rest) = rest {
        signed.as_object_mut().unwrap().extend(rest);
    }
    signed
}

/// Delegates every file to these roles; a role is one key and one threshold.
#[must_use]
pub fn delegations<'a>(names: impl IntoIterator<Item = &'a str>, key: &Key) -> Value {
    let role = |name| {
        json!({
            "name": name, "keyids": [key.id], "threshold": 1, "terminating": false, "paths": ["*"],
        })
    };
    let roles: Vec<Value> = names.into_iter().map(role).collect();
    json!({"keys": {&key.id: key.json()}, "roles": roles})
}

/// A repository that listens, and its keys: one for root, one for all else.
#[derive(Debug)]
pub struct Repository {
    server: Server,
    files: Files,
    /// Signs for root version 1.
    pub root_key: Key,
    /// Signs for timestamp, snapshot and targets.
    pub online_key: Key,
    /// The root metadata in which trust begins.
    pub first_root: Vec<u8>,
}

impl Repository {
    /// A repository with nothing in it yet.
    pub async fn start() -> Self {
        let files = Files::default();
        let mut repository = Self {
            server: Server::start(Reply::ByPath(files.clone())).await,
            files,
            root_key: Key::generate(),
            online_key: Key::generate(),
            first_root: Vec::new(),
        };
        let root = repository.root(1, &repository.root_key);
        repository.first_root = sign(&root, &[&repository.root_key]);
        repository
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.server.address())
    }

    /// Paths that were asked for, in order.
    #[must_use]
    pub fn asked(&self) -> Vec<String> {
        let heads = self.server.heads();
        let path = |head: &String| head.split(' ').nth(1).unwrap().to_owned();
        heads.iter().map(path).collect()
    }

    /// Root metadata in which `key` is the root's, not signed yet.
    #[must_use]
    pub fn root(&self, version: u64, key: &Key) -> Value {
        let role = |key: &Key| json!({"keyids": [key.id], "threshold": 1});
        let online = role(&self.online_key);
        let rest = json!({
            "consistent_snapshot": true,
            "keys": {&key.id: key.json(), &self.online_key.id: self.online_key.json()},
            "roles": {
                "root": role(key), "timestamp": online, "snapshot": online, "targets": online,
            },
        });
        metadata("root", version, FUTURE, rest)
    }

    /// Serves bytes at a path.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut reply = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", bytes.len());
        reply.push_str(str::from_utf8(bytes).unwrap());
        self.answer(path, Reply::Once(reply.into_bytes()));
    }

    /// Answers at a path in any way.
    pub fn answer(&self, path: &str, reply: Reply) {
        self.files.put(path, reply);
    }

    /// Serves nothing at a path.
    pub fn remove(&self, path: &str) {
        self.files.remove(path);
    }

    /// Serves all that the release says, each role in agreement with the next.
    pub fn publish(&self, release: &Release) {
        self.put(&release.target_path(), &release.trusted_root);
        for (name, rest) in &release.delegated {
            let role = metadata("targets", 1, FUTURE, rest.clone());
            let path = format!("/1.{}.json", name.replace('/', "%2F"));
            self.put(&path, &sign(&role, &[&self.online_key]));
        }
        for (path, role) in [
            (
                format!("/{}.targets.json", release.targets),
                self.targets(release),
            ),
            (
                format!("/{}.snapshot.json", release.snapshot),
                snapshot(release),
            ),
            ("/timestamp.json".to_owned(), timestamp(release)),
        ] {
            self.put(&path, &sign(&role, &[&self.online_key]));
        }
    }

    fn targets(&self, release: &Release) -> Value {
        let mut rest = json!({
            "targets": release.listed.clone().unwrap_or_else(|| release.listing()),
        });
        if !release.delegated.is_empty() {
            let names = release.delegated.iter().map(|(name, _)| name.as_str());
            rest["delegations"] = delegations(names, &self.online_key);
        }
        release.role("targets", release.targets, rest)
    }
}

fn snapshot(release: &Release) -> Value {
    let mut files = Map::new();
    files.insert(
        "targets.json".to_owned(),
        json!({"version": release.targets}),
    );
    for (name, _) in &release.delegated {
        files.insert(format!("{name}.json"), json!({"version": 1}));
    }
    release.role("snapshot", release.snapshot, json!({"meta": files}))
}

/// What the timestamp of a release says.
#[must_use]
pub fn timestamp(release: &Release) -> Value {
    let files = json!({"snapshot.json": {"version": release.snapshot}});
    release.role("timestamp", release.timestamp, json!({"meta": files}))
}
