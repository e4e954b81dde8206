//! Who may say that a skill runs.

use std::num::NonZeroU8;

use super::identity::Identity;
use super::rule::{Preset, Rule, SkillPattern};
use super::signer::{Signer, SignerName, TrustedKey};

/// Whose signatures are needed before a skill runs. There is always at least
/// one: a policy that accepts anyone cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    preset: Preset,
    signers: Vec<Signer>,
    rules: Vec<Rule>,
}

/// Why a trust policy is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// It would accept nobody, or everybody.
    #[error("no signer is named; add at least one with a public key or an identity")]
    NoSigners,
    /// A signer without keys and identities can never sign.
    #[error("the signer `{0}` has no key and no identity; add one")]
    NoKeys(SignerName),
    /// The same name twice would count one signer twice.
    #[error("the signer `{0}` is named twice")]
    DuplicateName(SignerName),
    /// The same key under two names would let one person count twice.
    #[error(
        "`{0}` and `{1}` have the same key or identity, so one person would count twice; give it to one of them"
    )]
    SharedKey(SignerName, SignerName),
    /// More signers are required than there are.
    #[error("it asks for {threshold} signers and names {signers}; name more, or ask for fewer")]
    Threshold {
        /// Required.
        threshold: u8,
        /// Named.
        signers: usize,
    },
    /// Less than the preset asks for.
    #[error(
        "it asks for {required}, and the preset `{preset}` for at least {}; ask for more{}",
        preset.minimum(),
        unless_one_is_enough(*preset)
    )]
    TooFew {
        /// By the rule.
        required: usize,
        /// Of the policy.
        preset: Preset,
    },
    /// A signer that is not defined.
    #[error("there is no signer `{0}`; define it as [trust.signers.{0}]")]
    UnknownSigner(SignerName),
    /// A signer would count twice.
    #[error("`{0}` stands in `all-of` and in `any-of`; name it once")]
    NamedTwice(SignerName),
    /// Not a skill's name, nor the beginning of one.
    #[error("`{0}` is no skill name (a-z, 0-9 and -), nor the beginning of one followed by *")]
    SkillPattern(String),
    /// An earlier rule takes all its skills.
    #[error(
        "the rule for `{0}` never applies: the rule for `{1}` stands before it; put it first, or remove it"
    )]
    Shadowed(SkillPattern, SkillPattern),
    /// `paranoid` without provenance.
    #[error("the preset `paranoid` asks for provenance; say which in `provenance`")]
    NoProvenance,
    /// An age at which nothing could be accepted.
    #[error("`max-age` must be longer than nothing")]
    MaxAge,
    /// A key that is never valid.
    #[error("a key of `{0}` is never valid: its `not-after` is not later than its `not-before`")]
    NeverValid(SignerName),
}

impl TrustPolicy {
    /// A policy under which `threshold` distinct signers must have signed
    /// every skill.
    pub fn new(signers: Vec<Signer>, threshold: NonZeroU8) -> Result<Self, PolicyError> {
        let names = signers.iter().map(|signer| signer.name.clone());
        let rule = Rule::any_of(names, threshold);
        let preset = if threshold == NonZeroU8::MIN {
            Preset::Permissive
        } else {
            Preset::Enterprise
        };
        Self::with_rules(preset, signers, vec![rule])
    }

    /// A policy that asks for the one signer.
    pub fn one(signer: Signer) -> Result<Self, PolicyError> {
        Self::new(vec![signer], NonZeroU8::MIN)
    }

    /// A policy of rules; the first that is for a skill decides.
    pub fn with_rules(
        preset: Preset,
        signers: Vec<Signer>,
        mut rules: Vec<Rule>,
    ) -> Result<Self, PolicyError> {
        if signers.is_empty() {
            return Err(PolicyError::NoSigners);
        }
        for (index, signer) in signers.iter().enumerate() {
            check_signer(signer)?;
            for earlier in signers.iter().take(index) {
                distinct(earlier, signer)?;
            }
        }
        let known = signers.iter().map(|signer| signer.name.clone()).collect();
        for rule in &mut rules {
            rule.check(preset, &known)?;
            rule.transparency_log |= preset == Preset::Paranoid;
            rule.pinned |= preset == Preset::Paranoid;
        }
        reachable(&rules)?;
        Ok(Self {
            preset,
            signers,
            rules,
        })
    }

    /// What is asked for at the least.
    #[must_use]
    pub const fn preset(&self) -> Preset {
        self.preset
    }

    /// Whose signatures count.
    #[must_use]
    pub fn signers(&self) -> &[Signer] {
        &self.signers
    }

    /// The rules, in order.
    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule for the skill with that name. One whose name cannot be read is
    /// judged by the rule for all skills.
    #[must_use]
    pub fn rule(&self, skill: Option<&str>) -> Option<&Rule> {
        let meant = |rule: &&Rule| rule.skills.matches(skill.unwrap_or_default());
        self.rules.iter().find(meant)
    }
}

const fn unless_one_is_enough(preset: Preset) -> &'static str {
    match preset {
        Preset::Permissive => "",
        Preset::Enterprise | Preset::Paranoid => {
            ", or write `preset = \"permissive\"` if one is enough"
        }
    }
}

fn check_signer(signer: &Signer) -> Result<(), PolicyError> {
    if signer.keys.is_empty() && signer.identities.is_empty() {
        return Err(PolicyError::NoKeys(signer.name.clone()));
    }
    let never = |key: &TrustedKey| match (key.not_before, key.not_after) {
        (Some(before), Some(after)) => after <= before,
        _ => false,
    };
    if signer.keys.iter().any(never) {
        return Err(PolicyError::NeverValid(signer.name.clone()));
    }
    Ok(())
}

fn distinct(one: &Signer, other: &Signer) -> Result<(), PolicyError> {
    if one.name == other.name {
        return Err(PolicyError::DuplicateName(one.name.clone()));
    }
    let same_key = |key: &TrustedKey| other.keys.iter().any(|its| its.key == key.key);
    let same_identity = |identity: &Identity| other.identities.contains(identity);
    if one.keys.iter().any(same_key) || one.identities.iter().any(same_identity) {
        return Err(PolicyError::SharedKey(one.name.clone(), other.name.clone()));
    }
    Ok(())
}

fn reachable(rules: &[Rule]) -> Result<(), PolicyError> {
    for (index, rule) in rules.iter().enumerate() {
        let earlier = rules.iter().take(index);
        if let Some(before) = earlier
            .into_iter()
            .find(|it| it.skills.covers(&rule.skills))
        {
            return Err(PolicyError::Shadowed(
                rule.skills.clone(),
                before.skills.clone(),
            ));
        }
    }
    Ok(())
}
