//! What an operator requires of every skill of a host, beyond what each was
//! granted. Pure: what is so is found out by others.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::right::Right;

/// Something that must be so of every skill.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Requirement {
    /// The lock file has it as it is.
    Pinned,
    /// Somebody who is trusted signed it: no development override.
    Signed,
    /// How it was built is attested, and its rule asks for that.
    Provenance,
    /// Nothing in its settings or variables looks like a secret.
    NoPlaintextSecrets,
    /// It may send requests to origins that are named, and to no pattern.
    NoWildcardEgress,
}

impl Requirement {
    /// Every requirement.
    pub const ALL: [Self; 5] = [
        Self::Pinned,
        Self::Signed,
        Self::Provenance,
        Self::NoPlaintextSecrets,
        Self::NoWildcardEgress,
    ];

    /// As it is written in a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pinned => "pinned",
            Self::Signed => "signed",
            Self::Provenance => "provenance",
            Self::NoPlaintextSecrets => "no-plaintext-secrets",
            Self::NoWildcardEgress => "no-wildcard-egress",
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the operator requires of every skill.
///
/// # Defaults
///
/// Nothing is required, and nothing is denied.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Requirements {
    /// What must be so.
    pub require: BTreeSet<Requirement>,
    /// What no skill gets, whatever is granted.
    pub denied: BTreeSet<Right>,
}

/// What is so of one skill.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
    pub skill: String,
    /// Its file, for commands.
    pub file: String,
    /// See [`Requirement::Pinned`].
    pub pinned: bool,
    /// See [`Requirement::Signed`].
    pub signed: bool,
    /// See [`Requirement::Provenance`].
    pub provenance: bool,
    /// Which of its settings and variables look like secrets, and like which.
    pub plaintext: Vec<String>,
    /// The patterns of origins that it may send requests to.
    pub wildcards: Vec<String>,
}

/// A requirement that a skill does not meet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unmet {
    /// Which.
    pub requirement: Requirement,
    /// In one sentence.
    pub reason: String,
    /// The command or the line that would meet it.
    pub remedy: String,
}

impl Requirements {
    /// What is required and not so.
    #[must_use]
    pub fn unmet(&self, facts: &Facts) -> Vec<Unmet> {
        let found = self.require.iter().filter_map(|it| facts.unmet(*it));
        found.collect()
    }
}

impl Facts {
    /// Why a requirement is not met, and what to do; none if it is met.
    #[must_use]
    pub fn unmet(&self, requirement: Requirement) -> Option<Unmet> {
        let (is_met, reason, remedy) = match requirement {
            Requirement::Pinned => (
                self.pinned,
                "is not pinned in the lock file as it is".to_owned(),
                format!(
                    "Look with `skillhost lock`, and pin it with `skillhost lock --approve {}`.",
                    super::remedy::quoted(&self.file)
                ),
            ),
            Requirement::Signed => (
                self.signed,
                "is signed by nobody whom this host trusts".to_owned(),
                "Have it signed, and leave the development override out of the environment."
                    .to_owned(),
            ),
            Requirement::Provenance => (
                self.provenance,
                "is trusted by a rule that asks for no provenance".to_owned(),
                format!(
                    "Write `provenance = {{ builder = \"https://BUILDER\" }}` under [trust], or in the rule for `{}`, in skillhost.toml.",
                    self.skill
                ),
            ),
            Requirement::NoPlaintextSecrets => (
                self.plaintext.is_empty(),
                format!("has secrets in plain text: {}", self.plaintext.join(", ")),
                "Put the value into a file of its own, name it as `[secret.NAME]` with `file`, and grant it with `credential=` or `reveal=`."
                    .to_owned(),
            ),
            Requirement::NoWildcardEgress => (
                self.wildcards.is_empty(),
                format!(
                    "may send requests to patterns of origins: {}",
                    self.wildcards.join(", ")
                ),
                format!(
                    "Name each origin instead, under `[skill.{}]` in skillhost.toml or with `skillhost grant {} http=https://HOST`.",
                    self.skill, self.skill
                ),
            ),
        };
        (!is_met).then(|| Unmet {
            requirement,
            reason: format!("`{}` {reason}.", self.skill),
            remedy,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_required_and_not_so_is_told_with_what_to_do() {
        let good = Facts {
            skill: "notes".to_owned(),
            file: "notes.wasm".to_owned(),
            pinned: true,
            signed: true,
            provenance: true,
            ..Facts::default()
        };
        let bad = Facts {
            skill: "notes".to_owned(),
            plaintext: vec!["settings.token".to_owned()],
            wildcards: vec!["https://*".to_owned()],
            ..Facts::default()
        };
        let all = Requirements {
            require: Requirement::ALL.into(),
            ..Requirements::default()
        };
        assert_eq!(all.unmet(&good), []);
        let unmet = all.unmet(&bad);
        let which: Vec<Requirement> = unmet.iter().map(|it| it.requirement).collect();
        assert_eq!(which, Requirement::ALL);
        assert!(unmet.iter().all(|it| it.remedy.ends_with('.')));
        assert_eq!(Requirements::default().unmet(&bad), []);
    }
}
