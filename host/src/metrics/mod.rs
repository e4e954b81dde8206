//! What happened, as numbers: counted from the events, without waiting.
//!
//! Labels are names of skills and tools that are loaded, kinds, and words of the
//! host. Nothing that a caller makes up becomes a label, and a family has an end
//! to its series all the same.

pub(crate) mod endpoint;
mod family;
mod text;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

pub use self::endpoint::{Endpoint, MetricsSettings};
pub(crate) use self::family::{BUCKETS, Buckets, Family, Series, Values};
use self::family::{Counters, Histograms};
pub(crate) use self::text::CONTENT_TYPE;
use crate::error::Kind;
use crate::event::{Event, Record, Subject, Usage};

/// Where families come from that are not counted from events.
type Source = Box<dyn Fn() -> Vec<Family> + Send + Sync>;

/// Everything that is counted.
pub(crate) struct Metrics {
    calls: Counters,
    durations: Histograms,
    fuel: Counters,
    attempts: Counters,
    retries: Counters,
    retries_refused: Counters,
    fallbacks: Counters,
    breakers: Counters,
    denials: Counters,
    limits: Counters,
    rejected: Counters,
    events: Counters,
    alerts: Counters,
    audit_writes: AtomicU64,
    audit_failures: AtomicU64,
    sources: RwLock<Vec<Source>>,
}

impl Metrics {
    /// Counts whether a record reached the audit log.
    pub(crate) fn audited(&self, is_kept: bool) {
        let written = if is_kept {
            &self.audit_writes
        } else {
            &self.audit_failures
        };
        written.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one record.
    pub(crate) fn count(&self, record: &Record<'_>) {
        let event = record.event;
        self.events
            .add([event.name(), event.severity().as_str()], 1);
        self.count_event(event, record.subject);
    }

    fn count_event(&self, event: &Event, subject: &Subject) {
        let skill = skill(subject);
        match event {
            Event::InvocationFinished {
                outcome,
                kind,
                usage,
                ..
            } => {
                self.finished(subject, outcome, *kind, usage);
            }
            Event::RetryRefused { .. } => self.retries_refused.add([skill], 1),
            Event::FallbackUsed { kind, .. } => self.fallbacks.add([skill, &kind.to_string()], 1),
            Event::BreakerChanged { state, .. } => {
                let labels = [skill, tool(subject, None)];
                self.breakers.set(labels, breaker(state));
            }
            Event::PolicyDenied { capability, .. } | Event::CapabilityDenied { capability, .. } => {
                self.denials.add([skill, capability], 1);
            }
            Event::EgressDenied { .. } => self.denials.add([skill, "egress"], 1),
            Event::LimitExceeded { limit, .. } => self.limits.add([skill, limit], 1),
            Event::RequestRejected { kind, .. } => self.rejected.add([&kind.to_string()], 1),
            Event::Alert { rule, .. } => self.alerts.add([rule], 1),
            _ => {}
        }
    }

    fn finished(&self, subject: &Subject, outcome: &str, kind: Option<Kind>, usage: &Usage) {
        let (skill, tool) = (skill(subject), tool(subject, kind));
        let kind = kind.map(|kind| kind.to_string()).unwrap_or_default();
        self.calls.add([skill, tool, outcome, &kind], 1);
        self.durations.observe([skill, tool], usage.wall_ms);
        self.fuel.add([skill, tool], usage.fuel);
        self.attempts.add([skill, tool], u64::from(usage.attempts));
        self.retries
            .add([skill, tool], u64::from(usage.attempts.saturating_sub(1)));
    }

    /// Has these families told as well.
    pub(crate) fn also(&self, source: impl Fn() -> Vec<Family> + Send + Sync + 'static) {
        let mut sources = self.sources.write().unwrap_or_else(PoisonError::into_inner);
        sources.push(Box::new(source));
    }

    /// All numbers as they are now.
    pub(crate) fn families(&self) -> Vec<Family> {
        let counted = [
            (
                &self.calls,
                "skillhost_calls_total",
                "Calls that ended, by outcome and kind of failure.",
            ),
            (
                &self.fuel,
                "skillhost_fuel_total",
                "Units of fuel that calls used.",
            ),
            (
                &self.attempts,
                "skillhost_attempts_total",
                "Attempts of calls that ended, fallbacks included.",
            ),
            (
                &self.retries,
                "skillhost_retries_total",
                "Attempts after the first of a call.",
            ),
            (
                &self.retries_refused,
                "skillhost_retries_refused_total",
                "Retries that a budget refused.",
            ),
            (
                &self.fallbacks,
                "skillhost_fallbacks_total",
                "Calls that went on with a fallback, by why.",
            ),
            (
                &self.denials,
                "skillhost_denials_total",
                "Things that were refused to skills, by capability.",
            ),
            (
                &self.limits,
                "skillhost_limits_exceeded_total",
                "Limits that calls ran into.",
            ),
            (
                &self.rejected,
                "skillhost_requests_rejected_total",
                "Calls that were turned away before their tool was looked at.",
            ),
            (
                &self.events,
                "skillhost_events_total",
                "Events, by name and severity.",
            ),
            (
                &self.alerts,
                "skillhost_alerts_total",
                "Alerts, by the rule that raised them.",
            ),
        ];
        let mut families: Vec<Family> = counted
            .into_iter()
            .map(|(counters, name, help)| Family::counter(name, help, counters.values()))
            .collect();
        families.push(self.durations.family(
            "skillhost_call_duration_seconds",
            "How long calls took, from their beginning to their end.",
        ));
        families.push(Family::gauge(
            "skillhost_breaker_state",
            "Circuit breakers: 0 closed, 1 half-open, 2 open.",
            self.breakers.values(),
        ));
        let audit = |counter: &AtomicU64| vec![(Vec::new(), counter.load(Ordering::Relaxed))];
        families.push(Family::counter(
            "skillhost_audit_writes_total",
            "Records that reached the audit log.",
            audit(&self.audit_writes),
        ));
        families.push(Family::counter(
            "skillhost_audit_failures_total",
            "Records that did not reach the audit log.",
            audit(&self.audit_failures),
        ));
        let sources = self.sources.read().unwrap_or_else(PoisonError::into_inner);
        families.extend(sources.iter().flat_map(|source| source()));
        families
    }

    /// All numbers in the text format of Prometheus, version 0.0.4.
    pub(crate) fn text(&self) -> String {
        text::write(&self.families())
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            calls: Counters::by(["skill", "tool", "outcome", "kind"]),
            durations: Histograms::by(["skill", "tool"]),
            fuel: Counters::by(["skill", "tool"]),
            attempts: Counters::by(["skill", "tool"]),
            retries: Counters::by(["skill", "tool"]),
            retries_refused: Counters::by(["skill"]),
            fallbacks: Counters::by(["skill", "kind"]),
            breakers: Counters::by(["skill", "tool"]),
            denials: Counters::by(["skill", "capability"]),
            limits: Counters::by(["skill", "limit"]),
            rejected: Counters::by(["kind"]),
            events: Counters::by(["event", "severity"]),
            alerts: Counters::by(["rule"]),
            audit_writes: AtomicU64::new(0),
            audit_failures: AtomicU64::new(0),
            sources: RwLock::default(),
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

/// The skill, if it is one that was loaded: before that, its name is whatever a
/// caller wrote.
fn skill(subject: &Subject) -> &str {
    let loaded = subject.digest.as_ref().and(subject.skill.as_deref());
    loaded.unwrap_or("")
}

/// The tool, if it is one of a skill that was loaded.
fn tool(subject: &Subject, kind: Option<Kind>) -> &str {
    let is_known = !matches!(
        kind,
        // These are judged before it is known whether there is such a tool.
        Some(
            Kind::UnknownTool
                | Kind::InvalidRequest
                | Kind::Forbidden
                | Kind::Unauthenticated
                | Kind::RateLimited
                | Kind::Suspended
        )
    );
    let loaded = subject.digest.as_ref().and(subject.tool.as_deref());
    loaded.filter(|_| is_known).unwrap_or("")
}

fn breaker(state: &str) -> u64 {
    match state {
        "closed" => 0,
        "half-open" => 1,
        _ => 2,
    }
}
