//! Native tests of a skill, without a host.
//!
//! A tool is a plain function, so a test can call it as one. [`call`] goes
//! through JSON instead, with defaults and refusals, and [`Host`] answers what
//! the tool asks of its host.
//!
//! ```
//! use skillhost_sdk::http::{Request, Response};
//! use skillhost_sdk::testing::Host;
//!
//! let host = Host::new().http(|request| Ok(Response::new(200, request.url())));
//! let body = host.run(|| {
//!     skillhost_sdk::log::info("asking");
//!     Request::get("https://example.org/").send().map(|response| response.text())
//! });
//! assert_eq!(body.unwrap(), "https://example.org/");
//! assert_eq!(host.logs()[0].message, "asking");
//! ```

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::json::Writer;
use crate::{Output, Result, Skill, http, log, secrets, state};

/// Calls a tool as the host does: from JSON, with defaults, and with unknown
/// arguments refused.
///
/// # Errors
///
/// Whatever the model would get: `not_found` for an unknown tool,
/// `invalid_arguments` for arguments that do not fit, and the tool's own errors.
#[expect(
    clippy::needless_pass_by_value,
    reason = "a test writes `json!({...})` without `&`"
)]
pub fn call(skill: &Skill, tool: &str, arguments: Value) -> Result<Output> {
    skill.call(tool, &arguments.to_string())
}

/// The manifest that stands in the component, to look at or to compare.
#[must_use]
pub fn manifest(skill: &Skill) -> Value {
    let mut json = vec![0; skill.manifest_length()];
    skill.write(&mut Writer::new(&mut json));
    serde_json::from_slice(&json).unwrap_or_default()
}

/// A host for tests: answers what a tool asks, and notes what it says.
///
/// Clones are the same host. Outside of [`Host::run`], each thread has one with
/// the defaults.
///
/// # Defaults
///
/// 30 seconds remain, nothing is cancelled, nobody answered a question, there
/// are no settings, secrets or state, and every HTTP request is denied.
#[derive(Clone, Default)]
pub struct Host {
    simulation: Rc<RefCell<Simulation>>,
}

/// A line that the tool logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// How much it matters.
    pub level: log::Level,
    /// What it says.
    pub message: String,
    /// Keys and values that belong to it.
    pub fields: Vec<(String, String)>,
}

/// A report of progress.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// How much is done.
    pub done: f64,
    /// Of how much, if that is known.
    pub total: Option<f64>,
    /// What is being done.
    pub message: Option<String>,
}

type Responder = Rc<dyn Fn(&http::Request) -> Result<http::Response, http::Error>>;

/// What a [`Host`] holds.
pub(crate) struct Simulation {
    pub(crate) settings: HashMap<String, Value>,
    pub(crate) secrets: HashMap<String, Result<String, secrets::Error>>,
    pub(crate) state: BTreeMap<String, state::Entry>,
    pub(crate) last_version: u64,
    pub(crate) answers: BTreeMap<String, Value>,
    pub(crate) input_state: Option<Vec<u8>>,
    pub(crate) remaining: Duration,
    pub(crate) cancelled: bool,
    pub(crate) http: Option<Responder>,
    pub(crate) logs: Vec<LogLine>,
    pub(crate) progress: Vec<Progress>,
}

impl Host {
    /// A host with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives a setting a value.
    #[must_use]
    pub fn config(self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.with(|host| host.settings.insert(key.into(), value.into()))
    }

    /// Gives a secret a value, and grants it.
    #[must_use]
    pub fn secret(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.with(|host| host.secrets.insert(name.into(), Ok(value.into())))
    }

    /// Refuses a secret. One that is not named is [`secrets::Error::Undeclared`].
    #[must_use]
    pub fn refuse_secret(self, name: impl Into<String>, error: secrets::Error) -> Self {
        self.with(|host| host.secrets.insert(name.into(), Err(error)))
    }

    /// Stores an entry, as an earlier call would have.
    #[must_use]
    pub fn state(self, key: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.with(|host| {
            host.last_version += 1;
            let entry = state::Entry {
                value: value.into(),
                version: host.last_version,
            };
            host.state.insert(key.into(), entry)
        })
    }

    /// Answers a form, as an earlier round of the call would have.
    #[must_use]
    pub fn accepts(self, key: impl Into<String>, values: impl Into<Value>) -> Self {
        self.answers(key, json!({"action": "accept", "content": values.into()}))
    }

    /// Declines to answer a form.
    #[must_use]
    pub fn declines(self, key: impl Into<String>) -> Self {
        self.answers(key, json!({"action": "decline"}))
    }

    /// Answers any question, in the words of MCP.
    #[must_use]
    pub fn answers(self, key: impl Into<String>, answer: impl Into<Value>) -> Self {
        self.with(|host| host.answers.insert(key.into(), answer.into()))
    }

    /// Sets the state that an earlier round handed out.
    #[must_use]
    pub fn input_state(self, state: impl Into<Vec<u8>>) -> Self {
        self.with(|host| host.input_state = Some(state.into()))
    }

    /// Sets the time until the deadline. It does not pass.
    #[must_use]
    pub fn remaining(self, remaining: Duration) -> Self {
        self.with(|host| host.remaining = remaining)
    }

    /// Sets whether the caller has given up.
    #[must_use]
    pub fn cancelled(self, cancelled: bool) -> Self {
        self.with(|host| host.cancelled = cancelled)
    }

    /// Answers HTTP requests.
    #[must_use]
    pub fn http(
        self,
        respond: impl Fn(&http::Request) -> Result<http::Response, http::Error> + 'static,
    ) -> Self {
        self.with(|host| host.http = Some(Rc::new(respond)))
    }

    /// Runs `test` with this host in place, on this thread.
    pub fn run<T>(&self, test: impl FnOnce() -> T) -> T {
        let _in_place = InPlace::of(self.clone());
        test()
    }

    /// The lines logged so far.
    #[must_use]
    pub fn logs(&self) -> Vec<LogLine> {
        self.simulation.borrow().logs.clone()
    }

    /// The reports of progress so far.
    #[must_use]
    pub fn progress(&self) -> Vec<Progress> {
        self.simulation.borrow().progress.clone()
    }

    /// The stored value of a key.
    #[must_use]
    pub fn stored(&self, key: &str) -> Option<Vec<u8>> {
        self.simulation
            .borrow()
            .state
            .get(key)
            .map(|entry| entry.value.clone())
    }

    fn with<T>(self, change: impl FnOnce(&mut Simulation) -> T) -> Self {
        change(&mut self.simulation.borrow_mut());
        self
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Simulation {
    pub(crate) fn responder(&mut self) -> Option<Responder> {
        self.http.clone()
    }
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            settings: HashMap::new(),
            secrets: HashMap::new(),
            state: BTreeMap::new(),
            last_version: 0,
            answers: BTreeMap::new(),
            input_state: None,
            remaining: Duration::from_secs(30),
            cancelled: false,
            http: None,
            logs: Vec::new(),
            progress: Vec::new(),
        }
    }
}

thread_local! {
    static CURRENT: RefCell<Host> = RefCell::default();
}

/// Asks the host in place.
pub(crate) fn current<T>(ask: impl FnOnce(&mut Simulation) -> T) -> T {
    let host = CURRENT.with_borrow(Clone::clone);
    ask(&mut host.simulation.borrow_mut())
}

/// Keeps a host in place, until it goes out of scope or the test panics.
struct InPlace {
    previous: Host,
}

impl InPlace {
    fn of(host: Host) -> Self {
        Self {
            previous: CURRENT.replace(host),
        }
    }
}

impl Drop for InPlace {
    fn drop(&mut self) {
        CURRENT.set(self.previous.clone());
    }
}
