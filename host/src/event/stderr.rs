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

/// The event in a few words. What ends a call or a load is told in full by the
/// answer; what the skill only met on its way stands nowhere else.
fn describe(event: &Event) -> String {
    match event {
        Event::SkillLoaded { compile_ms } => format!("loaded, compiled in {compile_ms} ms"),
        Event::VerifyPassed {} => "signatures verified".to_owned(),
        Event::VerifyFailed { kind, .. } => format!("not trusted ({kind})"),
        Event::ArtifactChanged {} => "its files changed since they were verified".to_owned(),
        Event::SkillRejected { kind, .. } => format!("not loaded ({kind})"),
        Event::InvocationStarted { input_bytes, .. } => format!("called with {input_bytes} bytes"),
        Event::InvocationFinished { outcome, .. } => format!("finished: {outcome}"),
        Event::PolicyDenied { capability, .. } => format!("denied ({capability})"),
        Event::CapabilityDenied {
            capability,
            target,
            grant,
        } => {
            format!("{capability} denied: {target}. Allow it with {grant}")
        }
        Event::EgressDenied {
            target,
            rule,
            grant,
            ..
        } => {
            format!("request denied: {target}: {rule}. Allow it with {grant}")
        }
        Event::LimitExceeded { kind, .. } => format!("stopped ({kind})"),
        Event::GuestTrapped { .. } => "crashed".to_owned(),
        Event::OutputTruncated { stream, dropped } => {
            format!("{dropped} bytes of {stream} dropped")
        }
        Event::HostPanicked {} => "the host failed while it served a call".to_owned(),
    }
}
