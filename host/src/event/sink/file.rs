//! Events as JSON lines in a file. Whoever renames the file (logrotate) or
//! removes it gets a fresh one in its place.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use super::queue::Line;
use super::worker::Undelivered;

/// A file that is only appended to.
#[derive(Debug)]
pub(super) struct JsonLines {
    path: PathBuf,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Device and number, by which the file at the path is known again.
    identity: (u64, u64),
    /// The last line has no end, so that the next must not follow it.
    torn: bool,
}

impl JsonLines {
    pub(super) const fn new(path: PathBuf) -> Self {
        Self { path, open: None }
    }

    /// Appends the lines with one write. A pipe that nobody reads blocks this,
    /// and nobody but this sink.
    pub(super) fn append(&mut self, batch: &[Line]) -> Result<(), Undelivered> {
        self.try_append(batch).map_err(|cause| Undelivered {
            lost: batch.len(),
            cause: format!("{} cannot be written: {cause}", self.path.display()),
        })
    }

    fn try_append(&mut self, batch: &[Line]) -> io::Result<()> {
        let open = self.current()?;
        let mut text = Vec::new();
        if open.torn {
            text.push(b'\n');
        }
        for line in batch {
            text.extend_from_slice(&line.json);
            text.push(b'\n');
        }
        let written = open.file.write_all(&text);
        open.torn = written.is_err();
        written
    }

    /// The file that lies at the path now.
    fn current(&mut self) -> io::Result<&mut Open> {
        let at_path = fs::metadata(&self.path).ok().map(|it| (it.dev(), it.ino()));
        let kept = self.open.take();
        let kept = kept.filter(|open| Some(open.identity) == at_path);
        let open = match kept {
            Some(open) => open,
            None => open(&self.path)?,
        };
        Ok(self.open.insert(open))
    }
}

/// Opens for appending, or makes a file that is its owner's alone.
fn open(path: &PathBuf) -> io::Result<Open> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = File::options();
    let file = options.append(true).create(true).mode(0o600).open(path)?;
    let metadata = file.metadata()?;
    Ok(Open {
        file,
        identity: (metadata.dev(), metadata.ino()),
        torn: false,
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::event::Severity;

    fn lines(texts: &[&'static str]) -> Vec<Line> {
        let line = |text: &&'static str| Line {
            json: text.as_bytes().into(),
            severity: Severity::Info,
        };
        texts.iter().map(line).collect()
    }

    #[test]
    fn a_file_is_its_owners_and_a_renamed_one_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("below/events.jsonl");
        let moved = folder.path().join("events.1");
        let mut sink = JsonLines::new(path.clone());
        sink.append(&lines(&["1", "2"])).unwrap();
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        fs::rename(&path, &moved).unwrap();
        sink.append(&lines(&["3"])).unwrap();
        assert_eq!(fs::read_to_string(&moved).unwrap(), "1\n2\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
        fs::remove_file(&path).unwrap();
        sink.append(&lines(&["4"])).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "4\n");
    }

    #[test]
    fn d02_a_full_disk_loses_the_batch_and_says_so() {
        let mut sink = JsonLines::new("/dev/full".into());
        let undelivered = sink.append(&lines(&["1", "2"])).unwrap_err();
        assert_eq!(undelivered.lost, 2);
        assert!(
            undelivered.cause.contains("/dev/full"),
            "{}",
            undelivered.cause
        );
    }
}
