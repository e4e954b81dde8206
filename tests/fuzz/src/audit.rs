use std::fs::{self, File};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};
use skillhost::event::log::AuditLog;
use skillhost::event::{Event, Events, Subject};
use skillhost::time::system;
use tempfile::TempDir;

/// As texts that a record repeats: it is one line of the log, which reads back
/// as what it was made of, and holds no control character as it is.
pub fn audit(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (target, grant) = text.split_at(text.floor_char_boundary(text.len() / 2));
    let subject = Subject {
        skill: Some(target.to_owned()),
        tool: Some(grant.to_owned()),
        signers: vec![text.to_string()],
        ..Subject::default()
    };
    let event = Event::CapabilityDenied {
        capability: "state",
        rule: None,
        target: target.to_owned(),
        grant: grant.to_owned(),
    };
    let written = STAGE.lock().unwrap().write(&subject, &event);
    let line = written.strip_suffix('\n').unwrap();
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
    let log = AuditLog::open(&folder.path().join("audit.jsonl")).unwrap();
    let events = Events::new(Box::new(log), vec![], Arc::clone(&system())).unwrap();
    Mutex::new(Stage { folder, events })
});

impl Stage {
    /// What one event adds to the log.
    fn write(&self, subject: &Subject, event: &Event) -> String {
        let path = self.folder.path().join("audit.jsonl");
        File::options()
            .write(true)
            .open(&path)
            .and_then(|file| file.set_len(0))
            .unwrap();
        self.events.record(subject, event).unwrap();
        fs::read_to_string(path).unwrap()
    }
}
