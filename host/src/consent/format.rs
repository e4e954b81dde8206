//! The text of `grants.json`.

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::store::MAX_FILE;
use super::{Consent, Consents, Given};
use crate::artifact::Digest;
use crate::error::{Error, Kind, Result};
use crate::lock::Definition;
use crate::manifest::SkillName;
use crate::manifest::text::one_line;
use crate::policy::capability::Capability;
use crate::verify::SignerName;

/// The format of grants files that this host reads and writes.
const FORMAT: u32 = 1;

/// Read first, so that a later format gets a clear answer.
#[derive(Deserialize)]
struct Format {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    skills: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    skill: SkillName,
    signers: Vec<String>,
    /// Of `declared`: an entry that was mangled on the way is noticed.
    definition: Digest,
    declared: Definition,
    given: Vec<GivenEntry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GivenEntry {
    capability: Capability,
    at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Timestamp>,
    by: String,
}

impl Consents {
    /// Reads the text of the grants file at `path`, which is named in errors.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for another format, a field that is unknown, an entry
    /// that does not fit its digest or stands there twice, one without signers,
    /// and a capability that cannot be granted.
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let invalid = |problem: String| {
            let path = path.display();
            let message = format!(
                "The grants file {path} is not valid: {}.",
                one_line(&problem, 400)
            );
            Error::new(Kind::ConfigInvalid, message).with_hint(
                "It is written by `skillhost grant` alone. Put back a copy that was not changed, or remove it and grant anew.",
            )
        };
        let malformed = |cause: serde_json::Error| invalid(cause.to_string());
        let format: Format = serde_json::from_str(text).map_err(malformed)?;
        if format.version != FORMAT {
            let problem = format!(
                "it has format {}, and this host reads format {FORMAT}",
                format.version
            );
            return Err(invalid(problem));
        }
        let document: Document = serde_json::from_str(text).map_err(malformed)?;
        let mut consents = Self::default();
        for entry in document.skills {
            consents.add(entry).map_err(invalid)?;
        }
        Ok(consents)
    }

    fn add(&mut self, entry: Entry) -> Result<(), String> {
        let skill = entry.skill;
        let signers: BTreeSet<SignerName> = entry
            .signers
            .iter()
            .map(|name| SignerName::new(name))
            .collect();
        if signers.is_empty() {
            return Err(format!("an entry of `{skill}` has no signers"));
        }
        if entry.declared.digest() != entry.definition {
            return Err(format!(
                "what `{skill}` declared does not fit the digest beside it"
            ));
        }
        let all = self.skills.entry(skill.clone()).or_default();
        if all.iter().any(|consent| consent.signers == signers) {
            return Err(format!("the same signers of `{skill}` stand there twice"));
        }
        all.push(Consent {
            signers,
            definition: entry.declared,
            given: entry.given.into_iter().map(GivenEntry::read).collect(),
        });
        Ok(())
    }

    /// The text of the file: the same for the same grants.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if it would be larger than [`MAX_FILE`].
    pub fn to_text(&self) -> Result<String> {
        let entries = self.skills.iter();
        let entries = entries.flat_map(|(skill, all)| all.iter().map(|it| Entry::of(skill, it)));
        let document = Document {
            version: FORMAT,
            skills: entries.collect(),
        };
        let mut text = serde_json::to_string_pretty(&document).map_err(|cause| {
            Error::new(Kind::Internal, "The grants file cannot be written as JSON.")
                .with_internal(cause)
        })?;
        text.push('\n');
        if text.len() as u64 > MAX_FILE {
            return Err(Error::new(
                Kind::ConfigInvalid,
                format!(
                    "The grants file would have {} bytes, and {MAX_FILE} is the most.",
                    text.len()
                ),
            )
            .with_hint("Revoke what is not needed with `skillhost revoke SKILL --all`."));
        }
        Ok(text)
    }
}

impl Entry {
    fn of(skill: &SkillName, consent: &Consent) -> Self {
        Self {
            skill: skill.clone(),
            signers: consent.signers.iter().map(ToString::to_string).collect(),
            definition: consent.definition.digest(),
            declared: consent.definition.clone(),
            given: consent.given.iter().map(GivenEntry::of).collect(),
        }
    }
}

impl GivenEntry {
    fn of(given: &Given) -> Self {
        Self {
            capability: given.capability.clone(),
            at: given.at,
            until: given.until,
            by: given.by.clone(),
        }
    }

    fn read(self) -> Given {
        Given {
            capability: self.capability,
            at: self.at,
            until: self.until,
            by: self.by,
        }
    }
}
