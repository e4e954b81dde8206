//! Looks at a log that is not as this process left it: it starts, or another
//! process wrote, or somebody deleted, cut, replaced or edited the file.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::ops::Range;
use std::os::unix::fs::FileExt;

use jiff::Timestamp;

use super::Due;
use super::chain::{self, Hash, Link, hex};
use super::files::Seen;
use super::head::{self, Found, Head};
use super::segments::{beside, folder, name_of, segments};
use super::writer::{Before, Writer};
use crate::event::Event;

impl Head {
    /// Of a log that has no line yet.
    pub(super) const fn first(inode: u64) -> Self {
        Self {
            lines: 0,
            hash: chain::NOTHING,
            file: 1,
            file_lines: 0,
            bytes: 0,
            inode,
            begun: 0,
            signed: 0,
            unsigned_since: 0,
        }
    }

    /// Of the same log in its next file, which is empty.
    pub(super) fn in_next_file(self, inode: u64) -> Self {
        Self {
            file: self.file + 1,
            file_lines: 0,
            bytes: 0,
            inode,
            ..self
        }
    }
}

const CHECKPOINT: &[u8] = b"\"event\":\"audit.checkpoint\"";

/// What a file holds from some offset on.
#[derive(Debug, Clone, Copy)]
struct Tail {
    lines: u64,
    /// Hash of the last whole line.
    hash: Hash,
    /// What that line says of itself.
    link: Option<Link>,
    /// How many of them stand up to the last checkpoint.
    signed: Option<u64>,
}

impl Writer {
    /// Learns what the log holds. It is locked.
    pub(super) fn look_again(&mut self, seen: Seen, now: Timestamp) -> io::Result<()> {
        self.before = None;
        let found = match self.read_head()? {
            // The head is a little late, and this process knows better.
            Found::Good(head) if head.lines < self.known.lines => Found::Good(self.known),
            found => found,
        };
        if let Found::Good(head) = &found
            && head.inode == seen.inode
            && head.bytes == seen.bytes
        {
            self.adopt(*head, seen);
            return Ok(());
        }
        if seen.bytes == 0 {
            // A file that was just made.
            self.place.sync()?;
        }
        let seen = self.set_torn_aside(seen)?;
        match found {
            Found::Good(head) if self.ends_within(&head, seen)? => self.go_on(head, seen),
            Found::Good(head) if self.is_rotated(&head, seen)? => self.finish_rotation(head, seen),
            Found::Good(head) => {
                self.go_on_behind(Some(head), "is not as the host left it", seen, now)
            }
            Found::Absent | Found::Forged if self.remembers(seen)? => {
                tracing::warn!("the head of the audit log is written anew");
                self.go_on(self.known, seen)
            }
            Found::Absent if self.is_untouched(seen)? => {
                self.adopt(Head::first(seen.inode), seen);
                Ok(())
            }
            Found::Absent => self.go_on_behind(self.memory(), "has no head", seen, now),
            Found::Forged => {
                let what = "has a head that the host did not write";
                self.go_on_behind(self.memory(), what, seen, now)
            }
        }
    }

    /// The head that stands beside the log now.
    fn read_head(&mut self) -> io::Result<Found> {
        self.head_file = self.place.open_beside(&head::path(&self.place.log))?;
        head::read_from(&self.head_file, Some(&self.head_key))
    }

    fn adopt(&mut self, head: Head, seen: Seen) {
        self.known = Head {
            inode: seen.inode,
            bytes: seen.bytes,
            ..head
        };
        self.seen = true;
    }

    /// Whether the log holds at least what this process wrote itself.
    fn remembers(&self, seen: Seen) -> io::Result<bool> {
        Ok(self.known.lines > 0 && self.ends_within(&self.known, seen)?)
    }

    fn memory(&self) -> Option<Head> {
        (self.known.lines > 0).then_some(self.known)
    }

    /// Whether the log is one that nobody has written to yet.
    fn is_untouched(&self, seen: Seen) -> io::Result<bool> {
        Ok(seen.bytes == 0 && self.known.lines == 0 && segments(&self.place.log)?.len() <= 1)
    }

    /// Whether the log holds what the head speaks of, and perhaps more: lines of
    /// a process that was killed before it wrote the head.
    fn ends_within(&self, head: &Head, seen: Seen) -> io::Result<bool> {
        if head.bytes > seen.bytes {
            return Ok(false);
        }
        if head.bytes == 0 {
            let first = first_link(&self.file)?;
            return Ok(head.lines == 0 || first.is_some_and(|it| it.previous == head.hash));
        }
        Ok(hash_of_line_before(&self.file, head.bytes)? == Some(head.hash))
    }

    fn go_on(&mut self, head: Head, seen: Seen) -> io::Result<()> {
        let tail = Tail::read(&self.file, head.bytes..seen.bytes, head.hash)?;
        let known = Head {
            lines: head.lines + tail.lines,
            file_lines: head.file_lines + tail.lines,
            hash: tail.hash,
            signed: tail.signed.map_or(head.signed, |lines| head.lines + lines),
            ..head
        };
        self.adopt(known, seen);
        self.rewrite_head();
        Ok(())
    }

    /// Whether a process was killed after it had put another file in the place
    /// of that which the head speaks of.
    fn is_rotated(&self, head: &Head, seen: Seen) -> io::Result<bool> {
        if head.lines == 0 {
            return Ok(false);
        }
        let name = name_of(&self.place.log, head.file);
        let Ok(finished) = File::open(folder(&self.place.log).join(name)) else {
            return Ok(false);
        };
        Ok(finished.metadata()?.len() == head.bytes
            && hash_of_line_before(&finished, head.bytes)? == Some(head.hash)
            && (seen.bytes == 0
                || first_link(&self.file)?.is_some_and(|it| it.previous == head.hash)))
    }

    fn finish_rotation(&mut self, head: Head, seen: Seen) -> io::Result<()> {
        self.before = (seen.bytes == 0).then(|| Before {
            name: name_of(&self.place.log, head.file),
            lines: head.file_lines,
            hash: head.hash,
        });
        self.go_on(head.in_next_file(seen.inode), seen)
    }

    /// The log is not what is expected: it goes on behind what is there, and
    /// says so.
    fn go_on_behind(
        &mut self,
        expected: Option<Head>,
        what: &str,
        seen: Seen,
        now: Timestamp,
    ) -> io::Result<()> {
        let tail = Tail::read(&self.file, 0..seen.bytes, chain::NOTHING)?;
        let mut known = expected.unwrap_or(Head::first(seen.inode));
        if tail.lines > 0 {
            let before = known.lines.saturating_sub(known.file_lines);
            known.lines = tail.link.map_or(before + tail.lines, |link| link.line);
            known.hash = tail.hash;
            known.signed = known.signed.min(known.lines);
        }
        known.file_lines = tail.lines;
        known.begun = now.as_millisecond();
        known.unsigned_since = known.begun;
        known.file = known.file.max(self.next_number()?);
        self.before = None;
        self.due
            .push_front(Due::own(opened(what, expected.as_ref(), tail.lines)));
        self.adopt(known, seen);
        self.rewrite_head();
        Ok(())
    }

    /// The lowest number that no finished file has.
    pub(super) fn next_number(&self) -> io::Result<u64> {
        let found = segments(&self.place.log)?;
        let highest = found.iter().filter_map(|segment| segment.number).max();
        Ok(highest.unwrap_or(0) + 1)
    }

    /// Moves what stands behind the last line feed into a file of its own: a
    /// process was killed, or the machine lost its power, while it wrote.
    fn set_torn_aside(&mut self, seen: Seen) -> io::Result<Seen> {
        let end = end_of_whole_lines(&self.file, seen.bytes)?;
        if end == seen.bytes {
            return Ok(seen);
        }
        let mut torn = Vec::new();
        let mut file = self.file.as_ref();
        file.seek(SeekFrom::Start(end))?;
        file.take(seen.bytes - end).read_to_end(&mut torn)?;
        let name = self.keep_torn(&torn)?;
        self.file.set_len(end)?;
        self.due.push_back(Due::own(Event::AuditTorn {
            bytes: seen.bytes - end,
            kept: name,
        }));
        Ok(Seen { bytes: end, ..seen })
    }

    fn keep_torn(&mut self, torn: &[u8]) -> io::Result<String> {
        for number in 1_u32.. {
            let path = beside(&self.place.log, &format!(".torn-{number}"));
            let mut file = match self.place.create(&path) {
                Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => continue,
                created => created?,
            };
            io::Write::write_all(&mut file, torn)?;
            file.sync_all()?;
            let name = path.file_name().unwrap_or_default();
            return Ok(name.to_string_lossy().into_owned());
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

fn opened(what: &str, expected: Option<&Head>, lines: u64) -> Event {
    let file_lines = expected.map(|head| head.file_lines);
    let told = match file_lines {
        Some(expected) => format!(
            "The audit log {what}: its file has {lines} lines where {expected} are expected."
        ),
        None => format!("The audit log {what}: its file has {lines} lines."),
    };
    Event::AuditOpened {
        reason: told,
        expected_lines: expected.map(|head| head.lines),
        expected_head: expected.map(|head| hex(&head.hash)),
    }
}

impl Tail {
    fn read(mut file: &File, part: Range<u64>, hash: Hash) -> io::Result<Self> {
        file.seek(SeekFrom::Start(part.start))?;
        let part = file.take(part.end.saturating_sub(part.start));
        let mut reader = BufReader::with_capacity(64 * 1024, part);
        let mut tail = Self {
            lines: 0,
            hash,
            link: None,
            signed: None,
        };
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line)? > 0 {
            let whole = line.strip_suffix(b"\n").unwrap_or(&line);
            tail.lines += 1;
            tail.hash = chain::hash(whole);
            tail.link = Link::of(whole);
            if whole
                .windows(CHECKPOINT.len())
                .any(|part| part == CHECKPOINT)
            {
                tail.signed = Some(tail.lines);
            }
            line.clear();
        }
        Ok(tail)
    }
}

/// What the first line of a file says of itself.
fn first_link(mut file: &File) -> io::Result<Option<Link>> {
    file.seek(SeekFrom::Start(0))?;
    let mut line = Vec::new();
    BufReader::new(file.take(1024)).read_until(b'\n', &mut line)?;
    Ok(Link::of(&line))
}

/// Where the last line feed of a file of that length ends.
fn end_of_whole_lines(file: &File, length: u64) -> io::Result<u64> {
    let mut end = length;
    let mut block = [0; 4096];
    while end > 0 {
        let start = end.saturating_sub(4096);
        let size = usize::try_from(end - start).unwrap_or(block.len());
        let room = block.get_mut(..size).unwrap_or_default();
        file.read_exact_at(room, start)?;
        if let Some(at) = room.iter().rposition(|byte| *byte == b'\n') {
            return Ok(start + at as u64 + 1);
        }
        end = start;
    }
    Ok(0)
}

/// Hash of the line that ends at that offset; none if none does.
fn hash_of_line_before(file: &File, end: u64) -> io::Result<Option<Hash>> {
    let Some(feed) = end.checked_sub(1) else {
        return Ok(None);
    };
    let mut last = [0];
    file.read_exact_at(&mut last, feed)?;
    if last != *b"\n" {
        return Ok(None);
    }
    let start = end_of_whole_lines(file, feed)?;
    let mut line = vec![0; usize::try_from(feed - start).unwrap_or(0)];
    file.read_exact_at(&mut line, start)?;
    Ok(Some(chain::hash(&line)))
}
