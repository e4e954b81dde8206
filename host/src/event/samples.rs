//! One of each event, for tests of what is made of them.

use std::sync::Mutex;

use super::*;
use crate::verify::Decision;

/// What tests write to.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept(pub(crate) Arc<Mutex<Vec<serde_json::Value>>>);

impl Kept {
    pub(crate) fn all(&self) -> Vec<serde_json::Value> {
        self.0.lock().unwrap().clone()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let all = self.all();
        all.iter()
            .map(|it| it["event"].as_str().unwrap().to_owned())
            .collect()
    }
}

impl Sink for Kept {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        self.0
            .lock()
            .unwrap()
            .push(serde_json::to_value(record).unwrap());
        Ok(())
    }
}

/// A call of a verified skill.
pub(crate) fn subject() -> Subject {
    Subject {
        invocation: Some("3bb22befe179fba302c35c3a7b25a3ee".into()),
        principal: Some("stdio".into()),
        skill: Some("notes".into()),
        version: Some("1.2.3".into()),
        digest: Some("sha256:00".into()),
        tool: Some("find".into()),
        signers: Arc::new(["alice".into(), "bob".into()]),
        trust_generation: Some(2),
        traceparent: None,
    }
}

/// Each event, about a call and about nothing, as lines of a log.
pub(crate) fn lines() -> Vec<reading::Entry> {
    let kept = Kept::default();
    let events = Events::new(Box::new(kept.clone()), Vec::new(), crate::time::system()).unwrap();
    for event in all() {
        events.record(&subject(), &event).unwrap();
        events.record(&Subject::default(), &event).unwrap();
    }
    let lines = kept.all().into_iter().map(|it| it.to_string());
    lines
        .map(|raw| reading::Entry::parse(&raw).unwrap())
        .collect()
}

fn text() -> String {
    "a text".to_owned()
}

fn decision() -> Decision {
    Decision {
        allowed: true,
        signatures_valid: 1,
        signatures_total: 2,
        errors: vec![text()],
        policy: text(),
        mode: "enterprise",
        trust_generation: 2,
        environment: crate::verify::Environment::Production,
    }
}

/// One of each event.
pub(crate) fn all() -> Vec<Event> {
    let kind = Kind::Trapped;
    vec![
        Event::SkillLoaded { compile_ms: 3 },
        Event::VerifyPassed {
            decision: Box::new(decision()),
        },
        Event::VerifyFailed {
            kind,
            reason: text(),
            decision: Some(Box::new(decision())),
        },
        Event::SkillRevoked { reason: text() },
        Event::ToolChanged { reason: text() },
        Event::TrustChanged {
            changed: vec!["policy"],
        },
        Event::TrustRejected {
            kind,
            reason: text(),
        },
        Event::TrustStale { reason: text() },
        Event::ConfigInsecure { reason: text() },
        Event::CacheRejected { reason: text() },
        Event::VerificationBypass {},
        Event::UnsignedExecution {},
        Event::ArtifactChanged {},
        Event::SkillRejected {
            kind,
            reason: text(),
        },
        Event::InvocationStarted {
            input_sha256: text(),
            input_bytes: 3,
        },
        Event::InvocationFinished {
            outcome: "error",
            kind: Some(kind),
            reason: Some(text()),
            usage: Usage {
                fuel: 1,
                memory_bytes: 2,
                wall_ms: 3,
                attempts: 2,
                spent: Spent::default(),
            },
        },
        Event::PolicyDenied {
            capability: "http",
            reason: text(),
            grant: text(),
        },
        Event::CapabilityDenied {
            capability: "state",
            target: text(),
            rule: Some("rule"),
            grant: text(),
        },
        Event::EgressDenied {
            target: text(),
            address: Some("10.0.0.1".to_owned()),
            rule: text(),
            grant: text(),
        },
        Event::DenialsRepeated {
            repeated: 2,
            unnamed: 3,
        },
        Event::LimitExceeded {
            limit: "fuel",
            kind,
            reason: text(),
        },
        Event::SecretRevealed { secret: text() },
        Event::SecretRedacted { count: 1 },
        Event::GuestTrapped {
            reason: text(),
            detail: text(),
        },
        Event::OutputTruncated {
            stream: "stdout",
            dropped: 4,
        },
        Event::HostOverloaded {
            running: 1,
            waiting: 2,
            memory_bytes: 3,
        },
        Event::InvocationAttempted {
            attempt: 1,
            outcome: "error",
            kind: Some(kind),
            next: "retry",
            reason: text(),
            wait_ms: 200,
            fuel: 1,
            wall_ms: 2,
        },
        Event::FallbackUsed {
            from: text(),
            to: text(),
            kind,
        },
        Event::RetryRefused { reason: text() },
        Event::BreakerChanged {
            state: "open",
            reason: text(),
            retry_after_ms: 5,
        },
        Event::RequestRejected {
            kind,
            reason: text(),
            rule: text(),
        },
        Event::InputFlagged {
            rule: text(),
            field: text(),
            action: "refuse",
        },
        Event::Alert {
            rule: text(),
            reason: text(),
            count: 20,
            within_ms: 60_000,
        },
        Event::SkillSuspended { reason: text() },
        Event::SkillResumed { by: text() },
        Event::SkillReplaced {
            previous_digest: text(),
        },
        Event::GrantGiven {
            capability: text(),
            by: text(),
        },
        Event::GrantRevoked {
            capability: text(),
            by: text(),
        },
        Event::GrantLapsed {
            capability: text(),
            reason: text(),
        },
        Event::PolicyUnmet {
            requirement: text(),
            reason: text(),
        },
        Event::AuditOpened {
            reason: text(),
            expected_lines: Some(1),
            expected_head: Some(text()),
        },
        Event::AuditCheckpoint {
            lines: 1,
            head: text(),
            key: text(),
            signature: text(),
        },
        Event::AuditRotated {
            previous_file: text(),
            previous_lines: 1,
            previous_head: text(),
            removed: Some(text()),
        },
        Event::AuditTorn {
            bytes: 1,
            kept: text(),
        },
        Event::AuditDegraded { reason: text() },
        Event::AuditRecovered {
            refused: 1,
            kept: 2,
        },
        Event::SinkDropped {
            sink: text(),
            count: 1,
        },
        Event::AuthFailed {
            source: text(),
            method: "x",
            reason: text(),
            key: Some(text()),
            repeated: 1,
        },
        Event::AuthThrottled {
            source: text(),
            scope: "x",
            failures: 1,
            wait_ms: 1,
        },
        Event::OriginRejected {
            source: text(),
            header: "x",
            value: text(),
            repeated: 1,
        },
        Event::WireRejected {
            source: text(),
            limit: "x",
            reason: text(),
            repeated: 1,
        },
        Event::ServerStarted {
            transport: "x",
            address: Some(text()),
            authentication: "x",
        },
        Event::ServerStopped {
            reason: "x",
            running: 1,
            cancelled: 1,
        },
        Event::ConfigReloaded {
            changed: vec![text()],
        },
        Event::ConfigRejected {
            kind: Kind::Internal,
            reason: text(),
        },
        Event::SkillRemoved {},
        Event::KeyCreated {
            key: text(),
            holder: text(),
            by: text(),
        },
        Event::KeyRevoked {
            key: text(),
            holder: text(),
            by: text(),
        },
        Event::ConsentAsked {
            capability: text(),
            how: "x",
        },
        Event::ConsentAnswered {
            capability: text(),
            answer: "x",
        },
        Event::HostPanicked {},
    ]
}
