//! One line of the audit log.

use jiff::Timestamp;
use serde_json::{Map, Value};

use crate::event::Severity;
use crate::event::catalogue::described;
use crate::manifest::text::one_line;

/// The longest sentence about one line, in characters.
const MAX_WORDS: usize = 600;

/// One record, as it was written.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    raw: String,
    fields: Map<String, Value>,
}

impl Entry {
    /// Reads one line; none if it is no JSON object, as the torn end of a log
    /// may not be.
    #[must_use]
    pub fn parse(raw: &str) -> Option<Self> {
        let raw = raw.trim_end_matches(['\r', '\n']);
        Some(Self {
            fields: serde_json::from_str(raw).ok()?,
            raw: raw.to_owned(),
        })
    }

    /// As it was written, without the end of the line.
    #[must_use]
    pub fn raw(&self) -> &str {
        &self.raw
    }

    /// All fields.
    #[must_use]
    pub const fn fields(&self) -> &Map<String, Value> {
        &self.fields
    }

    /// A field that is a text.
    #[must_use]
    pub fn text(&self, field: &str) -> Option<&str> {
        self.fields.get(field)?.as_str()
    }

    /// A field that is a number.
    #[must_use]
    pub fn number(&self, field: &str) -> Option<u64> {
        self.fields.get(field)?.as_u64()
    }

    /// What happened; empty if the line does not say it.
    #[must_use]
    pub fn event(&self) -> &str {
        self.text("event").unwrap_or_default()
    }

    /// When it happened, if the line says it.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        self.text("time")?.parse().ok()
    }

    /// How much it matters; what says nothing of it matters most.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self.text("severity") {
            Some("info") => Severity::Info,
            Some("warning") => Severity::Warning,
            _ => Severity::High,
        }
    }

    /// Whether a person should look at it.
    #[must_use]
    pub fn needs_review(&self) -> bool {
        self.fields.get("review").and_then(Value::as_bool) == Some(true)
    }

    /// What happened, in one sentence on one line.
    #[must_use]
    pub fn words(&self) -> String {
        let says = described(self.event()).map_or("", |event| event.says);
        let said = match says {
            "" => format!(
                "event `{}`, of which this program knows nothing",
                self.event()
            ),
            says => self.fill(says).unwrap_or_default(),
        };
        one_line(&said, MAX_WORDS)
    }

    /// The field as a person reads it, on one line.
    #[must_use]
    pub fn shown(&self, field: &str) -> Option<String> {
        self.fields
            .get(field)
            .map(|value| one_line(&plain(value), MAX_WORDS))
    }

    /// A template with fields in it. A part in brackets goes if a field of it is
    /// missing; elsewhere a question mark stands for it.
    fn fill(&self, template: &str) -> Option<String> {
        let mut said = String::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('[') {
            let (inside, behind) = behind.split_once(']')?;
            said.push_str(&self.replace(before, Some("?"))?);
            said.push_str(&self.replace(inside, None).unwrap_or_default());
            rest = behind;
        }
        said.push_str(&self.replace(rest, Some("?"))?);
        Some(said)
    }

    fn replace(&self, template: &str, missing: Option<&str>) -> Option<String> {
        let mut said = String::new();
        let mut rest = template;
        while let Some((before, behind)) = rest.split_once('{') {
            let (field, behind) = behind.split_once('}')?;
            said.push_str(before);
            match self.fields.get(field) {
                Some(value) => said.push_str(&plain(value)),
                None => said.push_str(missing?),
            }
            rest = behind;
        }
        said.push_str(rest);
        Some(said)
    }
}

/// A value as a person reads it.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(raw: &str) -> Entry {
        Entry::parse(raw).unwrap()
    }

    #[test]
    fn a_sentence_is_made_of_the_fields_that_are_there() {
        let whole = line(
            r#"{"event":"invocation.finished","outcome":"error","kind":"Trapped","wall_ms":3,"reason":"It crashed."}"#,
        );
        assert_eq!(
            whole.words(),
            "finished: error (Trapped) after 3 ms: It crashed."
        );
        let part = line(r#"{"event":"invocation.finished","outcome":"ok"}"#);
        assert_eq!(part.words(), "finished: ok after ? ms");
        let list = line(r#"{"event":"trust.changed","changed":["policy","lock file"]}"#);
        assert_eq!(list.words(), "now in force: policy, lock file");
    }

    #[test]
    fn what_a_guest_wrote_cannot_steer_a_terminal_or_fill_a_template() {
        let hostile = line(
            r#"{"event":"capability.denied","capability":"files","target":"\u001b[2J{grant}\n[x]","grant":"G"}"#,
        );
        assert_eq!(
            hostile.words(),
            "files denied: \\u{1b}[2J{grant}\\n[x]. Allow it with G"
        );
    }

    #[test]
    fn what_is_not_known_is_said_and_what_is_no_record_is_none() {
        assert!(
            line(r#"{"event":"later.thing"}"#)
                .words()
                .contains("`later.thing`")
        );
        assert_eq!(line("{}").severity(), Severity::High);
        assert_eq!(Entry::parse(r#"{"event":"x""#), None);
        assert_eq!(Entry::parse("[1]"), None);
    }
}
