//! What the author of a skill declares: its tools, what it wants and why.
//!
//! The manifest is JSON in the component's custom section
//! [`section::SECTION`], so one signature covers the code and everything that
//! is said about it, and it is read without running the skill. It is untrusted
//! input: a wish, never a right.

pub(crate) mod lookalike;
mod name;
pub mod section;
mod source;
pub(crate) mod text;

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::name::{MAX_NAME, SecretName, SkillName, ToolName};
pub use self::source::{Source, SourceError};
use crate::policy::directory::Access;
use crate::policy::endpoint::{EndpointWish, ListenAddress};
use crate::policy::limits::LimitsChange;
use crate::policy::origin::OriginRule;

/// The manifest format that this host reads.
pub const FORMAT: u32 = 1;

/// The most tools of one skill.
pub const MAX_TOOLS: usize = 128;

/// The longest version, in characters.
pub const MAX_VERSION: usize = 64;

/// The longest description, in characters.
pub const MAX_DESCRIPTION: usize = 8192;

/// The most secrets of one skill.
pub const MAX_SECRETS: usize = 32;

/// What a skill says about itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// Unique among the skills of a host.
    pub name: SkillName,
    /// Semantic version.
    pub version: Version,
    /// What the skill is for.
    pub description: String,
    /// In the order in which the author wrote them; names are unique.
    pub tools: Vec<Tool>,
    /// What the skill wants to reach outside its own memory.
    pub capabilities: Capabilities,
    /// Limits that the author holds to be enough.
    pub limits: LimitsChange,
    /// JSON Schema of the settings that the operator can make.
    pub settings: Option<Map<String, Value>>,
}

/// One tool of a skill.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tool {
    /// Unique within the skill.
    pub name: ToolName,
    /// Name to show to people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// What the model reads to decide whether to call it.
    pub description: String,
    /// JSON Schema 2020-12 of the arguments: an object.
    pub input_schema: Map<String, Value>,
    /// JSON Schema 2020-12 of the structured answer: an object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<Map<String, Value>>,
    /// What the author claims about its effects.
    #[serde(default)]
    pub annotations: Annotations,
}

/// What the author claims about a tool's effects. A claim that is not made is
/// not assumed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Annotations {
    /// It changes nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
    /// It may destroy something.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive: Option<bool>,
    /// A second call with the same arguments changes nothing more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent: Option<bool>,
    /// It deals with things outside the host, such as the web.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world: Option<bool>,
}

/// What a skill wants to reach. The operator's grant decides what it gets.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Capabilities {
    /// Directories of the host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filesystem: Option<Filesystem>,
    /// HTTP requests.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Http>,
    /// Raw connections.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sockets: Option<Sockets>,
    /// Secrets, by the skill's names for them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub secrets: BTreeMap<SecretName, SecretWish>,
    /// Keys and values that outlive a call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
}

impl Capabilities {
    /// The same, none of which the skill cannot do without: for whoever asks
    /// what it gets, whether that is enough or not.
    #[must_use]
    pub fn all_optional(mut self) -> Self {
        let parts = [
            self.filesystem.as_mut().map(|it| &mut it.optional),
            self.http.as_mut().map(|it| &mut it.optional),
            self.sockets.as_mut().map(|it| &mut it.optional),
            self.state.as_mut().map(|it| &mut it.optional),
        ];
        let secrets = self.secrets.values_mut().map(|it| &mut it.optional);
        for optional in parts.into_iter().flatten().chain(secrets) {
            *optional = true;
        }
        self
    }
}

/// The wish to see directories of the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filesystem {
    /// Default: read-only.
    #[serde(default)]
    pub access: Access,
    /// Why, for the operator to read.
    pub reason: String,
    /// Whether the skill is of use without it. Default: no.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// The wish to send HTTP requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// Where to; an empty list wants nothing.
    pub origins: Vec<OriginRule>,
    /// With which methods. Default: `GET` and `HEAD`.
    #[serde(default = "safe_methods")]
    pub methods: Vec<String>,
    /// Why, for the operator to read.
    pub reason: String,
    /// Whether the skill is of use without it. Default: no.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// The wish for raw connections, each kind on its own. A skill without it cannot
/// import `wasi:sockets`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sockets {
    /// Where TCP connections go to, such as `*:5432`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tcp: Vec<EndpointWish>,
    /// Where UDP datagrams go to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub udp: Vec<EndpointWish>,
    /// Where TCP connections are accepted, on this machine only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub listen: Vec<ListenAddress>,
    /// Why, for the operator to read.
    pub reason: String,
    /// Whether the skill is of use without it. Default: no.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// The wish to keep something from call to call. How much is enough stands
/// among the limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct State {
    /// Why, for the operator to read.
    pub reason: String,
    /// Whether the skill is of use without it. Default: no.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// The wish for a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretWish {
    /// What is to be done with it. Default: `inject`.
    #[serde(default, rename = "use")]
    pub usage: SecretUse,
    /// Of `inject`: to which origin requests go that it is added to; with a
    /// wildcard the operator chooses which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginRule>,
    /// Why, for the operator to read.
    pub reason: String,
    /// Whether the skill is of use without it. Default: no.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
}

/// What a skill wants a secret for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretUse {
    /// The host adds it to requests; the skill never sees it.
    #[default]
    Inject,
    /// The skill itself reads it.
    Reveal,
}

/// Why a manifest cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// There is none.
    #[error(
        "the component carries no manifest (custom section `{}`)",
        section::SECTION
    )]
    Missing,
    /// It is not JSON of the manifest's form.
    #[error("the manifest is not readable: {0}")]
    Malformed(String),
    /// It is of another format.
    #[error("the manifest has format {0}, this host reads format {FORMAT}")]
    Format(u32),
    /// One of its values is refused.
    #[error("the manifest's {field} {problem}")]
    Invalid {
        /// Where.
        field: String,
        /// What.
        problem: String,
    },
}

/// The manifest as it stands in the section, before its values are judged.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    name: SkillName,
    version: Version,
    #[serde(default)]
    description: String,
    tools: Vec<Tool>,
    #[serde(default)]
    capabilities: Capabilities,
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    limits: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settings: Option<Map<String, Value>>,
}

impl Manifest {
    /// Reads the manifest of a component from its section.
    pub fn parse(section: Option<&[u8]>) -> Result<Self, ManifestError> {
        let section = section.ok_or(ManifestError::Missing)?;
        let malformed = |cause: serde_json::Error| {
            ManifestError::Malformed(text::one_line(&cause.to_string(), 300))
        };
        let format: Format = serde_json::from_slice(section).map_err(malformed)?;
        if format.format != FORMAT {
            return Err(ManifestError::Format(format.format));
        }
        let document: Document = serde_json::from_slice(section).map_err(malformed)?;
        Self::from_document(document)
    }

    /// The tool with that name.
    #[must_use]
    pub fn tool(&self, name: &str) -> Option<&Tool> {
        self.tools.iter().find(|tool| tool.name.as_str() == name)
    }

    fn from_document(document: Document) -> Result<Self, ManifestError> {
        check_tools(&document.name, &document.tools)?;
        check_text("description", &document.description)?;
        if document.version.to_string().len() > MAX_VERSION {
            return Err(invalid(
                "version",
                format!("is longer than {MAX_VERSION} characters"),
            ));
        }
        if let Some(settings) = &document.settings {
            check_visible("settings", settings.iter())?;
        }
        check_capabilities(&document.capabilities)?;
        let limits = serde_json::from_value(Value::Object(document.limits))
            .map_err(|cause| invalid("limits", format!("cannot be read: {cause}")))?;
        Ok(Self {
            name: document.name,
            version: document.version,
            description: document.description,
            tools: document.tools,
            capabilities: document.capabilities,
            limits,
            settings: document.settings,
        })
    }
}

/// Read first, so that a newer format gets a clear answer.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

fn check_tools(skill: &SkillName, tools: &[Tool]) -> Result<(), ManifestError> {
    if tools.is_empty() || tools.len() > MAX_TOOLS {
        return Err(invalid("tools", format!("must be 1 to {MAX_TOOLS}")));
    }
    let mut names = BTreeMap::new();
    for (index, tool) in tools.iter().enumerate() {
        let field = format!("tools[{index}]");
        if names.insert(&tool.name, index).is_some() {
            return Err(invalid(
                &field,
                format!("has the name `{}` a second time", tool.name),
            ));
        }
        if skill.as_str().len() + 1 + tool.name.as_str().len() > MAX_NAME {
            return Err(invalid(
                &field,
                format!(
                    "has a name too long: `{skill}` and `{}` may be {} characters together",
                    tool.name,
                    MAX_NAME - 1
                ),
            ));
        }
        check_text(&format!("{field}.description"), &tool.description)?;
        check_line(
            &format!("{field}.title"),
            tool.title.as_deref().unwrap_or_default(),
        )?;
        check_object(&format!("{field}.input_schema"), &tool.input_schema)?;
        if let Some(schema) = &tool.output_schema {
            check_object(&format!("{field}.output_schema"), schema)?;
        }
    }
    Ok(())
}

fn check_capabilities(capabilities: &Capabilities) -> Result<(), ManifestError> {
    if let Some(filesystem) = &capabilities.filesystem {
        check_line("capabilities.filesystem.reason", &filesystem.reason)?;
    }
    if let Some(sockets) = &capabilities.sockets {
        check_line("capabilities.sockets.reason", &sockets.reason)?;
    }
    if let Some(state) = &capabilities.state {
        check_line("capabilities.state.reason", &state.reason)?;
    }
    if let Some(http) = &capabilities.http {
        check_line("capabilities.http.reason", &http.reason)?;
        for method in &http.methods {
            let upper = method.bytes().all(|byte| byte.is_ascii_uppercase());
            if method.is_empty() || !upper || method == "CONNECT" {
                return Err(invalid(
                    "capabilities.http.methods",
                    format!("has {method:?}, which is no method"),
                ));
            }
        }
    }
    check_secrets(&capabilities.secrets)
}

fn check_secrets(secrets: &BTreeMap<SecretName, SecretWish>) -> Result<(), ManifestError> {
    if secrets.len() > MAX_SECRETS {
        return Err(invalid(
            "capabilities.secrets",
            format!("has more than {MAX_SECRETS} entries"),
        ));
    }
    for (name, wish) in secrets {
        let field = format!("capabilities.secrets.{name}");
        check_line(&format!("{field}.reason"), &wish.reason)?;
        let problem = match (wish.usage, &wish.origin) {
            (SecretUse::Inject, None) => "has no `origin` to whose requests it is added",
            (SecretUse::Reveal, Some(_)) => "has an `origin`, which only `use = \"inject\"` has",
            (SecretUse::Inject, Some(_)) | (SecretUse::Reveal, None) => continue,
        };
        return Err(invalid(&field, problem.to_owned()));
    }
    Ok(())
}

fn check_object(field: &str, schema: &Map<String, Value>) -> Result<(), ManifestError> {
    if schema.get("type").and_then(Value::as_str) != Some("object") {
        return Err(invalid(
            field,
            "must have `\"type\": \"object\"`".to_owned(),
        ));
    }
    check_visible(field, schema.iter())
}

/// Every name and text of a schema is read by models, so none may hide.
fn check_visible<'a>(
    field: &str,
    entries: impl Iterator<Item = (&'a String, &'a Value)>,
) -> Result<(), ManifestError> {
    for (key, value) in entries {
        check_line(field, key)?;
        check_value(field, value)?;
    }
    Ok(())
}

fn check_value(field: &str, value: &Value) -> Result<(), ManifestError> {
    match value {
        Value::String(text) => check_text(field, text),
        Value::Array(values) => values
            .iter()
            .try_for_each(|value| check_value(field, value)),
        Value::Object(object) => check_visible(field, object.iter()),
        Value::Null | Value::Bool(_) | Value::Number(_) => Ok(()),
    }
}

/// Text that stands within a line of the host's.
fn check_line(field: &str, text: &str) -> Result<(), ManifestError> {
    if text.contains('\n') {
        return Err(invalid(
            field,
            "has a line break where none may be".to_owned(),
        ));
    }
    check_text(field, text)
}

fn check_text(field: &str, text: &str) -> Result<(), ManifestError> {
    if text.chars().count() > MAX_DESCRIPTION {
        return Err(invalid(
            field,
            format!("is longer than {MAX_DESCRIPTION} characters"),
        ));
    }
    match text::hidden_character(text) {
        Some(hidden) => Err(invalid(
            field,
            format!(
                "holds the character U+{:04X}, which a reader cannot see",
                u32::from(hidden)
            ),
        )),
        None => Ok(()),
    }
}

fn invalid(field: &str, problem: String) -> ManifestError {
    ManifestError::Invalid {
        field: field.to_owned(),
        problem,
    }
}

fn safe_methods() -> Vec<String> {
    vec!["GET".to_owned(), "HEAD".to_owned()]
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
const fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests;
