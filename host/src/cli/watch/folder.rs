//! The skills folder while the host serves from it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anstyle::AnsiColor;

use super::super::list;
use super::super::serve::serving;
use super::super::terminal::{labelled, note};
use crate::error::{Error, Kind, Result};
use crate::host::{Circumstances, Host};
use crate::manifest::text::one_line;
use crate::registry::Loaded;

/// In so many looks a component that nobody signed may still get its bundle.
const PATIENCE: u32 = 5;

/// In so many looks a file that is gone has not just been replaced.
const GONE: u32 = 2;

/// The skills folder, as it was when it was last looked at.
pub(super) struct Folder {
    path: PathBuf,
    components: BTreeMap<PathBuf, Component>,
}

/// A file in it that is a skill, or wants to be one.
#[derive(Default)]
struct Component {
    files: Files,
    /// In how many looks these files were the same.
    looks: u32,
    /// In how many looks it was not there.
    gone: u32,
    /// What it was last judged by.
    judged: Option<(Files, Circumstances)>,
    was_refused: bool,
}

/// A component and the bundles beside it: which files they are, and when they
/// were last changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Files(BTreeMap<String, (u64, u64, i64, i64, u64)>);

impl Folder {
    /// # Errors
    ///
    /// `ConfigInvalid` if there is no skill in it, or it cannot be read.
    pub(super) fn open(path: PathBuf) -> Result<Self> {
        if list::components(&path)?.is_empty() {
            return Err(nothing_in(&path));
        }
        Ok(Self {
            path,
            components: BTreeMap::new(),
        })
    }

    /// Loads every skill in it. One that is refused is told and left out; the
    /// others serve.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if none can be loaded, `AuditUnavailable`.
    pub(super) async fn load(&mut self, host: &Host) -> Result<()> {
        self.read()?;
        let found: Vec<PathBuf> = self.components.keys().cloned().collect();
        for path in found {
            self.judge(host, &path, None).await?;
        }
        for unknown in host.unknown_fallbacks() {
            labelled("warning", AnsiColor::Yellow, &one_line(&unknown, 1000));
        }
        if host.skills().is_empty() {
            return Err(none_of(self.components.len(), &self.path));
        }
        Ok(())
    }

    /// Loads what is new, judges what changed, and unloads what is gone. Whoever
    /// `asked` for it knows that everything is written.
    pub(super) async fn look(&mut self, host: &Host, asked: bool) {
        if let Err(error) = self.read() {
            // It may be back soon; what is loaded serves as long as its files are there.
            tracing::warn!(%error, "the skills folder cannot be read");
            return;
        }
        self.unload_gone(host, asked);
        let loaded: BTreeMap<PathBuf, Arc<Loaded>> = host
            .skills()
            .into_iter()
            .map(|loaded| (loaded.path().to_owned(), loaded))
            .collect();
        let due: Vec<PathBuf> = self
            .components
            .iter()
            .filter(|(path, it)| it.is_due(host, loaded.get(*path), asked))
            .map(|(path, _)| path.clone())
            .collect();
        for path in due {
            // Told with the next look if it could not be recorded.
            let _ = self
                .judge(host, &path, loaded.get(&path).map(|it| &**it))
                .await;
        }
    }

    fn read(&mut self) -> Result<()> {
        let found = list::components(&self.path)?;
        let all = Files::of(&self.path);
        for component in self.components.values_mut() {
            component.gone += 1;
        }
        for path in found {
            let files = all.beside(&path);
            let component = self.components.entry(path).or_default();
            component.gone = 0;
            component.looks = if component.files == files {
                component.looks.saturating_add(1)
            } else {
                0
            };
            component.files = files;
        }
        Ok(())
    }

    fn unload_gone(&mut self, host: &Host, asked: bool) {
        let wanted = if asked { 1 } else { GONE };
        let before = self.components.len();
        self.components.retain(|_, it| it.gone < wanted);
        if self.components.len() == before {
            return;
        }
        for loaded in host.skills() {
            if self.components.contains_key(loaded.path()) {
                continue;
            }
            let name = &loaded.manifest().name;
            if let Err(error) = host.unload(name) {
                tracing::warn!(internal = error.internal(), "a removal was not recorded");
            }
            note(&format!("no longer serving {name}: its file is gone"));
        }
        // A name that was taken is free now.
        for component in self.components.values_mut().filter(|it| it.was_refused) {
            component.judged = None;
        }
    }

    /// Loads a skill, or judges it again; a refusal is told.
    async fn judge(&mut self, host: &Host, path: &Path, known: Option<&Loaded>) -> Result<()> {
        let circumstances = host.circumstances();
        let judged = match known {
            Some(loaded) => host.renew_if_needed(&loaded.manifest().name).await,
            None => host.load(path).await,
        };
        match &judged {
            Err(error) if error.kind() == Kind::AuditUnavailable => return judged.map(drop),
            Err(error) => refused(path, known, error),
            Ok(loaded) if known.is_none_or(|known| known.info() != loaded.info()) => {
                serving(loaded);
            }
            Ok(_) => {}
        }
        if let Some(component) = self.components.get_mut(path) {
            component.was_refused = judged.is_err();
            component.judged = Some((component.files.clone(), circumstances));
        }
        Ok(())
    }
}

impl Component {
    /// Whether it is to be judged, and nobody still writes it.
    fn is_due(&self, host: &Host, loaded: Option<&Arc<Loaded>>, asked: bool) -> bool {
        let settled = self.looks >= 1 && (self.files.is_signed() || self.looks >= PATIENCE);
        if self.gone > 0 || !(settled || asked) {
            return false;
        }
        if loaded.is_some_and(|loaded| host.upholds(loaded)) {
            return false;
        }
        let now = host.circumstances();
        let same = |(files, then): &(Files, Circumstances)| *files == self.files && *then == now;
        asked || !self.judged.as_ref().is_some_and(same)
    }
}

impl Files {
    fn of(folder: &Path) -> Self {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let files = entries.filter_map(|entry| {
            let metadata = entry.metadata().ok()?;
            let identity = (
                metadata.dev(),
                metadata.ino(),
                metadata.ctime(),
                metadata.ctime_nsec(),
                metadata.len(),
            );
            Some((entry.file_name().into_string().ok()?, identity))
        });
        Self(files.collect())
    }

    /// Those of one component: its own name, and what begins with it.
    fn beside(&self, component: &Path) -> Self {
        let name = component.file_name().unwrap_or_default().to_string_lossy();
        let from = self.0.range(name.to_string()..);
        let files = from.take_while(|(file, _)| file.starts_with(&*name));
        Self(files.map(|(file, it)| (file.clone(), *it)).collect())
    }

    fn is_signed(&self) -> bool {
        self.0.keys().any(|file| file.ends_with(".sigstore.json"))
    }
}

fn refused(path: &Path, known: Option<&Loaded>, error: &Error) {
    let what = match known {
        Some(loaded) => format!("{} does not run", loaded.manifest().name),
        None => format!("{} is left out", path.display()),
    };
    let message = one_line(&format!("{what}: {error}"), 1000);
    labelled("error", AnsiColor::Red, &message);
}

fn none_of(skills: usize, folder: &Path) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        format!(
            "There is no skill to serve: of {skills} in {}, each was left out.",
            folder.display()
        ),
    )
    .with_hint("What is wrong with each stands above; `skillhost trust check` looks again.")
}

fn nothing_in(folder: &Path) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        format!("There is no skill to serve in {}.", folder.display()),
    )
    .with_hint("Install one with `skillhost build FOLDER --install`.")
}
