//! `skill.toml`: what the author writes beside the code, and how it becomes
//! part of the manifest.

use semver::Version;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Capabilities, Document, FORMAT, Manifest, ManifestError, SkillName, Tool};

/// The contents of a `skill.toml`. All of it is optional.
///
/// # Defaults
///
/// Name, version and description are those of the Cargo package, the tools
/// those that the SDK's `export!` put into the component; no capability is
/// wanted, and the host's limits hold.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Source {
    /// Name of the skill.
    pub name: Option<SkillName>,
    /// Semantic version.
    pub version: Option<Version>,
    /// What the skill is for.
    pub description: Option<String>,
    /// What the skill wants to reach.
    pub capabilities: Capabilities,
    /// Limits that the author holds to be enough.
    pub limits: Map<String, Value>,
    /// JSON Schema of the operator's settings.
    pub settings: Option<Map<String, Value>>,
    /// Tools, for languages without an SDK that embeds them.
    pub tools: Option<Vec<Tool>>,
}

/// Why a `skill.toml` and a component do not make a manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    /// The file is not TOML of the form described at [`Source`].
    #[error("{0}")]
    Malformed(String),
    /// The result would be refused by a host.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
}

/// What the SDK embeds, read leniently: `skill.toml` may override a name that
/// is fine for Cargo and not for a skill.
#[derive(Deserialize)]
struct Embedded {
    name: String,
    version: Version,
    #[serde(default)]
    description: String,
    tools: Vec<Tool>,
}

impl Source {
    /// Reads a `skill.toml`. Errors show line, column and the line itself.
    pub fn parse(text: &str) -> Result<Self, SourceError> {
        toml::from_str(text).map_err(|cause| SourceError::Malformed(cause.to_string()))
    }

    /// The complete manifest as JSON: this file over what is embedded.
    pub fn manifest(self, embedded: Option<&[u8]>) -> Result<Vec<u8>, SourceError> {
        let malformed = |cause: serde_json::Error| ManifestError::Malformed(cause.to_string());
        let embedded = embedded
            .map(serde_json::from_slice::<Embedded>)
            .transpose()
            .map_err(malformed)?;
        let document = self.over(embedded)?;
        let json = serde_json::to_vec(&document).map_err(malformed)?;
        Manifest::parse(Some(&json))?;
        Ok(json)
    }

    fn over(self, embedded: Option<Embedded>) -> Result<Document, ManifestError> {
        let (name, version, description, tools) = match embedded {
            Some(it) => (Some(it.name), Some(it.version), it.description, it.tools),
            None => (None, None, String::new(), Vec::new()),
        };
        let name = match (self.name, name) {
            (Some(name), _) => name,
            (None, Some(name)) => name.parse().map_err(|problem| {
                wanted("name", &format!("cannot be the package's: {problem}"))
            })?,
            (None, None) => return Err(wanted("name", "is missing")),
        };
        Ok(Document {
            format: FORMAT,
            name,
            version: self
                .version
                .or(version)
                .ok_or_else(|| wanted("version", "is missing"))?,
            description: self.description.unwrap_or(description),
            tools: self.tools.unwrap_or(tools),
            capabilities: self.capabilities,
            limits: self.limits,
            settings: self.settings,
        })
    }
}

fn wanted(field: &str, problem: &str) -> ManifestError {
    ManifestError::Invalid {
        field: field.to_owned(),
        problem: format!("{problem}; set `{field}` in skill.toml"),
    }
}
