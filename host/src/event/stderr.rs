//! Events for the person at the terminal.

use std::fmt;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use anstyle::{AnsiColor, Style};
use tracing_appender::non_blocking::WorkerGuard;

use super::{Event, Record, Severity, Sink};
use crate::error::Result;
use crate::manifest::text::one_line;

/// Shows what was refused or stopped, one line each, on standard error.
pub struct StderrSink {
    at_least: Severity,
    writer: Mutex<Box<dyn Write + Send>>,
    /// Ends the thread that writes, if there is one.
    _worker: Option<WorkerGuard>,
}

impl StderrSink {
    /// Shows events of that severity and above.
    #[must_use]
    pub fn new(at_least: Severity) -> Self {
        Self {
            at_least,
            writer: Mutex::new(Box::new(anstream::stderr())),
            _worker: None,
        }
    }

    /// Likewise, from a thread of its own: nobody waits when standard error is
    /// not read, and lines are lost then. The audit log has them.
    #[must_use]
    pub fn detached(at_least: Severity) -> Self {
        let (writer, worker) = tracing_appender::non_blocking(anstream::stderr());
        Self {
            at_least,
            writer: Mutex::new(Box::new(writer)),
            _worker: Some(worker),
        }
    }
}

impl fmt::Debug for StderrSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StderrSink({:?})", self.at_least)
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
            one_line(&record.redact(&describe(record.event)), 500)
        );
        // Nobody reads a closed standard error; the audit log has the event.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = writer.write_all(line.as_bytes());
        Ok(())
    }
}

/// The event in a few words. What ends a call or a load is told in full by the
/// answer; what the skill only met on its way stands nowhere else.
fn describe(event: &Event) -> String {
    match event {
        Event::SkillLoaded { compile_ms } => format!("loaded, compiled in {compile_ms} ms"),
        Event::VerifyPassed { .. } => "signatures verified".to_owned(),
        Event::VerifyFailed { kind, .. } => format!("not trusted ({kind})"),
        Event::SkillRevoked { reason }
        | Event::ToolChanged { reason }
        | Event::TrustRejected { reason, .. }
        | Event::TrustStale { reason }
        | Event::ConfigInsecure { reason }
        | Event::CacheRejected { reason }
        | Event::RetryRefused { reason }
        | Event::AuditOpened { reason, .. }
        | Event::AuditDegraded { reason } => reason.clone(),
        Event::TrustChanged { changed } => format!("now in force: {}", changed.join(", ")),
        Event::VerificationBypass {} => {
            "SKILLHOST_ALLOW_UNSIGNED has no effect here; it needs SKILLHOST_ENV=development and a build without `hardened`".to_owned()
        }
        Event::UnsignedExecution {} => {
            "DEVELOPMENT OVERRIDE: a skill that nobody signed is run".to_owned()
        }
        Event::ArtifactChanged {} => "its files changed since they were verified".to_owned(),
        Event::SkillRejected { kind, .. } => format!("not loaded ({kind})"),
        Event::InvocationAttempted {
            attempt, next, reason, ..
        } => format!("attempt {attempt}: {next}: {reason}"),
        Event::FallbackUsed { from, to, kind } => {
            format!("{to} is used instead of {from} ({kind})")
        }
        Event::RequestRejected { kind, reason, rule } => {
            format!("turned away ({kind}): {reason} Decided by {rule}")
        }
        Event::InputFlagged {
            rule,
            field,
            action,
        } => format!("argument `{field}` breaks the rule `{rule}` ({action})"),
        Event::BreakerChanged { state, reason, .. } => format!("breaker {state}: {reason}"),
        Event::Alert { rule, reason, .. } => format!("ALERT {rule}: {reason}"),
        Event::SkillSuspended { reason } => {
            format!("suspended: {reason} `skillhost resume` lets it run again")
        }
        Event::SkillResumed { by } => format!("resumed by {by}"),
        Event::SkillReplaced { previous_digest } => format!("replaces {previous_digest}"),
        Event::GrantGiven { capability, by } => format!("{by} granted {capability}"),
        Event::GrantRevoked { capability, by } => format!("{by} revoked {capability}"),
        Event::GrantLapsed { capability, reason } => {
            format!("the grant {capability} lapsed: {reason}")
        }
        Event::PolicyUnmet {
            requirement,
            reason,
        } => format!("requirement `{requirement}` is not met: {reason}"),
        Event::AuditCheckpoint { lines, .. } => format!("{lines} lines signed"),
        Event::AuditRotated { previous_file, .. } => {
            format!("the audit log goes on behind {previous_file}")
        }
        Event::AuditTorn { bytes, kept } => {
            format!("{bytes} bytes of a torn audit log were set aside in {kept}")
        }
        Event::AuditRecovered { refused, kept } => {
            format!("the audit log can be written again; {kept} records were kept, {refused} refused")
        }
        Event::SinkDropped { sink, count } => format!("the sink `{sink}` lost {count} events"),
        Event::InvocationStarted { input_bytes, .. } => format!("called with {input_bytes} bytes"),
        Event::InvocationFinished { outcome, .. } => format!("finished: {outcome}"),
        Event::PolicyDenied { capability, .. } => format!("denied ({capability})"),
        Event::CapabilityDenied {
            capability,
            target,
            grant,
            ..
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
        Event::DenialsRepeated { repeated, unnamed } => {
            format!("denied again: {repeated} times; {unnamed} other denials are not listed")
        }
        Event::LimitExceeded { limit, kind, .. } => format!("limit `{limit}` exceeded ({kind})"),
        Event::SecretRevealed { secret } => format!("secret `{secret}` shown to the skill"),
        Event::SecretRedacted { count } => {
            format!("{count} secrets taken out of what the skill wrote or said")
        }
        Event::GuestTrapped { .. } => "crashed".to_owned(),
        Event::OutputTruncated { stream, dropped } => {
            format!("{dropped} bytes of {stream} dropped")
        }
        Event::HostOverloaded {
            running, waiting, ..
        } => format!("overloaded: {running} calls run and {waiting} wait"),
        Event::AuthFailed { source, method, reason, .. } => format!("{source} is not let in ({method}): {reason}"),
        Event::AuthThrottled { scope, failures, wait_ms, .. } => format!("{scope} is made to wait {wait_ms} ms after {failures} failures"),
        Event::OriginRejected { source, header, value, .. } => format!("a request of {source} is turned away: {header} is `{value}`"),
        Event::WireRejected { source, limit, reason, .. } => format!("a request of {source} is turned away ({limit}): {reason}"),
        Event::ServerStarted { transport, address, authentication } => format!(
            "serving over {transport}{}, callers prove who they are by {authentication}",
            address.as_ref().map(|it| format!(" at {it}")).unwrap_or_default()
        ),
        Event::ServerStopped { reason, running, cancelled } => format!("serving ended ({reason}); {cancelled} of {running} calls were cancelled"),
        Event::ConfigReloaded { changed } => format!("now in force: {}", changed.join(", ")),
        Event::ConfigRejected { kind, reason } => format!("not accepted ({kind}): {reason}"),
        Event::SkillRemoved {} => "no longer served".to_owned(),
        Event::KeyCreated { key, holder, by } => format!("{by} made the key {key} for {holder}"),
        Event::KeyRevoked { key, holder, by } => format!("{by} revoked the key {key} of {holder}"),
        Event::ConsentAsked { capability, how } => format!("the caller's human is asked for {capability} ({how})"),
        Event::ConsentAnswered { capability, answer } => format!("the answer about {capability} is: {answer}"),
        Event::HostPanicked {} => "the host failed while it served a call".to_owned(),
    }
}
