//! How often what happened, and how long calls took.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Entry;

/// The most names that are counted apart in one table: names of tools are what
/// callers wrote.
const MAX_NAMES: usize = 10_000;

/// Stands for all names beyond.
const OTHERS: &str = "(others)";

/// What a part of a log tells of many calls.
#[derive(Debug, Default, Serialize)]
pub struct Stats {
    /// Lines that were counted.
    pub lines: u64,
    /// Calls that began.
    pub started: u64,
    /// Calls that ended.
    pub finished: u64,
    /// Attempts beyond the first of a call.
    pub retries: u64,
    /// Times that something else was used instead.
    pub fallbacks: u64,
    /// By `skill/tool`.
    pub tools: BTreeMap<String, Tally>,
    /// Failed calls, by kind.
    pub failures: BTreeMap<String, u64>,
    /// Denials, by capability.
    pub denials: BTreeMap<String, u64>,
    /// Limits that were exceeded.
    pub limits: BTreeMap<String, u64>,
    /// Alerts, by rule.
    pub alerts: BTreeMap<String, u64>,
    /// All calls that ended.
    pub all: Tally,
}

/// Calls that ended, and what they took.
#[derive(Debug, Default)]
pub struct Tally {
    ok: u64,
    failed: u64,
    fuel: u64,
    /// How many calls took so many milliseconds.
    took: BTreeMap<u64, u64>,
}

impl Stats {
    /// Counts one line.
    pub fn count(&mut self, line: &Entry) {
        self.lines += 1;
        match line.event() {
            "invocation.started" => self.started += 1,
            "invocation.finished" => self.finish(line),
            "fallback.used" => self.fallbacks += 1,
            "policy.denied" | "capability.denied" => {
                add(&mut self.denials, line.text("capability"))
            }
            "egress.denied" => add(&mut self.denials, Some("network")),
            "limit.exceeded" => add(&mut self.limits, line.text("limit")),
            "alert" => add(&mut self.alerts, line.text("rule")),
            _ => {}
        }
    }

    /// Calls that began and of whose end the log holds nothing.
    #[must_use]
    pub const fn unfinished(&self) -> u64 {
        self.started.saturating_sub(self.finished)
    }

    /// Skills and how often they were called, the busiest first.
    #[must_use]
    pub fn skills(&self) -> Vec<(&str, u64)> {
        let mut skills: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, tally) in &self.tools {
            let skill = name
                .split_once('/')
                .map_or(name.as_str(), |(skill, _)| skill);
            *skills.entry(skill).or_default() += tally.calls();
        }
        let mut skills: Vec<_> = skills.into_iter().collect();
        skills.sort_by_key(|(_, calls)| std::cmp::Reverse(*calls));
        skills
    }

    fn finish(&mut self, line: &Entry) {
        self.finished += 1;
        let attempts = line.number("attempts").unwrap_or_default();
        self.retries += attempts.saturating_sub(1);
        if line.text("outcome") != Some("ok") {
            add(&mut self.failures, line.text("kind"));
        }
        let skill = line.shown("skill").unwrap_or_else(|| "?".to_owned());
        let tool = line.shown("tool").unwrap_or_else(|| "?".to_owned());
        let name = name_in(&self.tools, format!("{skill}/{tool}"));
        self.tools.entry(name).or_default().count(line);
        self.all.count(line);
    }
}

impl Tally {
    /// Calls that ended.
    #[must_use]
    pub const fn calls(&self) -> u64 {
        self.ok + self.failed
    }

    /// Those that gave an answer.
    #[must_use]
    pub const fn ok(&self) -> u64 {
        self.ok
    }

    /// Those that failed.
    #[must_use]
    pub const fn failed(&self) -> u64 {
        self.failed
    }

    /// Units of fuel, added up.
    #[must_use]
    pub const fn fuel(&self) -> u64 {
        self.fuel
    }

    /// The time in milliseconds within which `percent` of a hundred calls ended;
    /// the longest of them, so that it is a time that was measured.
    #[must_use]
    pub fn percentile(&self, percent: u64) -> u64 {
        let rank = (self.calls() * percent).div_ceil(100);
        let mut seen = 0;
        let within = self.took.iter().find(|(_, calls)| {
            seen += **calls;
            seen >= rank
        });
        within.map_or(0, |(took, _)| *took)
    }

    fn count(&mut self, line: &Entry) {
        if line.text("outcome") == Some("ok") {
            self.ok += 1;
        } else {
            self.failed += 1;
        }
        let number = |field| line.number(field).unwrap_or_default();
        self.fuel = self.fuel.saturating_add(number("fuel"));
        *self.took.entry(number("wall_ms")).or_default() += 1;
    }
}

impl Serialize for Tally {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let mut tally = serializer.serialize_struct("Tally", 7)?;
        tally.serialize_field("calls", &self.calls())?;
        tally.serialize_field("ok", &self.ok)?;
        tally.serialize_field("failed", &self.failed)?;
        tally.serialize_field("fuel", &self.fuel)?;
        tally.serialize_field("p50_ms", &self.percentile(50))?;
        tally.serialize_field("p95_ms", &self.percentile(95))?;
        tally.serialize_field("p99_ms", &self.percentile(99))?;
        tally.end()
    }
}

fn add(table: &mut BTreeMap<String, u64>, name: Option<&str>) {
    let name = name_in(table, name.unwrap_or("?").to_owned());
    *table.entry(name).or_default() += 1;
}

/// The name, or what stands for it in a table that is full.
fn name_in<T>(table: &BTreeMap<String, T>, name: String) -> String {
    if table.len() < MAX_NAMES || table.contains_key(&name) {
        name
    } else {
        OTHERS.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(tool: &str, outcome: &str, wall_ms: u64) -> Entry {
        let line = format!(
            r#"{{"event":"invocation.finished","skill":"notes","tool":"{tool}","outcome":"{outcome}","kind":"Trapped","fuel":2,"wall_ms":{wall_ms},"attempts":2}}"#
        );
        Entry::parse(&line).unwrap()
    }

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let mut stats = Stats::default();
        for wall_ms in 1..=100 {
            stats.count(&finished("find", "ok", wall_ms));
        }
        let all = &stats.all;
        assert_eq!(
            (all.percentile(50), all.percentile(95), all.percentile(99)),
            (50, 95, 99)
        );
        assert_eq!(Tally::default().percentile(99), 0);
        assert_eq!((all.fuel(), stats.retries), (200, 100));
    }

    #[test]
    fn calls_are_counted_by_tool_and_failures_by_kind() {
        let mut stats = Stats::default();
        stats.count(&finished("find", "ok", 1));
        stats.count(&finished("find", "error", 1));
        stats.count(&finished("list", "ok", 1));
        let tools: Vec<_> = stats
            .tools
            .iter()
            .map(|(name, tally)| (name.as_str(), tally.ok(), tally.failed()))
            .collect();
        assert_eq!(tools, [("notes/find", 1, 1), ("notes/list", 1, 0)]);
        assert_eq!(stats.failures["Trapped"], 1);
        assert_eq!(stats.skills(), [("notes", 3)]);
    }

    #[test]
    fn invented_names_do_not_fill_the_memory() {
        let mut stats = Stats::default();
        for number in 0..MAX_NAMES + 50 {
            stats.count(&finished(&format!("tool-{number}"), "ok", 1));
        }
        assert_eq!(stats.tools.len(), MAX_NAMES + 1);
        assert_eq!(stats.tools[OTHERS].calls(), 50);
    }
}
