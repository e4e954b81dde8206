//! A host that keeps no record, for targets that need a whole one.

use std::fs;
use std::sync::Arc;

use serde_json::Value;
use skillhost::compile::Worker;
use skillhost::event::{Record, Sink};
use skillhost::invocation::Input;
use skillhost::sign::PrivateKey;
use skillhost::verify::{Signer, TrustPolicy};
use skillhost::{Answer, Host, Invocation, Result, Setup};
use skillhost_tests::pack;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A host with one skill, and a runtime to call it in.
#[derive(Debug)]
pub(crate) struct Stage {
    _folder: TempDir,
    host: Host,
    runtime: Runtime,
    skill: String,
}

/// Millions of calls are not worth remembering.
#[derive(Debug)]
struct Forgetful;

impl Sink for Forgetful {
    fn write(&self, _record: &Record<'_>) -> Result<()> {
        Ok(())
    }
}

impl Stage {
    /// A Rust guest, as a skill.
    pub(crate) fn guest(guest: &str, change: impl FnOnce(&mut Setup)) -> Self {
        Self::new(&pack::skill_name(guest), &pack::rust(guest), change)
    }

    /// A component, as a skill of that name.
    pub(crate) fn new(skill: &str, component: &[u8], change: impl FnOnce(&mut Setup)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = PrivateKey::generate().unwrap();
        let trust = TrustPolicy::one(Signer::with_keys("author", [key.public().clone()]));
        let mut setup = Setup::new(trust.unwrap(), Box::new(Forgetful));
        setup.compile.worker = Worker::InProcess;
        change(&mut setup);
        let path = pack::write_signed(folder.path(), skill, component, &key);
        let runtime = Runtime::new().unwrap();
        let host = runtime.block_on(async {
            let host = Host::new(setup).unwrap();
            host.load(&path).await.unwrap();
            host
        });
        Self {
            _folder: folder,
            host,
            runtime,
            skill: skill.to_owned(),
        }
    }

    /// Calls a tool.
    pub(crate) fn call(&self, tool: &str, input: Input) -> Answer {
        let skill = self.skill.parse().unwrap();
        let invocation = Invocation::local(skill, tool, input).unwrap();
        self.runtime.block_on(self.host.invoke(invocation))
    }

    /// Calls a tool that must answer.
    pub(crate) fn ask(&self, tool: &str, input: Value) -> Value {
        let answer = self.call(tool, Input::from_value(input));
        let answer = serde_json::to_value(&answer).unwrap();
        let structured = answer["structured"].clone();
        assert!(structured.is_object(), "{answer}");
        structured.get("result").cloned().unwrap_or(structured)
    }
}

/// What the operator allows that guest.
pub(crate) fn grant<'a>(
    setup: &'a mut Setup,
    guest: &str,
) -> &'a mut skillhost::policy::OperatorGrant {
    skillhost_tests::grant(setup, guest)
}

/// Removes what lies in a folder, and leaves the folder itself.
pub(crate) fn empty(folder: &std::path::Path) {
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            fs::remove_dir_all(entry.path()).unwrap();
        } else {
            fs::remove_file(entry.path()).unwrap();
        }
    }
}

/// Shares something that is made once.
pub(crate) fn shared<T>(value: T) -> Arc<T> {
    Arc::new(value)
}
