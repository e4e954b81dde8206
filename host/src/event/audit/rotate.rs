//! Goes on in a new file.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use super::chain::hex;
use super::files::{inode, lock};
use super::segments::{Segment, beside, folder, name_of, number_of, segments};
use super::writer::{Before, Writer};
use crate::event::Event;

impl Writer {
    /// Gives the live file its number, and puts an empty one in its place. What
    /// is under a name must be on disk before the name is: the file is brought
    /// to disk, then renamed, then its folder is brought to disk.
    ///
    /// Whoever waits for the lock of the old file sees then that it is no longer
    /// the live one. Nobody sees no live file: for a moment the old one has two
    /// names.
    pub(super) fn rotate(&mut self) -> io::Result<()> {
        let log = self.place.log.clone();
        let next = beside(&log, ".next");
        remove(&next)?;
        let file = self.place.create(&next)?;
        lock(&file)?;
        let inode = inode(&file)?;
        self.file.sync_all()?;
        file.sync_all()?;
        // Whoever finds an empty file after this process was killed knows from
        // the head how the one before it ends.
        self.write_head();
        let finished = self.name_live_file()?;
        if let Err(cause) = std::fs::rename(&next, &log) {
            remove(&finished)?;
            return Err(cause);
        }
        self.before = Some(Before {
            name: name_of(&log, self.known.file),
            lines: self.known.file_lines,
            hash: self.known.hash,
        });
        self.take_file(file, inode);
        self.known = self.known.in_next_file(inode);
        self.rewrite_head();
        self.place.sync()
    }

    /// Gives the live file its second name. It may have it already: from a
    /// process that was killed between this step and the next.
    fn name_live_file(&mut self) -> io::Result<PathBuf> {
        let log = self.place.log.clone();
        let finished = folder(&log).join(name_of(&log, self.known.file));
        match std::fs::hard_link(&log, &finished) {
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {
                if std::fs::metadata(&finished)?.ino() == self.known.inode {
                    return Ok(finished);
                }
                self.known.file = self.next_number()?;
                Err(cause)
            }
            linked => linked.map(|()| finished),
        }
    }

    /// The first record of the new file.
    pub(super) fn rotated(&self, before: &Before) -> Event {
        Event::AuditRotated {
            previous_file: before.name.clone(),
            previous_lines: before.lines,
            previous_head: hex(&before.hash),
            removed: self.superfluous(),
        }
    }

    /// The newest file that is not to be kept.
    fn superfluous(&self) -> Option<String> {
        let keep = usize::try_from(self.options.keep?).ok()?;
        let finished = self.finished();
        let newest = finished.len().checked_sub(keep)?.checked_sub(1)?;
        let number = finished.get(newest)?.number?;
        Some(name_of(&self.place.log, number))
    }

    /// Removes that file and older ones. Only what the chain says was removed
    /// is.
    pub(super) fn remove_up_to(&self, name: &str) {
        let newest = number_of(&self.place.log, name);
        for segment in self.finished() {
            if segment.number <= newest
                && let Err(cause) = std::fs::remove_file(&segment.path)
            {
                tracing::warn!(%cause, "an old file of the audit log is not removed");
            }
        }
    }

    fn finished(&self) -> Vec<Segment> {
        let mut found = segments(&self.place.log).unwrap_or_default();
        found.retain(|segment| segment.number.is_some());
        found
    }
}

fn remove(path: &std::path::Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(cause),
        _ => Ok(()),
    }
}
