//! Where trust comes from, and reading it.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use super::memory::Memory;
use crate::artifact::Digest;
use crate::config::{Config, DenySettings, TrustSettings, Unreadable, read_trusted};
use crate::error::{Error, Kind, Result};
use crate::lock::{Change, Lock, MAX_FILE, Release};
use crate::manifest::text::one_line;
use crate::manifest::{Manifest, SkillName};
use crate::verify::{DenyList, MAX_DENY_LIST, MAX_ROOT, Preset, Root, Trust, TrustPolicy, Verdict};

/// The longest account of what is not as approved, in characters.
const MAX_CHANGES: usize = 4000;

/// What a host trusts by.
#[derive(Debug, Clone)]
pub enum TrustSource {
    /// A policy that never changes, with Sigstore's public-good root.
    Fixed(Box<Trust>),
    /// Files that are watched.
    Files(Box<TrustFiles>),
}

impl From<TrustPolicy> for TrustSource {
    fn from(policy: TrustPolicy) -> Self {
        Self::Files(Box::new(TrustFiles {
            policy: Some(policy),
            ..TrustFiles::default()
        }))
    }
}

impl From<TrustFiles> for TrustSource {
    fn from(files: TrustFiles) -> Self {
        Self::Files(Box::new(files))
    }
}

impl From<Trust> for TrustSource {
    fn from(trust: Trust) -> Self {
        Self::Fixed(Box::new(trust))
    }
}

/// Files that say what may run. A change of any takes effect on the next call.
///
/// # Defaults
///
/// None: without a policy nothing runs.
#[derive(Debug, Clone, Default)]
pub struct TrustFiles {
    /// `skillhost.toml`: policy, root and deny list.
    pub config: Option<PathBuf>,
    /// A policy instead of the configuration's.
    pub policy: Option<TrustPolicy>,
    /// The policy of a configuration that is permissive and names no signer:
    /// trust in the author's own key.
    pub own: Option<TrustPolicy>,
    /// A trusted root that is used if it is there and the configuration names
    /// no other.
    pub root: Option<PathBuf>,
    /// `skillhost.lock`; if it is not there, nothing is pinned.
    pub lock: Option<PathBuf>,
    /// What is remembered from one run to the next.
    pub memory: Option<PathBuf>,
    /// Somebody else follows the configuration, and tells when it is broken.
    pub config_is_followed: bool,
}

/// Everything that was read at one moment.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) trust: Arc<Trust>,
    pub(crate) lock: Option<Arc<Lock>>,
    deny_settings: Option<DenySettings>,
    /// From when on the deny list is older than its operator wants.
    stale_from: Option<Timestamp>,
    pub(super) fingerprint: Digest,
    pub(super) watched: BTreeSet<PathBuf>,
}

impl Snapshot {
    /// Refuses what is not as approved.
    pub(crate) fn check_lock(&self, manifest: &Manifest, verdict: &Verdict) -> Result<()> {
        let Some(lock) = &self.lock else {
            let rule = self.trust.policy.rule(Some(manifest.name.as_str()));
            let pinned = rule.is_some_and(|rule| rule.pinned) && !verdict.is_unsigned();
            return if pinned {
                Err(unpinned(manifest))
            } else {
                Ok(())
            };
        };
        let release = Release::of(manifest, verdict.digest(), verdict.signers());
        lock.check(&release)
            .map_err(|changes| unapproved(manifest, &changes))
    }

    /// Whether there is a lock file that has it as it is.
    pub(crate) fn is_pinned(&self, manifest: &Manifest, verdict: &Verdict) -> bool {
        let release = Release::of(manifest, verdict.digest(), verdict.signers());
        let lock = self.lock.as_ref();
        lock.is_some_and(|lock| lock.check(&release).is_ok())
    }

    /// Whether the rule that a skill is judged by asks how it was built.
    pub(crate) fn asks_for_provenance(&self, skill: &SkillName) -> bool {
        let rule = self.trust.policy.rule(Some(skill.as_str()));
        rule.is_some_and(|rule| rule.provenance.is_some())
    }

    /// This one with the deny list that lies on disk, if that is a newer one.
    pub(super) fn with_newer_deny_list(
        &self,
        memory: &Memory,
        generation: u64,
    ) -> Result<Option<Self>> {
        let Some(settings) = &self.deny_settings else {
            return Ok(None);
        };
        let mut reading = Reading::default();
        let (deny, stale_from) =
            read_deny_list(settings, memory, Remember::IfPossible, &mut reading)?;
        let version = |list: &Option<DenyList>| list.as_ref().map(|list| list.version);
        if version(&deny) <= version(&self.trust.deny) {
            return Ok(None);
        }
        Ok(Some(Self {
            trust: Arc::new(Trust {
                deny,
                generation,
                ..Trust::clone(&self.trust)
            }),
            lock: self.lock.clone(),
            deny_settings: self.deny_settings.clone(),
            stale_from,
            // Nothing that is read whole has it.
            fingerprint: Digest::of(&reading.seen),
            watched: self.watched.clone(),
        }))
    }

    /// What is not as it was.
    pub(super) fn differences(&self, before: &Self) -> Vec<&'static str> {
        let (now, then) = (&self.trust, &before.trust);
        let differences = [
            ("policy", now.policy != then.policy),
            ("trusted root", now.root.digest() != then.root.digest()),
            ("deny list", now.deny != then.deny),
            (
                "keys of deny lists",
                self.deny_settings != before.deny_settings,
            ),
            ("lock file", self.lock != before.lock),
        ];
        let changed = differences.iter().filter(|(_, differs)| *differs);
        changed.map(|(what, _)| *what).collect()
    }

    /// That the deny list is older than its operator wants, if it is.
    pub(crate) fn stale(&self, now: Timestamp) -> Option<String> {
        let deny = self.trust.deny.as_ref()?;
        self.stale_from.filter(|from| now >= *from)?;
        Some(format!(
            "The deny list is of {}; from {} on nothing runs without a newer one.",
            deny.issued, deny.expires
        ))
    }
}

/// What becomes of the deny list's version in the memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remember {
    /// Somebody only looks.
    Nothing,
    /// It is not in force unless it can be remembered.
    All,
    /// It is in force, and this process remembers it.
    IfPossible,
}

/// Reads files, and keeps account of them.
#[derive(Default)]
struct Reading {
    seen: Vec<u8>,
    watched: BTreeSet<PathBuf>,
}

impl TrustSource {
    /// Reads everything anew.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` and `ConfigInsecure`; `TrustRootInvalid` for a root or a
    /// deny list that cannot be used, `RolledBack` for a deny list that is
    /// older than what `memory` has seen.
    pub(super) fn read(
        &self,
        memory: &Memory,
        generation: u64,
        remember: Remember,
    ) -> Result<Snapshot> {
        match self {
            Self::Fixed(trust) => Ok(Snapshot {
                trust: Arc::new(Trust {
                    generation,
                    ..Trust::clone(trust)
                }),
                lock: None,
                deny_settings: None,
                stale_from: None,
                fingerprint: Digest::of(b""),
                watched: BTreeSet::new(),
            }),
            Self::Files(files) => files.read(memory, generation, remember),
        }
    }

    /// What is trusted now, for whoever only looks.
    ///
    /// # Errors
    ///
    /// As when a host begins.
    pub fn trust_now(&self) -> Result<Arc<Trust>> {
        Ok(self.look()?.0.trust)
    }

    /// The same with lock file and memory.
    pub(crate) fn look(&self) -> Result<(Snapshot, Memory)> {
        let memory = self.memory()?;
        Ok((self.read(&memory, 0, Remember::Nothing)?, memory))
    }

    /// Whether the configuration is broken, and somebody else tells that.
    pub(super) fn is_told_elsewhere(&self) -> bool {
        match self {
            Self::Files(files) if files.config_is_followed => {
                let config = files.config.as_deref();
                config.is_some_and(|path| Config::load(path).is_err())
            }
            Self::Files(_) | Self::Fixed(_) => false,
        }
    }

    /// Where what is remembered is kept.
    pub(super) fn memory(&self) -> Result<Memory> {
        match self {
            Self::Files(files) => files
                .memory
                .as_deref()
                .map_or_else(|| Ok(Memory::transient()), Memory::open),
            Self::Fixed(_) => Ok(Memory::transient()),
        }
    }
}

impl TrustFiles {
    fn read(&self, memory: &Memory, generation: u64, remember: Remember) -> Result<Snapshot> {
        let mut reading = Reading::default();
        let settings = self.settings(&mut reading)?;
        let root = self.root(&settings, &mut reading)?;
        let (deny, stale_from) = match &settings.deny {
            Some(deny) => read_deny_list(deny, memory, remember, &mut reading)?,
            None => (None, None),
        };
        let lock = self
            .lock
            .as_deref()
            .map(|lock| read_lock(lock, &mut reading));
        let deny_settings = settings.deny.clone();
        let policy = self.policy(settings)?;
        Ok(Snapshot {
            trust: Arc::new(Trust {
                policy,
                root,
                deny,
                generation,
            }),
            lock: lock.transpose()?.flatten().map(Arc::new),
            deny_settings,
            stale_from,
            fingerprint: Digest::of(&reading.seen),
            watched: reading.watched,
        })
    }

    fn settings(&self, reading: &mut Reading) -> Result<TrustSettings> {
        let Some(path) = &self.config else {
            return Ok(TrustSettings::default());
        };
        reading.watch(path);
        let trust = Config::load(path)?.trust.unwrap_or_default();
        reading.see(&format!("{trust:?}"));
        for file in &trust.files {
            reading.watch(file);
        }
        Ok(trust)
    }

    fn policy(&self, settings: TrustSettings) -> Result<TrustPolicy> {
        let own = self
            .own
            .as_ref()
            .filter(|_| settings.preset == Some(Preset::Permissive));
        let policy = self
            .policy
            .clone()
            .or(settings.policy)
            .or_else(|| own.cloned());
        policy.ok_or_else(|| {
            Error::new(
                Kind::ConfigInvalid,
                "Nobody is trusted to sign skills: the configuration has no [trust].",
            )
            .with_hint(format!(
                "Name two signers under [trust.signers] in {}; or, to serve what your own key signed, write `[trust]` and `preset = \"permissive\"` into it.",
                self.config.as_deref().unwrap_or(Path::new("skillhost.toml")).display()
            ))
        })
    }

    fn root(&self, settings: &TrustSettings, reading: &mut Reading) -> Result<Root> {
        let (path, text) = match (&settings.root, &self.root) {
            (Some(path), _) => (path, reading.required("trusted root", path, MAX_ROOT)?),
            (None, Some(path)) => match reading.optional("trusted root", path, MAX_ROOT)? {
                Some(text) => (path, text),
                None => return public_good(),
            },
            (None, None) => return public_good(),
        };
        Root::parse(&text, &path.display().to_string()).map_err(|cause| {
            Error::new(
                Kind::TrustRootInvalid,
                format!(
                    "The trusted root {} cannot be used: {cause}.",
                    path.display()
                ),
            )
            .with_hint("Put a good one back, or fetch it with `skillhost trust update`.")
        })
    }
}

/// The caller learns which kinds of things differ. The sentences quote what is
/// not approved, which no model may read: they are the operator's.
fn unapproved(manifest: &Manifest, changes: &[Change]) -> Error {
    let kinds: BTreeSet<String> = changes.iter().map(|it| it.what().to_string()).collect();
    let kinds: Vec<String> = kinds.into_iter().collect();
    let sentences: Vec<String> = changes.iter().map(ToString::to_string).collect();
    Error::new(
        Kind::NotApproved,
        format!(
            "`{}` {} is not as approved ({}).",
            manifest.name,
            manifest.version,
            kinds.join(", ")
        ),
    )
    .with_hint("Read the change with `skillhost lock --diff`, and accept it with `skillhost lock --approve`.")
    .with_internal(one_line(&sentences.join(" "), MAX_CHANGES))
}

fn unpinned(manifest: &Manifest) -> Error {
    Error::new(
        Kind::NotApproved,
        format!(
            "`{}` {} must be pinned, and there is no lock file.",
            manifest.name, manifest.version
        ),
    )
    .with_hint("Write one with `skillhost lock --approve`.")
}

fn public_good() -> Result<Root> {
    Root::public_good().map_err(|cause| {
        Error::new(
            Kind::TrustRootInvalid,
            format!("The embedded trusted root cannot be used: {cause}."),
        )
    })
}

fn read_deny_list(
    settings: &DenySettings,
    memory: &Memory,
    remember: Remember,
    reading: &mut Reading,
) -> Result<(Option<DenyList>, Option<Timestamp>)> {
    let path = &settings.file;
    let Some(text) = reading.optional("deny list", path, MAX_DENY_LIST)? else {
        memory.check_deny_list(path, None)?;
        return Err(Error::new(
            Kind::ConfigInvalid,
            format!("There is no deny list {}.", path.display()),
        )
        .with_hint("Write a first one with `skillhost deny --key KEY`; it may be empty."));
    };
    let mut list = DenyList::open(&text, &settings.keys).map_err(|cause| {
        Error::new(
            Kind::TrustRootInvalid,
            format!("The deny list {} is not accepted: {cause}.", path.display()),
        )
        .with_hint("Put a good one back, or sign one with `skillhost deny`.")
    })?;
    let found = (list.version, Digest::of(text.as_bytes()));
    match remember {
        Remember::Nothing => memory.check_deny_list(path, Some(found))?,
        Remember::All => {
            memory.check_deny_list(path, Some(found))?;
            memory.accept_deny_list(path, found)?;
        }
        Remember::IfPossible if memory.allows_deny_list(path, found) => {
            // That it cannot be written has been told.
            let _ = memory.accept_deny_list(path, found);
        }
        Remember::IfPossible => return Ok((None, None)),
    }
    if let Some(end) = settings
        .max_age
        .and_then(|age| list.issued.checked_add(age).ok())
    {
        list.expires = list.expires.min(end);
    }
    let stale_from = settings
        .warn_after
        .and_then(|age| list.issued.checked_add(age).ok());
    Ok((Some(list), stale_from))
}

fn read_lock(path: &Path, reading: &mut Reading) -> Result<Option<Lock>> {
    let text = reading.optional("lock file", path, MAX_FILE as u64)?;
    text.map(|text| Lock::parse(&text, path)).transpose()
}

impl Reading {
    fn watch(&mut self, path: &Path) {
        let absolute = std::path::absolute(path);
        self.watched
            .insert(absolute.unwrap_or_else(|_cause| path.to_owned()));
    }

    fn see(&mut self, text: &str) {
        self.seen
            .extend_from_slice(Digest::of(text.as_bytes()).as_bytes());
    }

    fn required(&mut self, what: &str, path: &Path, max: u64) -> Result<String> {
        self.optional(what, path, max)?.ok_or_else(|| {
            Error::new(
                Kind::ConfigInvalid,
                format!("There is no {what} {}.", path.display()),
            )
        })
    }

    fn optional(&mut self, what: &str, path: &Path, max: u64) -> Result<Option<String>> {
        self.watch(path);
        match read_trusted(path, max) {
            Ok(text) => {
                self.see(&text);
                Ok(Some(text))
            }
            Err(Unreadable::File(cause)) if cause.kind() == io::ErrorKind::NotFound => {
                self.see("");
                Ok(None)
            }
            Err(unreadable) => Err(unreadable.into_error(what, path)),
        }
    }
}
