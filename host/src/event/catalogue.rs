//! Every event there is: its name, what it means to an operator, who can make
//! it happen, and what it is called elsewhere. `docs/EVENTS.md` is this table.

use super::Severity::{self, High, Info, Warning};
use super::reading::ocsf::Class::{self, Call, Entity, Fault, Finding, Lifecycle, Log};
use crate::event::catalogue::Cause::{Others, Skill};

/// What an operator should know of one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Described {
    /// As it stands in the log.
    pub name: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// Who can make it happen.
    pub cause: Cause,
    /// Its class in the Open Cybersecurity Schema Framework, and the number of
    /// the activity in that class.
    pub class: (Class, u8),
    /// One line about one record: `{field}` stands for a field, and what is in
    /// brackets is left out if one of its fields is not there.
    pub says: &'static str,
    /// When it happens, for a table.
    pub means: &'static str,
}

/// Who makes an event happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A skill that runs; the event is about it and about no other.
    Skill,
    /// Whoever calls, brings files or configures. A file may bear the name of
    /// any skill, so that none is suspended for such an event.
    Others,
}

impl Described {
    /// Whether a person should look at it.
    #[must_use]
    pub fn needs_review(&self) -> bool {
        self.severity == High
    }
}

/// What is known of the event of that name.
#[must_use]
pub fn described(name: &str) -> Option<&'static Described> {
    CATALOGUE.iter().find(|event| event.name == name)
}

const fn event(
    name: &'static str,
    severity: Severity,
    cause: Cause,
    class: (Class, u8),
    says: &'static str,
    means: &'static str,
) -> Described {
    Described {
        name,
        severity,
        cause,
        class,
        says,
        means,
    }
}

/// All events, by what they are about.
#[rustfmt::skip]
pub const CATALOGUE: [Described; 61] = [
    event("invocation.started", Info, Others, (Call, 99), "called with {input_bytes} bytes of arguments", "a call began"),
    event("invocation.attempted", Info, Skill, (Call, 99), "attempt {attempt}: {outcome}[ ({kind})], then {next}: {reason}", "one attempt of a call that is tried more than once ended; `next` says what follows"),
    event("invocation.finished", Info, Others, (Call, 99), "finished: {outcome}[ ({kind})] after {wall_ms} ms[: {reason}]", "a call ended: exactly one for each that began"),
    event("request.rejected", Warning, Others, (Call, 99), "turned away ({kind}): {reason} Decided by {rule}", "a call was turned away by a rule of callers, skills or tools; `rule` is the line that decided"),
    event("input.flagged", Warning, Others, (Finding, 1), "argument `{field}` breaks the rule `{rule}` ({action})", "an argument looks like an attack; `rule`, `field` and `action` (`flag`, `refuse`, `skip`)"),
    event("fallback.used", Warning, Skill, (Call, 99), "{to} is used instead of {from} ({kind})", "something else answered in the place of a tool"),
    event("retry.refused", Warning, Skill, (Call, 99), "not tried again: {reason}", "a tool was not tried again: it may have had effects, or time, fuel or the skill's budget is spent"),
    event("breaker.changed", Warning, Skill, (Lifecycle, 99), "breaker {state}: {reason}", "a tool is left alone (`open`), one call tries it (`half-open`), or it works again (`closed`)"),
    event("host.overloaded", Warning, Others, (Fault, 1), "turned away: {running} calls run and {waiting} wait", "a call was turned away; `running`, `waiting` and `memory_bytes` say why"),
    event("host.panicked", High, Others, (Fault, 1), "the host failed while it served a call", "the host failed while it served a call: a defect of ours"),
    event("policy.denied", Warning, Others, (Finding, 1), "denied ({capability}): {reason} Allow it with {grant}", "a skill cannot work with what it was granted; `grant` says what would help"),
    event("capability.denied", Warning, Skill, (Finding, 1), "{capability} denied: {target}. Allow it with {grant}", "a running skill reached for what it was not granted, got an error and went on; `grant` says what would allow it"),
    event("egress.denied", Warning, Skill, (Finding, 1), "request denied: {target}: {rule}. Allow it with {grant}", "the same, for a request or a connection"),
    event("denials.repeated", Warning, Skill, (Finding, 2), "denied again: {repeated} times; {unnamed} other denials are not listed", "how often that happened again (`repeated`), and beyond 32 different denials of a call (`unnamed`)"),
    event("limit.exceeded", Warning, Skill, (Fault, 1), "limit `{limit}` exceeded ({kind}): {reason}", "a call wanted more than `limit` allows"),
    event("guest.trapped", Warning, Skill, (Fault, 1), "crashed: {reason}", "a skill crashed"),
    event("output.truncated", Info, Skill, (Fault, 1), "{dropped} bytes of {stream} dropped", "a skill wrote more than is kept"),
    event("secret.revealed", Info, Skill, (Call, 2), "secret `{secret}` shown to the skill", "a skill read a secret that you let it read"),
    event("secret.redacted", Warning, Skill, (Finding, 1), "{count} secrets taken out of what the skill wrote or said", "secrets were taken out of what a skill wrote, logged or failed with"),
    event("skill.loaded", Info, Others, (Lifecycle, 3), "loaded, compiled in {compile_ms} ms", "a skill is ready to be called"),
    event("skill.rejected", Warning, Others, (Lifecycle, 3), "not loaded ({kind}): {reason}", "a skill was not loaded, for another reason than trust"),
    event("skill.replaced", Info, Others, (Lifecycle, 8), "replaces {previous_digest}", "other bytes serve under the skill's name"),
    event("skill.suspended", High, Others, (Lifecycle, 7), "suspended: {reason}", "a rule of monitoring, or an operator, suspended a skill: no call of it is begun"),
    event("skill.resumed", Info, Others, (Lifecycle, 6), "resumed by {by}", "an operator lets a suspended skill run again"),
    event("skill.revoked", High, Others, (Finding, 1), "{reason}", "the deny list refuses a skill, or a running call was stopped because of a change of trust"),
    event("verify.passed", Info, Others, (Lifecycle, 99), "signatures verified[: {policy}]", "the signatures satisfy the policy. Lock file and floor come after it"),
    event("verify.failed", High, Others, (Finding, 1), "not trusted ({kind}): {reason}", "something of trust refuses a skill"),
    event("tool.changed", High, Others, (Finding, 1), "{reason}", "a skill is not as it was approved; `reason` has every change in words"),
    event("artifact.changed", High, Others, (Finding, 1), "its files changed since they were verified", "files are no longer those that were read"),
    event("cache.rejected", High, Others, (Finding, 1), "{reason}", "an entry of the cache of compiled code is not what this host wrote; it is compiled again"),
    event("trust.changed", Warning, Others, (Entity, 3), "now in force: {changed}", "a change of policy, root, deny list or lock file is in force; `changed` says of what"),
    event("trust.rejected", High, Others, (Finding, 1), "not accepted ({kind}): {reason}", "such a change is not accepted"),
    event("trust.stale", Warning, Others, (Finding, 1), "{reason}", "the deny list is older than `warn-after`"),
    event("config.insecure", High, Others, (Finding, 1), "{reason}", "the clock went back, or others may write what they must not"),
    event("policy.unmet", Warning, Others, (Finding, 1), "requirement `{requirement}` is not met: {reason}", "a requirement of the operator is not met"),
    event("VERIFICATION_BYPASS", High, Others, (Finding, 1), "leave to run what is unsigned was asked for where there is none", "the development override was asked for where there is none"),
    event("UNSIGNED_EXECUTION", High, Others, (Finding, 1), "DEVELOPMENT OVERRIDE: a skill that nobody signed is run", "something unsigned was loaded or run under the development override"),
    event("grant.given", Info, Others, (Entity, 1), "{by} granted {capability}", "an operator granted a capability"),
    event("grant.revoked", Info, Others, (Entity, 4), "{by} revoked {capability}", "an operator took a grant back"),
    event("grant.lapsed", Warning, Others, (Entity, 11), "the grant {capability} lapsed: {reason}", "a grant no longer counts: it was for other signers or another definition, or its time is over"),
    event("alert", High, Others, (Finding, 1), "ALERT {rule}: {reason}", "events became so many that somebody should look"),
    event("audit.opened", High, Others, (Log, 6), "{reason}", "the audit log was not found as it was left: deleted, cut off, replaced or edited"),
    event("audit.checkpoint", Info, Others, (Log, 99), "{lines} lines signed", "what the audit log holds up to here, signed"),
    event("audit.rotated", Info, Others, (Log, 5), "the audit log goes on behind {previous_file}", "the audit log goes on in another file"),
    event("audit.torn", High, Others, (Log, 99), "{bytes} bytes of a torn audit log were set aside in {kept}", "the last line of the audit log was not whole, and was set aside"),
    event("audit.degraded", High, Others, (Log, 7), "{reason}", "the audit log cannot be written; no call is begun"),
    event("audit.recovered", Warning, Others, (Log, 8), "the audit log can be written again; {kept} records were kept, {refused} refused", "the audit log can be written again"),
    event("sink.dropped", Warning, Others, (Log, 99), "the sink `{sink}` lost {count} events", "a sink behind the audit log lost events"),
    event("auth.failed", Warning, Others, (Finding, 1), "{source} is not let in ({method}): {reason}", "somebody did not prove who they are; `source` is their address, `key` the key's name if it is known, `repeated` how often it happened again since the last such event"),
    event("auth.throttled", High, Others, (Finding, 1), "{scope} is made to wait {wait_ms} ms after {failures} failures", "after failed attempts, an address (`scope` is `source`) or everybody without a valid key (`all`) has to wait"),
    event("origin.rejected", Warning, Others, (Finding, 1), "a request of {source} is turned away: {header} is `{value}`", "a web page, or a name that is not the host's, was used to reach it; `repeated` as above"),
    event("wire.rejected", Warning, Others, (Fault, 1), "a request of {source} is turned away ({limit}): {reason}", "a request or a connection broke a limit of the wire, which `limit` names; `repeated` as above"),
    event("server.started", Info, Others, (Lifecycle, 3), "serving over {transport}[ at {address}], callers prove who they are by {authentication}", "the host serves; `transport`, `address` and `authentication` say how"),
    event("server.stopped", Info, Others, (Lifecycle, 4), "serving ended ({reason}); {cancelled} of {running} calls were cancelled", "the host serves no more; `running` calls were under way, and `cancelled` of them did not end in time"),
    event("config.reloaded", Warning, Others, (Entity, 3), "now in force: {changed}", "a change of the configuration is in force; `changed` names its tables"),
    event("config.rejected", High, Others, (Finding, 1), "not accepted ({kind}): {reason}", "a change of the configuration is not accepted; what was in force stays so"),
    event("skill.removed", Info, Others, (Lifecycle, 4), "no longer served", "the file of a skill is gone, and its tools with it"),
    event("key.created", Info, Others, (Entity, 1), "{by} made the key {key} for {holder}", "an operator made a key for a caller"),
    event("key.revoked", Info, Others, (Entity, 4), "{by} revoked the key {key} of {holder}", "an operator revoked a key"),
    event("consent.asked", Info, Others, (Entity, 99), "the caller's human is asked for {capability} ({how})", "a human is asked for something that was not granted; `how` is `elicitation` or `terminal`"),
    event("consent.answered", Warning, Others, (Entity, 99), "the answer about {capability} is: {answer}", "a human answered: `once`, `always`, `no`, or nothing (`none`)"),
];
