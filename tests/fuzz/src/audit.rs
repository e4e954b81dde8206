use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};
use skillhost::event::audit::{AuditLog, AuditOptions, Durability, Line, Lines};
use skillhost::event::{Event, Events, Subject};
use skillhost::sign::PrivateKey;
use skillhost::time::system;
use tempfile::TempDir;

/// As texts that a record repeats: it is one line of the log, which reads back
/// as what it was made of, and holds no control character as it is.
pub fn audit(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (target, grant) = text.split_at(text.floor_char_boundary(text.len() / 2));
    let subject = Subject {
        skill: Some(target.into()),
        tool: Some(grant.into()),
        signers: Arc::new([text.as_ref().into()]),
        ..Subject::default()
    };
    let event = Event::CapabilityDenied {
        capability: "state",
        rule: None,
        target: target.to_owned(),
        grant: grant.to_owned(),
    };
    let line = STAGE.lock().unwrap().write(&subject, &event);
    let line = str::from_utf8(&line.bytes).unwrap();
    assert!(!line.chars().any(|it| it < ' '), "{line:?}");
    let record: Value = serde_json::from_str(line).unwrap();
    assert_eq!(record["event"], "capability.denied");
    assert_eq!(record["target"], target);
    assert_eq!(record["grant"], grant);
    assert_eq!(record["skill"], target);
    assert_eq!(record["tool"], grant);
    assert_eq!(record["signers"], json!([text]));
}

struct Stage {
    folder: TempDir,
    events: Events,
}

static STAGE: LazyLock<Mutex<Stage>> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let options = AuditOptions {
        rotate_size: 16 * 1024 * 1024,
        keep: Some(0),
        ..AuditOptions::new(PrivateKey::generate().unwrap(), Durability::Flush)
    };
    let log = AuditLog::open(&folder.path().join("audit.jsonl"), options).unwrap();
    let events = Events::new(Box::new(log), vec![], Arc::clone(&system())).unwrap();
    Mutex::new(Stage { folder, events })
});

impl Stage {
    /// The line that one event adds to the log.
    fn write(&self, subject: &Subject, event: &Event) -> Line {
        self.events.record(subject, event).unwrap();
        let path = self.folder.path().join("audit.jsonl");
        Lines::last(&path, 1).unwrap().next().unwrap().unwrap()
    }
}
