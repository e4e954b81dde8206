//! Loading: open, verify, compile, link. Each step takes what the one before
//! made, so none can be left out.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::loading::Turn;
use super::reload::about;
use super::{Host, SkillPolicy, Terms};
use crate::admission::{self, Schemas};
use crate::artifact::{Artifact, Sources};
use crate::compile::Compiled;
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject};
use crate::manifest::{Manifest, SkillName, Tool, ToolName, section};
use crate::policy::ceiling::Ceiling;
use crate::policy::{self, Denied, OperatorGrant};
use crate::recovery::Rules;
use crate::registry::{self, Granted, Loaded};
use crate::sandbox::{Entrusted, Kept, Mounts};
use crate::time::millis;
use crate::verify::{Decision, SignerName, Verdict, Verified};

/// What became known of a skill while it was loaded.
struct Trail {
    subject: Subject,
    sources: Option<Sources>,
    decision: Option<Box<Decision>>,
    limit: Option<&'static str>,
}

impl Host {
    /// The skill again, of which the files or what is trusted are no longer as
    /// they were judged.
    pub(super) async fn renew(&self, name: &SkillName, subject: &Subject) -> Result<Arc<Loaded>> {
        let path = self.current.get().skills.get(name)?.path.clone();
        let _one_at_a_time = self.loading.of(&path).await;
        let current = self.current.get().skills.get(name)?;
        if self.upholds(&current) {
            return Ok(current);
        }
        if current.is_unchanged() && current.passed_over.is_none() {
            match self.judge_anew(&current, None, subject) {
                // A signature that was added since may be what is missing.
                Err(error) if error.kind().is_trust() => {}
                judged => return judged,
            }
        } else if !current.is_unchanged() {
            self.events.record(subject, &Event::ArtifactChanged {})?;
        }
        let mut trail = Trail::of(Subject {
            invocation: subject.invocation.clone(),
            principal: subject.principal.clone(),
            tool: subject.tool.clone(),
            ..Subject::of_file(&current.path)
        });
        match self
            .load_from(&current.path, Some(&current), &mut trail)
            .await
        {
            Err(error) if matches!(error.kind(), Kind::NotApproved | Kind::RolledBack) => {
                self.judge_anew(&current, trail.sources, subject)
            }
            loaded => loaded,
        }
    }

    pub(super) async fn load_now(&self, path: &Path) -> Result<Arc<Loaded>> {
        let mut trail = Trail::of(Subject::of_file(path));
        self.load_from(path, None, &mut trail).await
    }

    /// The bytes that were verified before, verified anew. If `passed_over` is
    /// what lies on disk now, they serve on instead of it.
    fn judge_anew(
        &self,
        current: &Loaded,
        passed_over: Option<Sources>,
        subject: &Subject,
    ) -> Result<Arc<Loaded>> {
        let mut trail = Trail::of(subject.clone());
        let snapshot = self.current.get();
        let renewed = self.judge(current.compiled.verified().inner().clone(), &mut trail);
        let renewed = renewed.and_then(|verified| {
            self.authority
                .approve(&current.manifest, verified.verdict())?;
            let mut renewed = current.renewed(&verified).ok_or_else(|| {
                Error::new(
                    Kind::Internal,
                    "A verdict is about other bytes than were judged.",
                )
            })?;
            let (now, before) = (verified.verdict(), current.verdict());
            let same_trust = now.level() == before.level() && now.signers() == before.signers();
            if !same_trust || !self.consents.upholds(current.consent) {
                self.grant_anew(&mut renewed, current, &snapshot.terms, subject)?;
            }
            let (path, manifest) = (&renewed.path, &renewed.manifest);
            let granted = &renewed.granted;
            let on = (&*snapshot.terms, subject);
            self.check_requirements(path, manifest, renewed.verdict(), granted, on)?;
            renewed.passed_over = passed_over;
            self.insert(renewed)
        });
        renewed.map_err(|error| self.rejected(&trail, error))
    }

    async fn load_from(
        &self,
        path: &Path,
        known: Option<&Loaded>,
        trail: &mut Trail,
    ) -> Result<Arc<Loaded>> {
        match self.prepare(path, known, trail).await {
            Ok((loaded, compile_ms)) => {
                trail.subject.describe(&loaded);
                let loaded = self
                    .register(loaded)
                    .map_err(|error| self.rejected(trail, error))?;
                self.events
                    .record(&trail.subject, &Event::SkillLoaded { compile_ms })?;
                self.tell_replaced(known, &loaded)?;
                Ok(loaded)
            }
            Err(error) => Err(self.rejected(trail, error)),
        }
    }

    /// Open, verify, approve, compile, link: each step takes what the one
    /// before made.
    async fn prepare(
        &self,
        path: &Path,
        known: Option<&Loaded>,
        trail: &mut Trail,
    ) -> Result<(Loaded, u64)> {
        let artifact = blocking(|| Artifact::open(path));
        let artifact = artifact.map_err(|error| match known {
            Some(_) => gone(error),
            None => error,
        })?;
        trail.sources = Some(artifact.sources().clone());
        let verified = self.judge(artifact, trail)?;
        let manifest = manifest(verified.inner())?;
        if let Some(known) = known {
            still_named(&manifest, &known.manifest)?;
        }
        trail.subject.skill = Some(manifest.name.as_str().into());
        trail.subject.version = Some(manifest.version.to_string().into());
        self.authority.approve(&manifest, verified.verdict())?;
        let now = self.current.get();
        let policy = now.terms.policy_of(&manifest.name);
        let schemas = schemas(&manifest, policy)?;
        let settings = admission::settings(&manifest, &policy.settings)?;
        let verdict = verified.verdict();
        let (operator, consent) =
            self.granted_to(&manifest, verdict, &now.terms, &trail.subject)?;
        let granted = self.grant(&manifest, verdict, &operator, &now.terms, known)?;
        let on = (&*now.terms, &trail.subject);
        self.check_requirements(path, &manifest, verdict, &granted, on)?;
        let rules = known.map(|known| &*known.recovery);
        let recovery = Rules::new(&manifest, &policy.recovery, &now.terms.recovery, rules)?;
        let start = self.clock.monotonic();
        let compiled = match known.and_then(|known| known.compiled.renewed(&verified)) {
            Some(compiled) => compiled,
            None => self.compile(verified, trail).await?,
        };
        let compile_ms = millis(self.clock.monotonic().saturating_duration_since(start));
        let loaded = Loaded {
            path: path.to_owned(),
            info: registry::info(&manifest, compiled.verified().verdict()),
            prepared: self.linkers.prepare(&compiled, &manifest)?,
            compiled,
            schemas: Arc::new(schemas),
            recovery: Arc::new(recovery),
            granted: Arc::new(granted),
            consent,
            settings: Arc::new(settings),
            environment: policy.environment.clone().into_iter().collect(),
            log_to_client: policy.log_to_client,
            terms: now.generation,
            names: Arc::new(policy.names.clone()),
            passed_over: None,
            manifest: Arc::new(manifest),
        };
        Ok((loaded, compile_ms))
    }

    /// What the skill may use, as far as it is trusted, with all that it names
    /// open and its secrets at hand.
    pub(super) fn grant(
        &self,
        manifest: &Manifest,
        verdict: &Verdict,
        operator: &OperatorGrant,
        terms: &Terms,
        known: Option<&Loaded>,
    ) -> Result<Result<Granted, Denied>> {
        let level = verdict.level();
        let denied = &terms.requirements.denied;
        let ceiling = Ceiling::of(level, terms.ceilings.get(&level), denied);
        let grant = match policy::decide(manifest, operator, &terms.limits, &ceiling) {
            Ok(grant) => grant,
            Err(denied) => return Ok(Err(denied)),
        };
        for limits in grant.each_limits() {
            self.current.get().admission.check_fits(limits)?;
        }
        let mounts = Mounts::open(grant.directories(), &self.descriptors, &self.private)?;
        if let Some(Ok(earlier)) = known.map(|known| Result::as_ref(&known.granted)) {
            mounts.check_unchanged(&earlier.mounts)?;
        }
        let kept = if grant.state() {
            Some(self.kept(&manifest.name, verdict.signers())?)
        } else {
            None
        };
        Ok(Ok(Granted {
            entrusted: Arc::new(Entrusted::new(manifest, &grant, &self.secrets)?),
            mounts,
            kept,
            grant,
        }))
    }

    fn kept(&self, skill: &SkillName, signers: &[SignerName]) -> Result<Kept> {
        let store = blocking(|| self.states.open(skill, signers))?;
        Ok(Kept::new(store, Arc::clone(&self.clock)))
    }

    /// Waits for machine code; no thread of the runtime does.
    async fn compile(&self, verified: Verified<Artifact>, trail: &mut Trail) -> Result<Compiled> {
        let compiled = self.compiler.compile(verified, &trail.subject).await;
        compiled.map_err(|failure| {
            trail.limit = failure.limit;
            failure.error
        })
    }

    /// Remembers its version, and makes it callable: what cannot be remembered
    /// could roll back. What nobody signed must not make a signed version too old.
    fn register(&self, loaded: Loaded) -> Result<Arc<Loaded>> {
        // What is free now stays free until it is inserted.
        let turn = self.loading.registering();
        self.current.get().skills.check_free(&loaded)?;
        if !loaded.verdict().is_unsigned() {
            self.authority.accepted(&loaded.manifest)?;
        }
        self.insert_in_turn(loaded, &turn)
    }

    fn insert(&self, loaded: Loaded) -> Result<Arc<Loaded>> {
        self.insert_in_turn(loaded, &self.loading.registering())
    }

    /// Makes it callable. What was made on terms that have changed meanwhile is
    /// made anew first: no snapshot holds a skill that is not on its terms.
    fn insert_in_turn(&self, loaded: Loaded, _turn: &Turn<'_>) -> Result<Arc<Loaded>> {
        let now = self.current.get();
        let loaded = if loaded.terms == now.generation {
            loaded
        } else {
            self.on_terms(&loaded, &now.terms, now.generation)?
        };
        let loaded = Arc::new(loaded);
        self.current
            .replace(now.with(now.skills.with(Arc::clone(&loaded))?));
        Ok(loaded)
    }

    /// Of the skill, and of no call: whoever came first found it so.
    fn tell_replaced(&self, known: Option<&Loaded>, loaded: &Loaded) -> Result<()> {
        match known.map(|known| &known.info.digest) {
            Some(before) if *before != loaded.info.digest => {
                let previous_digest = before.to_string();
                self.events
                    .record(&about(loaded), &Event::SkillReplaced { previous_digest })
            }
            _ => Ok(()),
        }
    }

    /// Verifies, and records how that was decided.
    fn judge(&self, artifact: Artifact, trail: &mut Trail) -> Result<Verified<Artifact>> {
        trail.subject.digest = Some(artifact.digest().to_string().into());
        self.check_clock(&trail.subject)?;
        match self.authority.verify(artifact) {
            Ok(verified) => {
                let verdict = verified.verdict();
                trail.decided(verdict.signers(), verdict.decision());
                let decision = Box::new(verdict.decision().clone());
                self.events
                    .record(&trail.subject, &Event::VerifyPassed { decision })?;
                if verdict.is_unsigned() {
                    self.events
                        .record(&trail.subject, &Event::UnsignedExecution {})?;
                }
                Ok(verified)
            }
            Err(rejected) => {
                trail.decided(rejected.signers(), rejected.decision());
                trail.decision = Some(Box::new(rejected.decision().clone()));
                Err(rejected.into())
            }
        }
    }

    fn check_clock(&self, subject: &Subject) -> Result<()> {
        self.authority.check_clock().inspect_err(|error| {
            let reason = error.message().to_owned();
            // What is refused for it is recorded as well.
            let _ = self
                .events
                .record(subject, &Event::ConfigInsecure { reason });
        })
    }

    fn rejected(&self, trail: &Trail, error: Error) -> Error {
        let (kind, reason) = (error.kind(), error.message().to_owned());
        let decision = trail.decision.clone();
        let also = match kind {
            Kind::Revoked => Some(Event::SkillRevoked {
                reason: reason.clone(),
            }),
            Kind::NotApproved => Some(Event::ToolChanged {
                reason: error.internal().unwrap_or(&reason).to_owned(),
            }),
            Kind::CompileLimit => Some(Event::LimitExceeded {
                limit: trail.limit.unwrap_or("compile-component"),
                kind,
                reason: reason.clone(),
            }),
            _ => None,
        };
        let event = if kind.is_trust() {
            Event::VerifyFailed {
                kind,
                reason,
                decision,
            }
        } else {
            Event::SkillRejected { kind, reason }
        };
        let recorded = also
            .map_or(Ok(()), |also| self.events.record(&trail.subject, &also))
            .and_then(|()| self.events.record(&trail.subject, &event));
        recorded.err().unwrap_or(error)
    }
}

impl Trail {
    const fn of(subject: Subject) -> Self {
        Self {
            subject,
            sources: None,
            decision: None,
            limit: None,
        }
    }

    fn decided(&mut self, signers: &[SignerName], decision: &Decision) {
        self.subject.signers = signers.iter().map(|it| it.as_str().into()).collect();
        self.subject.trust_generation = Some(decision.trust_generation);
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

/// What the arguments and answers of each tool must look like.
pub(super) fn schemas(
    manifest: &Manifest,
    policy: &SkillPolicy,
) -> Result<BTreeMap<ToolName, Schemas>> {
    let compiled = |tool: &Tool| {
        let schemas = Schemas::compile(tool, &policy.admission)?;
        Ok((tool.name.clone(), schemas))
    };
    manifest.tools.iter().map(compiled).collect()
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

fn still_named(manifest: &Manifest, known: &Manifest) -> Result<()> {
    if manifest.name == known.name {
        return Ok(());
    }
    Err(Error::new(
        Kind::ArtifactChanged,
        format!(
            "The file of `{}` now holds the skill `{}`.",
            known.name, manifest.name
        ),
    ))
}

/// Works on this thread, and lets the runtime move other work away.
pub(crate) fn blocking<T>(work: impl FnOnce() -> T) -> T {
    match tokio::runtime::Handle::current().runtime_flavor() {
        tokio::runtime::RuntimeFlavor::MultiThread => tokio::task::block_in_place(work),
        _ => work(),
    }
}
