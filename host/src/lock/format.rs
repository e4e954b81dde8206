//! The text of `skillhost.lock`: TOML, in one order, so that it can be kept
//! under version control and reviewed.

use std::collections::BTreeSet;
use std::path::Path;

use semver::Version;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::definition::{DefinedLimits, DefinedTool, Definition, is_default};
use super::{Lock, Release};
use crate::artifact::Digest;
use crate::error::{Error, Kind, Result};
use crate::manifest::{Capabilities, SkillName};
use crate::verify::SignerName;

/// The format of lock files that this host reads and writes.
pub const FORMAT: u32 = 1;

/// The largest lock file, in bytes.
pub const MAX_FILE: usize = 4 << 20;

const HEAD: &str = "\
# Written by `skillhost lock --approve`. Do not edit it by hand: see what
# differs with `skillhost lock`, and approve that.
";

const HINT: &str = "It is written by `skillhost lock --approve` alone. Put back a copy that was \
                    not changed, or remove it and approve the skills anew.";

/// Read first, so that a later format gets a clear answer.
#[derive(Deserialize)]
struct Format {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document<T> {
    version: u32,
    #[serde(default = "Vec::new")]
    skill: Vec<T>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SkillTable {
    name: SkillName,
    version: Version,
    digest: Digest,
    signers: Vec<String>,
    /// Of what follows: an entry that was mangled on the way is noticed.
    definition: Digest,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    description: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Digest>,
    #[serde(default, skip_serializing_if = "is_default")]
    limits: DefinedLimits,
    #[serde(default, skip_serializing_if = "is_default")]
    capabilities: Capabilities,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    tool: Vec<DefinedTool>,
}

impl Lock {
    /// Reads the text of the lock file at `path`, which is named in errors.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` with file and line for another format, an entry that
    /// stands there twice or does not fit its digest, a field that is unknown,
    /// and a text over [`MAX_FILE`].
    pub fn parse(text: &str, path: &Path) -> Result<Self> {
        let invalid = |problem: String| {
            let path = path.display();
            let message = format!("The lock file {path} is not valid: {problem}");
            Error::new(Kind::ConfigInvalid, message).with_hint(HINT)
        };
        let malformed = |cause: toml::de::Error| invalid(cause.to_string());
        if text.len() > MAX_FILE {
            return Err(invalid(format!("it is larger than {MAX_FILE} bytes.")));
        }
        let format: Format = toml::from_str(text).map_err(malformed)?;
        if format.version != FORMAT {
            return Err(invalid(format!(
                "it has format {}, and this host reads format {FORMAT}.",
                format.version
            )));
        }
        let document: Document<Spanned<SkillTable>> = toml::from_str(text).map_err(malformed)?;
        let mut lock = Self::default();
        for table in document.skill {
            let line = line(text, table.span().start);
            lock.add(table.into_inner())
                .map_err(|problem| invalid(format!("line {line}: {problem}.")))?;
        }
        Ok(lock)
    }

    /// The text of the file: the same for the same lock.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if it would be larger than [`MAX_FILE`].
    pub fn to_text(&self) -> Result<String> {
        let document = Document {
            version: FORMAT,
            skill: self.releases().map(SkillTable::of).collect(),
        };
        let body = toml::to_string(&document).map_err(|cause| {
            Error::new(Kind::Internal, "The lock file cannot be written as TOML.")
                .with_internal(cause)
        })?;
        let text = format!("{HEAD}{body}");
        if text.len() > MAX_FILE {
            return Err(Error::new(
                Kind::ConfigInvalid,
                format!(
                    "The lock file would have {} bytes, and {MAX_FILE} is the most.",
                    text.len()
                ),
            )
            .with_hint("Remove skills that are not needed, and approve the others."));
        }
        Ok(text)
    }

    fn add(&mut self, table: SkillTable) -> Result<(), String> {
        let release = table.read()?;
        if self.entry(&release.name, &release.version).is_some() {
            return Err(format!(
                "`{}` {} stands there a second time",
                release.name, release.version
            ));
        }
        self.approve(release);
        Ok(())
    }
}

impl SkillTable {
    fn of(release: &Release) -> Self {
        let definition = release.definition.clone();
        Self {
            name: release.name.clone(),
            version: release.version.clone(),
            digest: release.digest,
            signers: release.signers.iter().map(ToString::to_string).collect(),
            definition: definition.digest(),
            description: definition.description,
            settings: definition.settings,
            limits: definition.limits,
            capabilities: definition.capabilities,
            tool: definition.tools,
        }
    }

    fn read(self) -> Result<Release, String> {
        let definition = Definition {
            description: self.description,
            settings: self.settings,
            limits: self.limits,
            capabilities: self.capabilities,
            tools: self.tool,
        };
        if definition.digest() != self.definition {
            return Err(format!(
                "the definition of `{}` {} does not fit the digest beside it",
                self.name, self.version
            ));
        }
        let signers = self.signers.iter().map(|name| SignerName::new(name));
        let signers: BTreeSet<SignerName> = signers.collect();
        if signers.is_empty() {
            return Err(format!("`{}` {} has no signers", self.name, self.version));
        }
        Ok(Release {
            name: self.name,
            version: self.version,
            digest: self.digest,
            signers,
            definition,
        })
    }
}

/// The line, from 1, of the byte at `offset`.
fn line(text: &str, offset: usize) -> usize {
    let before = text.bytes().take(offset);
    before.filter(|byte| *byte == b'\n').count() + 1
}
