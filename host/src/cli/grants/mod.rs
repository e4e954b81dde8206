//! `skillhost permissions`, `skillhost grant` and `skillhost revoke`: what a
//! skill asks for, and what an operator answers.

mod grant;
mod permissions;
mod revoke;
mod table;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) use self::grant::Grant;
pub(super) use self::permissions::Permissions;
pub(super) use self::revoke::Revoke;
use super::Session;
use super::list::manifest_of;
use super::options::existing;
use crate::artifact::Artifact;
use crate::error::{Error, Kind, Result};
use crate::event::audit::{AuditLog, Durability};
use crate::event::{Event, Events, Subject};
use crate::lock::Release;
use crate::manifest::Manifest;
use crate::policy::OperatorGrant;
use crate::policy::ceiling::Ceiling;
use crate::policy::remedy::quoted;
use crate::time::system;
use crate::verify::{Verdict, Verifier};

/// A skill whose signatures hold.
pub(super) struct Looked {
    pub(super) path: PathBuf,
    pub(super) manifest: Manifest,
    pub(super) verdict: Verdict,
    pub(super) release: Release,
}

impl Looked {
    pub(super) fn at(path: PathBuf, verifier: &Verifier) -> Result<Self> {
        let verified = verifier.verify(Artifact::open(&path)?)?;
        let (manifest, verdict) = (manifest_of(&verified)?, verified.verdict().clone());
        Ok(Self {
            release: Release::of(&manifest, verdict.digest(), verdict.signers()),
            path,
            manifest,
            verdict,
        })
    }

    /// The word by which commands find it again: its name, or its file if that
    /// is not where a skill of its name is installed.
    pub(super) fn called(&self, session: &Session) -> String {
        let name = self.manifest.name.as_str();
        let installed = session
            .skills_folder()
            .join(name)
            .with_added_extension("wasm");
        if self.path == installed {
            name.to_owned()
        } else {
            quoted(&self.path.to_string_lossy())
        }
    }

    /// What it gets at the most.
    pub(super) fn ceiling(&self, session: &Session) -> Ceiling {
        let (config, level) = (&session.config, self.verdict.level());
        let stated = config.ceilings.get(&level);
        Ceiling::of(level, stated, &config.requirements.denied)
    }

    /// What the configuration grants by its name.
    pub(super) fn configured(&self, session: &Session) -> OperatorGrant {
        let policy = session.config.policies.get(&self.manifest.name);
        policy
            .map(|policy| policy.grant.clone())
            .unwrap_or_default()
    }

    fn subject(&self) -> Subject {
        let signers = self.verdict.signers().iter();
        Subject {
            skill: Some(self.manifest.name.as_str().into()),
            version: Some(self.manifest.version.to_string().into()),
            digest: Some(self.verdict.digest().to_string().into()),
            signers: signers.map(|name| Arc::from(name.as_str())).collect(),
            ..Subject::default()
        }
    }
}

impl Session {
    /// Where what is granted by command is kept: beside the configuration.
    pub(super) fn grants_file(&self) -> PathBuf {
        self.config_file.with_file_name("grants.json")
    }

    /// A component file, or that of an installed skill by its name.
    pub(super) fn skill_file(&self, skill: &Path) -> Result<PathBuf> {
        if skill.components().count() != 1 || skill.exists() {
            return existing(skill);
        }
        let installed = self
            .skills_folder()
            .join(skill)
            .with_added_extension("wasm");
        existing(&installed).map_err(|_missing| {
            let problem = format!("There is no skill {}.", skill.display());
            Error::new(Kind::InvalidRequest, problem).with_hint(
                "Name a skill's folder, a component file, or an installed skill (`skillhost list`).",
            )
        })
    }

    /// A skill as `serve` would judge it, or as `run` would.
    fn look_at(&self, skill: &Path, run: bool) -> Result<Looked> {
        let verifier = if run {
            self.running_verifier()?
        } else {
            self.verifier()?
        };
        Looked::at(self.skill_file(skill)?, &verifier)
    }

    /// Writes to the audit log what this command does.
    pub(super) fn events(&self) -> Result<Events> {
        let options = (self.config.audit).options(self.host_key()?, Durability::Fsync);
        let log = AuditLog::open(&self.audit_file(), options)?;
        Events::new(Box::new(log), Vec::new(), system())
    }
}

/// Records each of several events about one skill.
fn record_each(
    events: &Events,
    subject: &Subject,
    each: impl IntoIterator<Item = Event>,
) -> Result<()> {
    each.into_iter()
        .try_for_each(|event| events.record(subject, &event))
}
