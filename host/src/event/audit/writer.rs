//! Writes lines: under the lock of the file, each behind the one before.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Write};
use std::sync::Arc;

use jiff::Timestamp;

use super::chain::{self, Hash, Link};
use super::checkpoint::{self, MAX_UNSIGNED_LINES, MAX_UNSIGNED_MS};
use super::commit::Committer;
use super::degraded::{Degraded, Reserve, is_full};
use super::files::{Place, Seen, inode, lock, unlock};
use super::head::{self, Head, HeadKey};
use super::runs::{self, Run};
use super::{AuditOptions, Due, unavailable};
use crate::error::Result;
use crate::event::{Event, Record};

/// How long a rotation that failed is not tried again, in milliseconds.
const POSTPONED_MS: i64 = 10_000;

/// So many batches in a row, with nobody else's between them, are a host that is
/// busy and alone: it keeps the lock. A command never gets so far.
const ALONE: u32 = 32;

/// The file before the live one, of which its first line must tell.
#[derive(Debug)]
pub(super) struct Before {
    pub(super) name: String,
    pub(super) lines: u64,
    pub(super) hash: Hash,
}

/// What one process knows of a log, and how it writes to it.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) place: Place,
    pub(super) options: AuditOptions,
    pub(super) head_key: HeadKey,
    pub(super) head_file: File,
    pub(super) file: Arc<File>,
    /// Which file that is.
    inode: u64,
    /// The log as this process last saw it.
    pub(super) known: Head,
    /// Whether the log was looked at since the file was opened.
    pub(super) seen: bool,
    /// The live file is new, and begins with a word about this one.
    pub(super) before: Option<Before>,
    /// What is to be recorded before anything else.
    pub(super) due: VecDeque<Due>,
    committer: Arc<Committer>,
    reserve: Reserve,
    degraded: Option<Degraded>,
    run: Option<Run>,
    killed: Vec<Run>,
    postponed: i64,
    locked: bool,
    /// A batch is being written; the log is locked.
    in_batch: bool,
    /// Batches that found the log as the one before left it.
    alone: u32,
    /// The lock may be kept from one batch to the next, for a moment: the keeper
    /// has it given up then.
    may_keep: bool,
    /// The log has one name, so that its file tells when it is taken away.
    is_named_once: bool,
    /// Lines were written that the head does not know of.
    ahead: bool,
    /// Others write as well: the head is written at the end of this batch, so
    /// that they have little to read.
    shared: bool,
    /// The keeper knows that the head is to be written.
    told: bool,
    now: Timestamp,
    /// Why this batch cannot be written.
    stuck: Option<io::Error>,
    /// The front of `due` was given out.
    offered: bool,
    /// The next record is the log's own. It is made again if it cannot be
    /// written.
    own: bool,
    record: Vec<u8>,
    line: Vec<u8>,
}

impl Writer {
    pub(super) fn open(
        log: &std::path::Path,
        options: AuditOptions,
        committer: Arc<Committer>,
    ) -> io::Result<Self> {
        let mut place = Place::open(log)?;
        let file = Arc::new(place.open_log()?);
        let head_file = place.open_beside(&head::path(log))?;
        committer.follow(&file);
        let inode = inode(&file)?;
        Ok(Self {
            known: Head::first(inode),
            inode,
            seen: false,
            head_key: HeadKey::of(&options.key),
            reserve: Reserve::new(&place),
            place,
            options,
            head_file,
            file,
            before: None,
            due: VecDeque::new(),
            committer,
            degraded: None,
            run: None,
            killed: Vec::new(),
            postponed: 0,
            locked: false,
            in_batch: false,
            alone: 0,
            may_keep: true,
            is_named_once: false,
            ahead: false,
            shared: false,
            told: false,
            now: Timestamp::UNIX_EPOCH,
            stuck: None,
            offered: false,
            own: false,
            record: Vec::with_capacity(1024),
            line: Vec::with_capacity(1024),
        })
    }

    /// A run of the host begins: marks it, and finds the calls of those that
    /// were killed.
    pub(super) fn begin(&mut self, run: &str, now: Timestamp) -> io::Result<()> {
        self.enter(now)?;
        if let Err(cause) = self.reserve.take(&mut self.place) {
            tracing::warn!(%cause, "no room can be set aside for the audit log");
        }
        let (file, bytes) = (self.known.file, self.known.bytes);
        let log = self.place.log.clone();
        for killed in runs::killed(&mut self.place)? {
            self.due.extend(killed.lost(&log)?);
            self.killed.push(killed);
        }
        self.run = Some(Run::begin(&mut self.place, run, file, bytes)?);
        self.write_head();
        self.leave();
        Ok(())
    }

    /// What is to be recorded before anything else.
    pub(super) fn due(&mut self, now: Timestamp) -> Option<Due> {
        let due = self.find_due(now);
        self.own = due.is_some();
        due
    }

    fn find_due(&mut self, now: Timestamp) -> Option<Due> {
        let due = self.find_pending(now);
        if due.is_some() || self.stuck.is_some() {
            return due;
        }
        let rotate = self.is_full(now);
        if self.is_unsigned(now, rotate) {
            return self.checkpoint();
        }
        if rotate {
            return self.try_rotate(now);
        }
        None
    }

    fn find_pending(&mut self, now: Timestamp) -> Option<Due> {
        if let Err(cause) = self.enter(now) {
            self.stuck = Some(cause);
        }
        if self.stuck.is_some() {
            return None;
        }
        self.offered = false;
        if let Some(before) = &self.before {
            return Some(Due::own(self.rotated(before)));
        }
        if self.degraded.is_some() {
            return self.recover(now);
        }
        if let Some(due) = self.due.front() {
            self.offered = true;
            return Some(due.clone());
        }
        None
    }

    /// At a clean end: a last checkpoint. None when all is done.
    pub(super) fn closing(&mut self, now: Timestamp) -> Option<Due> {
        let due = self.find_pending(now);
        self.own = due.is_some();
        if due.is_some() || self.stuck.is_some() || self.degraded.is_some() {
            return due;
        }
        if self.known.lines > self.known.signed {
            self.own = true;
            return self.checkpoint();
        }
        self.write_head();
        if let Some(run) = self.run.take() {
            run.end();
        }
        None
    }

    /// Writes a record, or keeps it if it is the end of a call.
    pub(super) fn write(&mut self, record: &Record<'_>) -> Result<()> {
        self.record.clear();
        serde_json::to_writer(&mut self.record, record)
            .map_err(|cause| unavailable(&cause.into()))?;
        let own = std::mem::take(&mut self.own);
        let written = match &self.stuck {
            None => self.append(record.time),
            Some(cause) => Err(same(cause)),
        };
        match written {
            Ok(()) => {
                self.written(record.event);
                Ok(())
            }
            Err(cause) if own => {
                self.fail(&cause);
                Err(unavailable(&cause))
            }
            Err(cause) => self.do_without(&cause, record),
        }
    }

    /// The batch is over: others may write, at once or when the keeper comes.
    /// Whether the keeper is to be told that the head is behind.
    pub(super) fn leave(&mut self) -> bool {
        if self.ahead && self.shared {
            self.write_head();
        }
        let alone = self.alone.saturating_add(1);
        self.alone = if self.shared { 0 } else { alone };
        self.shared = false;
        if self.due.is_empty() {
            self.killed.drain(..).for_each(Run::end);
        }
        self.in_batch = false;
        if !self.keeps_lock() {
            self.give_up();
        }
        self.stuck = None;
        self.ahead && !std::mem::replace(&mut self.told, self.ahead)
    }

    /// Whether the next batch finds the log locked already, which spares it three
    /// of its four system calls but one. Only while the keeper is sure to come,
    /// which is when the head is behind: it ends this.
    fn keeps_lock(&self) -> bool {
        let is_well = self.stuck.is_none() && self.degraded.is_none();
        self.may_keep && self.alone >= ALONE && self.ahead && self.is_named_once && is_well
    }

    /// Lets others write, unless this is the middle of a batch.
    pub(super) fn give_up(&mut self) {
        if self.locked && !self.in_batch {
            unlock(&self.file);
            self.locked = false;
        }
    }

    /// From now on the lock may be kept again: others had their chance.
    pub(super) const fn keep_again(&mut self) {
        self.may_keep = true;
    }

    /// Writes the head, if it is behind and nobody is in the middle of a batch, and
    /// gives up the lock; in the middle of a batch, its end does. Whether there was
    /// something to do.
    pub(super) fn seal(&mut self) -> bool {
        self.told = self.ahead;
        self.may_keep &= !self.ahead;
        if self.ahead && !self.in_batch {
            match self.enter(self.now) {
                Ok(()) => self.write_head(),
                Err(cause) => tracing::debug!(%cause, "the head of the audit log waits"),
            }
            self.leave();
        }
        self.told
    }

    pub(super) fn write_head(&mut self) {
        let written = self
            .known
            .write(&self.head_key, &self.head_file, &mut self.line);
        if let Err(cause) = written {
            tracing::warn!(%cause, "the head of the audit log cannot be written");
        }
        self.ahead = false;
    }

    /// What others are to be told since the log cannot be: once that it cannot.
    pub(super) fn news(&mut self) -> Option<Event> {
        let degraded = self.degraded.as_mut()?;
        let reason = degraded.untold.take()?;
        // It takes a number that no line has.
        degraded.refused += 1;
        Some(Event::AuditDegraded { reason })
    }

    /// Locks the log, and sees that it is as this process left it; if others
    /// wrote to it, learns what. For as long as the batch goes on, this is done.
    fn enter(&mut self, now: Timestamp) -> io::Result<()> {
        if self.in_batch {
            return Ok(());
        }
        self.now = now;
        if self.locked && self.is_as_left() {
            self.in_batch = true;
            return Ok(());
        }
        if !self.locked {
            lock(&self.file)?;
        }
        let entered = self.enter_locked(now);
        self.locked = entered.is_ok();
        self.in_batch = self.locked;
        if entered.is_err() {
            unlock(&self.file);
        }
        entered
    }

    /// Whether the file is as this process left it. While it is locked no other
    /// host writes to it, but somebody may delete, replace or cut it off.
    fn is_as_left(&self) -> bool {
        let left = Seen {
            inode: self.inode,
            bytes: self.known.bytes,
            is_named_once: true,
        };
        self.seen && Seen::in_file(&self.file) == Some(left)
    }

    fn enter_locked(&mut self, now: Timestamp) -> io::Result<()> {
        loop {
            match self.place.look()? {
                Some(seen) if seen.inode == self.inode => {
                    self.is_named_once = seen.is_named_once;
                    if self.seen && seen.bytes == self.known.bytes {
                        return Ok(());
                    }
                    self.shared = true;
                    return self.look_again(seen, now);
                }
                _ => self.reopen()?,
            }
        }
    }

    /// The live file is another one now.
    fn reopen(&mut self) -> io::Result<()> {
        let file = self.place.open_log()?;
        let inode = inode(&file)?;
        self.take_file(file, inode);
        self.seen = false;
        lock(&self.file)
    }

    /// Writes to that file from now on. The one before is unlocked: others may
    /// wait for it, and it may stay open while it is brought to disk.
    pub(super) fn take_file(&mut self, file: File, inode: u64) {
        unlock(&self.file);
        self.file = Arc::new(file);
        self.inode = inode;
        self.committer.follow(&self.file);
        self.place.take_spare();
    }

    /// The head is written at the end of the batch.
    pub(super) const fn rewrite_head(&mut self) {
        self.ahead = true;
    }

    /// Writes `self.record` as one line, whole or not at all.
    fn append(&mut self, now: Timestamp) -> io::Result<()> {
        self.enter(now)?;
        let record = std::mem::take(&mut self.record);
        let appended = self.append_record(&record, now);
        self.record = record;
        appended
    }

    fn append_record(&mut self, record: &[u8], now: Timestamp) -> io::Result<()> {
        let link = Link {
            previous: self.known.hash,
            line: self.known.lines + 1,
        };
        link.write(record, &mut self.line);
        let hash = chain::hash(&self.line);
        self.line.push(b'\n');
        self.write_line()?;
        self.committer.count();
        if self.known.lines == self.known.signed {
            self.known.unsigned_since = now.as_millisecond();
        }
        if self.known.file_lines == 0 {
            self.known.begun = now.as_millisecond();
        }
        self.known.hash = hash;
        self.known.lines += 1;
        self.known.file_lines += 1;
        self.known.bytes += self.line.len() as u64;
        self.ahead = true;
        Ok(())
    }

    /// Writes `self.line` with one system call. A part of a line is taken back,
    /// so that the log is not torn.
    fn write_line(&self) -> io::Result<()> {
        let mut file = self.file.as_ref();
        let written = loop {
            match file.write(&self.line) {
                Err(cause) if cause.kind() == io::ErrorKind::Interrupted => {}
                written => break written?,
            }
        };
        if written == self.line.len() {
            return Ok(());
        }
        self.file.set_len(self.known.bytes)?;
        Err(io::ErrorKind::StorageFull.into())
    }

    /// What follows from a record that was written.
    fn written(&mut self, event: &Event) {
        if self.offered {
            self.due.pop_front();
            self.offered = false;
        }
        match event {
            Event::AuditCheckpoint { .. } => self.known.signed = self.known.lines,
            Event::AuditRotated { removed, .. } => {
                self.before = None;
                if let Some(removed) = removed {
                    self.remove_up_to(removed);
                    // What is gone is accounted for by a line that is vouched for.
                    self.write_head();
                }
            }
            Event::AuditRecovered { .. } => self.degraded = None,
            _ => {}
        }
    }

    /// Something could not be written.
    fn fail(&mut self, cause: &io::Error) {
        self.offered = false;
        self.stuck.get_or_insert_with(|| same(cause));
        self.degraded.get_or_insert_with(|| {
            tracing::error!(%cause, "the audit log cannot be written");
            Degraded::because(cause)
        });
    }

    /// A record could not be written. Only the end of a call is kept, and there
    /// is room set aside for it.
    fn do_without(&mut self, cause: &io::Error, record: &Record<'_>) -> Result<()> {
        self.fail(cause);
        let is_end = matches!(record.event, Event::InvocationFinished { .. });
        if is_end && is_full(cause) && self.squeeze_in(record.time).is_ok() {
            return Ok(());
        }
        let Some(degraded) = &mut self.degraded else {
            return Err(unavailable(cause));
        };
        if is_end && degraded.keep(&self.record) {
            return Ok(());
        }
        degraded.refused += 1;
        Err(unavailable(cause))
    }

    /// Uses the room that was set aside.
    fn squeeze_in(&mut self, now: Timestamp) -> io::Result<()> {
        self.reserve.give_up();
        self.write_waiting(now)?;
        self.append(now)
    }

    /// Writes what was kept, in its order.
    fn write_waiting(&mut self, now: Timestamp) -> io::Result<()> {
        while let Some(record) = self.degraded.as_mut().and_then(|it| it.waiting.pop_front()) {
            let appended = self
                .enter(now)
                .and_then(|()| self.append_record(&record, now));
            if appended.is_err() {
                if let Some(degraded) = &mut self.degraded {
                    degraded.waiting.push_front(record);
                }
                return appended;
            }
        }
        Ok(())
    }

    /// Whether everything can be written again: there is room for the reserve
    /// and for what was kept.
    fn recover(&mut self, now: Timestamp) -> Option<Due> {
        let recovered = self
            .write_waiting(now)
            .and_then(|()| self.reserve.take(&mut self.place));
        if let Err(cause) = recovered {
            self.stuck = Some(cause);
            return None;
        }
        self.degraded.as_ref().map(|degraded| {
            Due::own(Event::AuditRecovered {
                refused: degraded.refused,
                kept: degraded.kept,
            })
        })
    }

    fn is_unsigned(&self, now: Timestamp, rotate: bool) -> bool {
        let lines = self.known.lines - self.known.signed.min(self.known.lines);
        let since = now
            .as_millisecond()
            .saturating_sub(self.known.unsigned_since);
        lines >= MAX_UNSIGNED_LINES || lines > 0 && (rotate || since >= MAX_UNSIGNED_MS)
    }

    fn checkpoint(&mut self) -> Option<Due> {
        match checkpoint::sign(&self.options.key, self.known.lines, &self.known.hash) {
            Ok(event) => Some(Due::own(event)),
            Err(error) => {
                tracing::error!(internal = error.internal(), "no checkpoint is made");
                None
            }
        }
    }

    fn is_full(&self, now: Timestamp) -> bool {
        let now = now.as_millisecond();
        let age = now.saturating_sub(self.known.begun);
        let old = i64::try_from(self.options.rotate_age.as_millis()).unwrap_or(i64::MAX);
        // More than the line with which it begins: else it would never end.
        self.known.file_lines > 1
            && now >= self.postponed
            && (self.known.bytes >= self.options.rotate_size || age >= old)
    }

    /// A rotation that fails loses nothing: the log goes on in the same file.
    fn try_rotate(&mut self, now: Timestamp) -> Option<Due> {
        if let Err(cause) = self.rotate() {
            tracing::warn!(%cause, "the audit log is not rotated");
            self.postponed = now.as_millisecond().saturating_add(POSTPONED_MS);
            return None;
        }
        let before = self.before.as_ref()?;
        Some(Due::own(self.rotated(before)))
    }
}

fn same(cause: &io::Error) -> io::Error {
    io::Error::new(cause.kind(), cause.to_string())
}
