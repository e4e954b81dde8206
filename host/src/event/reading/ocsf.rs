//! Records in the Open Cybersecurity Schema Framework (OCSF) 1.8.0.
//!
//! Which class an event belongs to stands in the
//! [catalogue](crate::event::catalogue), and why in `docs/EVENTS.md`. What has no
//! place in a class is kept under `unmapped`, so that nothing is lost.

use serde_json::{Map, Value, json};

use super::Entry;
use crate::event::Severity;
use crate::event::catalogue::described;

/// The version of the schema that the records are written in.
pub const VERSION: &str = "1.8.0";

/// The profile that says what a security control did.
const PROFILE: &str = "security_control";

/// Fields that have a place in every class, and are not repeated.
const PLACED: [&str; 6] = ["time", "sequence", "severity", "event", "kind", "reason"];

/// A class of OCSF, of those that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Base Event (0): an event that this program does not know.
    Base,
    /// Event Log Activity (1008): the audit log itself.
    Log,
    /// Detection Finding (2004): something was refused, or looks wrong.
    Finding,
    /// Entity Management (3004): policy and grants.
    Entity,
    /// Application Lifecycle (6002): a skill comes, goes, or is halted.
    Lifecycle,
    /// API Activity (6003): a call of a tool.
    Call,
    /// Application Error (6008): a skill or the host failed or ran into a limit.
    Fault,
}

impl Class {
    /// Its number.
    #[must_use]
    pub const fn uid(self) -> u32 {
        match self {
            Self::Base => 0,
            Self::Log => 1008,
            Self::Finding => 2004,
            Self::Entity => 3004,
            Self::Lifecycle => 6002,
            Self::Call => 6003,
            Self::Fault => 6008,
        }
    }

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Base => "Base Event",
            Self::Log => "Event Log Activity",
            Self::Finding => "Detection Finding",
            Self::Entity => "Entity Management",
            Self::Lifecycle => "Application Lifecycle",
            Self::Call => "API Activity",
            Self::Fault => "Application Error",
        }
    }

    const fn category(self) -> (u32, &'static str) {
        match self {
            Self::Base => (0, "Uncategorized"),
            Self::Log => (1, "System Activity"),
            Self::Finding => (2, "Findings"),
            Self::Entity => (3, "Identity & Access Management"),
            Self::Lifecycle | Self::Call | Self::Fault => (6, "Application Activity"),
        }
    }

    /// What an activity of this class is called.
    #[must_use]
    pub const fn activity(self, id: u8) -> &'static str {
        match (self, id) {
            (Self::Finding | Self::Entity, 1) => "Create",
            (Self::Finding, 2) => "Update",
            (Self::Entity | Self::Call, 3) => "Update",
            (Self::Entity | Self::Call, 4) => "Delete",
            (Self::Entity, 11) => "Deactivate",
            (Self::Call, 2) => "Read",
            (Self::Lifecycle, 3) | (Self::Log, 6) => "Start",
            (Self::Lifecycle, 4) => "Stop",
            (Self::Lifecycle, 6) => "Enable",
            (Self::Lifecycle, 7) => "Disable",
            (Self::Lifecycle, 8) => "Update",
            (Self::Log, 5) => "Rotate",
            (Self::Log, 7) => "Stop",
            (Self::Log, 8) => "Restart",
            (Self::Fault, 1) => "General Error",
            (_, 99) => "Other",
            _ => "Unknown",
        }
    }
}

/// The record as OCSF has it.
#[must_use]
pub fn of(line: &Entry) -> Value {
    let (class, activity) = described(line.event()).map_or((Class::Base, 99), |it| it.class);
    let mut record = Writer {
        line,
        fields: Map::new(),
        placed: PLACED.to_vec(),
    };
    record.begin(class, activity);
    match class {
        Class::Base | Class::Fault => {}
        Class::Log => record.put("log_name", "audit"),
        Class::Finding => record.finding(),
        Class::Entity => record.entity(),
        Class::Lifecycle => record.lifecycle(),
        Class::Call => record.call(),
    }
    record.end()
}

struct Writer<'a> {
    line: &'a Entry,
    fields: Map<String, Value>,
    placed: Vec<&'static str>,
}

impl Writer<'_> {
    fn put(&mut self, field: &str, value: impl Into<Value>) {
        self.fields.insert(field.to_owned(), value.into());
    }

    /// What all classes have.
    fn begin(&mut self, class: Class, activity: u8) {
        let (category, category_name) = class.category();
        self.put("class_uid", class.uid());
        self.put("class_name", class.name());
        self.put("category_uid", category);
        self.put("category_name", category_name);
        self.put("activity_id", activity);
        self.put("activity_name", class.activity(activity));
        self.put(
            "type_uid",
            u64::from(class.uid()) * 100 + u64::from(activity),
        );
        self.put(
            "type_name",
            format!("{}: {}", class.name(), class.activity(activity)),
        );
        let time = self.line.time().unwrap_or_default();
        self.put("time", time.as_millisecond());
        let (severity, severity_name) = severity(self.line.severity());
        self.put("severity_id", severity);
        self.put("severity", severity_name);
        self.put("message", self.line.words());
        self.status(class);
        let metadata = self.metadata();
        self.put("metadata", metadata);
    }

    fn metadata(&self) -> Value {
        let line = self.line;
        let sequence = line.number("sequence").unwrap_or_default();
        let mut metadata = json!({
            "version": VERSION,
            "product": {
                "name": "skillhost",
                "vendor_name": "skillhost",
                "version": env!("CARGO_PKG_VERSION"),
            },
            "profiles": [PROFILE],
            "uid": format!("{}-{sequence}", line.text("run").unwrap_or_default()),
            "log_name": "audit",
            "event_code": line.event(),
        });
        // OCSF counts in 32 bits; the whole number is in `uid`.
        if let Ok(sequence) = i32::try_from(sequence) {
            set(&mut metadata, "sequence", sequence);
        }
        for (from, to) in [("time", "original_time"), ("invocation", "correlation_uid")] {
            if let Some(text) = line.text(from) {
                set(&mut metadata, to, text);
            }
        }
        metadata
    }

    /// How it ended. A finding has a state of its own: it is new.
    fn status(&mut self, class: Class) {
        let (id, name) = match (class, self.line.event(), self.line.text("outcome")) {
            (Class::Finding, ..) => (1, "New"),
            (_, _, Some("ok")) => (1, "Success"),
            (_, _, Some(_)) | (_, "request.rejected" | "skill.rejected", _) => (2, "Failure"),
            (Class::Fault, ..) => (2, "Failure"),
            (_, "audit.torn" | "audit.degraded" | "sink.dropped" | "retry.refused", _) => {
                (2, "Failure")
            }
            (Class::Call, "invocation.started", _) => (99, "Started"),
            (Class::Base, ..) => (0, "Unknown"),
            _ => (1, "Success"),
        };
        self.put("status_id", id);
        self.put("status", name);
        if let Some(kind) = self.line.text("kind") {
            self.put("status_code", kind);
        }
        if let Some(reason) = self.line.text("reason") {
            self.put("status_detail", reason);
        }
        if let Some(blocked) = action(self.line) {
            self.put("action_id", 2);
            self.put("action", "Denied");
            self.put("disposition_id", blocked.0);
            self.put("disposition", blocked.1);
        }
    }

    fn finding(&mut self) {
        let line = self.line;
        let run = line.text("run").unwrap_or_default();
        let sequence = line.number("sequence").unwrap_or_default();
        let mut finding = json!({
            "uid": format!("{run}-{sequence}"),
            "title": line.event(),
            "desc": line.words(),
            "types": [line.event()],
            "data_sources": ["skillhost audit log"],
            "created_time": line.time().unwrap_or_default().as_millisecond(),
        });
        if let Some(rule) = line.text("rule") {
            set(
                &mut finding,
                "analytic",
                json!({"type_id": 1, "type": "Rule", "name": rule}),
            );
        }
        self.put("finding_info", finding);
        self.put("is_alert", line.needs_review());
        if let Some(grant) = line.text("grant") {
            self.put(
                "remediation",
                json!({"desc": format!("Allow it with {grant}")}),
            );
            self.placed.push("grant");
        }
        if let Some(resource) = self.skill() {
            self.put("resources", json!([resource]));
        }
        if line.text("invocation").is_some() {
            let evidence = json!({"api": self.api(), "actor": self.actor()});
            self.put("evidences", json!([evidence]));
        }
    }

    fn call(&mut self) {
        let api = self.api();
        let actor = self.actor();
        self.put("api", api);
        self.put("actor", actor);
        let caller = self.line.text("principal").unwrap_or("unknown");
        self.put("src_endpoint", json!({"name": caller}));
        if let Some(resource) = self.skill() {
            self.put("resources", json!([resource]));
        }
        if let Some(took) = self.line.number("wall_ms") {
            self.put("duration", took);
            self.placed.push("wall_ms");
        }
    }

    fn lifecycle(&mut self) {
        let line = self.line;
        let name = line.text("skill").unwrap_or("unknown");
        let mut app = json!({"name": name});
        for (from, to) in [("version", "version"), ("digest", "uid")] {
            if let Some(text) = line.text(from) {
                set(&mut app, to, text);
            }
        }
        self.put("app", app);
        self.placed.extend(["skill", "version", "digest"]);
    }

    fn entity(&mut self) {
        let line = self.line;
        let name = match (line.text("capability"), line.text("skill")) {
            (Some(capability), Some(skill)) => format!("{skill}: {capability}"),
            (Some(capability), None) => capability.to_owned(),
            _ => match line.text("key") {
                Some(key) => format!("key {key}"),
                None => "trust".to_owned(),
            },
        };
        self.put(
            "entity",
            json!({"name": name, "type_id": 5, "type": "Policy"}),
        );
        if let Some(by) = line.text("by") {
            self.put("actor", json!({"user": {"name": by}}));
            self.placed.push("by");
        }
    }

    fn actor(&mut self) -> Value {
        self.placed.push("principal");
        match self.line.text("principal") {
            Some(principal) => json!({"user": {"name": principal}, "app_name": "skillhost"}),
            None => json!({"app_name": "skillhost"}),
        }
    }

    /// The tool that was called, and with what.
    fn api(&mut self) -> Value {
        let line = self.line;
        self.placed.extend(["tool", "invocation"]);
        let mut api = json!({
            "operation": line.text("tool").unwrap_or(line.event()),
            "request": {"uid": line.text("invocation").unwrap_or_default()},
        });
        if let Some(skill) = line.text("skill") {
            let mut service = json!({"name": skill});
            if let Some(version) = line.text("version") {
                set(&mut service, "version", version);
            }
            set(&mut api, "service", service);
        }
        if let Some(kind) = line.text("kind") {
            let reason = line.text("reason").unwrap_or_default();
            set(
                &mut api,
                "response",
                json!({"error": kind, "error_message": reason}),
            );
        }
        api
    }

    /// The component that it is about.
    fn skill(&mut self) -> Option<Value> {
        let line = self.line;
        let mut resource = json!({"type": "skill", "name": line.text("skill")?});
        for (from, to) in [("version", "version"), ("digest", "uid")] {
            if let Some(text) = line.text(from) {
                set(&mut resource, to, text);
            }
        }
        self.placed.extend(["skill", "version", "digest"]);
        Some(resource)
    }

    /// With everything that has no place of its own.
    fn end(mut self) -> Value {
        let fields = self.line.fields().iter();
        let left: Map<String, Value> = fields
            .filter(|(name, _)| !self.placed.contains(&name.as_str()))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        if !left.is_empty() {
            self.put("unmapped", left);
        }
        Value::Object(self.fields)
    }
}

const fn severity(severity: Severity) -> (u8, &'static str) {
    match severity {
        Severity::Info => (1, "Informational"),
        Severity::Warning => (3, "Medium"),
        Severity::High => (4, "High"),
    }
}

/// What the host did to what it refused, and what OCSF calls that.
fn action(line: &Entry) -> Option<(u8, &'static str)> {
    match line.event() {
        "policy.denied" | "capability.denied" | "egress.denied" | "denials.repeated"
        | "verify.failed" | "skill.revoked" | "trust.rejected" | "cache.rejected" => {
            Some((2, "Blocked"))
        }
        "request.rejected" | "host.overloaded" | "skill.rejected" => Some((25, "Rejected")),
        "input.flagged" if line.text("action") == Some("refuse") => Some((2, "Blocked")),
        _ => None,
    }
}

fn set(object: &mut Value, key: &str, value: impl Into<Value>) {
    if let Some(object) = object.as_object_mut() {
        object.insert(key.to_owned(), value.into());
    }
}
