//! What is asked for before a skill runs, by the skill's name.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU8;

use jiff::SignedDuration;

use super::policy::PolicyError;
use super::provenance::Provenance;
use super::signer::SignerName;

/// How much is asked for at the least. A rule may ask for more, never for less.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Preset {
    /// One signer.
    Permissive,
    /// Two distinct signers.
    #[default]
    Enterprise,
    /// Two distinct signers, each signature in a transparency log, provenance,
    /// and an entry in the lock file.
    Paranoid,
}

impl Preset {
    /// The fewest signers.
    #[must_use]
    pub const fn minimum(self) -> NonZeroU8 {
        match self {
            Self::Permissive => NonZeroU8::MIN,
            Self::Enterprise | Self::Paranoid => NonZeroU8::MIN.saturating_add(1),
        }
    }

    /// As it is written in the configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Permissive => "permissive",
            Self::Enterprise => "enterprise",
            Self::Paranoid => "paranoid",
        }
    }
}

impl fmt::Display for Preset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which skills a rule is for: a name, or the beginning of names and `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SkillPattern {
    text: Box<str>,
}

impl SkillPattern {
    /// Every skill.
    #[must_use]
    pub fn all() -> Self {
        Self { text: "*".into() }
    }

    /// Reads a pattern of `a-z`, `0-9`, `-` and at most one `*` at the end.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let stem = text.strip_suffix('*').unwrap_or(text);
        if text.is_empty() || text.len() > 64 || !stem.bytes().all(plain) {
            return Err(PolicyError::SkillPattern(text.to_owned()));
        }
        Ok(Self { text: text.into() })
    }

    /// Whether the skill with that name is meant.
    #[must_use]
    pub fn matches(&self, name: &str) -> bool {
        match self.text.strip_suffix('*') {
            Some(stem) => name.starts_with(stem),
            None => *self.text == *name,
        }
    }

    /// Whether every name that `other` means is meant as well.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let stem = other.text.strip_suffix('*').unwrap_or(&other.text);
        match self.text.strip_suffix('*') {
            Some(own) => stem.starts_with(own),
            None => self == other,
        }
    }
}

impl fmt::Display for SkillPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What is asked for before a skill runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// For which skills.
    pub skills: SkillPattern,
    /// Signers who must all have signed.
    pub all_of: BTreeSet<SignerName>,
    /// Signers of whom some must have signed.
    pub any_of: BTreeSet<SignerName>,
    /// How many of `any_of`.
    pub minimum: u8,
    /// How old a signature may be. One of a managed key counts as old as the
    /// key's `not_before`, which it must then have.
    pub max_age: Option<SignedDuration>,
    /// Whether each signature must be in a transparency log.
    pub transparency_log: bool,
    /// Whether the lock file must have the skill.
    pub pinned: bool,
    /// What must be attested about how it was built.
    pub provenance: Option<Provenance>,
}

impl Rule {
    /// A rule for all skills: `minimum` of those signers.
    #[must_use]
    pub fn any_of(signers: impl IntoIterator<Item = SignerName>, minimum: NonZeroU8) -> Self {
        Self {
            skills: SkillPattern::all(),
            all_of: BTreeSet::new(),
            any_of: signers.into_iter().collect(),
            minimum: minimum.get(),
            max_age: None,
            transparency_log: false,
            pinned: false,
            provenance: None,
        }
    }

    /// How many distinct signers are needed in all.
    #[must_use]
    pub fn required(&self) -> usize {
        self.all_of.len() + usize::from(self.minimum)
    }

    /// Whether these signers are enough.
    #[must_use]
    pub fn is_met_by(&self, signers: &BTreeSet<SignerName>) -> bool {
        let some = self.any_of.intersection(signers).count();
        self.all_of.is_subset(signers) && some >= usize::from(self.minimum)
    }

    /// Whether a signature of theirs counts at all.
    #[must_use]
    pub fn names(&self, signer: &SignerName) -> bool {
        self.all_of.contains(signer) || self.any_of.contains(signer)
    }

    /// For hints: `alice`, or `2 of alice, bob, carol`.
    #[must_use]
    pub fn describe(&self) -> String {
        let list = |names: &BTreeSet<SignerName>| {
            let names: Vec<&str> = names.iter().map(SignerName::as_str).collect();
            names.join(", ")
        };
        let all = list(&self.all_of).replace(", ", " and ");
        let some = match self.any_of.len() {
            0 => String::new(),
            1 if self.minimum == 1 => format!("`{}`", list(&self.any_of)),
            _ => format!("{} of {}", self.minimum, list(&self.any_of)),
        };
        match (self.all_of.is_empty(), self.minimum == 0) {
            (true, _) => some,
            (false, true) => all,
            (false, false) => format!("{all} and {some}"),
        }
    }

    pub(crate) fn check(
        &self,
        preset: Preset,
        known: &BTreeSet<SignerName>,
    ) -> Result<(), PolicyError> {
        if let Some(unknown) = self
            .all_of
            .union(&self.any_of)
            .find(|name| !known.contains(*name))
        {
            return Err(PolicyError::UnknownSigner(unknown.clone()));
        }
        if let Some(both) = self.all_of.intersection(&self.any_of).next() {
            return Err(PolicyError::NamedTwice(both.clone()));
        }
        if usize::from(self.minimum) > self.any_of.len() {
            return Err(PolicyError::Threshold {
                threshold: self.minimum,
                signers: self.any_of.len(),
            });
        }
        if self.required() < usize::from(preset.minimum().get()) {
            return Err(PolicyError::TooFew {
                required: self.required(),
                preset,
            });
        }
        if preset == Preset::Paranoid && self.provenance.is_none() {
            return Err(PolicyError::NoProvenance);
        }
        if self.max_age.is_some_and(|age| !age.is_positive()) {
            return Err(PolicyError::MaxAge);
        }
        Ok(())
    }
}
