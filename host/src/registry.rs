//! Which skills there are, and which one a name means.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::admission::Schemas;
use crate::answer::SkillInfo;
use crate::artifact::{Artifact, Sources};
use crate::compile::Compiled;
use crate::consent::Stamp;
use crate::error::{Error, Kind, Result};
use crate::manifest::lookalike::skeleton;
use crate::manifest::{Manifest, SkillName, ToolName};
use crate::mcp::names::Names;
use crate::policy::limits::Limits;
use crate::policy::{Denied, Grant};
use crate::recovery::Rules;
use crate::sandbox::{Entrusted, Kept, Mounts, Prepared};
use crate::verify::{Verdict, Verified};

/// A skill with everything that is known before a call: verified, compiled,
/// linked, and what it is granted.
#[derive(Clone)]
pub struct Loaded {
    pub(crate) path: PathBuf,
    pub(crate) manifest: Arc<Manifest>,
    pub(crate) info: Arc<SkillInfo>,
    pub(crate) compiled: Compiled,
    pub(crate) prepared: Prepared,
    pub(crate) schemas: Arc<BTreeMap<ToolName, Schemas>>,
    pub(crate) recovery: Arc<Rules>,
    pub(crate) granted: Arc<Result<Granted, Denied>>,
    /// Which state of the grants file that was made from.
    pub(crate) consent: Stamp,
    pub(crate) settings: Arc<Map<String, Value>>,
    pub(crate) environment: Arc<[(String, String)]>,
    /// Whether those who call it may hear its log.
    pub(crate) log_to_client: bool,
    /// Which [`Terms`](crate::host::Terms) all of that was made from.
    pub(crate) terms: u64,
    pub(crate) names: Arc<Names>,
    /// What lies in its place now and was not approved.
    pub(crate) passed_over: Option<Sources>,
}

/// A grant, and what it names, open.
#[derive(Debug)]
pub(crate) struct Granted {
    pub(crate) grant: Grant,
    pub(crate) mounts: Mounts,
    pub(crate) entrusted: Arc<Entrusted>,
    /// What the skill keeps, if it may.
    pub(crate) kept: Option<Kept>,
}

impl Granted {
    pub(crate) fn limits_of(&self, tool: &ToolName) -> &Limits {
        self.grant.limits_of(tool)
    }
}

impl Loaded {
    /// What its author declares.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The component's file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Name, version, digest and signers.
    #[must_use]
    pub const fn info(&self) -> &Arc<SkillInfo> {
        &self.info
    }

    /// Grants of the operator that the skill does not ask for, in words.
    #[must_use]
    pub fn unused_grants(&self) -> &[String] {
        Result::as_ref(&self.granted).map_or(&[], |granted| granted.grant.unused())
    }

    /// Tools that are blocked because they are called like an interpreter.
    pub fn blocked_tools(&self) -> impl Iterator<Item = &ToolName> {
        let schemas = self.schemas.iter();
        schemas.filter_map(|(tool, schemas)| schemas.is_blocked.then_some(tool))
    }

    /// Why it may run.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        self.compiled.verified().verdict()
    }

    /// Whether the files that were verified are still there, unchanged, or
    /// those that were passed over for them.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.compiled.verified().inner().is_unchanged()
            || self
                .passed_over
                .as_ref()
                .is_some_and(Sources::are_unchanged)
    }

    /// The same skill with a later proof about the same bytes.
    pub(crate) fn renewed(&self, verified: &Verified<Artifact>) -> Option<Self> {
        Some(Self {
            compiled: self.compiled.renewed(verified)?,
            info: info(&self.manifest, verified.verdict()),
            ..self.clone()
        })
    }
}

/// What answers and events say of a skill, written once.
pub(crate) fn info(manifest: &Manifest, verdict: &Verdict) -> Arc<SkillInfo> {
    let signers = verdict.signers().iter();
    Arc::new(SkillInfo {
        name: manifest.name.as_str().into(),
        version: manifest.version.to_string().into(),
        digest: verdict.digest().to_string().into(),
        signers: signers.map(|signer| signer.as_str().into()).collect(),
    })
}

impl std::fmt::Debug for Loaded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Loaded")
            .field("path", &self.path)
            .finish_non_exhaustive()
    }
}

/// The skills of a host at one moment, by name. It never changes: a skill that is
/// added, replaced or removed makes another one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Registry(BTreeMap<SkillName, Arc<Loaded>>);

impl Registry {
    /// All skills, by name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&SkillName, &Arc<Loaded>)> {
        self.0.iter()
    }

    /// The skill with that name, if there is one.
    pub(crate) fn find(&self, name: &SkillName) -> Option<Arc<Loaded>> {
        self.0.get(name).cloned()
    }

    /// The skill with that name.
    ///
    /// # Errors
    ///
    /// `UnknownTool` with the names there are.
    pub(crate) fn get(&self, name: &SkillName) -> Result<Arc<Loaded>> {
        self.0.get(name).cloned().ok_or_else(|| {
            let names: Vec<&str> = self.0.keys().map(SkillName::as_str).collect();
            Error::new(Kind::UnknownTool, format!("There is no skill `{name}`."))
                .with_hint(format!("The skills are: {}.", names.join(", ")))
        })
    }

    /// Whether a skill can be added.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if another file claims the name, or another skill has a tool
    /// that a reader would take for one of its own.
    pub(crate) fn check_free(&self, loaded: &Loaded) -> Result<()> {
        let name = &loaded.manifest.name;
        let Some(known) = self.0.get(name).filter(|known| known.path != loaded.path) else {
            return check_distinct(&self.0, &loaded.manifest);
        };
        let (known, path) = (known.path.display(), loaded.path.display());
        Err(Error::new(
            Kind::ConfigInvalid,
            format!("{known} and {path} are both named `{name}`."),
        )
        .with_hint("Remove one of them, or give it another name in its skill.toml."))
    }

    /// These with a skill more, or in the place of the one that was read from the
    /// same file.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` as [`check_free`](Self::check_free) says.
    pub(crate) fn with(&self, loaded: Arc<Loaded>) -> Result<Self> {
        self.check_free(&loaded)?;
        let mut next = self.clone();
        next.0.insert(loaded.manifest.name.clone(), loaded);
        Ok(next)
    }

    /// These without that one.
    pub(crate) fn without(&self, name: &SkillName) -> Self {
        let mut next = self.clone();
        next.0.remove(name);
        next
    }
}

impl FromIterator<Arc<Loaded>> for Registry {
    fn from_iter<I: IntoIterator<Item = Arc<Loaded>>>(skills: I) -> Self {
        let named = skills
            .into_iter()
            .map(|loaded| (loaded.manifest.name.clone(), loaded));
        Self(named.collect())
    }
}

/// Refuses a tool that looks like one of another skill: whoever allows one of them,
/// in a list or in a dialogue, would allow the other.
fn check_distinct(table: &BTreeMap<SkillName, Arc<Loaded>>, manifest: &Manifest) -> Result<()> {
    let others = table.values().map(|loaded| &*loaded.manifest);
    let others = others.filter(|other| other.name != manifest.name);
    let mut taken = BTreeMap::new();
    for other in others {
        let skeletons = other.tools.iter().map(|tool| {
            let skeleton = skeleton(&other.name, &tool.name);
            (skeleton, (&other.name, &tool.name))
        });
        taken.extend(skeletons);
    }
    let name = &manifest.name;
    for tool in &manifest.tools {
        if let Some((skill, like)) = taken.get(&skeleton(name, &tool.name)) {
            return Err(looks_alike((name, &tool.name), (skill, like)));
        }
    }
    Ok(())
}

fn looks_alike(
    (skill, tool): (&SkillName, &ToolName),
    (other, like): (&SkillName, &ToolName),
) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        format!(
            "The tool `{tool}` of `{skill}` is easily taken for the tool `{like}` of `{other}`."
        ),
    )
    .with_hint("Remove one of the two skills, unless one of them should be renamed by its author.")
}
