//! The names of events, without serialising them.

use super::{Event, Severity};

impl Event {
    /// Its name, as it is written.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::SkillLoaded { .. } => "skill.loaded",
            Self::VerifyPassed { .. } => "verify.passed",
            Self::VerifyFailed { .. } => "verify.failed",
            Self::SkillRevoked { .. } => "skill.revoked",
            Self::ToolChanged { .. } => "tool.changed",
            Self::TrustChanged { .. } => "trust.changed",
            Self::TrustRejected { .. } => "trust.rejected",
            Self::TrustStale { .. } => "trust.stale",
            Self::ConfigInsecure { .. } => "config.insecure",
            Self::CacheRejected { .. } => "cache.rejected",
            Self::VerificationBypass { .. } => "VERIFICATION_BYPASS",
            Self::UnsignedExecution { .. } => "UNSIGNED_EXECUTION",
            Self::ArtifactChanged { .. } => "artifact.changed",
            Self::SkillRejected { .. } => "skill.rejected",
            Self::InvocationStarted { .. } => "invocation.started",
            Self::InvocationFinished { .. } => "invocation.finished",
            Self::PolicyDenied { .. } => "policy.denied",
            Self::CapabilityDenied { .. } => "capability.denied",
            Self::EgressDenied { .. } => "egress.denied",
            Self::DenialsRepeated { .. } => "denials.repeated",
            Self::LimitExceeded { .. } => "limit.exceeded",
            Self::SecretRevealed { .. } => "secret.revealed",
            Self::SecretRedacted { .. } => "secret.redacted",
            Self::GuestTrapped { .. } => "guest.trapped",
            Self::OutputTruncated { .. } => "output.truncated",
            Self::HostOverloaded { .. } => "host.overloaded",
            Self::InvocationAttempted { .. } => "invocation.attempted",
            Self::FallbackUsed { .. } => "fallback.used",
            Self::RetryRefused { .. } => "retry.refused",
            Self::BreakerChanged { .. } => "breaker.changed",
            Self::RequestRejected { .. } => "request.rejected",
            Self::InputFlagged { .. } => "input.flagged",
            Self::Alert { .. } => "alert",
            Self::SkillSuspended { .. } => "skill.suspended",
            Self::SkillResumed { .. } => "skill.resumed",
            Self::SkillReplaced { .. } => "skill.replaced",
            Self::GrantGiven { .. } => "grant.given",
            Self::GrantRevoked { .. } => "grant.revoked",
            Self::GrantLapsed { .. } => "grant.lapsed",
            Self::PolicyUnmet { .. } => "policy.unmet",
            Self::AuditOpened { .. } => "audit.opened",
            Self::AuditCheckpoint { .. } => "audit.checkpoint",
            Self::AuditRotated { .. } => "audit.rotated",
            Self::AuditTorn { .. } => "audit.torn",
            Self::AuditDegraded { .. } => "audit.degraded",
            Self::AuditRecovered { .. } => "audit.recovered",
            Self::SinkDropped { .. } => "sink.dropped",
            Self::AuthFailed { .. } => "auth.failed",
            Self::AuthThrottled { .. } => "auth.throttled",
            Self::OriginRejected { .. } => "origin.rejected",
            Self::WireRejected { .. } => "wire.rejected",
            Self::ServerStarted { .. } => "server.started",
            Self::ServerStopped { .. } => "server.stopped",
            Self::ConfigReloaded { .. } => "config.reloaded",
            Self::ConfigRejected { .. } => "config.rejected",
            Self::SkillRemoved { .. } => "skill.removed",
            Self::KeyCreated { .. } => "key.created",
            Self::KeyRevoked { .. } => "key.revoked",
            Self::ConsentAsked { .. } => "consent.asked",
            Self::ConsentAnswered { .. } => "consent.answered",
            Self::HostPanicked { .. } => "host.panicked",
        }
    }
}

impl Severity {
    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::High => "high",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each name stands in the list of events once, and the list is what is
    /// written.
    #[test]
    fn names_are_those_that_are_written() {
        let source = include_str!("mod.rs");
        let names = include_str!("name.rs");
        let written: Vec<&str> = source
            .split("#[serde(rename = \"")
            .skip(1)
            .filter_map(|rest| rest.split_once("\")]\n    "))
            .filter(|(_, rest)| {
                rest.split_once(' ')
                    .is_some_and(|(_, rest)| rest.starts_with('{'))
            })
            .map(|(name, rest)| {
                let variant = rest.split_once(' ').unwrap().0;
                let arm = format!("Self::{variant} {{ .. }} => \"{name}\",");
                assert!(names.contains(&arm), "{arm}");
                name
            })
            .collect();
        assert!(written.len() > 40, "{}", written.len());
        for event in [
            Event::VerificationBypass {},
            Event::SkillLoaded { compile_ms: 1 },
            Event::SinkDropped {
                sink: "a".to_owned(),
                count: 1,
            },
        ] {
            let json = serde_json::to_value(&event).unwrap();
            assert_eq!(json["event"], event.name());
        }
        assert_eq!(
            serde_json::to_value(Severity::High).unwrap(),
            Severity::High.as_str()
        );
    }
}
