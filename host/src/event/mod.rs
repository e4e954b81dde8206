//! What happened, as data: one typed event for each decision, always on.
//!
//! The audit log ([`audit::AuditLog`]) is the record: a call whose start cannot
//! be written does not run. Other sinks stand behind it.

pub mod audit;
pub mod catalogue;
pub mod monitor;
mod name;
pub mod reading;
#[cfg(test)]
pub(crate) mod samples;
pub mod sink;
mod stderr;
mod usage;
mod writer;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::ser::Error as _;
use serde::{Serialize, Serializer};

use self::sink::Loss;
pub use self::stderr::StderrSink;
pub use self::usage::{Spent, Usage};
pub use self::writer::Events;
use crate::error::{Kind, Result};
use crate::secret::Redactor;
use crate::verify::Decision;

/// How much an event matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Part of normal work.
    Info,
    /// Something was refused or stopped.
    Warning,
    /// Somebody should look.
    High,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event")]
pub enum Event {
    /// A skill was verified, compiled and made callable.
    #[serde(rename = "skill.loaded")]
    SkillLoaded {
        /// Milliseconds that compiling took.
        compile_ms: u64,
    },
    /// Enough trusted signatures hold.
    #[serde(rename = "verify.passed")]
    VerifyPassed {
        /// How it was decided.
        #[serde(flatten)]
        decision: Box<Decision>,
    },
    /// The skill is not trusted.
    #[serde(rename = "verify.failed")]
    VerifyFailed {
        /// Which check.
        kind: Kind,
        /// In one sentence.
        reason: String,
        /// How it was decided, if its signatures were looked at.
        #[serde(flatten)]
        decision: Option<Box<Decision>>,
    },
    /// The deny list names a skill, or somebody who signed it.
    #[serde(rename = "skill.revoked")]
    SkillRevoked {
        /// In one sentence.
        reason: String,
    },
    /// A skill is not as it was approved; what was approved goes on serving.
    #[serde(rename = "tool.changed")]
    ToolChanged {
        /// What differs.
        reason: String,
    },
    /// Policy, root, deny list or lock file changed, and the change is in force.
    #[serde(rename = "trust.changed")]
    TrustChanged {
        /// Which of them.
        changed: Vec<&'static str>,
    },
    /// A change of policy, root, deny list or lock file is not accepted; what
    /// was in force stays so.
    #[serde(rename = "trust.rejected")]
    TrustRejected {
        /// Which check.
        kind: Kind,
        /// In one sentence.
        reason: String,
    },
    /// The deny list is older than the operator wants.
    #[serde(rename = "trust.stale")]
    TrustStale {
        /// In one sentence.
        reason: String,
    },
    /// Something about this machine makes what is decided unsafe.
    #[serde(rename = "config.insecure")]
    ConfigInsecure {
        /// In one sentence.
        reason: String,
    },
    /// Machine code in the cache is not what this host put there; the component
    /// is compiled again.
    #[serde(rename = "cache.rejected")]
    CacheRejected {
        /// In one sentence.
        reason: String,
    },
    /// Leave to run unsigned skills was asked for where there is none.
    #[serde(rename = "VERIFICATION_BYPASS")]
    VerificationBypass {},
    /// An unsigned skill is run under the development override.
    #[serde(rename = "UNSIGNED_EXECUTION")]
    UnsignedExecution {},
    /// The files of a skill are no longer those that were verified.
    #[serde(rename = "artifact.changed")]
    ArtifactChanged {},
    /// A skill was not loaded for another reason than trust.
    #[serde(rename = "skill.rejected")]
    SkillRejected {
        /// Which check.
        kind: Kind,
        /// In one sentence.
        reason: String,
    },
    /// A call began.
    #[serde(rename = "invocation.started")]
    InvocationStarted {
        /// SHA-256 of the arguments, never the arguments.
        input_sha256: String,
        /// Bytes of the arguments.
        input_bytes: u64,
    },
    /// A call ended: exactly one for each that began.
    #[serde(rename = "invocation.finished")]
    InvocationFinished {
        /// `ok` or `error`.
        outcome: &'static str,
        /// Which failure.
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<Kind>,
        /// In one sentence.
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What it took.
        #[serde(flatten)]
        usage: Usage,
    },
    /// A skill cannot work with what it was granted.
    #[serde(rename = "policy.denied")]
    PolicyDenied {
        /// `filesystem`, `http`, `sockets`, `secrets` or `state`.
        capability: &'static str,
        /// In one sentence.
        reason: String,
        /// What would allow it.
        grant: String,
    },
    /// A running skill reached for what it was not granted; it got an error
    /// and went on.
    #[serde(rename = "capability.denied")]
    CapabilityDenied {
        /// `state`, `secrets`, and so on.
        capability: &'static str,
        /// What it reached for; of a file, the path as the skill sees it.
        target: String,
        /// The rule that refused it, if there are several.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<&'static str>,
        /// What would allow it.
        grant: String,
    },
    /// A running skill wanted to send an HTTP request, or to open a connection,
    /// that no grant allows.
    #[serde(rename = "egress.denied")]
    EgressDenied {
        /// Where to.
        target: String,
        /// The address that the name stood for, if it was looked up.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// The rule that refused it.
        rule: String,
        /// What would allow it.
        grant: String,
    },
    /// Things were refused to a call more than once, or too many different ones
    /// to have an event each.
    #[serde(rename = "denials.repeated")]
    DenialsRepeated {
        /// How often something was refused that has an event already.
        repeated: u64,
        /// How often something was refused that has none.
        unnamed: u64,
    },
    /// A call wanted more than a limit: it was stopped, or got an error and
    /// went on.
    #[serde(rename = "limit.exceeded")]
    LimitExceeded {
        /// The limit's name in a configuration.
        limit: &'static str,
        /// Which failure it is, for a call that was stopped.
        kind: Kind,
        /// In one sentence.
        reason: String,
    },
    /// A skill read a secret that it was granted to read.
    #[serde(rename = "secret.revealed")]
    SecretRevealed {
        /// The skill's name for it.
        secret: String,
    },
    /// Secrets were taken out of what a skill wrote, logged or failed with.
    #[serde(rename = "secret.redacted")]
    SecretRedacted {
        /// How many.
        count: u64,
    },
    /// A skill crashed.
    #[serde(rename = "guest.trapped")]
    GuestTrapped {
        /// In one sentence.
        reason: String,
        /// The engine's words for it.
        detail: String,
    },
    /// A skill wrote more than is kept; it went on.
    #[serde(rename = "output.truncated")]
    OutputTruncated {
        /// `stdout`, `stderr` or `log`.
        stream: &'static str,
        /// Bytes that were dropped.
        dropped: u64,
    },
    /// A call was turned away: as many run and wait as the host takes.
    #[serde(rename = "host.overloaded")]
    HostOverloaded {
        /// Calls that run.
        running: u64,
        /// Calls that wait.
        waiting: u64,
        /// Bytes of memory that are set aside for those that run.
        memory_bytes: u64,
    },
    /// One attempt of a call ended.
    #[serde(rename = "invocation.attempted")]
    InvocationAttempted {
        /// Which one, from 1.
        attempt: u32,
        /// `ok` or `error`.
        outcome: &'static str,
        /// Which failure.
        #[serde(skip_serializing_if = "Option::is_none")]
        kind: Option<Kind>,
        /// What comes next: `done`, `retry`, `fallback` or `give-up`.
        next: &'static str,
        /// Why.
        reason: String,
        /// Milliseconds until the next attempt.
        wait_ms: u64,
        /// Units of fuel that it took.
        fuel: u64,
        /// Milliseconds that it took.
        wall_ms: u64,
    },
    /// A call went on with what was to be used instead.
    #[serde(rename = "fallback.used")]
    FallbackUsed {
        /// The tool that failed, as `skill/tool`.
        from: String,
        /// What was used instead: `skill/tool`, or `last-good`.
        to: String,
        /// Why the first failed.
        kind: Kind,
    },
    /// A call was not tried again although its rules would have it: it may have
    /// had effects, or time, fuel or the skill's budget of attempts is spent.
    #[serde(rename = "retry.refused")]
    RetryRefused {
        /// In one sentence.
        reason: String,
    },
    /// A circuit breaker opened, closed, or lets one call try.
    #[serde(rename = "breaker.changed")]
    BreakerChanged {
        /// `closed`, `open` or `half-open`.
        state: &'static str,
        /// In one sentence.
        reason: String,
        /// Milliseconds until a call may try again.
        retry_after_ms: u64,
    },
    /// A call was turned away before its tool was looked at.
    #[serde(rename = "request.rejected")]
    RequestRejected {
        /// Which failure.
        kind: Kind,
        /// In one sentence.
        reason: String,
        /// The line of the configuration that decided it.
        rule: String,
    },
    /// An argument looks like an attack.
    #[serde(rename = "input.flagged")]
    InputFlagged {
        /// The rule that says so.
        rule: String,
        /// Which argument; never its value.
        field: String,
        /// `flag`, `refuse` or `skip`.
        action: &'static str,
    },
    /// Events became so many that somebody should look.
    #[serde(rename = "alert")]
    Alert {
        /// The rule that says so.
        rule: String,
        /// In one sentence.
        reason: String,
        /// How many events.
        count: u64,
        /// Within so many milliseconds.
        within_ms: u64,
    },
    /// A skill no longer runs until an operator has looked.
    #[serde(rename = "skill.suspended")]
    SkillSuspended {
        /// In one sentence.
        reason: String,
    },
    /// An operator lets a skill run again.
    #[serde(rename = "skill.resumed")]
    SkillResumed {
        /// Who.
        by: String,
    },
    /// Another version or other bytes serve under a skill's name.
    #[serde(rename = "skill.replaced")]
    SkillReplaced {
        /// The component that served before.
        previous_digest: String,
    },
    /// An operator granted a capability.
    #[serde(rename = "grant.given")]
    GrantGiven {
        /// What.
        capability: String,
        /// Who.
        by: String,
    },
    /// An operator took a grant back.
    #[serde(rename = "grant.revoked")]
    GrantRevoked {
        /// What.
        capability: String,
        /// Who.
        by: String,
    },
    /// A grant no longer counts: it was for other signers or another
    /// definition, or its time is over.
    #[serde(rename = "grant.lapsed")]
    GrantLapsed {
        /// What.
        capability: String,
        /// In one sentence.
        reason: String,
    },
    /// A requirement of the operator is not met.
    #[serde(rename = "policy.unmet")]
    PolicyUnmet {
        /// Its name in a configuration.
        requirement: String,
        /// In one sentence, with what to do.
        reason: String,
    },
    /// The audit log was not found as it was left: deleted, cut off, replaced or
    /// edited. It goes on behind what is there.
    #[serde(rename = "audit.opened")]
    AuditOpened {
        /// In one sentence.
        reason: String,
        /// How many lines the log had when the host last wrote it.
        #[serde(skip_serializing_if = "Option::is_none")]
        expected_lines: Option<u64>,
        /// SHA-256 of the last of them.
        #[serde(skip_serializing_if = "Option::is_none")]
        expected_head: Option<String>,
    },
    /// What the audit log holds up to here, signed.
    #[serde(rename = "audit.checkpoint")]
    AuditCheckpoint {
        /// Lines before this one, over all files of the log.
        lines: u64,
        /// SHA-256 of the line before, in hexadecimal digits.
        head: String,
        /// Which key signs.
        key: String,
        /// ECDSA P-256 over both numbers, in Base64.
        signature: String,
    },
    /// The audit log goes on in a new file.
    #[serde(rename = "audit.rotated")]
    AuditRotated {
        /// Name of the file before.
        previous_file: String,
        /// Its lines.
        previous_lines: u64,
        /// SHA-256 of its last line.
        previous_head: String,
        /// Name of the oldest file, which was removed, since no more are kept.
        #[serde(skip_serializing_if = "Option::is_none")]
        removed: Option<String>,
    },
    /// The last line of the audit log was not whole, and was set aside.
    #[serde(rename = "audit.torn")]
    AuditTorn {
        /// Its bytes.
        bytes: u64,
        /// The file in which they are.
        kept: String,
    },
    /// The audit log cannot be written; no call is begun.
    #[serde(rename = "audit.degraded")]
    AuditDegraded {
        /// In one sentence.
        reason: String,
    },
    /// The audit log can be written again.
    #[serde(rename = "audit.recovered")]
    AuditRecovered {
        /// Records that were refused meanwhile, `audit.degraded` among them:
        /// their numbers are missing in the log.
        refused: u64,
        /// Records that were kept and are written now.
        kept: u64,
    },
    /// A sink behind the audit log lost events.
    #[serde(rename = "sink.dropped")]
    SinkDropped {
        /// Its name.
        sink: String,
        /// How many.
        count: u64,
    },
    /// Somebody did not prove who they are, and was turned away.
    #[serde(rename = "auth.failed")]
    AuthFailed {
        /// Their address.
        source: String,
        /// How they tried: `bearer`, `oauth` or `none`.
        method: &'static str,
        /// In one sentence; never what they sent.
        reason: String,
        /// Which key it was, if it is one that the host knows.
        #[serde(skip_serializing_if = "Option::is_none")]
        key: Option<String>,
        /// How often the same happened since the last such event.
        repeated: u64,
    },
    /// After failed attempts, somebody has to wait until the next.
    #[serde(rename = "auth.throttled")]
    AuthThrottled {
        /// Their address.
        source: String,
        /// Who waits: `source`, or `all` that are not let in.
        scope: &'static str,
        /// Failed attempts so far.
        failures: u64,
        /// Milliseconds to wait.
        wait_ms: u64,
    },
    /// A request came from a web page, or under a name, that is not allowed.
    #[serde(rename = "origin.rejected")]
    OriginRejected {
        /// The address it came from.
        source: String,
        /// `Origin`, `Host` or `Content-Type`.
        header: &'static str,
        /// What it holds, cut off.
        value: String,
        /// How often the same happened since the last such event.
        repeated: u64,
    },
    /// A request or a connection broke a limit of the wire.
    #[serde(rename = "wire.rejected")]
    WireRejected {
        /// The address it came from, or `stdio`.
        source: String,
        /// The limit's name in a configuration.
        limit: &'static str,
        /// In one sentence.
        reason: String,
        /// How often the same happened since the last such event.
        repeated: u64,
    },
    /// The host serves.
    #[serde(rename = "server.started")]
    ServerStarted {
        /// `stdio`, `http` or `https`.
        transport: &'static str,
        /// Where.
        #[serde(skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// How callers prove who they are: `none`, `keys`, `oauth`, or `keys and oauth`.
        authentication: &'static str,
    },
    /// The host serves no more.
    #[serde(rename = "server.stopped")]
    ServerStopped {
        /// `signal`, `input-ended` or `failed`.
        reason: &'static str,
        /// Calls that ran when it was asked to stop.
        running: u64,
        /// Calls that were cancelled because they did not end in time.
        cancelled: u64,
    },
    /// A change of the configuration is in force.
    #[serde(rename = "config.reloaded")]
    ConfigReloaded {
        /// Tables of the configuration that changed.
        changed: Vec<String>,
    },
    /// A change of the configuration is not accepted; what was in force stays so.
    #[serde(rename = "config.rejected")]
    ConfigRejected {
        /// Which check.
        kind: Kind,
        /// In one sentence.
        reason: String,
    },
    /// The file of a skill is gone, and its tools with it.
    #[serde(rename = "skill.removed")]
    SkillRemoved {},
    /// An operator made a key for a caller.
    #[serde(rename = "key.created")]
    KeyCreated {
        /// Its id.
        key: String,
        /// Whose it is.
        holder: String,
        /// Who made it.
        by: String,
    },
    /// An operator revoked a key.
    #[serde(rename = "key.revoked")]
    KeyRevoked {
        /// Its id.
        key: String,
        /// Whose it was.
        holder: String,
        /// Who revoked it.
        by: String,
    },
    /// A human is asked for something that a skill wants and was not granted.
    #[serde(rename = "consent.asked")]
    ConsentAsked {
        /// What, as it stands in the configuration.
        capability: String,
        /// `elicitation` or `terminal`.
        how: &'static str,
    },
    /// A human answered, or did not.
    #[serde(rename = "consent.answered")]
    ConsentAnswered {
        /// What it was about.
        capability: String,
        /// `once`, `always`, `no`, or `none`.
        answer: &'static str,
    },
    /// The host failed while it served a call.
    #[serde(rename = "host.panicked")]
    HostPanicked {},
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub const fn severity(&self) -> Severity {
        match self {
            Self::SkillLoaded { .. }
            | Self::VerifyPassed { .. }
            | Self::InvocationStarted { .. }
            | Self::InvocationFinished { .. }
            | Self::SecretRevealed { .. }
            | Self::OutputTruncated { .. }
            | Self::InvocationAttempted { .. }
            | Self::SkillReplaced { .. }
            | Self::SkillResumed { .. }
            | Self::GrantGiven { .. }
            | Self::GrantRevoked { .. }
            | Self::AuditCheckpoint { .. }
            | Self::ServerStarted { .. }
            | Self::ServerStopped { .. }
            | Self::SkillRemoved { .. }
            | Self::KeyCreated { .. }
            | Self::KeyRevoked { .. }
            | Self::ConsentAsked { .. }
            | Self::AuditRotated { .. } => Severity::Info,
            Self::SkillRejected { .. }
            | Self::TrustStale { .. }
            | Self::TrustChanged { .. }
            | Self::PolicyDenied { .. }
            | Self::CapabilityDenied { .. }
            | Self::EgressDenied { .. }
            | Self::DenialsRepeated { .. }
            | Self::LimitExceeded { .. }
            | Self::SecretRedacted { .. }
            | Self::GuestTrapped { .. }
            | Self::HostOverloaded { .. }
            | Self::FallbackUsed { .. }
            | Self::RetryRefused { .. }
            | Self::BreakerChanged { .. }
            | Self::RequestRejected { .. }
            | Self::InputFlagged { .. }
            | Self::GrantLapsed { .. }
            | Self::PolicyUnmet { .. }
            | Self::AuditRecovered { .. }
            | Self::AuthFailed { .. }
            | Self::OriginRejected { .. }
            | Self::WireRejected { .. }
            | Self::ConfigReloaded { .. }
            | Self::ConsentAnswered { .. }
            | Self::SinkDropped { .. } => Severity::Warning,
            Self::VerifyFailed { .. }
            | Self::SkillRevoked { .. }
            | Self::ToolChanged { .. }
            | Self::TrustRejected { .. }
            | Self::ConfigInsecure { .. }
            | Self::CacheRejected { .. }
            | Self::VerificationBypass {}
            | Self::UnsignedExecution {}
            | Self::ArtifactChanged {}
            | Self::Alert { .. }
            | Self::SkillSuspended { .. }
            | Self::AuditOpened { .. }
            | Self::AuditTorn { .. }
            | Self::AuditDegraded { .. }
            | Self::AuthThrottled { .. }
            | Self::ConfigRejected { .. }
            | Self::HostPanicked {} => Severity::High,
        }
    }

    /// Whether a person should look at it.
    #[must_use]
    pub fn needs_review(&self) -> bool {
        self.severity() == Severity::High
    }
}

/// Whom an event is about. What is not known yet is left out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    /// The call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub invocation: Option<Arc<str>>,
    /// Who made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Arc<str>>,
    /// The skill.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub skill: Option<Arc<str>>,
    /// Its version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<Arc<str>>,
    /// Of its component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub digest: Option<Arc<str>>,
    /// The tool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Arc<str>>,
    /// Whose signatures count.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub signers: Arc<[Arc<str>]>,
    /// The span of the caller's trace that the call belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<Arc<str>>,
    /// Which state of policy, root, deny list and lock file it was judged by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trust_generation: Option<u64>,
}

/// An event with everything that belongs to it, as it is written: serialised,
/// it holds no known secret.
#[derive(Debug, Serialize)]
#[serde(remote = "Self")]
pub struct Record<'a> {
    /// Time of day (RFC 3339).
    pub time: Timestamp,
    /// Milliseconds since this host started; never goes back.
    pub monotonic_ms: u64,
    /// Identifies this run of the host.
    pub run: &'a str,
    /// Counts the events of this run from 0, without gaps.
    pub sequence: u64,
    /// How much it matters.
    pub severity: Severity,
    /// Whether a person should look at it.
    pub review: bool,
    /// What happened.
    #[serde(flatten)]
    pub event: &'a Event,
    /// Whom it is about.
    #[serde(flatten)]
    pub subject: &'a Subject,
    #[serde(skip)]
    redactor: &'a Redactor,
}

impl Record<'_> {
    /// A text about this record, without secrets.
    #[must_use]
    pub fn redact<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.redactor.redact(text).0
    }
}

impl Serialize for Record<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.redactor.is_empty() {
            return Record::serialize(self, serializer);
        }
        let mut value =
            Record::serialize(self, serde_json::value::Serializer).map_err(S::Error::custom)?;
        self.redactor.redact_json(&mut value);
        value.serialize(serializer)
    }
}

/// Takes records.
pub trait Sink: fmt::Debug + Send + Sync {
    /// Takes one record. An error means that it is lost.
    fn write(&self, record: &Record<'_>) -> Result<()>;

    /// Events that were lost behind [`write`](Self::write), and of which nobody
    /// was told. Told seldom, but for the end.
    fn losses(&self, _at_the_end: bool) -> Vec<Loss> {
        Vec::new()
    }

    /// Takes no more, and sends what waits, for as long as that at most.
    fn close(&self, _within: Duration) {}
}
