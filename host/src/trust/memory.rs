//! What a host remembers about trust from one run to the next: the highest
//! version of each skill, the newest deny list, and the latest time it saw.
//!
//! Each only rises, so that neither an old version, nor an old deny list, nor
//! an old clock comes back.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::artifact::Digest;
use crate::config::{Unreadable, read_trusted};
use crate::error::{Error, Kind, Result};
use crate::manifest::SkillName;

/// The largest memory, in bytes.
const MAX_MEMORY: u64 = 4 * 1024 * 1024;

/// How far a clock may go back before it is taken for wrong: what time
/// services correct in one step.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

/// How much later it must be before the time is written again.
const STEP: SignedDuration = SignedDuration::from_mins(1);

/// A durable record of what must not come back.
#[derive(Debug)]
pub(crate) struct Memory {
    path: Option<PathBuf>,
    remembered: Mutex<Remembered>,
    /// The latest time of this run, in seconds since 1970, to be compared
    /// without a lock.
    latest: AtomicI64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Remembered {
    /// The highest version of each skill that was accepted.
    floors: BTreeMap<SkillName, Version>,
    /// Version and SHA-256 of the newest deny list, for each place of one.
    deny_lists: BTreeMap<PathBuf, (u64, Digest)>,
    /// The latest time at which something was judged.
    latest: Option<Timestamp>,
}

impl Remembered {
    /// With what the other has that is newer. Floors are those of `self`: an
    /// operator may have lowered them.
    fn merged(mut self, other: &Self) -> Self {
        for (place, list) in &other.deny_lists {
            let known = self.deny_lists.entry(place.clone()).or_insert(*list);
            if known.0 < list.0 {
                *known = *list;
            }
        }
        self.latest = self.latest.max(other.latest);
        self
    }
}

impl Memory {
    /// For one run only.
    pub(crate) fn transient() -> Self {
        Self {
            path: None,
            remembered: Mutex::default(),
            latest: AtomicI64::new(i64::MIN),
        }
    }

    /// Reads the memory at `path`; there is none before the first run.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` if others may write it, `ConfigInvalid` if it is broken.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let remembered = read(path)?.unwrap_or_default();
        let latest = remembered.latest.map_or(i64::MIN, Timestamp::as_second);
        Ok(Self {
            remembered: Mutex::new(remembered),
            path: Some(path.to_owned()),
            latest: AtomicI64::new(latest),
        })
    }

    /// Refuses a version below the highest that was accepted, by this process
    /// or by another.
    pub(crate) fn check_floor(&self, skill: &SkillName, version: &Version) -> Result<()> {
        let remembered = self.newest()?;
        let floor = remembered.floors.get(skill);
        let Some(floor) = floor.filter(|floor| version < *floor) else {
            return Ok(());
        };
        Err(Error::new(
            Kind::RolledBack,
            format!("`{skill}` {version} is older than {floor}, which has been accepted already."),
        )
        .with_hint(format!(
            "If you mean to go back, accept it with `skillhost lock --approve FILE`; it lowers the floor to {version}."
        )))
    }

    /// Remembers that this version was accepted.
    pub(crate) fn raise_floor(&self, skill: &SkillName, version: &Version) -> Result<()> {
        self.change(|remembered| {
            let higher = remembered
                .floors
                .get(skill)
                .is_none_or(|floor| floor < version);
            if higher {
                remembered.floors.insert(skill.clone(), version.clone());
            }
        })
    }

    /// Goes back to this version: an operator has accepted it.
    pub(crate) fn lower_floor(&self, skill: &SkillName, version: &Version) -> Result<()> {
        self.change(|remembered| {
            if let Some(floor) = remembered.floors.get_mut(skill)
                && version < floor
            {
                *floor = version.clone();
            }
        })
    }

    /// Refuses a deny list that is older than one that was in force, another
    /// one of the same version, and none where there was one.
    pub(crate) fn check_deny_list(&self, place: &Path, found: Option<(u64, Digest)>) -> Result<()> {
        let remembered = self.newest()?;
        let problem = match (remembered.deny_lists.get(place), found) {
            (Some((known, _)), None) => {
                format!("The deny list is gone; version {known} was in force.")
            }
            (Some((known, _)), Some((version, _))) if version < *known => {
                format!("The deny list has version {version}, and {known} was in force already.")
            }
            (Some((known, digest)), Some((version, other)))
                if version == *known && *digest != other =>
            {
                format!("The deny list is another one than before of the same version {version}.")
            }
            _ => return Ok(()),
        };
        Err(Error::new(Kind::RolledBack, problem).with_hint(
            "Put the newest deny list back. If it is lost, begin another one above it with `skillhost deny --anew`.",
        ))
    }

    /// Remembers that this deny list is in force. This process does so even if
    /// it cannot be written.
    pub(crate) fn accept_deny_list(&self, place: &Path, found: (u64, Digest)) -> Result<()> {
        self.change(|remembered| {
            let known = remembered
                .deny_lists
                .entry(place.to_owned())
                .or_insert(found);
            if known.0 < found.0 {
                *known = found;
            }
        })
    }

    /// Whether this process knows of no newer one, and of no other one of that
    /// version.
    pub(crate) fn allows_deny_list(&self, place: &Path, found: (u64, Digest)) -> bool {
        let own = self.own();
        let known = own.deny_lists.get(place);
        known.is_none_or(|known| known.0 < found.0 || *known == found)
    }

    /// The highest version of the deny list at that place, if there was one.
    pub(crate) fn deny_list_version(&self, place: &Path) -> Result<Option<u64>> {
        let remembered = self.newest()?;
        Ok(remembered
            .deny_lists
            .get(place)
            .map(|(version, _)| *version))
    }

    /// Whether the clock has not gone back. Nothing is written.
    pub(crate) fn is_later(&self, now: Timestamp) -> bool {
        let now = now.as_second();
        let latest = self.latest.fetch_max(now, Ordering::Relaxed);
        now.saturating_add(TOLERANCE.as_secs()) >= latest
    }

    /// Refuses a clock that went back behind what was seen before, which would
    /// bring back what has expired.
    pub(crate) fn check_clock(&self, now: Timestamp) -> Result<()> {
        let remembered = {
            let remembered = self.remembered.lock();
            remembered.unwrap_or_else(PoisonError::into_inner).latest
        };
        if !self.is_later(now) {
            let latest = Timestamp::from_second(self.latest.load(Ordering::Relaxed));
            let latest = latest.unwrap_or(Timestamp::MAX);
            let place = self.path.as_deref().map_or(String::new(), |path| {
                format!(
                    " If the clock was ahead before, remove `latest` from {}.",
                    path.display()
                )
            });
            return Err(Error::new(
                Kind::ConfigInsecure,
                format!("The clock stands at {now}, but this host has seen {latest} already."),
            )
            .with_hint(format!("Set the clock.{place}")));
        }
        let due = remembered
            .is_none_or(|latest| now > latest.saturating_add(STEP).unwrap_or(Timestamp::MAX));
        if due {
            self.change(|remembered| remembered.latest = remembered.latest.max(Some(now)))?;
        }
        Ok(())
    }

    /// What is remembered by this process and, if there is a file, by others. A
    /// file that has gone makes nothing forgotten.
    fn newest(&self) -> Result<Remembered> {
        let own = self.own();
        Ok(
            match self.path.as_deref().map(read).transpose()?.flatten() {
                Some(on_disk) => on_disk.merged(&own),
                None => own,
            },
        )
    }

    fn own(&self) -> Remembered {
        let own = self.remembered.lock();
        own.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes what is remembered, here and on disk. Another process may have
    /// written meanwhile: what it remembers is kept.
    fn change(&self, change: impl Fn(&mut Remembered)) -> Result<()> {
        let mut next = self.newest().unwrap_or_else(|_unreadable| self.own());
        change(&mut next);
        let written = self.write(&change);
        *self
            .remembered
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = next;
        written
    }

    fn write(&self, change: &impl Fn(&mut Remembered)) -> Result<()> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        let unwritable = |cause: io::Error| unwritable(path, &cause);
        let _alone = crate::file::lock(&path.with_extension("lock")).map_err(unwritable)?;
        let before = read(path)?;
        let mut next = self.newest()?;
        change(&mut next);
        if before.as_ref() == Some(&next) {
            return Ok(());
        }
        let text = serde_json::to_vec_pretty(&next).map_err(|cause| unwritable(cause.into()))?;
        crate::file::replace(path, &text).map_err(unwritable)
    }
}

/// What lies at `path`; none if there is no file.
fn read(path: &Path) -> Result<Option<Remembered>> {
    let text = match read_trusted(path, MAX_MEMORY) {
        Ok(text) => text,
        Err(Unreadable::File(cause)) if cause.kind() == io::ErrorKind::NotFound => {
            return Ok(None);
        }
        Err(unreadable) => return Err(unreadable.into_error("memory of trust", path)),
    };
    serde_json::from_str(&text).map(Some).map_err(|cause| {
        Error::new(
            Kind::ConfigInvalid,
            format!("{} is broken: {cause}.", path.display()),
        )
        .with_hint("Restore it from a backup. Without it, versions and deny lists that are too old are not known as such.")
    })
}

fn unwritable(path: &Path, cause: &io::Error) -> Error {
    Error::new(
        Kind::Internal,
        "What this host must remember about trust cannot be written.",
    )
    .with_hint("Make room for it or mend its permissions; `skillhost trust show` says where it is.")
    .with_internal(format_args!("{}: {cause}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> SkillName {
        text.parse().unwrap()
    }

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    fn kind(result: Result<()>) -> Option<Kind> {
        result.err().map(|error| error.kind())
    }

    #[test]
    fn s12_a_floor_only_rises_and_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("trust/memory.json");
        let skill = name("hello");
        let memory = Memory::open(&path).unwrap();
        memory.raise_floor(&skill, &version("2.0.0")).unwrap();
        memory.raise_floor(&skill, &version("1.5.0")).unwrap();
        let again = Memory::open(&path).unwrap();
        assert_eq!(kind(again.check_floor(&skill, &version("2.0.0"))), None);
        assert_eq!(
            kind(again.check_floor(&skill, &version("1.9.9"))),
            Some(Kind::RolledBack)
        );
        again.lower_floor(&skill, &version("1.0.0")).unwrap();
        for memory in [&again, &memory] {
            assert_eq!(kind(memory.check_floor(&skill, &version("1.0.0"))), None);
        }
    }

    #[test]
    fn two_processes_keep_what_the_other_remembers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.json");
        let (one, other) = (Memory::open(&path).unwrap(), Memory::open(&path).unwrap());
        one.raise_floor(&name("a"), &version("1.0.0")).unwrap();
        other.raise_floor(&name("b"), &version("1.0.0")).unwrap();
        let both = read(&path).unwrap().unwrap();
        assert_eq!(both.floors.len(), 2);
    }

    #[test]
    fn s13_a_deny_list_never_goes_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.json");
        let (memory, other) = (Memory::open(&path).unwrap(), Memory::open(&path).unwrap());
        let (place, elsewhere) = (Path::new("/deny.json"), Path::new("/other.json"));
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        memory.check_deny_list(place, None).unwrap();
        memory.accept_deny_list(place, (7, one)).unwrap();
        // What one process has accepted, another knows.
        for memory in [&memory, &other] {
            memory.check_deny_list(place, Some((7, one))).unwrap();
            memory.check_deny_list(place, Some((8, two))).unwrap();
            memory.check_deny_list(elsewhere, Some((1, two))).unwrap();
            for found in [None, Some((6, one)), Some((7, two))] {
                let refused = kind(memory.check_deny_list(place, found));
                assert_eq!(refused, Some(Kind::RolledBack), "{found:?}");
            }
        }
        other.accept_deny_list(place, (6, two)).unwrap();
        assert_eq!(memory.deny_list_version(place).unwrap(), Some(7));
    }

    #[test]
    fn a_memory_that_is_removed_under_a_host_is_not_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.json");
        let memory = Memory::open(&path).unwrap();
        memory.raise_floor(&name("a"), &version("2.0.0")).unwrap();
        std::fs::remove_file(&path).unwrap();
        let back = memory.check_floor(&name("a"), &version("1.0.0"));
        assert_eq!(kind(back), Some(Kind::RolledBack));
        memory.raise_floor(&name("b"), &version("1.0.0")).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().floors.len(), 2);
    }

    #[test]
    fn whoever_holds_the_lock_stops_nobody_for_long() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.json");
        let memory = Memory::open(&path).unwrap();
        let _held = crate::file::lock(&path.with_extension("lock")).unwrap();
        let refused = kind(memory.raise_floor(&name("a"), &version("1.0.0")));
        assert_eq!(refused, Some(Kind::Internal));
        use std::os::unix::fs::PermissionsExt;
        let lock = std::fs::metadata(path.with_extension("lock")).unwrap();
        assert_eq!(lock.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn s30_a_clock_that_goes_back_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.json");
        let now: Timestamp = "2026-06-01T00:00:00Z".parse().unwrap();
        Memory::open(&path).unwrap().check_clock(now).unwrap();
        let memory = Memory::open(&path).unwrap();
        let minute = SignedDuration::from_mins(1);
        memory.check_clock(now - minute).unwrap();
        let hour = SignedDuration::from_hours(1);
        assert_eq!(
            kind(memory.check_clock(now - hour)),
            Some(Kind::ConfigInsecure)
        );
        memory.check_clock(now + hour).unwrap();
    }

    #[test]
    fn a_broken_memory_is_not_forgotten() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("memory.json");
        for text in [
            "",
            "{",
            "{\"floors\": {\"A\": \"1.0.0\"}}",
            "{\"other\": 1}",
        ] {
            std::fs::write(&path, text).unwrap();
            let error = Memory::open(&path).unwrap_err();
            assert_eq!(error.kind(), Kind::ConfigInvalid, "{text}");
        }
        std::fs::write(&path, "{}").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
        assert_eq!(
            Memory::open(&path).unwrap_err().kind(),
            Kind::ConfigInsecure
        );
    }
}
