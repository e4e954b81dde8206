//! One artifact before one [`Trust`] at one moment. Pure: no clock, no files.
//!
//! In this order, so that the weightiest reason is told: is the deny list still
//! good, does it name the component, are there signatures, which rule is for
//! the skill, which signatures count, are they enough, is there provenance.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::bundle::{self, Says, Signature};
use super::provenance::Attested;
use super::refusal::Refusal;
use super::rule::Rule;
use super::signer::{SignerName, TrustedKey};
use super::tally::{self, Signed};
use super::{Decision, Environment, Rejected, Trust, Verdict};
use crate::artifact::Artifact;
use crate::error::{Error, Kind};
use crate::manifest::section;
use crate::manifest::text::one_line;

/// What was found out so far.
struct Findings<'a> {
    trust: &'a Trust,
    now: Timestamp,
    total: usize,
    rule: Option<&'a Rule>,
    /// Approvals that hold.
    signed: Vec<Signed<'a>>,
    /// Whose approvals count.
    counted: BTreeSet<SignerName>,
    refusals: Vec<(&'a str, Refusal)>,
    attested: Vec<(&'a str, SignerName, Attested)>,
    /// Moments at which one of them no longer counts.
    ends: Vec<Timestamp>,
}

type Judged<T> = Result<T, Error>;

pub(super) fn judge(
    trust: &Trust,
    artifact: &Artifact,
    now: Timestamp,
) -> Result<Verdict, Box<Rejected>> {
    let mut findings = Findings {
        trust,
        now,
        total: artifact.bundles().len(),
        rule: None,
        signed: Vec::new(),
        counted: BTreeSet::new(),
        refusals: Vec::new(),
        attested: Vec::new(),
        ends: Vec::new(),
    };
    match findings.judge(artifact) {
        Ok(()) => Ok(Verdict {
            digest: artifact.digest(),
            signers: findings.signers(),
            decision: findings.decision(true),
            until: findings.until(),
            unsigned: false,
        }),
        Err(error) => Err(Box::new(Rejected {
            error,
            signers: findings.signers(),
            decision: findings.decision(false),
        })),
    }
}

impl<'a> Findings<'a> {
    fn judge(&mut self, artifact: &'a Artifact) -> Judged<()> {
        self.check_deny_list(artifact)?;
        let rule = self.find_rule(artifact)?;
        self.rule = Some(rule);
        if artifact.bundles().is_empty() {
            return Err(missing(rule));
        }
        let digest = artifact.digest();
        for bundle in artifact.bundles() {
            let signature =
                bundle::signature(&bundle.json, digest, &self.trust.policy, &self.trust.root);
            if let Err(refusal) =
                signature.and_then(|signature| self.take(&bundle.name, signature, rule))
            {
                self.refusals.push((&bundle.name, refusal));
            }
        }
        self.count(rule);
        self.check_signers(rule)?;
        self.check_provenance(rule)
    }

    fn check_deny_list(&self, artifact: &Artifact) -> Judged<()> {
        let Some(deny) = &self.trust.deny else {
            return Ok(());
        };
        if self.now >= deny.expires {
            return Err(Error::new(
                Kind::Expired,
                format!(
                    "The deny list expired at {}; what has been denied since is not known.",
                    deny.expires
                ),
            )
            .with_hint(
                "Put a newer one in its place, or have it signed anew with `skillhost deny`.",
            ));
        }
        match deny.denies_component(artifact.digest()) {
            Some(denial) => Err(Error::new(
                Kind::Revoked,
                format!(
                    "The deny list names this component: {}.",
                    one_line(denial.why(), 200)
                ),
            )
            .with_hint("Install a version that is not denied.")),
            None => Ok(()),
        }
    }

    /// The name stands in the signed bytes, so that nobody but its signers can
    /// choose the rule.
    fn find_rule(&self, artifact: &Artifact) -> Judged<&'a Rule> {
        let policy = &self.trust.policy;
        let name = match policy.rules() {
            [only] if only.skills.matches("") => None,
            _ => section::skill_name(artifact.bytes()),
        };
        policy.rule(name.as_deref()).ok_or_else(|| {
            let name = name.unwrap_or_else(|| "a skill without a name".to_owned());
            Error::new(
                Kind::IdentityMismatch,
                format!(
                    "No rule of the trust policy is for `{}`.",
                    one_line(&name, 80)
                ),
            )
            .with_hint(
                "Add one under [[trust.rules]], or a rule for all skills (`skills = \"*\"`).",
            )
        })
    }

    /// Keeps the signature, if it is one that may count.
    fn take(&mut self, name: &'a str, signature: Signature, rule: &Rule) -> Result<(), Refusal> {
        if let Some(denial) = self.denied(&signature) {
            return Err(Refusal::Denied(denial));
        }
        self.check_time(&signature, rule)?;
        if rule.transparency_log && !signature.logged {
            return Err(Refusal::NotLogged);
        }
        let ends = self.ends_of(&signature, rule);
        self.ends.extend(ends.into_iter().flatten());
        if let Says::Attested(attested) = signature.says {
            self.attested.push((name, signature.by, *attested));
            return if rule.provenance.is_some() {
                Ok(())
            } else {
                Err(Refusal::NotAnApproval)
            };
        }
        if !rule.names(&signature.by) {
            return Err(Refusal::NotInRule);
        }
        self.signed.push(Signed {
            name,
            by: signature.by,
            key: signature.key,
        });
        Ok(())
    }

    fn count(&mut self, rule: &Rule) {
        self.counted = tally::told_apart(&self.signed, rule);
        let others = self
            .signed
            .iter()
            .filter(|it| !self.counted.contains(&it.by));
        self.refusals
            .extend(others.map(|it| (it.name, Refusal::KeyCounted)));
    }

    fn denied(&self, signature: &Signature) -> Option<String> {
        let denial = self.trust.deny.as_ref()?.denies_signature(signature)?;
        Some(one_line(denial.why(), 200))
    }

    fn check_time(&self, signature: &Signature, rule: &Rule) -> Result<(), Refusal> {
        if signature.times.iter().any(|time| *time > self.now) {
            return Err(Refusal::Future);
        }
        if signature.times.is_empty() && !self.key_is_valid_now(signature) {
            return Err(Refusal::KeyNotValidNow);
        }
        match (rule.max_age, self.too_old_at(signature, rule)) {
            (None, _) => Ok(()),
            (Some(_), None) => Err(Refusal::NoTime),
            (Some(_), Some(end)) if end <= self.now => Err(Refusal::TooOld),
            (Some(_), Some(_)) => Ok(()),
        }
    }

    fn key_is_valid_now(&self, signature: &Signature) -> bool {
        self.key(signature).is_none_or(|key| {
            key.not_before.is_none_or(|start| start <= self.now)
                && key.not_after.is_none_or(|end| self.now < end)
        })
    }

    fn key(&self, signature: &Signature) -> Option<&TrustedKey> {
        let bundle::Maker::Key(hint) = &signature.maker else {
            return None;
        };
        let mut keys = self.trust.policy.signers().iter().flat_map(|it| &it.keys);
        keys.find(|key| key.key.is_meant_by(hint))
    }

    /// The moment from which on the signature is too old, if it can be told.
    ///
    /// A certificate lives for minutes, and the log says when. A key signs for
    /// years, and whoever has an old signature of it can have that stamped anew:
    /// it may be as old as the key, so the key's `not-before` counts.
    fn too_old_at(&self, signature: &Signature, rule: &Rule) -> Option<Timestamp> {
        let age = rule.max_age?;
        let made = match self.key(signature) {
            Some(key) => key.not_before,
            None => signature.times.iter().min().copied(),
        }?;
        Some(made.saturating_add(age).unwrap_or(Timestamp::MAX))
    }

    fn check_signers(&self, rule: &Rule) -> Judged<()> {
        let signers = &self.counted;
        if rule.is_met_by(signers) {
            return Ok(());
        }
        let weightiest = self
            .refusals
            .iter()
            .map(|(_, it)| it.kind())
            .max_by_key(weight);
        let reasons = self.errors().join("; ");
        let (kind, message) = match weightiest {
            Some(Kind::Revoked) => (
                Kind::Revoked,
                format!("A signature that this component needs is denied. {reasons}."),
            ),
            Some(kind) if signers.is_empty() => {
                (kind, format!("No trusted signature holds. {reasons}."))
            }
            _ => (Kind::ThresholdUnmet, self.unmet(rule, &reasons)),
        };
        Err(Error::new(kind, message)
            .with_hint(format!("It must be signed by {}.", rule.describe())))
    }

    fn unmet(&self, rule: &Rule, reasons: &str) -> String {
        let names: Vec<&str> = self.counted.iter().map(SignerName::as_str).collect();
        let by = match names.as_slice() {
            [] => String::new(),
            names => format!(" ({})", names.join(", ")),
        };
        let reasons = if reasons.is_empty() {
            String::new()
        } else {
            format!(" {reasons}.")
        };
        format!(
            "{} of the {} required signers signed this component{by}.{reasons}",
            self.counted.len(),
            rule.required()
        )
    }

    fn check_provenance(&self, rule: &Rule) -> Judged<()> {
        let Some(wanted) = &rule.provenance else {
            return Ok(());
        };
        let mut reasons = self.errors();
        for (name, by, attested) in &self.attested {
            match wanted.check(by, attested) {
                Ok(()) => return Ok(()),
                Err(reason) => reasons.push(format!("{name}: {}", one_line(&reason, 200))),
            }
        }
        let reasons = if reasons.is_empty() {
            "There is no attestation beside it".to_owned()
        } else {
            reasons.join("; ")
        };
        Err(Error::new(
            Kind::ThresholdUnmet,
            format!("The provenance that the policy asks for is missing. {reasons}."),
        )
        .with_hint(format!(
            "Attest {} with `skillhost attest`, or with a builder that does.",
            wanted.predicate_type
        )))
    }

    fn signers(&self) -> Vec<SignerName> {
        self.counted.iter().cloned().collect()
    }

    fn errors(&self) -> Vec<String> {
        let refusals = self.refusals.iter();
        refusals
            .map(|(name, refusal)| format!("{}: {refusal}", one_line(name, 120)))
            .collect()
    }

    fn decision(&self, allowed: bool) -> Decision {
        let policy = match self.rule {
            Some(rule) => format!("{}: {}", rule.skills, rule.describe()),
            None => "no rule".to_owned(),
        };
        Decision {
            allowed,
            signatures_valid: self.counted.len(),
            signatures_total: self.total,
            errors: self.errors(),
            policy,
            mode: self.trust.policy.preset().as_str(),
            trust_generation: self.trust.generation,
            environment: Environment::Production,
        }
    }

    fn ends_of(&self, signature: &Signature, rule: &Rule) -> [Option<Timestamp>; 2] {
        let key = self.key(signature).filter(|_| signature.times.is_empty());
        [
            key.and_then(|key| key.not_after),
            self.too_old_at(signature, rule),
        ]
    }

    /// The first moment at which something that was counted no longer counts.
    fn until(&self) -> Option<Timestamp> {
        let deny = self.trust.deny.as_ref().map(|deny| deny.expires);
        self.ends.iter().copied().chain(deny).min()
    }
}

fn missing(rule: &Rule) -> Error {
    Error::new(
        Kind::SignatureMissing,
        "The component is not signed: there is no signature bundle beside it.",
    )
    .with_hint(format!(
        "Have it signed by {} (`skillhost sign FILE --key KEY`), and keep NAME.wasm.sigstore.json beside NAME.wasm.",
        rule.describe()
    ))
}

/// Which refusal tells most when no signature holds.
const fn weight(kind: &Kind) -> u8 {
    match kind {
        Kind::Revoked => 5,
        Kind::DigestMismatch => 4,
        Kind::Expired => 3,
        Kind::SignatureInvalid => 2,
        _ => 1,
    }
}
