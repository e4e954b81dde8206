//! Where stores are: a folder with a file for each skill, or memory.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use redb::DatabaseError;
use redb::backends::{FileBackend, InMemoryBackend};

use super::embedded::Embedded;
use super::file::{self, Unusable};
use super::{States, Store, not_owned};
use crate::error::{Error, Kind, Result};
use crate::manifest::SkillName;
use crate::verify::SignerName;

/// How often, and how far apart, a file is asked for that another host uses: a
/// second in all, for hosts that make one call and end.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(50);

/// What stands behind the name of a skill in its file's name.
const EXTENSION: &str = "redb";

/// Stores that end with the host.
#[derive(Debug, Default)]
pub struct Transient(Mutex<BTreeMap<SkillName, Arc<Embedded>>>);

impl States for Transient {
    fn open(&self, skill: &SkillName, signers: &[SignerName]) -> Result<Arc<dyn Store>> {
        let mut stores = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match stores.get(skill) {
            Some(store) => Arc::clone(store),
            None => {
                let store = Arc::new(in_memory()?);
                stores.insert(skill.clone(), Arc::clone(&store));
                store
            }
        };
        admit(&store, skill, signers)?;
        Ok(store)
    }
}

fn in_memory() -> Result<Embedded> {
    let failed = |cause: redb::Error| {
        Error::new(Kind::Internal, "There is no room for a state.").with_internal(cause)
    };
    let store = Embedded::open(InMemoryBackend::new()).map_err(|cause| failed(cause.into()))?;
    store.begin().map_err(failed)?;
    Ok(store)
}

/// One file for each skill in a folder. A file is used by one host at a time.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
    open: Mutex<BTreeMap<SkillName, Weak<Embedded>>>,
}

/// What a file in the folder holds.
#[derive(Debug)]
pub struct Kept {
    /// Whose it is.
    pub skill: String,
    /// Who signed every release that used it; empty: nobody yet.
    pub owners: Vec<String>,
    /// How many entries there are, those that are over included.
    pub entries: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
}

impl Files {
    /// Stores in that folder, which is made when it is needed first.
    #[must_use]
    pub fn new(folder: PathBuf) -> Self {
        Self {
            folder,
            open: Mutex::default(),
        }
    }

    /// The skills that have kept something, in order.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if the folder cannot be read.
    pub fn skills(&self) -> Result<Vec<SkillName>> {
        let unreadable = |cause: io::Error| unusable(&self.folder, &Unusable::File(cause));
        let entries = match fs::read_dir(&self.folder) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(unreadable)?,
        };
        let mut skills: Vec<SkillName> = Vec::new();
        for entry in entries {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|it| it == EXTENSION) {
                let name = path.file_stem().and_then(|name| name.to_str());
                skills.extend(name.and_then(|name| name.parse().ok()));
            }
        }
        skills.sort();
        Ok(skills)
    }

    /// What a skill keeps.
    ///
    /// # Errors
    ///
    /// Those of [`States::open`] but `Denied`; `InvalidRequest` if it keeps
    /// nothing.
    pub fn kept(&self, skill: &SkillName) -> Result<Kept> {
        let figures = self.existing(skill)?.figures();
        let figures = figures.map_err(|cause| broken(&self.path(skill), skill, &cause))?;
        Ok(Kept {
            skill: skill.to_string(),
            owners: figures.owners,
            entries: figures.entries,
            bytes: figures.bytes,
        })
    }

    /// Removes all that a skill keeps, and whose it is. A file that is broken
    /// goes as a whole.
    ///
    /// # Errors
    ///
    /// Those of [`kept`](Self::kept), but for what is broken.
    pub fn clear(&self, skill: &SkillName) -> Result<()> {
        let path = self.path(skill);
        let cleared = match Self::read(&path, skill) {
            Ok(Some(store)) => store.clear().map_err(|cause| broken(&path, skill, &cause)),
            Ok(None) => Err(nothing(skill)),
            Err(Failure::InUse) => Err(in_use(&path, skill)),
            Err(Failure::Other(error)) => Err(error),
        };
        match cleared {
            Err(error)
                if error.kind() == Kind::ConfigInvalid && error.internal() == Some(BROKEN) =>
            {
                fs::remove_file(&path).map_err(|cause| unusable(&path, &Unusable::File(cause)))
            }
            cleared => cleared,
        }
    }

    /// Lets the next release have what a skill keeps, whoever has signed it.
    ///
    /// # Errors
    ///
    /// Those of [`kept`](Self::kept).
    pub fn hand_over(&self, skill: &SkillName) -> Result<()> {
        let disowned = self.existing(skill)?.disown();
        disowned.map_err(|cause| broken(&self.path(skill), skill, &cause))
    }

    fn existing(&self, skill: &SkillName) -> Result<Embedded> {
        let path = self.path(skill);
        let read = patiently(|| Self::read(&path, skill)).map_err(|failure| match failure {
            Failure::InUse => in_use(&path, skill),
            Failure::Other(error) => error,
        });
        read?.ok_or_else(|| nothing(skill))
    }

    fn path(&self, skill: &SkillName) -> PathBuf {
        self.folder.join(format!("{skill}.{EXTENSION}"))
    }

    /// Opens what is there; none if there is nothing.
    fn read(path: &Path, skill: &SkillName) -> Result<Option<Embedded>, Failure> {
        let file = file::open(path).map_err(|cause| unusable(path, &cause))?;
        let Some(file) = file else { return Ok(None) };
        // redb would begin anew in an empty file. One that was cut is no new one.
        let metadata = file.metadata();
        if metadata.is_ok_and(|metadata| metadata.len() == 0) {
            return Err(Failure::Other(broken(path, skill, &"it is empty")));
        }
        let place = FileBackend::new(file);
        let store = place
            .and_then(Embedded::open)
            .map_err(|cause| match cause {
                DatabaseError::DatabaseAlreadyOpen => Failure::InUse,
                cause => Failure::Other(broken(path, skill, &cause)),
            })?;
        match store.is_current() {
            Ok(true) => Ok(Some(store)),
            Ok(false) => Err(Failure::Other(broken(
                path,
                skill,
                &"it is of another format",
            ))),
            Err(cause) => Err(Failure::Other(broken(path, skill, &cause))),
        }
    }

    fn create(path: &Path) -> Result<()> {
        let made = file::create(path, |file| {
            let place = FileBackend::new(file).map_err(io::Error::other)?;
            let store = Embedded::open(place).map_err(io::Error::other)?;
            store.begin().map_err(io::Error::other)
        });
        made.map_err(|cause| unusable(path, &Unusable::File(cause)))
    }

    fn opened(&self, skill: &SkillName) -> Result<Embedded> {
        let path = self.path(skill);
        file::private_folder(&self.folder).map_err(|cause| unusable(&self.folder, &cause))?;
        let opened = patiently(|| match Self::read(&path, skill)? {
            Some(store) => Ok(store),
            None => {
                Self::create(&path)?;
                Self::read(&path, skill)?
                    .ok_or_else(|| Failure::Other(broken(&path, skill, &"it is gone")))
            }
        });
        opened.map_err(|failure| match failure {
            Failure::InUse => in_use(&path, skill),
            Failure::Other(error) => error,
        })
    }
}

impl States for Files {
    fn open(&self, skill: &SkillName, signers: &[SignerName]) -> Result<Arc<dyn Store>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let store = match open.get(skill).and_then(Weak::upgrade) {
            Some(store) => store,
            None => Arc::new(self.opened(skill)?),
        };
        admit(&store, skill, signers)?;
        open.insert(skill.clone(), Arc::downgrade(&store));
        Ok(store)
    }
}

/// Why a file was not opened.
enum Failure {
    /// Another host uses it.
    InUse,
    Other(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

/// Tries again as long as another host may be about to end.
fn patiently<T>(attempt: impl Fn() -> Result<T, Failure>) -> Result<T, Failure> {
    for _ in 1..TRIES {
        match attempt() {
            Err(Failure::InUse) => std::thread::sleep(PAUSE),
            done => return done,
        }
    }
    attempt()
}

/// Nobody signed what runs under the development override: that is an owner of
/// its own, with a name that no signer can have.
fn admit(store: &Embedded, skill: &SkillName, signers: &[SignerName]) -> Result<()> {
    let mut names: Vec<&str> = signers.iter().map(SignerName::as_str).collect();
    if names.is_empty() {
        names.push("");
    }
    let admitted = store.admit(&names).map_err(|cause| {
        Error::new(
            Kind::Internal,
            format!("The state of `{skill}` cannot be read."),
        )
        .with_internal(cause)
    })?;
    admitted.map_err(|owners| not_owned(skill, &owners))
}

fn nothing(skill: &SkillName) -> Error {
    Error::new(Kind::InvalidRequest, format!("`{skill}` has kept nothing."))
        .with_hint("`skillhost state list` shows which skills have.")
}

fn in_use(path: &Path, skill: &SkillName) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        format!(
            "Another host uses the state of `{skill}`, {}.",
            path.display()
        ),
    )
    .with_hint("End the other one, or give each a data folder of its own with XDG_DATA_HOME.")
}

/// Marks the errors that [`Files::clear`] mends.
const BROKEN: &str = "the file of a state is broken";

fn broken(path: &Path, skill: &SkillName, cause: &dyn std::fmt::Display) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        format!(
            "The state of `{skill}`, {}, is broken: {cause}.",
            path.display()
        ),
    )
    .with_hint(format!(
        "Restore the file from a backup, or begin anew with `skillhost state clear {skill}`."
    ))
    .with_internal(BROKEN)
}

fn unusable(path: &Path, cause: &Unusable) -> Error {
    let shown = path.display();
    match cause {
        Unusable::File(cause) => Error::new(
            Kind::ConfigInvalid,
            format!("The state {shown} cannot be used: {cause}."),
        ),
        Unusable::Exposed => Error::new(
            Kind::ConfigInsecure,
            format!("The state {shown} may be read or written by others."),
        )
        .with_hint(format!("Make it your own, and run `chmod go-rwx {shown}`.")),
    }
}
