//! Events for the person at the terminal.

use std::io::Write;

use anstyle::{AnsiColor, Style};

use super::{Event, Record, Severity, Sink};
use crate::error::Result;
use crate::manifest::text::one_line;

/// Shows what was refused or stopped, one line each, on standard error.
#[derive(Debug)]
pub struct StderrSink {
    at_least: Severity,
}

impl StderrSink {
    /// Shows events of that severity and above.
    #[must_use]
    pub const fn new(at_least: Severity) -> Self {
        Self { at_least }
    }
}

impl Sink for StderrSink {
    fn write(&self, record: &Record<'_>) -> Result<()> {
        if record.severity < self.at_least {
            return Ok(());
        }
        let colour = match record.severity {
            Severity::Info => AnsiColor::Cyan,
            Severity::Warning => AnsiColor::Yellow,
            Severity::High => AnsiColor::Red,
        };
        let style = Style::new().fg_color(Some(colour.into()));
        let skill = record.subject.skill.as_deref().unwrap_or("host");
        let line = format!(
            "{style}event{style:#} {skill}: {}\n",
            one_line(&describe(record.event), 500)
        );
        // Nobody reads a closed standard error; the audit log has the event.
        let _ = anstream::stderr().write_all(line.as_bytes());
        Ok(())
    }
}

/// The event in a sentence.
fn describe(event: &Event) -> String {
    match event {
        Event::SkillLoaded { compile_ms } => format!("loaded, compiled in {compile_ms} ms"),
        Event::VerifyPassed {} => "signatures verified".to_owned(),
        Event::VerifyFailed { kind, reason } => format!("not trusted ({kind}): {reason}"),
        Event::ArtifactChanged {} => "its files changed since they were verified".to_owned(),
        Event::SkillRejected { kind, reason } => format!("not loaded ({kind}): {reason}"),
        Event::InvocationStarted { input_bytes, .. } => format!("called with {input_bytes} bytes"),
        Event::InvocationFinished { outcome, .. } => format!("finished: {outcome}"),
        Event::PolicyDenied { reason, grant, .. } => {
            format!("denied: {reason} Allow it with {grant}")
        }
        Event::CapabilityDenied {
            capability,
            target,
            grant,
        } => {
            format!("{capability} denied: {target}; {grant}")
        }
        Event::EgressDenied {
            target,
            rule,
            grant,
            ..
        } => {
            format!("request to {target} denied: {rule}. Allow it with {grant}")
        }
        Event::LimitExceeded { kind, reason } => format!("stopped ({kind}): {reason}"),
        Event::GuestTrapped { reason } => format!("crashed: {reason}"),
        Event::OutputTruncated { stream, dropped } => {
            format!("{dropped} bytes of {stream} dropped")
        }
        Event::HostPanicked {} => "the host failed while it served a call".to_owned(),
    }
}
