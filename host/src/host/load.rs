//! Loading: open, verify, compile, link. Each step takes what the one before
//! made, so none can be left out.

use std::path::Path;
use std::sync::Arc;

use super::Host;
use crate::admission::Schemas;
use crate::artifact::Artifact;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject};
use crate::manifest::{Manifest, section};
use crate::policy::{self, Grant};
use crate::registry::{Granted, Loaded};
use crate::sandbox::{self, Mounts};
use crate::time::millis;

impl Host {
    /// Reads a skill anew whose files are no longer those that were verified.
    pub(super) async fn reload(&self, stale: &Loaded, subject: &Subject) -> Result<Arc<Loaded>> {
        let _one_at_a_time = self.loading.lock().await;
        let current = self.registry.get(&stale.manifest.name)?;
        if current.is_current() {
            return Ok(current);
        }
        self.events.record(subject, &Event::ArtifactChanged {})?;
        let loaded = self.load_now(&stale.path).await.map_err(gone)?;
        if loaded.manifest.name == stale.manifest.name {
            return Ok(loaded);
        }
        Err(Error::new(
            Kind::ArtifactChanged,
            format!(
                "The file of `{}` now holds the skill `{}`.",
                stale.manifest.name, loaded.manifest.name
            ),
        ))
    }

    pub(super) async fn load_now(&self, path: &Path) -> Result<Arc<Loaded>> {
        let mut subject = Subject::of_file(path);
        match self.prepare(path, &mut subject).await {
            Ok((loaded, compile_ms)) => {
                let loaded = Arc::new(loaded);
                subject.describe(&loaded);
                self.registry
                    .insert(Arc::clone(&loaded))
                    .map_err(|error| self.rejected(&subject, error))?;
                self.events
                    .record(&subject, &Event::SkillLoaded { compile_ms })?;
                Ok(loaded)
            }
            Err(error) => Err(self.rejected(&subject, error)),
        }
    }

    /// Open, verify, compile, link: each step takes what the one before made.
    async fn prepare(&self, path: &Path, subject: &mut Subject) -> Result<(Loaded, u64)> {
        let artifact = blocking(|| Artifact::open(path))?;
        subject.digest = Some(artifact.digest().to_string());
        let verified = self.verifier.verify(artifact)?;
        subject.signers = verified
            .verdict()
            .signers()
            .iter()
            .map(ToString::to_string)
            .collect();
        self.events.record(subject, &Event::VerifyPassed {})?;
        let manifest = manifest(verified.inner())?;
        let schemas = manifest
            .tools
            .iter()
            .map(|tool| Ok((tool.name.clone(), Schemas::compile(tool)?)))
            .collect::<Result<_>>()?;
        let policy = self.skills.get(&manifest.name).unwrap_or(&self.others);
        let granted = match policy::decide(&manifest, &policy.grant, &self.limits) {
            Ok(grant) => Ok(open(grant)?),
            Err(denied) => Err(denied),
        };
        let start = self.clock.monotonic();
        let compiled = blocking(|| self.compiler.compile(verified))?;
        let compile_ms = millis(self.clock.monotonic().saturating_duration_since(start));
        let loaded = Loaded {
            path: path.to_owned(),
            prepared: sandbox::prepare(&self.linker, &compiled)?,
            compiled,
            manifest,
            schemas,
            granted,
            settings: Arc::new(policy.settings.clone()),
        };
        Ok((loaded, compile_ms))
    }

    fn rejected(&self, subject: &Subject, error: Error) -> Error {
        let (kind, reason) = (error.kind(), error.message().to_owned());
        let event = if kind.is_trust() {
            Event::VerifyFailed { kind, reason }
        } else {
            Event::SkillRejected { kind, reason }
        };
        self.events.record(subject, &event).err().unwrap_or(error)
    }
}

/// A file that could be read and no longer can: the caller learns no path.
fn gone(error: Error) -> Error {
    match error.kind() {
        Kind::InvalidRequest => Error::new(
            Kind::ArtifactChanged,
            "The skill's file is no longer there, or cannot be read.",
        )
        .with_hint("The operator has to put the skill back.")
        .with_internal(error.message()),
        _ => error,
    }
}

/// The manifest of a component whose signatures hold.
fn manifest(artifact: &Artifact) -> Result<Manifest> {
    let sections = section::read(artifact.bytes()).map_err(|cause| {
        Error::new(
            Kind::ComponentInvalid,
            format!("The file is no skill: {cause}."),
        )
    })?;
    Manifest::parse(sections.manifest).map_err(|cause| {
        Error::new(
            Kind::ManifestInvalid,
            format!("The component is no skill: {cause}."),
        )
        .with_hint("Build it with `skillhost build`, which writes the manifest.")
    })
}

fn open(grant: Grant) -> Result<Granted> {
    let mounts = Mounts::open(grant.directories())?;
    Ok(Granted { grant, mounts })
}

/// Reads or compiles on this thread, and lets the runtime move other work away.
fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::current().runtime_flavor() {
        tokio::runtime::RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
