//! A host with captured events, and what must hold after every call.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use skillhost::compile::{CACHE_SIZE, CacheSettings, Compilation, CompileLimits, Worker};
use skillhost::event::Usage;
use skillhost::invocation::{Input, Invocation};
use skillhost::policy::OperatorGrant;
use skillhost::sign::PrivateKey;
use skillhost::verify::{Signer, TrustPolicy};
use skillhost::{Answer, Error, Host, Kind, Loaded, Setup};
use tempfile::TempDir;

use crate::{Records, guests, pack};

/// Stands in host paths and in another skill's settings; no call may show it.
pub const SECRET: &str = "SKH_CANARY_9b1f";

/// How much longer than its deadline a call may take.
const GRACE: Duration = Duration::from_millis(250);

/// A host, the folder of its skills, and what it recorded.
#[derive(Debug)]
pub struct Bench {
    folder: TempDir,
    key: PrivateKey,
    host: Host,
    records: Records,
    timeout: Duration,
}

/// What came of a call.
#[derive(Debug)]
pub struct Called {
    /// The one answer.
    pub answer: Answer,
    /// The events of this call, in order.
    pub events: Vec<Value>,
}

/// What the operator allows a guest, to be changed before the host starts.
pub fn grant<'a>(setup: &'a mut Setup, guest: &str) -> &'a mut OperatorGrant {
    let name = pack::skill_name(guest).parse().unwrap();
    &mut setup.skills.entry(name).or_default().grant
}

impl Bench {
    /// A host that grants nothing and has the default limits.
    #[must_use]
    pub fn new() -> Self {
        Self::with(|_| {})
    }

    /// A host that is set up by `change`.
    pub fn with(change: impl FnOnce(&mut Setup)) -> Self {
        Self::with_key(PrivateKey::generate().unwrap(), change)
    }

    /// Likewise, for skills that are signed with that key.
    pub fn with_key(key: PrivateKey, change: impl FnOnce(&mut Setup)) -> Self {
        let records = Records::default();
        let mut setup = Setup::new(trust(&key), Box::new(records.clone()));
        setup.compile = compilation();
        let settings = Map::from_iter([("token".to_owned(), json!(SECRET))]);
        setup
            .skills
            .entry("echo".parse().unwrap())
            .or_default()
            .settings = settings;
        change(&mut setup);
        let timeout = setup.limits.timeout;
        let folder = tempfile::Builder::new().prefix(SECRET).tempdir().unwrap();
        Self {
            folder,
            key,
            host: Host::new(setup).unwrap(),
            records,
            timeout,
        }
    }

    /// The host.
    #[must_use]
    pub const fn host(&self) -> &Host {
        &self.host
    }

    /// How often the host has begun to compile, or has taken code from the
    /// cache.
    #[must_use]
    pub fn codes(&self) -> u64 {
        self.host.compilations() + self.host.cache_hits()
    }

    /// What the host recorded.
    #[must_use]
    pub const fn records(&self) -> &Records {
        &self.records
    }

    /// The key that the host trusts.
    #[must_use]
    pub const fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Where the skills lie.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a signed component, and loads it.
    ///
    /// # Errors
    ///
    /// Those of the host.
    pub async fn load(&self, name: &str, component: &[u8]) -> Result<Arc<Loaded>, Error> {
        let path = pack::write_signed(self.folder(), name, component, &self.key);
        self.host.load(&path).await
    }

    /// Writes a signed component that the host must not load, and returns how
    /// it was refused. Nothing of it may have been compiled.
    pub async fn refused(&self, name: &str, component: &[u8]) -> Error {
        let path = pack::write_signed(self.folder(), name, component, &self.key);
        self.refused_file(&path).await
    }

    /// Like [`refused`](Self::refused), for a file as it is.
    pub async fn refused_file(&self, path: &Path) -> Error {
        let before = self.codes();
        let error = self.host.load(path).await.unwrap_err();
        assert_eq!(self.codes(), before, "it was compiled: {error}");
        let event = if error.kind().is_trust() {
            "verify.failed"
        } else {
            "skill.rejected"
        };
        let last = self.records.newest();
        assert_eq!(last["event"], event, "{last}");
        assert_eq!(last["kind"], json!(error.kind()), "{last}");
        self.assert_serving().await;
        error
    }

    /// Calls a tool of a Rust guest, checks what must hold after every call,
    /// and sees that the host still serves the canary.
    pub async fn call(&self, guest: &str, tool: &str, input: Value) -> Called {
        self.ensure_loaded(guest).await;
        let called = self.invoke(invocation(guest, tool, input)).await;
        self.assert_serving().await;
        called
    }

    /// Like [`call`](Self::call), for a guest in WebAssembly text.
    pub async fn call_text(&self, guest: &str) -> Called {
        let component = pack::text(guest);
        self.load(&pack::skill_name(guest), &component)
            .await
            .unwrap();
        let called = self.invoke(invocation(guest, "run", json!({}))).await;
        self.assert_serving().await;
        called
    }

    /// Makes a call and checks what must hold after every call.
    pub async fn invoke(&self, invocation: Invocation) -> Called {
        let start = now();
        let answer = self.host.invoke(invocation).await;
        let took = start.elapsed();
        let events = self.records.of(&answer.invocation);
        let called = Called { answer, events };
        called.check_record();
        called.check_secret();
        assert!(
            took <= self.timeout + GRACE,
            "took {took:?} of {:?}",
            self.timeout
        );
        called
    }

    /// Loads a Rust guest, unless it is loaded already.
    pub async fn ensure_loaded(&self, guest: &str) {
        let name = pack::skill_name(guest);
        if self
            .host
            .skills()
            .iter()
            .any(|loaded| loaded.manifest().name.as_str() == name)
        {
            return;
        }
        self.load(&name, &pack::rust(guest)).await.unwrap();
    }

    /// The honest skill of another author answers.
    pub async fn assert_serving(&self) {
        self.ensure_loaded("echo").await;
        let called = self
            .invoke(invocation("echo", "echo", json!({"text": "canary"})))
            .await;
        assert_eq!(called.text(), "canary");
    }

    /// The path of a loaded skill.
    #[must_use]
    pub fn path(&self, guest: &str) -> PathBuf {
        self.folder()
            .join(format!("{}.wasm", pack::skill_name(guest)))
    }

    /// Replaces a skill's file with a signed one, as an installer does.
    pub fn replace(&self, guest: &str, component: &[u8]) {
        let staged = self.folder().join("staged");
        fs::create_dir_all(&staged).unwrap();
        let name = pack::skill_name(guest);
        let path = pack::write_signed(&staged, &name, component, &self.key);
        for file in [format!("{name}.wasm.sigstore.json"), format!("{name}.wasm")] {
            fs::rename(path.with_file_name(&file), self.folder().join(&file)).unwrap();
        }
    }
}

/// After the last call the records count up without a gap, and the host did
/// not panic.
impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let sequence = self.records.sequence();
        assert!(
            sequence.iter().copied().eq(0..sequence.len() as u64),
            "{sequence:?}"
        );
        assert_eq!(self.records.named("host.panicked"), Vec::<Value>::new());
    }
}

impl Default for Bench {
    fn default() -> Self {
        Self::new()
    }
}

/// A call of a guest by the person at this terminal.
#[must_use]
pub fn invocation(guest: &str, tool: &str, input: Value) -> Invocation {
    let skill = pack::skill_name(guest).parse().unwrap();
    Invocation::local(skill, tool, Input::from_value(input)).unwrap()
}

/// Compiles as the command does, in a process of its own. Code is kept from one
/// test to the next, so that no guest is compiled for each of them.
#[must_use]
pub fn compilation() -> Compilation {
    let user = fs::metadata(guests::target_folder()).unwrap().uid();
    let folder = std::env::temp_dir().join(format!("skillhost-tests-{user}"));
    Compilation {
        worker: Worker::Program(compiler()),
        limits: CompileLimits::default(),
        cache: Some(cache_in(&folder)),
    }
}

/// A cache in a folder of its own.
#[must_use]
pub fn cache_in(folder: &Path) -> CacheSettings {
    CacheSettings {
        folder: folder.join("cache"),
        key: folder.join("cache.key"),
        size: CACHE_SIZE,
    }
}

/// The command, which cargo builds for each test of this package.
#[must_use]
pub fn compiler() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().and_then(Path::parent).unwrap();
    folder.join("skillhost-under-test")
}

/// Trust in one key.
#[must_use]
pub fn trust(key: &PrivateKey) -> TrustPolicy {
    TrustPolicy::one(Signer::with_keys("author", [key.public().clone()])).unwrap()
}

#[expect(clippy::disallowed_methods, reason = "measures the host from outside")]
fn now() -> Instant {
    Instant::now()
}

impl Called {
    /// Which failure.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.error().kind()
    }

    /// The failure.
    #[must_use]
    pub fn error(&self) -> &Error {
        self.answer.outcome.as_ref().unwrap_err()
    }

    /// The hint of the failure.
    #[must_use]
    pub fn hint(&self) -> &str {
        self.error().hint().unwrap_or_default()
    }

    /// The answer as the command line prints it.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::to_value(&self.answer).unwrap()
    }

    /// The text of the first block.
    #[must_use]
    pub fn text(&self) -> String {
        let json = self.json();
        json["content"][0]["text"]
            .as_str()
            .unwrap_or_else(|| panic!("{json}"))
            .to_owned()
    }

    /// The structured answer, or what it wraps if the tool returns no object.
    #[must_use]
    pub fn structured(&self) -> Value {
        let structured = self.json()["structured"].clone();
        structured.get("result").cloned().unwrap_or(structured)
    }

    /// What it took.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.answer.usage
    }

    /// The events between start and end.
    #[must_use]
    pub fn between(&self) -> Vec<&str> {
        let names = self
            .events
            .iter()
            .filter_map(|record| record["event"].as_str());
        names
            .filter(|name| !name.starts_with("invocation."))
            .collect()
    }

    /// The only event of that name.
    #[must_use]
    pub fn event(&self, name: &str) -> &Value {
        let found: Vec<_> = self
            .events
            .iter()
            .filter(|record| record["event"] == name)
            .collect();
        assert_eq!(found.len(), 1, "{name}: {:#?}", self.events);
        found[0]
    }

    /// Asserts the failure, and the events in between.
    #[track_caller]
    pub fn expect(&self, kind: Kind, events: &[&str]) -> &Self {
        assert_eq!(self.kind(), kind, "{:#?}", self.answer);
        assert_eq!(self.between(), events, "{:#?}", self.events);
        self
    }

    /// One start, one end, and the end says what the answer says.
    fn check_record(&self) {
        let started = self.event("invocation.started");
        assert_eq!(Some(started), self.events.first());
        let finished = self.event("invocation.finished");
        assert_eq!(Some(finished), self.events.last());
        let kind = self.answer.outcome.as_ref().err().map(Error::kind);
        assert_eq!(finished.get("kind").cloned(), kind.map(|kind| json!(kind)));
    }

    /// Neither the caller nor the log sees what belongs to others.
    fn check_secret(&self) {
        let seen = format!(
            "{} {:?} {:?}",
            self.json(),
            self.answer.diagnostics,
            self.events
        );
        assert!(!seen.contains(SECRET), "{seen}");
    }
}
