//! Reads a log: every line of all its files, oldest first, and those that are
//! written meanwhile.

use std::collections::VecDeque;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::chain::{self, Hash};
use super::segments::{Segment, segments};
use crate::error::{Error, Kind, Result};

/// The longest line that is given out whole, in bytes. The host writes none
/// that is nearly so long.
pub const MAX_LINE: usize = 1024 * 1024;

/// A line of a log.
#[derive(Debug, Clone)]
pub struct Line {
    /// The file in which it stands.
    pub file: Arc<Path>,
    /// Which line of this file, from 1.
    pub number: u64,
    /// Its bytes without the line feed; of a line longer than [`MAX_LINE`] the
    /// beginning.
    pub bytes: Vec<u8>,
    /// Whether it ends with a line feed. One that does not was torn, and stands
    /// at the end of a file.
    pub whole: bool,
    pub(super) hash: Hash,
}

impl Line {
    /// The record; none for what is no JSON object.
    #[must_use]
    pub fn value(&self) -> Option<Value> {
        serde_json::from_slice(&self.bytes)
            .ok()
            .filter(Value::is_object)
    }
}

/// The lines of a log over all its files, oldest first.
///
/// At the end of what is written, `next` is none; called again later, it goes
/// on with what was written meanwhile, across rotations. A line whose end is not
/// written yet is given out when it is.
pub struct Lines {
    log: PathBuf,
    current: Option<Source>,
    ahead: VecDeque<Segment>,
}

struct Source {
    file: Arc<Path>,
    reader: BufReader<File>,
    inode: u64,
    read: u64,
    partial: Vec<u8>,
    /// Bytes of a line beyond those in `partial`.
    beyond: Option<Box<aws_lc_rs::digest::Context>>,
}

impl Lines {
    /// All lines of the log at `log`.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` if there is no log, or if it cannot be read.
    pub fn open(log: &Path) -> Result<Self> {
        let found = segments(log).map_err(|cause| unreadable(log, &cause))?;
        if found.is_empty() {
            return Err(unreadable(log, &io::ErrorKind::NotFound.into()));
        }
        Ok(Self {
            log: log.to_owned(),
            current: None,
            ahead: found.into(),
        })
    }

    /// The newest `count` lines of the log, and those that follow. Their
    /// [`number`](Line::number) counts from where reading began.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    pub fn last(log: &Path, count: u64) -> Result<Self> {
        let mut lines = Self::open(log)?;
        let mut wanted = count;
        let mut newest = VecDeque::new();
        while let Some(segment) = lines.ahead.pop_back() {
            let file = File::open(&segment.path).map_err(|cause| unreadable(log, &cause))?;
            let (offset, found) =
                offset_of_last(&file, wanted).map_err(|cause| unreadable(log, &cause))?;
            wanted -= found.min(wanted);
            if wanted == 0 || lines.ahead.is_empty() {
                lines.begin(segment, Some(offset))?;
                break;
            }
            newest.push_front(segment);
        }
        lines.ahead = newest;
        Ok(lines)
    }

    /// The next line; none at the end of what is written.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` if a file cannot be read.
    pub fn next_line(&mut self) -> Result<Option<Line>> {
        loop {
            let Some(source) = &mut self.current else {
                match self.ahead.pop_front() {
                    Some(segment) => self.begin(segment, None)?,
                    None => return Ok(None),
                }
                continue;
            };
            // Asked before reading: what is no longer the live file grows no
            // more, so that all of it is read.
            let live = self.ahead.is_empty() && is_at(&self.log, source.inode);
            let line = source
                .line()
                .map_err(|cause| unreadable(&self.log, &cause))?;
            if line.is_some() {
                return Ok(line);
            }
            if live {
                return Ok(None);
            }
            let torn = source.rest();
            let inode = source.inode;
            if !self.advance(inode)? && torn.is_none() {
                return Ok(None);
            }
            if torn.is_some() {
                return Ok(torn);
            }
        }
    }

    /// Bytes of a line whose end is not written yet.
    pub(super) fn pending(&self) -> Option<(Arc<Path>, u64, usize)> {
        let source = self.current.as_ref()?;
        let pending = !source.partial.is_empty();
        pending.then(|| {
            (
                Arc::clone(&source.file),
                source.read + 1,
                source.partial.len(),
            )
        })
    }

    /// The file after the one with that inode, which may have got another name.
    /// Whether there is one.
    fn advance(&mut self, inode: u64) -> Result<bool> {
        if self.ahead.is_empty() {
            let mut found: VecDeque<_> = segments(&self.log)
                .map_err(|cause| unreadable(&self.log, &cause))?
                .into();
            if let Some(at) = found.iter().position(|segment| segment.inode == inode) {
                found.drain(..=at);
            } else {
                // It was deleted; what follows it is the live file at the least.
                let live = found.pop_back();
                found = live.into_iter().collect();
            }
            self.ahead = found;
        }
        match self.ahead.pop_front() {
            Some(next) => self.begin(next, None).map(|()| true),
            None => Ok(false),
        }
    }

    fn begin(&mut self, segment: Segment, offset: Option<u64>) -> Result<()> {
        let opened = File::open(&segment.path).and_then(|mut file| {
            file.seek(SeekFrom::Start(offset.unwrap_or(0)))?;
            Ok((file.metadata()?.ino(), file))
        });
        let (inode, file) = match opened {
            Ok(opened) => opened,
            // Removed since the folder was read, as the oldest files are.
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(cause) => return Err(unreadable(&segment.path, &cause)),
        };
        self.current = Some(Source {
            file: segment.path.into(),
            reader: BufReader::with_capacity(64 * 1024, file),
            inode,
            read: 0,
            partial: Vec::new(),
            beyond: None,
        });
        Ok(())
    }
}

impl fmt::Debug for Lines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines")
            .field("log", &self.log)
            .finish_non_exhaustive()
    }
}

impl Iterator for Lines {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_line().transpose()
    }
}

impl Source {
    /// The next whole line.
    fn line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let available = self.reader.fill_buf()?;
            if available.is_empty() {
                return Ok(None);
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let (part, used) = match end {
                Some(end) => (available.get(..end).unwrap_or_default(), end + 1),
                None => (available, available.len()),
            };
            keep(&mut self.partial, &mut self.beyond, part);
            self.reader.consume(used);
            if end.is_some() {
                return Ok(Some(self.take(true)));
            }
        }
    }

    /// What stands behind the last line feed.
    fn rest(&mut self) -> Option<Line> {
        (!self.partial.is_empty()).then(|| self.take(false))
    }

    fn take(&mut self, whole: bool) -> Line {
        self.read += 1;
        let bytes = std::mem::take(&mut self.partial);
        let hash = match self.beyond.take() {
            None => chain::hash(&bytes),
            Some(digest) => {
                let mut hash = chain::NOTHING;
                hash.copy_from_slice(digest.finish().as_ref());
                hash
            }
        };
        Line {
            file: Arc::clone(&self.file),
            number: self.read,
            bytes,
            whole,
            hash,
        }
    }
}

/// Keeps the beginning of a line, and hashes all of it if it is too long.
fn keep(kept: &mut Vec<u8>, beyond: &mut Option<Box<aws_lc_rs::digest::Context>>, part: &[u8]) {
    if beyond.is_none() && kept.len() + part.len() <= MAX_LINE {
        kept.extend_from_slice(part);
        return;
    }
    let digest = beyond.get_or_insert_with(|| {
        let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        digest.update(kept);
        Box::new(digest)
    });
    digest.update(part);
    let room = MAX_LINE.saturating_sub(kept.len());
    kept.extend_from_slice(part.get(..room.min(part.len())).unwrap_or_default());
}

fn is_at(log: &Path, inode: u64) -> bool {
    fs::metadata(log).is_ok_and(|metadata| metadata.ino() == inode)
}

/// Where the last `count` lines of a file begin, and how many there are.
fn offset_of_last(mut file: &File, count: u64) -> io::Result<(u64, u64)> {
    const BLOCK: u64 = 64 * 1024;
    let mut end = file.metadata()?.len();
    let mut ends = 0;
    let mut block = Vec::new();
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        block.clear();
        file.take(end - start).read_to_end(&mut block)?;
        for (at, _) in block
            .iter()
            .enumerate()
            .rev()
            .filter(|(_, it)| **it == b'\n')
        {
            if ends == count {
                return Ok((start + at as u64 + 1, count));
            }
            ends += 1;
        }
        end = start;
    }
    Ok((0, ends))
}

pub(super) fn unreadable(log: &Path, cause: &io::Error) -> Error {
    let message = match cause.kind() {
        io::ErrorKind::NotFound => format!("There is no audit log {}.", log.display()),
        _ => format!("The audit log {} cannot be read.", log.display()),
    };
    Error::new(Kind::InvalidRequest, message)
        .with_hint("`skillhost doctor` says where the audit log is.")
        .with_internal(cause)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn texts(lines: &mut Lines) -> Vec<String> {
        lines
            .map(|line| String::from_utf8(line.unwrap().bytes).unwrap())
            .collect()
    }

    #[test]
    fn all_files_are_read_in_order_and_the_live_one_is_followed_across_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.jsonl");
        let old = |number: u64| folder.path().join(format!("audit-{number:06}.jsonl"));
        fs::write(old(1), "a\nb\n").unwrap();
        fs::write(&log, "c\nd").unwrap();
        let mut lines = Lines::open(&log).unwrap();
        assert_eq!(texts(&mut lines), ["a", "b", "c"]);
        assert_eq!(lines.pending().unwrap().2, 1);
        let mut file = File::options().append(true).open(&log).unwrap();
        file.write_all(b"d\ne\n").unwrap();
        fs::rename(&log, old(2)).unwrap();
        fs::write(old(3), "f\n").unwrap();
        fs::write(&log, "g\n").unwrap();
        assert_eq!(texts(&mut lines), ["dd", "e", "f", "g"]);
        assert_eq!(texts(&mut lines), [""; 0]);
    }

    #[test]
    fn the_last_lines_are_found_over_several_files() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.jsonl");
        fs::write(folder.path().join("audit-000001.jsonl"), "a\nb\nc\n").unwrap();
        let long = "d".repeat(200_000);
        fs::write(&log, format!("{long}\ne\n")).unwrap();
        for (count, expected) in [
            (0, vec![]),
            (1, vec!["e"]),
            (2, vec![&long, "e"]),
            (3, vec!["c", &long, "e"]),
            (9, vec!["a", "b", "c", &long, "e"]),
        ] {
            let mut lines = Lines::last(&log, count).unwrap();
            assert_eq!(texts(&mut lines), expected, "{count}");
        }
    }

    #[test]
    fn a_line_without_end_takes_bounded_memory() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("audit.jsonl");
        let long = vec![b'x'; MAX_LINE + 70_000];
        let mut text = long.clone();
        text.push(b'\n');
        fs::write(&log, text).unwrap();
        let line = Lines::open(&log).unwrap().next().unwrap().unwrap();
        assert_eq!(
            (line.bytes.len(), line.hash),
            (MAX_LINE, chain::hash(&long))
        );
        assert!(line.value().is_none());
    }

    #[test]
    fn without_a_log_there_is_nothing_to_read() {
        let folder = tempfile::tempdir().unwrap();
        let error = Lines::open(&folder.path().join("audit.jsonl")).unwrap_err();
        assert_eq!(error.kind(), Kind::InvalidRequest);
    }
}
