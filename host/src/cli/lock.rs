//! `skillhost lock`: sees what differs from the lock file, and approves it.

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::list::{components, manifest_of};
use super::options::existing;
use super::terminal::{note, print_json, print_untrusted};
use super::{ExitStatus, Session};
use crate::artifact::Artifact;
use crate::error::{Error, Kind, Result};
use crate::lock::{self, Change, Release};
use crate::manifest::text::one_line;
use crate::trust::Memory;
use crate::verify::Verifier;

/// Show how skills differ from those that you approved, and approve them
#[derive(Debug, Args)]
#[command(after_long_help = EXPLANATION)]
pub(super) struct Lock {
    /// Components to compare or approve [default: all installed skills]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Show in words what differs from the lock file; nothing is written. This is what happens without an option
    #[arg(long, conflicts_with = "approve")]
    diff: bool,
    /// Show the same, and write it to the lock file: all of it, or nothing if the signatures of one do not satisfy the configuration's trust
    #[arg(long)]
    approve: bool,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// The longest reason why a component will not run, in characters.
const MAX_REASON: usize = 1000;

const EXPLANATION: &str = "\
The lock file `skillhost.lock` lies beside skillhost.toml. It pins each name and
version of a skill to the digest of its component, to its signers, and to what it
declares: tools, descriptions, arguments, wanted capabilities. A signed update that
says or wants something else is told here in words before you approve it.

A line that begins with `!` gives the skill more reach, gives a model other words to
go by, or has fewer who vouch for it. A signature more alone is no difference; one
that is gone is.

Approving an older version than the host has run goes back to it.

Approving all installed skills removes others from the lock file; approving FILEs
keeps them, so that an update can be approved before it is installed.

Examples:
  skillhost lock                              what differs among the installed skills
  skillhost lock update/text-stats.wasm       what an update would change
  skillhost lock --approve update/text-stats.wasm

Exit codes:
  0 everything is as approved, or now approved   2 usage or configuration
  3 something is not as approved, or not trusted";

impl Lock {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let file = session.lock_file();
        let old = lock::Lock::load(&file)?;
        let known = old.clone().unwrap_or_default();
        let found = self.find(session, &known)?;
        let absent = self.absent(&known, &found);
        let written = self.approve && self.write(session, old.as_ref(), &found)?;
        let report = Report {
            file: &file,
            approve: self.approve,
            written,
            found: &found,
            absent: &absent,
        };
        if self.json {
            print_json(&report.json())?;
        } else {
            print_untrusted(&report.text())?;
            report.tell(old.is_some(), session);
        }
        if self.approve || found.iter().all(Found::is_approved) {
            Ok(ExitStatus::Ok)
        } else {
            Ok(ExitStatus::Untrusted)
        }
    }

    fn find(&self, session: &Session, known: &lock::Lock) -> Result<Vec<Found>> {
        let verifier = session.verifier()?;
        let memory = Memory::open(&session.places.memory())?;
        let paths = if self.files.is_empty() {
            components(&session.skills_folder())?
        } else {
            self.files
                .iter()
                .map(|file| existing(file))
                .collect::<Result<_>>()?
        };
        let found = paths
            .into_iter()
            .map(|path| Found::of(path, &verifier, known, &memory));
        Ok(found.collect())
    }

    /// What is in the lock file and not installed, if all installed skills are
    /// looked at.
    fn absent(&self, known: &lock::Lock, found: &[Found]) -> Vec<Release> {
        let is_found = |release: &Release| {
            let mut skills = found.iter().filter_map(|found| found.skill.as_ref().ok());
            skills.any(|skill| is_same(&skill.release, release))
        };
        let all = self.files.is_empty();
        let absent = known.releases().filter(|known| all && !is_found(known));
        absent.cloned().collect()
    }

    /// Approves all that was found or fails. An equal file is left alone.
    fn write(&self, session: &Session, old: Option<&lock::Lock>, found: &[Found]) -> Result<bool> {
        let skills = trusted(found)?;
        let mut next = match old {
            Some(old) if !self.files.is_empty() => old.clone(),
            _ => lock::Lock::default(),
        };
        for (index, skill) in skills.iter().enumerate() {
            let mut earlier = skills.iter().take(index);
            if let Some(other) = earlier.find(|other| skill.contradicts(other)) {
                return Err(ambiguous(skill, other));
            }
            next.approve(skill.release.clone());
        }
        let differs = old != Some(&next);
        if differs {
            next.save(&session.lock_file())?;
        }
        lower_floors(session, &skills)?;
        Ok(differs)
    }
}

impl Session {
    /// Beside the configuration.
    pub(super) fn lock_file(&self) -> PathBuf {
        self.config_file.with_file_name("skillhost.lock")
    }
}

/// One component that was looked at.
struct Found {
    path: PathBuf,
    skill: Result<Skill>,
}

/// A component whose signatures hold, and how it differs from the lock file.
struct Skill {
    path: PathBuf,
    release: Release,
    changes: Vec<Change>,
    approved: bool,
}

impl Found {
    fn of(path: PathBuf, verifier: &Verifier, known: &lock::Lock, memory: &Memory) -> Self {
        let skill = release(&path, verifier)
            .map(|release| Skill::compared(path.clone(), release, known, memory));
        Self { path, skill }
    }

    fn is_approved(&self) -> bool {
        self.skill.as_ref().is_ok_and(|skill| skill.approved)
    }

    fn text(&self) -> String {
        match &self.skill {
            Ok(skill) => skill.text(),
            Err(error) => {
                let reason = one_line(error.message(), MAX_REASON);
                format!("{}  will not run: {reason}\n", self.path.display())
            }
        }
    }

    fn json(&self) -> Value {
        match &self.skill {
            Ok(skill) => skill.json(),
            Err(error) => {
                json!({"path": self.path, "kind": error.kind(), "message": error.message()})
            }
        }
    }
}

impl Skill {
    fn compared(path: PathBuf, release: Release, known: &lock::Lock, memory: &Memory) -> Self {
        let floor = memory.check_floor(release.name(), release.version());
        let approved = known.check(&release).is_ok() && floor.is_ok();
        let rolled_back = floor.err().map(|error| error.message().to_owned());
        let mut changes = known.compare(&release);
        changes.extend(rolled_back.map(Change::rolled_back));
        Self {
            path,
            release,
            changes,
            approved,
        }
    }

    /// Whether approving both would let the later one win unseen.
    fn contradicts(&self, other: &Self) -> bool {
        is_same(&self.release, &other.release) && self.release != other.release
    }

    fn text(&self) -> String {
        let (name, version) = (self.release.name(), self.release.version());
        let state = if self.approved {
            "as approved"
        } else {
            "not as approved"
        };
        let mut text = format!("{name} {version}  {state}: {}\n", self.path.display());
        for change in &self.changes {
            let mark = if change.widens() { '!' } else { ' ' };
            text += &format!("  {mark} {change}\n");
        }
        text
    }

    fn json(&self) -> Value {
        let release = &self.release;
        let signers: Vec<&str> = release.signers().iter().map(|name| name.as_str()).collect();
        json!({
            "path": self.path,
            "name": release.name(),
            "version": release.version(),
            "digest": release.digest(),
            "signers": signers,
            "definition": release.definition().digest(),
            "as_approved": self.approved,
            "changes": self.changes,
        })
    }
}

/// What the command found and did.
struct Report<'a> {
    file: &'a Path,
    approve: bool,
    written: bool,
    found: &'a [Found],
    absent: &'a [Release],
}

impl Report<'_> {
    fn text(&self) -> String {
        let mut text: String = self.found.iter().map(Found::text).collect();
        let state = if self.approve {
            "removed from the lock file: it is not installed"
        } else {
            "in the lock file, not installed"
        };
        for release in self.absent {
            text += &format!("{} {}  {state}\n", release.name(), release.version());
        }
        text
    }

    /// `as_approved` is as it was before anything was written.
    fn json(&self) -> Value {
        let absent = self.absent.iter();
        let absent: Vec<Value> = absent
            .map(|release| json!({"name": release.name(), "version": release.version()}))
            .collect();
        json!({
            "lock": self.file,
            "written": self.written,
            "skills": self.found.iter().map(Found::json).collect::<Vec<_>>(),
            "not_installed": absent,
        })
    }

    /// What is no data: where the file lies and what to do next.
    fn tell(&self, exists: bool, session: &Session) {
        let file = self.file.display();
        if self.found.is_empty() {
            let folder = session.skills_folder();
            note(&format!("No skills are installed in {}.", folder.display()));
        }
        if self.written {
            note(&format!("Wrote {file}."));
        } else if !exists {
            note(&format!("There is no lock file {file} yet."));
        }
        let mut skills = self
            .found
            .iter()
            .filter_map(|found| found.skill.as_ref().ok());
        if !self.approve && skills.any(|skill| !skill.approved) {
            note("Approve what is right with `skillhost lock --approve FILE`.");
        }
    }
}

/// Whoever approves an older version means to go back to it.
fn lower_floors(session: &Session, skills: &[&Skill]) -> Result<()> {
    for path in [session.places.memory(), session.places.memory_of_run()] {
        let memory = Memory::open(&path)?;
        for skill in skills {
            memory.lower_floor(skill.release.name(), skill.release.version())?;
        }
    }
    Ok(())
}

fn is_same(one: &Release, other: &Release) -> bool {
    one.name() == other.name() && one.version() == other.version()
}

/// The release in a component whose signatures hold.
fn release(path: &Path, verifier: &Verifier) -> Result<Release> {
    let verified = verifier.verify(Artifact::open(path)?)?;
    let manifest = manifest_of(&verified)?;
    let verdict = verified.verdict();
    Ok(Release::of(&manifest, verdict.digest(), verdict.signers()))
}

/// All skills, if each of them may run. That one is not trusted weighs more
/// than that another is broken.
fn trusted(found: &[Found]) -> Result<Vec<&Skill>> {
    let failed: Vec<(&Path, &Error)> = found
        .iter()
        .filter_map(|found| Some((found.path.as_path(), found.skill.as_ref().err()?)))
        .collect();
    let weightiest = failed
        .iter()
        .find(|(_, error)| error.kind().is_trust())
        .or(failed.first());
    let Some((_, weightiest)) = weightiest else {
        return Ok(found
            .iter()
            .filter_map(|found| found.skill.as_ref().ok())
            .collect());
    };
    let reasons: Vec<String> = failed
        .iter()
        .map(|(path, error)| format!("{}: {error}", path.display()))
        .collect();
    let message = format!("Nothing was approved. {}", reasons.join(" "));
    Err(Error::new(weightiest.kind(), message)
        .with_hint("Mend or remove it, or name the components to approve."))
}

fn ambiguous(one: &Skill, other: &Skill) -> Error {
    let (name, version) = (one.release.name(), one.release.version());
    let (one, other) = (one.path.display(), other.path.display());
    let message =
        format!("Nothing was approved. {other} and {one} are both `{name}` {version}, and differ.");
    Error::new(Kind::ConfigInvalid, message).with_hint("Remove one of them.")
}
