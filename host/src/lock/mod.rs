//! `skillhost.lock`: which skills an operator has seen and approved.
//!
//! A signature says who made a component, not that it still does what it did
//! when it was chosen: a trusted author, or somebody with a trusted author's
//! key, can sign an update whose tools say or want something else. The lock
//! pins each name and version to the bytes, to those who signed them and to
//! what they declare, and tells in words how anything else differs.
//!
//! # When a skill is as approved
//!
//! Its name and version are in the lock, with the same digest of the component
//! and the same definition, and everybody whose signature was there when it was
//! approved still signs. A signature more changes no byte, so it alone is no
//! reason to refuse. Other bytes are refused even if they declare the same.
//!
//! This module decides nothing about signatures themselves: a skill is verified
//! first.

mod canonical;
mod change;
mod definition;
mod diff;

mod format;
mod store;
mod wants;

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use self::change::plain;
pub use self::change::{Change, What};
pub use self::definition::Definition;
pub use self::format::{FORMAT, MAX_FILE};
pub(crate) use self::wants::secret_use;
use crate::artifact::Digest;
use crate::manifest::{Manifest, SkillName};
use crate::verify::SignerName;

/// One version of a skill, as it was approved or as it is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    name: SkillName,
    version: Version,
    digest: Digest,
    signers: BTreeSet<SignerName>,
    definition: Definition,
}

impl Release {
    /// A component whose signatures hold: `digest` and `signers` are those of
    /// its verdict.
    #[must_use]
    pub fn of(manifest: &Manifest, digest: Digest, signers: &[SignerName]) -> Self {
        Self {
            name: manifest.name.clone(),
            version: manifest.version.clone(),
            digest,
            signers: signers.iter().cloned().collect(),
            definition: Definition::of(manifest),
        }
    }

    /// Of the skill.
    #[must_use]
    pub const fn name(&self) -> &SkillName {
        &self.name
    }

    /// Of the skill.
    #[must_use]
    pub const fn version(&self) -> &Version {
        &self.version
    }

    /// Of the component.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// Who signed it, in order.
    #[must_use]
    pub const fn signers(&self) -> &BTreeSet<SignerName> {
        &self.signers
    }

    /// What it declares.
    #[must_use]
    pub const fn definition(&self) -> &Definition {
        &self.definition
    }
}

impl Release {
    /// How it differs from what those signed and declared.
    #[must_use]
    pub(crate) fn differs_from(
        &self,
        signers: &BTreeSet<SignerName>,
        declared: &Definition,
    ) -> Vec<Change> {
        let before = Self {
            signers: signers.clone(),
            ..self.clone()
        };
        let mut changes = self::signers(&before, self);
        changes.extend(diff::definitions(declared, &self.definition));
        changes
    }
}

/// The skills that were approved. Several versions of one skill may be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lock {
    skills: BTreeMap<SkillName, BTreeMap<Version, Release>>,
}

impl Lock {
    /// What was approved under that name and version.
    #[must_use]
    pub fn entry(&self, name: &SkillName, version: &Version) -> Option<&Release> {
        self.skills.get(name)?.get(version)
    }

    /// The highest version of that skill that was approved.
    #[must_use]
    pub fn latest(&self, name: &SkillName) -> Option<&Release> {
        self.versions(name).next_back()
    }

    /// Everything that was approved, by name and version.
    pub fn releases(&self) -> impl Iterator<Item = &Release> {
        self.skills.values().flat_map(BTreeMap::values)
    }

    /// Whether `found` is exactly what was approved; see the
    /// [module](self#when-a-skill-is-as-approved).
    ///
    /// # Errors
    ///
    /// Everything that differs, as [`compare`](Self::compare) tells it.
    pub fn check(&self, found: &Release) -> Result<(), Vec<Change>> {
        let approved = self.entry(&found.name, &found.version);
        if approved.is_some_and(|approved| approved.is_kept_by(found)) {
            Ok(())
        } else {
            Err(self.compare(found))
        }
    }

    /// How `found` differs from what was approved: from the same version, else
    /// from the nearest one below, else from the nearest one above, else from a
    /// skill that declares nothing.
    ///
    /// Tells of additional signers as well, which [`check`](Self::check)
    /// accepts.
    #[must_use]
    pub fn compare(&self, found: &Release) -> Vec<Change> {
        let near = self.nearest(&found.name, &found.version);
        let mut changes = match (near, self.latest(&found.name)) {
            (Some(near), _) if near.version == found.version => other_bytes(near, found),
            (Some(near), Some(latest)) => vec![other_version(near, latest, found)],
            _ => vec![unknown(found)],
        };
        if let Some(near) = near {
            changes.extend(signers(near, found));
        }
        let silent = Definition::default();
        let declared = near.map_or(&silent, |near| &near.definition);
        changes.extend(diff::definitions(declared, &found.definition));
        changes
    }

    /// Pins a release; one that was pinned under its name and version is
    /// replaced.
    pub fn approve(&mut self, release: Release) {
        self.skills
            .entry(release.name.clone())
            .or_default()
            .insert(release.version.clone(), release);
    }

    fn versions(&self, name: &SkillName) -> impl DoubleEndedIterator<Item = &Release> {
        self.skills.get(name).into_iter().flat_map(BTreeMap::values)
    }

    fn nearest(&self, name: &SkillName, version: &Version) -> Option<&Release> {
        let below = self.versions(name).rfind(|known| known.version <= *version);
        below.or_else(|| self.versions(name).next())
    }
}

impl Release {
    /// Whether `found` has the bytes of this one, says the same, and is vouched
    /// for by at least the same.
    fn is_kept_by(&self, found: &Self) -> bool {
        self.digest == found.digest
            && self.definition == found.definition
            && self.signers.is_subset(&found.signers)
    }
}

fn unknown(found: &Release) -> Change {
    let signers: Vec<String> = found
        .signers
        .iter()
        .map(|signer| plain(signer.as_str()))
        .collect();
    let sentence = format!(
        "`{}` {}, signed by {}, was not approved, nor was any other version of it.",
        found.name,
        found.version,
        signers.join(", ")
    );
    Change::widening(What::NewSkill, sentence)
}

/// A version below one that was approved brings back what was mended since.
fn other_version(near: &Release, latest: &Release, found: &Release) -> Change {
    let (version, near) = (&found.version, &near.version);
    if found.version < latest.version {
        let sentence = format!(
            "Version {version} was not approved, and {}, which was, is later; it is compared with {near}.",
            latest.version
        );
        return Change::widening(What::OlderVersion, sentence);
    }
    let sentence = format!("Version {version} was not approved; it is compared with {near}.");
    Change::harmless(What::NewVersion, sentence)
}

fn other_bytes(approved: &Release, found: &Release) -> Vec<Change> {
    if approved.digest == found.digest {
        return Vec::new();
    }
    let sentence = format!(
        "The same version {} has other bytes: {} was approved, {} is found.",
        found.version, approved.digest, found.digest
    );
    vec![Change::widening(What::OtherBytes, sentence)]
}

fn signers(approved: &Release, found: &Release) -> Vec<Change> {
    let gone = approved.signers.difference(&found.signers).map(|signer| {
        let signer = plain(signer.as_str());
        Change::widening(What::SignerGone, format!("`{signer}` no longer signs it."))
    });
    let added = found.signers.difference(&approved.signers).map(|signer| {
        let signer = plain(signer.as_str());
        Change::harmless(What::SignerAdded, format!("`{signer}` signs it as well."))
    });
    gone.chain(added).collect()
}

#[cfg(test)]
mod tests;
