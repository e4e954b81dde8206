//! What the verifier found.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::head::HeadKey;
use crate::sign::PrivateKey;
use crate::verify::PublicKey;

/// The most broken places that are named.
pub const MAX_BROKEN: usize = 1_000;

/// What a log is verified with.
#[derive(Debug, Clone, Default)]
pub struct Keys {
    pub(super) public: Option<PublicKey>,
    pub(super) head: Option<HeadKey>,
}

impl Keys {
    /// On the host itself: checkpoints and the head are checked.
    #[must_use]
    pub fn of(key: &PrivateKey) -> Self {
        Self {
            public: Some(key.public().clone()),
            head: Some(HeadKey::of(key)),
        }
    }

    /// Elsewhere, with the host's public key: checkpoints are checked.
    #[must_use]
    pub const fn public(key: PublicKey) -> Self {
        Self {
            public: Some(key),
            head: None,
        }
    }

    /// Only the chain is checked: whoever can write the file could have made
    /// all of it.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }
}

/// What is wrong at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Damage {
    /// The line is not as it was written.
    Edited,
    /// Lines before this one are not there.
    Missing,
    /// The line does not stand where it was written, or was put in.
    Reordered,
    /// Lines at the end are not there, or were not when the host looked.
    Truncated,
    /// A checkpoint that the host did not sign, or none where one must be.
    ForgedCheckpoint,
    /// The head is not there, or the host did not write it.
    ForgedHead,
    /// The line has no end.
    Torn,
}

/// A place at which a log is not as it was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// The file.
    pub file: PathBuf,
    /// The line of this file, from 1; 0 if it is about the file itself.
    pub line: u64,
    /// The run of the host that wrote the line, if it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    /// Its `sequence`, if it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sequence: Option<u64>,
    /// Its `event`, if it can be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<String>,
    /// What is wrong.
    pub damage: Damage,
    /// In one sentence.
    pub reason: String,
}

impl fmt::Display for Broken {
    /// `audit.jsonl, line 12 (sequence 3, invocation.started): It was edited.`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.file.file_name().unwrap_or(self.file.as_os_str());
        write!(f, "{}", name.display())?;
        if self.line > 0 {
            write!(f, ", line {}", self.line)?;
        }
        let sequence = self.sequence.map(|number| format!("sequence {number}"));
        let named: Vec<_> = sequence.into_iter().chain(self.event.clone()).collect();
        if !named.is_empty() {
            write!(f, " ({})", named.join(", "))?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// What is known of the head beside the log.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadCheck {
    /// There is none, so that nobody can tell whether lines were cut off the
    /// end.
    #[default]
    Absent,
    /// It was read without the host's private key; who can write the log could
    /// have written it.
    Unchecked,
    /// The host wrote it.
    Good,
    /// The host did not write it so.
    Forged,
}

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The file.
    pub file: Arc<std::path::Path>,
    /// Its whole lines.
    pub lines: u64,
}

/// What the verifier found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The files, oldest first.
    pub files: Vec<Checked>,
    /// Lines that were read.
    pub lines: u64,
    /// Of these, at the beginning, lines of older files that are not there any
    /// more, as the host itself recorded.
    pub removed: u64,
    /// Checkpoints whose signature holds.
    pub checkpoints: u64,
    /// Checkpoints that were not checked, for want of a key.
    pub unchecked: u64,
    /// Lines after the last checkpoint that holds: only the head speaks for
    /// them.
    pub unsigned: u64,
    /// Lines after those of which the head knows: of the last milliseconds of a
    /// process that was killed, or that is writing now.
    pub unsealed: u64,
    /// Numbers that no record of a run has, beyond those that the host recorded
    /// as refused: records that found no room on the disk.
    pub gaps: u64,
    /// What is known of the head.
    pub head: HeadCheck,
    /// Where the log is not as it was written, in order.
    pub broken: Vec<Broken>,
    /// Broken places beyond [`MAX_BROKEN`].
    pub unnamed: u64,
}

impl Report {
    /// Whether nothing is broken.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.broken.is_empty()
    }

    /// The first broken place.
    #[must_use]
    pub fn first(&self) -> Option<&Broken> {
        self.broken.first()
    }
}
