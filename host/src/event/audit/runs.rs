//! Which runs of the host write to a log. Each holds a locked file
//! `audit.jsonl.runs/RUN` that says where in the log it began, and removes it
//! when it ends. A file that nobody holds is that of a run that was killed.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use super::Due;
use super::files::{Place, try_lock};
use super::segments::{beside, segments};
use crate::error::Kind;
use crate::event::{Event, Subject, Usage};

/// What the record of a lost call says.
pub const LOST: &str = "lost: the host that served this call ended before it.";

/// The longest text of such a file, in bytes.
const MAX_MARKER: u64 = 64;

/// A run that goes on, or that was killed.
#[derive(Debug)]
pub(super) struct Run {
    path: PathBuf,
    /// Holds the lock.
    file: File,
}

impl Run {
    /// Marks a run that begins at that offset of the file with that number. The
    /// log must be locked, so that nobody takes it for a killed one before it is
    /// locked itself.
    pub(super) fn begin(place: &mut Place, run: &str, file: u64, bytes: u64) -> io::Result<Self> {
        let path = folder(&place.log).join(run);
        fs::create_dir_all(folder(&place.log))?;
        let mut marker = place.open_beside(&path)?;
        try_lock(&marker)?;
        writeln!(marker, "{file} {bytes}")?;
        Ok(Self { path, file: marker })
    }

    /// It left nothing undone.
    pub(super) fn end(self) {
        if let Err(cause) = fs::remove_file(&self.path) {
            tracing::debug!(%cause, "the next start looks for calls that were lost");
        }
    }

    fn name(&self) -> Option<&str> {
        self.path.file_name()?.to_str()
    }

    /// Number of the file in which it began, and the offset.
    fn began(&self) -> Option<(u64, u64)> {
        let mut text = String::new();
        (&self.file)
            .take(MAX_MARKER)
            .read_to_string(&mut text)
            .ok()?;
        let (file, bytes) = text.trim_end().split_once(' ')?;
        Some((file.parse().ok()?, bytes.parse().ok()?))
    }

    /// The calls that it began and did not end.
    pub(super) fn lost(&self, log: &Path) -> io::Result<Vec<Due>> {
        let Some(name) = self.name() else {
            return Ok(Vec::new());
        };
        let (number, offset) = self.began().unwrap_or_default();
        let mut open = Unfinished::default();
        for segment in segments(log)? {
            let start = match segment.number {
                Some(other) if other < number => continue,
                Some(other) if other == number => offset,
                // The live file has no number yet: it is the one in which the
                // run began unless that one was passed.
                None if !open.passed => offset,
                _ => 0,
            };
            open.passed = true;
            open.read(&segment.path, start..segment.length, name)?;
        }
        Ok(open.calls.into_values().map(lost).collect())
    }
}

/// The runs that were killed: files that nobody holds. The log must be locked.
pub(super) fn killed(place: &mut Place) -> io::Result<Vec<Run>> {
    let mut found = Vec::new();
    let entries = match fs::read_dir(folder(&place.log)) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(found),
        entries => entries?,
    };
    for entry in entries {
        let path = entry?.path();
        match File::open(&path) {
            Ok(file) if try_lock(&file)? => found.push(Run { path, file }),
            Err(cause) if cause.kind() != io::ErrorKind::NotFound => return Err(cause),
            _ => {}
        }
    }
    Ok(found)
}

/// The folder of these files.
#[must_use]
pub fn folder(log: &Path) -> PathBuf {
    beside(log, ".runs")
}

fn lost(subject: Subject) -> Due {
    Due {
        subject,
        event: Event::InvocationFinished {
            outcome: "error",
            kind: Some(Kind::Internal),
            reason: Some(LOST.to_owned()),
            usage: Usage::default(),
        },
    }
}

/// Calls without an end, by their id.
#[derive(Default)]
struct Unfinished {
    calls: HashMap<String, Subject>,
    passed: bool,
}

/// What is read of a record.
#[derive(Deserialize)]
struct Called {
    run: String,
    event: String,
    invocation: Option<String>,
    principal: Option<Arc<str>>,
    skill: Option<Arc<str>>,
    tool: Option<Arc<str>>,
}

impl Unfinished {
    fn read(&mut self, path: &Path, part: Range<u64>, run: &str) -> io::Result<()> {
        let mut file = File::open(path)?;
        file.seek(SeekFrom::Start(part.start))?;
        let part = file.take(part.end.saturating_sub(part.start));
        let mut reader = BufReader::with_capacity(64 * 1024, part);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            if let Some(called) = call_of(&line) {
                self.note(called, run);
            }
            line.clear();
        }
        Ok(())
    }

    /// An end counts whoever wrote it: a run that closed the calls of another
    /// may have been killed before it said so.
    fn note(&mut self, called: Called, run: &str) {
        let Some(id) = called.invocation else { return };
        match called.event.as_str() {
            "invocation.started" if called.run == run => {
                let subject = Subject {
                    invocation: Some(id.as_str().into()),
                    principal: called.principal,
                    skill: called.skill,
                    tool: called.tool,
                    ..Subject::default()
                };
                self.calls.insert(id, subject);
            }
            "invocation.finished" => {
                self.calls.remove(&id);
            }
            _ => {}
        }
    }
}

/// The record of a call's start or end. Most lines are others, and are not
/// parsed.
fn call_of(line: &[u8]) -> Option<Called> {
    let text = str::from_utf8(line).ok()?;
    let told = ["invocation.started", "invocation.finished"];
    if !told.iter().any(|event| text.contains(event)) {
        return None;
    }
    serde_json::from_str(text).ok()
}
