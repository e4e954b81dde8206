//! The file that says who is suspended, and who no longer is.
//!
//! JSON: `{"format": 1, "skills": {"notes": {"state": "suspended", "at": TIME,
//! "by": WHO, "reason": WHY}}}`. A skill that was resumed stays in it with
//! `"state": "resumed"`: whoever resumed it has recorded that. What goes without
//! a trace is recorded by the host that notices.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::config::{Unreadable, read_trusted};
use crate::error::{Error, Kind, Result};
use crate::event::{Event, Subject};
use crate::file;
use crate::manifest::SkillName;
use crate::manifest::text::one_line;
use crate::trust::watch::Watch;

/// The largest list, in bytes.
const MAX_LIST: u64 = 4 * 1024 * 1024;

/// The only format so far.
const FORMAT: u32 = 1;

/// The longest reason, in characters.
const MAX_REASON: usize = 500;

/// Why a skill runs no more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suspension {
    /// Since when.
    pub(crate) at: Timestamp,
    /// Who did it: a rule, or an operator.
    pub(crate) by: String,
    /// In one sentence, which callers see.
    pub(crate) reason: String,
}

/// What the list says of one skill.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum Entry {
    /// It does not run.
    Suspended(Suspension),
    /// It runs again.
    Resumed {
        /// Since when.
        at: Timestamp,
        /// Who did it.
        by: String,
    },
}

/// The whole list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Entries(BTreeMap<SkillName, Entry>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    format: u32,
    skills: Entries,
}

impl Entries {
    fn insert(&mut self, skill: SkillName, entry: Entry) {
        self.0.insert(skill, entry);
    }

    /// Takes over what has been written, unless an operator was faster to
    /// resume the skill.
    pub(super) fn written(&mut self, skill: &SkillName, suspension: Suspension) {
        match self.0.get(skill) {
            Some(Entry::Resumed { at, .. }) if *at >= suspension.at => {}
            _ => self.insert(skill.clone(), Entry::Suspended(suspension)),
        }
    }

    pub(super) fn suspended(&self, skill: &SkillName) -> Option<&Suspension> {
        match self.0.get(skill)? {
            Entry::Suspended(suspension) => Some(suspension),
            Entry::Resumed { .. } => None,
        }
    }

    /// Skills that were on this list and of which `later` holds nothing: not
    /// even that somebody resumed them.
    pub(super) fn vanished(&self, later: &Self) -> Vec<(Subject, Event)> {
        let gone = self
            .0
            .keys()
            .filter(|skill| self.suspended(skill).is_some() && !later.0.contains_key(*skill));
        let told = gone.map(|skill| {
            let subject = Subject {
                skill: Some(skill.as_str().into()),
                ..Subject::default()
            };
            let by = "whoever removed it from the list".to_owned();
            (subject, Event::SkillResumed { by })
        });
        told.collect()
    }
}

/// The file, for whoever changes it.
#[derive(Debug, Clone)]
pub(crate) struct List {
    path: PathBuf,
}

impl List {
    /// The list at `path`, which need not be there.
    pub(crate) const fn at(path: PathBuf) -> Self {
        Self { path }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The skills that are suspended.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` if the list is broken, `ConfigInsecure` if others may
    /// write it.
    pub(crate) fn suspended(&self) -> Result<Vec<(SkillName, Suspension)>> {
        let entries = self.read()?.0.into_iter();
        let suspended = entries.filter_map(|(skill, entry)| match entry {
            Entry::Suspended(suspension) => Some((skill, suspension)),
            Entry::Resumed { .. } => None,
        });
        Ok(suspended.collect())
    }

    /// Puts a skill on the list; whether it was not on it before.
    ///
    /// # Errors
    ///
    /// Those of reading; `ConfigInvalid` if the list cannot be written.
    pub(crate) fn suspend(&self, skill: &SkillName, mut suspension: Suspension) -> Result<bool> {
        suspension.reason = one_line(&suspension.reason, MAX_REASON);
        self.change(|entries| {
            let is_news = entries.suspended(skill).is_none();
            if is_news {
                entries.insert(skill.clone(), Entry::Suspended(suspension));
            }
            is_news
        })
    }

    /// Takes a skill off the list; whether it was on it.
    ///
    /// # Errors
    ///
    /// Those of [`suspend`](Self::suspend).
    pub(crate) fn resume(&self, skill: &SkillName, at: Timestamp, by: &str) -> Result<bool> {
        self.change(|entries| {
            let was = entries.suspended(skill).is_some();
            if was {
                let by = by.to_owned();
                entries.insert(skill.clone(), Entry::Resumed { at, by });
            }
            was
        })
    }

    pub(super) fn read(&self) -> Result<Entries> {
        let text = match read_trusted(&self.path, MAX_LIST) {
            Ok(text) => text,
            Err(Unreadable::File(cause)) if cause.kind() == io::ErrorKind::NotFound => {
                return Ok(Entries::default());
            }
            Err(unreadable) => {
                return Err(unreadable.into_error("list of suspended skills", &self.path));
            }
        };
        let document: Document =
            serde_json::from_str(&text).map_err(|cause| self.broken(&cause.to_string()))?;
        if document.format != FORMAT {
            return Err(self.broken(&format!("its format is {}, not {FORMAT}", document.format)));
        }
        Ok(document.skills)
    }

    /// Watches the file, and the folder in which it will be.
    pub(super) fn watch(&self) -> Result<Watch> {
        let folder = self.path.parent().unwrap_or(Path::new("."));
        let files = BTreeSet::from([self.path.clone()]);
        let watch = std::fs::create_dir_all(folder).and_then(|()| Watch::new(&files));
        let mut watch = watch.map_err(|cause| {
            Error::new(
                Kind::Internal,
                "The list of suspended skills cannot be watched.",
            )
            .with_internal(cause)
        })?;
        watch.look();
        Ok(watch)
    }

    /// Changes the list while nobody else does. It is whole on disk when this
    /// returns.
    fn change(&self, change: impl FnOnce(&mut Entries) -> bool) -> Result<bool> {
        let _alone = file::lock(&self.path.with_extension("lock"))
            .map_err(|cause| self.unwritable(&cause))?;
        let mut entries = self.read()?;
        if !change(&mut entries) {
            return Ok(false);
        }
        let document = Document {
            format: FORMAT,
            skills: entries,
        };
        let mut text = serde_json::to_vec_pretty(&document)
            .map_err(|cause| self.broken(&cause.to_string()))?;
        text.push(b'\n');
        file::replace(&self.path, &text).map_err(|cause| self.unwritable(&cause))?;
        Ok(true)
    }

    fn broken(&self, cause: &str) -> Error {
        let path = self.path.display();
        Error::new(
            Kind::ConfigInvalid,
            format!("The list of suspended skills {path} is broken: {cause}."),
        )
        .with_hint("Put a copy back, or remove it if no skill is to be suspended.")
    }

    fn unwritable(&self, cause: &io::Error) -> Error {
        let path = self.path.display();
        Error::new(
            Kind::ConfigInvalid,
            format!("The list of suspended skills {path} cannot be written: {cause}."),
        )
    }
}
