//! A host with captured events, and what must hold after every call.

use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::num::NonZeroU8;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use skillhost::compile::{CACHE_SIZE, CacheSettings, Compilation, CompileLimits, Worker};
use skillhost::event::Usage;
use skillhost::event::monitor::Rules;
use skillhost::invocation::{Input, Invocation, Principal};
use skillhost::policy::OperatorGrant;
use skillhost::recovery::Breaking;
use skillhost::sign::PrivateKey;
use skillhost::verify::{Signer, TrustPolicy};
use skillhost::{Answer, Error, Host, Kind, Loaded, Setup};
use tempfile::TempDir;
use tokio::sync::Notify;

pub use crate::oracles::SECRET;
use crate::oracles::{self, Held};
use crate::tree::snapshot;
use crate::{Records, alone, guests, pack};

/// How soon everything of a call is given back.
const SOON: Duration = Duration::from_secs(2);

/// The longest pause between two calls of the canary beside an attack.
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// A host, the folder of its skills, and what it recorded.
#[derive(Debug)]
pub struct Bench {
    folder: TempDir,
    key: PrivateKey,
    host: Arc<Host>,
    records: Records,
    timeout: Duration,
    stranger: Stranger,
}

/// What no skill is granted: a folder with a secret in it, and a listener.
#[derive(Debug)]
struct Stranger {
    folder: TempDir,
    before: oracles::Tree,
    listener: TcpListener,
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
        // A test of recovery says what is to be tried again.
        setup.recovery.attempts = NonZeroU8::new(1);
        setup.recovery.breaker = Some(Breaking::Off);
        // What hostile guests do here often would be told each time.
        setup.monitor = Rules::none();
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
            host: Arc::new(Host::new(setup).unwrap()),
            records,
            timeout,
            stranger: Stranger::new(),
        }
    }

    /// The host.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// The host, for whoever serves it.
    #[must_use]
    pub fn shared(&self) -> Arc<Host> {
        Arc::clone(&self.host)
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

    /// A folder that no skill is granted. Whatever is done to it is found out
    /// when the bench is dropped.
    #[must_use]
    pub fn strange_folder(&self) -> &Path {
        self.stranger.folder.path()
    }

    /// Where somebody listens whom no skill is granted. A connection is found
    /// out when the bench is dropped.
    #[must_use]
    pub fn strange_address(&self) -> SocketAddr {
        self.stranger.listener.local_addr().unwrap()
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

    /// Calls a tool of a Rust guest, and checks what must hold during and after
    /// every call.
    pub async fn call(&self, guest: &str, tool: &str, input: Value) -> Called {
        self.ensure_loaded(guest).await;
        self.attack(invocation(guest, tool, input)).await
    }

    /// Like [`call`](Self::call), for a guest in WebAssembly text.
    pub async fn call_text(&self, guest: &str) -> Called {
        let component = pack::text(guest);
        self.load(&pack::skill_name(guest), &component)
            .await
            .unwrap();
        self.attack(invocation(guest, "run", json!({}))).await
    }

    /// Likewise, for a component that embeds no manifest.
    pub async fn call_component(&self, component: &[u8]) -> Called {
        let skill = pack::with_manifest(component, pack::plain_source("component"));
        self.load("component", &skill).await.unwrap();
        self.attack(invocation("component", "run", json!({}))).await
    }

    /// Makes a call beside which the canary is called, and sees that nothing is
    /// left of it.
    pub async fn attack(&self, invocation: Invocation) -> Called {
        self.assert_serving().await;
        let files = everything_in(self.folder());
        let tasks = alone::tasks();
        let over = Notify::new();
        let attack = async {
            let called = self.invoke(invocation).await;
            over.notify_one();
            called
        };
        let (called, ()) = tokio::join!(attack, self.sing_until(&over));
        self.assert_serving().await;
        let after = everything_in(self.folder());
        oracles::o6_untouched(&files, &after).unwrap();
        given_back(tasks).await;
        called
    }

    /// Makes a call and checks what must hold after every call.
    pub async fn invoke(&self, invocation: Invocation) -> Called {
        let called = self.timed(invocation).await;
        oracles::o7_no_secret(&called.seen()).unwrap();
        called
    }

    async fn timed(&self, invocation: Invocation) -> Called {
        let start = now();
        let answer = self.host.invoke(invocation).await;
        let took = start.elapsed();
        let events = self.records.of(&answer.invocation);
        oracles::o1_one_answer(&answer, &events).unwrap();
        oracles::o2_in_time(took, self.timeout).unwrap();
        Called { answer, events }
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

    /// The honest skill of another author answers another caller. What it is
    /// given is nobody else's to see.
    pub async fn assert_serving(&self) {
        self.ensure_loaded("echo").await;
        let mut call = invocation("echo", "echo", json!({"text": SECRET}));
        call.principal = Principal::Stdio;
        let start = now();
        let called = self.timed(call).await;
        let took = start.elapsed();
        let heard = called.answer.outcome.as_ref().map(|_| called.text());
        oracles::o5_canary_sings(heard.as_deref().map_err(|it| *it), SECRET, took).unwrap();
        oracles::o7_no_secret(&format!("{:?}", called.events)).unwrap();
    }

    /// Calls the canary until an attack is over.
    async fn sing_until(&self, over: &Notify) {
        let mut pause = Duration::from_millis(1);
        loop {
            tokio::select! {
                biased;
                () = over.notified() => return,
                () = tokio::time::sleep(pause) => self.assert_serving().await,
            }
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
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

/// After the last call the records count up without a gap, the host did not
/// panic, and nobody was where nobody may be.
impl Drop for Bench {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        oracles::o8_without_gap(&self.records.sequence()).unwrap();
        oracles::o9_no_panic(&self.records.all()).unwrap();
        let after = everything_in(self.strange_folder());
        oracles::o6_untouched(&self.stranger.before, &after).unwrap();
        oracles::o6_unheard(&self.stranger.listener).unwrap();
    }
}

impl Stranger {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("secret.txt"), SECRET).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self {
            before: everything_in(folder.path()),
            folder,
            listener,
        }
    }
}

fn everything_in(folder: &Path) -> oracles::Tree {
    snapshot(folder, Path::new(""))
}

/// O4: tasks of this runtime are soon no more than there were.
pub async fn given_back(tasks: usize) {
    let held = |tasks| Held {
        tasks,
        ..Held::default()
    };
    let end = now() + SOON;
    while let Err(left) = oracles::o4_nothing_left(held(tasks), held(alone::tasks())) {
        assert!(now() < end, "{left}");
        tokio::time::sleep(Duration::from_millis(5)).await;
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

    /// Whose signatures counted.
    #[must_use]
    pub fn signers(&self) -> Vec<&str> {
        let skill = self.answer.skill.as_ref().unwrap();
        skill.signers.iter().map(|signer| &**signer).collect()
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

    /// All that the caller, the operator and the log see.
    fn seen(&self) -> String {
        format!(
            "{} {:?} {:?}",
            self.json(),
            self.answer.diagnostics,
            self.events
        )
    }
}
