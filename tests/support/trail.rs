//! An audit log on disk, and processes that write to it.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use serde_json::Value;
use skillhost::event::audit::{AuditLog, AuditOptions, Durability, Keys, Lines, Report, verify};
use skillhost::event::{Event, Events, Subject, Usage};
use skillhost::sign::PrivateKey;
use skillhost::time::system;

/// Where a child finds the log.
const FOLDER: &str = "SKILLHOST_TEST_TRAIL";

/// `audit.jsonl` in a folder, and the key `host` beside it.
#[derive(Debug, Clone)]
pub struct Trail {
    folder: PathBuf,
}

impl Trail {
    /// The log in that folder.
    #[must_use]
    pub fn within(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    /// The log that a process was given by [`child`](Self::child); none in other
    /// processes.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a test that starts itself")]
    pub fn given() -> Option<Self> {
        std::env::var_os(FOLDER).map(|folder| Self::within(Path::new(&folder)))
    }

    /// Its file.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.folder.join("audit.jsonl")
    }

    /// The host's key.
    #[must_use]
    pub fn key(&self) -> PrivateKey {
        PrivateKey::load_or_create(&self.folder.join("host")).unwrap()
    }

    /// Opens the log, as `change` wants it.
    #[must_use]
    pub fn open(&self, change: impl FnOnce(&mut AuditOptions)) -> Box<AuditLog> {
        let mut options = AuditOptions::new(self.key(), Durability::Flush);
        change(&mut options);
        Box::new(AuditLog::open(&self.log(), options).unwrap())
    }

    /// Begins a run.
    #[must_use]
    pub fn begin(&self, change: impl FnOnce(&mut AuditOptions)) -> Events {
        Events::new(self.open(change), vec![], system()).unwrap()
    }

    /// What the verifier says on the host itself.
    #[must_use]
    pub fn verify(&self) -> Report {
        verify(&self.log(), &Keys::of(&self.key())).unwrap()
    }

    /// All records.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        let lines = Lines::open(&self.log()).unwrap();
        lines.map(|line| line.unwrap().value().unwrap()).collect()
    }

    /// How often each event stands there.
    #[must_use]
    pub fn counts(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for record in self.records() {
            let event = record["event"].as_str().unwrap().to_owned();
            *counts.entry(event).or_default() += 1;
        }
        counts
    }

    /// Starts the test of that path once more, which finds this log with
    /// [`given`](Self::given).
    #[must_use]
    pub fn child(&self, test: &str) -> Child {
        self.command(test).spawn().unwrap()
    }

    /// Likewise, to be changed before it is started.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "a test starts itself once more")]
    pub fn command(&self, test: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args([test, "--exact", "--nocapture", "--test-threads=1"])
            .env(FOLDER, &self.folder)
            .stdout(Stdio::piped());
        command
    }
}

/// Records that a call began.
///
/// # Errors
///
/// `AuditUnavailable` if it cannot be recorded.
pub fn start_call(events: &Events, id: &str) -> skillhost::Result<()> {
    let event = Event::InvocationStarted {
        input_sha256: "sha256:0".to_owned(),
        input_bytes: 2,
    };
    events.record(&of(id), &event)
}

/// Records that a call ended.
///
/// # Errors
///
/// `AuditUnavailable` if it can be neither recorded nor kept.
pub fn end_call(events: &Events, id: &str) -> skillhost::Result<()> {
    let event = Event::InvocationFinished {
        outcome: "ok",
        kind: None,
        reason: None,
        usage: Usage::default(),
    };
    events.record(&of(id), &event)
}

fn of(id: &str) -> Subject {
    Subject {
        invocation: Some(id.into()),
        principal: Some("stdio".into()),
        skill: Some("echo".into()),
        tool: Some(Arc::from("echo")),
        ..Subject::default()
    }
}

/// Says that this machine does not allow a test, in a line that CI counts.
pub fn skip(test: &str, reason: &str) {
    // Not captured, as what `println!` writes would be.
    let _ = writeln!(std::io::stderr(), "skipped: {test}: {reason}");
}
