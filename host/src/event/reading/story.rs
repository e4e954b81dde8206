//! One call, from its records: who called what, what it was trusted by, what
//! happened on the way, and how it ended.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Entry;
use crate::manifest::text::one_line;

/// What the log holds of one call. Lines may be missing: a log is cut off, a
/// host is killed.
#[derive(Debug, Clone)]
pub struct Story {
    invocation: String,
    lines: Vec<Entry>,
}

impl Story {
    /// The story of the call to which these lines belong, in their order.
    #[must_use]
    pub fn new(invocation: &str, lines: Vec<Entry>) -> Self {
        Self {
            invocation: invocation.to_owned(),
            lines,
        }
    }

    /// What is not on record of it, in one sentence each.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        let mut missing = Vec::new();
        if self.named("invocation.started").is_none() {
            missing.push("Its start is not on record: the log begins later, or was cut or torn.");
        }
        match self.ends() {
            0 => missing.push(
                "Its end is not on record: it still runs, or the host ended before it could be written.",
            ),
            1 => {}
            _ => missing.push("Its end is on record more than once, which no host does."),
        }
        missing
    }

    /// As programs read it: a summary, and the records as they are.
    #[must_use]
    pub fn json(&self) -> Value {
        let end = self.named("invocation.finished");
        let text =
            |line: Option<&Entry>, field| line.and_then(|it| it.text(field)).map(str::to_owned);
        json!({
            "invocation": self.invocation,
            "skill": self.field("skill"),
            "version": self.field("version"),
            "tool": self.field("tool"),
            "principal": self.field("principal"),
            "digest": self.field("digest"),
            "signers": self.value("signers"),
            "trust_generation": self.value("trust_generation"),
            "started": text(self.named("invocation.started"), "time"),
            "finished": text(end, "time"),
            "outcome": text(end, "outcome"),
            "kind": text(end, "kind"),
            "missing": self.missing(),
            "records": self.lines.iter().map(|line| Value::Object(line.fields().clone())).collect::<Vec<_>>(),
        })
    }

    /// As a person reads it.
    #[must_use]
    pub fn text(&self) -> String {
        let mut page = Page::default();
        page.title(&format!("call {}", one_line(&self.invocation, 80)));
        self.head(&mut page);
        for line in &self.lines {
            tell(&mut page, line);
        }
        for missing in self.missing() {
            page.row("missing", missing);
        }
        page.0
    }

    fn head(&self, page: &mut Page) {
        let shown = |field| self.newest(field).and_then(|line| line.shown(field));
        let unknown = || "unknown".to_owned();
        let version = shown("version").map_or_else(String::new, |version| format!(" {version}"));
        let skill = shown("skill").unwrap_or_else(unknown);
        let tool = shown("tool").unwrap_or_else(unknown);
        page.row("tool", &format!("{tool} of {skill}{version}"));
        page.row("called by", &shown("principal").unwrap_or_else(unknown));
        if let Some(digest) = shown("digest") {
            let signers = shown("signers").unwrap_or_else(|| "nobody".to_owned());
            let generation = shown("trust_generation").unwrap_or_else(unknown);
            page.row(
                "trusted",
                &format!("signed by {signers}, generation {generation} of trust"),
            );
            page.row("component", &digest);
        }
    }

    fn named(&self, event: &str) -> Option<&Entry> {
        self.lines.iter().find(|line| line.event() == event)
    }

    fn ends(&self) -> usize {
        let ends = self
            .lines
            .iter()
            .filter(|line| line.event() == "invocation.finished");
        ends.count()
    }

    /// What is newest of a field, in lines about the skill that was asked for:
    /// later ones know more of it, and others are about what was used instead.
    fn newest(&self, field: &str) -> Option<&Entry> {
        let start = self.named("invocation.started").or(self.lines.first())?;
        let asked = start.text("skill");
        let mut lines = self.lines.iter().rev();
        lines.find(|it| it.text("skill") == asked && it.fields().contains_key(field))
    }

    fn value(&self, field: &str) -> Option<Value> {
        self.newest(field)?.fields().get(field).cloned()
    }

    fn field(&self, field: &str) -> Option<String> {
        self.newest(field)?.text(field).map(str::to_owned)
    }
}

/// What happened, one or two rows for each record.
fn tell(page: &mut Page, line: &Entry) {
    let time = line
        .time()
        .map_or_else(|| "?".to_owned(), |time| format!("{time:.3}"));
    let shown = |field| line.shown(field);
    match line.event() {
        "invocation.started" => page.row("started", &format!("{time}, {}", line.words())),
        "invocation.attempted" => {
            let attempt = shown("attempt").unwrap_or_default();
            page.row(&format!("attempt {attempt}"), &attempted(line));
        }
        "invocation.finished" => {
            page.row("finished", &format!("{time}, {}", line.words()));
            if let Some(used) = usage(line) {
                page.row("used", &used);
            }
        }
        "policy.denied" | "capability.denied" | "egress.denied" => {
            page.row("denied", &line.words());
        }
        "limit.exceeded" => page.row("limit", &line.words()),
        "fallback.used" => page.row("fallback", &line.words()),
        other => page.row(&one_line(other, 40), &line.words()),
    }
}

fn attempted(line: &Entry) -> String {
    let outcome = line.shown("outcome").unwrap_or_default();
    let kind = line
        .shown("kind")
        .map_or_else(String::new, |kind| format!(" ({kind})"));
    let took = line.number("wall_ms").unwrap_or_default();
    let reason = line.shown("reason").unwrap_or_default();
    let next = match (
        line.text("next"),
        line.number("wait_ms").unwrap_or_default(),
    ) {
        (Some("retry"), wait) => format!("tried again after {wait} ms"),
        (Some("fallback"), _) => "something else was used".to_owned(),
        (Some("give-up"), _) => "given up".to_owned(),
        _ => "done".to_owned(),
    };
    format!("{outcome}{kind} after {took} ms, {next}: {reason}")
}

/// Everything that a call used and that is a number, in the order of the record.
fn usage(line: &Entry) -> Option<String> {
    const OTHERS: [&str; 5] = [
        "line",
        "monotonic_ms",
        "sequence",
        "trust_generation",
        "attempts",
    ];
    let numbers = line.fields().iter().filter_map(|(name, value)| {
        let number = value.as_u64().filter(|number| *number > 0)?;
        (!OTHERS.contains(&name.as_str())).then(|| format!("{name} {number}"))
    });
    let used: Vec<String> = numbers.collect();
    (!used.is_empty()).then(|| used.join(", "))
}

/// Rows of a word and a sentence.
#[derive(Default)]
struct Page(String);

impl Page {
    fn title(&mut self, title: &str) {
        // Writing to a text does not fail.
        let _ = writeln!(self.0, "{title}");
    }

    fn row(&mut self, word: &str, sentence: &str) {
        let _ = writeln!(self.0, "  {word:<18} {sentence}");
    }
}
