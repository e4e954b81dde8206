//! The verifier: reads all files of a log once, and names every place at which
//! it is not as it was written.

use std::collections::{BTreeMap, HashMap};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use super::chain::{self, Hash, Link};
use super::checkpoint::{self, MAX_UNSIGNED_LINES};
use super::head::{self, Found, Head};
use super::lines::{Line, Lines, unreadable};
use super::report::{Broken, Checked, Damage, HeadCheck, Keys, MAX_BROKEN, Report};
use super::segments::{name_of, number_of};
use crate::error::Result;

/// How many lines more than [`MAX_UNSIGNED_LINES`] may stand between two
/// checkpoints: those that a process kept while the disk was full, in one go.
const SLACK: u64 = 2_000;

/// Verifies the log at `log` with all its files.
///
/// A log that is written meanwhile is verified up to where it is read; that
/// others read and write it does no harm.
///
/// # Errors
///
/// `InvalidRequest` if there is no log, or if it cannot be read. What is broken
/// is no error but stands in the report.
pub fn verify(log: &Path, keys: &Keys) -> Result<Report> {
    // Read first: the log goes at least as far as the head says, since each
    // line is written before its head.
    let head =
        head::read_beside(log, keys.head.as_ref()).map_err(|cause| unreadable(log, &cause))?;
    let mut lines = Lines::open(log)?;
    let mut verifier = Verifier::new(log, keys, head);
    while let Some(line) = lines.next_line()? {
        verifier.read(&line);
    }
    verifier.end(&lines);
    Ok(verifier.report)
}

/// What the verifier reads of a record.
#[derive(Default, Deserialize)]
struct Named {
    run: Option<String>,
    sequence: Option<u64>,
    event: Option<String>,
    lines: Option<u64>,
    head: Option<String>,
    signature: Option<String>,
    removed: Option<String>,
    refused: Option<u64>,
    previous_file: Option<String>,
    reason: Option<String>,
}

impl Named {
    fn is(&self, event: &str) -> bool {
        self.event.as_deref() == Some(event)
    }
}

/// Where a line stands, and what it says it is.
struct Place {
    file: Arc<Path>,
    line: u64,
    run: Option<String>,
    sequence: Option<u64>,
    event: Option<String>,
}

struct Verifier<'a> {
    log: &'a Path,
    keys: &'a Keys,
    head: Option<Head>,
    report: Report,
    /// The last line that stands in its place.
    last: u64,
    hash: Hash,
    place: Option<Place>,
    /// Whether that line is named as broken already.
    named: bool,
    /// Numbers of lines that were not there, and which report says so.
    missing: Vec<(Range<u64>, usize)>,
    sequences: HashMap<String, u64>,
    refused: u64,
    skipped: u64,
    signed: u64,
    /// Names of files that the host recorded it had removed, and in which line.
    removed: BTreeMap<String, u64>,
    /// The file before the first, if its absence must be accounted for.
    absent: Option<(String, usize)>,
}

impl<'a> Verifier<'a> {
    fn new(log: &'a Path, keys: &'a Keys, found: Found) -> Self {
        let mut report = Report::default();
        let head = match found {
            Found::Absent => None,
            Found::Forged => {
                report.head = HeadCheck::Forged;
                None
            }
            Found::Good(head) => {
                report.head = match keys.head {
                    Some(_) => HeadCheck::Good,
                    None => HeadCheck::Unchecked,
                };
                Some(head)
            }
        };
        Self {
            log,
            keys,
            head,
            report,
            last: 0,
            hash: chain::NOTHING,
            place: None,
            named: false,
            missing: Vec::new(),
            sequences: HashMap::new(),
            refused: 0,
            skipped: 0,
            signed: 0,
            removed: BTreeMap::new(),
            absent: None,
        }
    }

    fn read(&mut self, line: &Line) {
        let named: Named = serde_json::from_slice(&line.bytes).unwrap_or_default();
        let place = Place {
            file: Arc::clone(&line.file),
            line: line.number,
            run: named.run.clone(),
            sequence: named.sequence,
            event: named.event.clone(),
        };
        self.count(line);
        if !line.whole {
            return self.tell(&place, Damage::Torn, "It has no end.".to_owned());
        }
        let parsed = line.value().is_some();
        let Some(link) = Link::of(&line.bytes).filter(|_| parsed) else {
            self.tell(
                &place,
                Damage::Edited,
                "It is no record of this log.".to_owned(),
            );
            return self.keep(self.last + 1, line.hash, place, true);
        };
        let place = match self.link(link, place, &named) {
            Linked::Elsewhere => return,
            Linked::Here(place) => place,
        };
        let at = self.report.broken.len();
        self.follow(&named, &place);
        self.check(&named, link, &place);
        self.compare_with_head(line.hash, &place);
        self.hash = line.hash;
        self.named = self.report.broken.len() > at;
        self.place = Some(place);
    }

    fn count(&mut self, line: &Line) {
        match self.report.files.last_mut() {
            Some(file) if file.file == line.file => file.lines += u64::from(line.whole),
            _ => self.report.files.push(Checked {
                file: Arc::clone(&line.file),
                lines: u64::from(line.whole),
            }),
        }
        self.report.lines += u64::from(line.whole);
    }

    /// Whether the line stands where it was written.
    fn link(&mut self, link: Link, place: Place, named: &Named) -> Linked {
        let follows = link.previous == self.hash;
        let expected = self.last + 1;
        if self.place.is_none() && self.report.lines == 1 {
            self.begin(link, &place, named);
            self.last = link.line;
            self.signed = link.line.saturating_sub(1);
        } else if follows || link.line == expected {
            if !follows && !self.named {
                self.accuse();
            }
            if link.line != expected {
                let reason = format!(
                    "It says that it is line {}, and is line {expected}.",
                    link.line
                );
                self.tell(&place, Damage::Edited, reason);
            }
            self.last = expected;
        } else if link.line > expected {
            self.miss(expected..link.line, &place);
            self.last = link.line;
        } else {
            self.displaced(link.line, &place);
            return Linked::Elsewhere;
        }
        Linked::Here(place)
    }

    /// The first line of all that are there.
    fn begin(&mut self, link: Link, place: &Place, named: &Named) {
        if link.line == 1 {
            if link.previous != chain::NOTHING {
                self.tell(
                    place,
                    Damage::Edited,
                    "It is the first line, and names one before.".to_owned(),
                );
            }
            return;
        }
        // A deleted log that the host found to be deleted says so itself.
        if named.is("audit.opened") {
            return;
        }
        if let Some(before) = named
            .previous_file
            .clone()
            .filter(|_| named.is("audit.rotated"))
        {
            self.absent = Some((before, self.report.broken.len()));
            self.report.removed = link.line - 1;
            return;
        }
        self.miss(1..link.line, place);
    }

    /// The line before is not as it was when this one was written.
    fn accuse(&mut self) {
        if let Some(place) = self.place.take() {
            let reason = "It is not as it was when the next line was written.".to_owned();
            self.tell(&place, Damage::Edited, reason);
        }
    }

    fn miss(&mut self, lines: Range<u64>, place: &Place) {
        let count = lines.end - lines.start;
        let (first, last) = (lines.start, lines.end - 1);
        let reason = match count {
            1 => format!("Before it, line {first} of the log is not there."),
            _ => format!("Before it, lines {first} to {last} of the log are not there."),
        };
        self.missing.push((lines, self.report.broken.len()));
        self.tell(place, Damage::Missing, reason);
    }

    /// A line with a number that was counted already.
    fn displaced(&mut self, line: u64, place: &Place) {
        for (lines, at) in &self.missing {
            if lines.contains(&line)
                && let Some(broken) = self.report.broken.get_mut(*at)
            {
                broken.damage = Damage::Reordered;
            }
        }
        let reason = format!(
            "It says that it is line {line}, and stands behind line {}.",
            self.last
        );
        self.tell(place, Damage::Reordered, reason);
    }

    /// Numbers count up within each run.
    fn follow(&mut self, named: &Named, place: &Place) {
        if named.is("audit.recovered") {
            self.refused += named.refused.unwrap_or(0);
        }
        if named.is("audit.rotated")
            && let Some(name) = &named.removed
        {
            self.removed.insert(name.clone(), self.last);
        }
        let (Some(run), Some(sequence)) = (&named.run, named.sequence) else {
            return;
        };
        match self.sequences.insert(run.clone(), sequence) {
            Some(before) if sequence <= before => {
                let reason = format!("Its sequence follows {before} of the same run.");
                self.tell(place, Damage::Reordered, reason);
            }
            Some(before) => self.skipped += sequence - before - 1,
            None => {}
        }
    }

    /// What the log says about itself.
    fn check(&mut self, named: &Named, link: Link, place: &Place) {
        if named.is("audit.opened") {
            let reason = named.reason.clone().unwrap_or_default();
            return self.tell(place, Damage::Truncated, reason);
        }
        if named.is("audit.checkpoint") {
            self.check_signature(named, link, place);
        }
        if self.last.saturating_sub(self.signed) > MAX_UNSIGNED_LINES + SLACK {
            let reason = format!("No checkpoint since line {} of the log.", self.signed);
            self.tell(place, Damage::ForgedCheckpoint, reason);
            self.signed = self.last;
        }
    }

    fn check_signature(&mut self, named: &Named, link: Link, place: &Place) {
        let (Some(lines), Some(head), Some(signature)) =
            (named.lines, &named.head, &named.signature)
        else {
            return self.tell(
                place,
                Damage::ForgedCheckpoint,
                "It is no checkpoint.".to_owned(),
            );
        };
        let here = lines.checked_add(1) == Some(link.line) && *head == chain::hex(&link.previous);
        let Some(key) = &self.keys.public else {
            self.report.unchecked += 1;
            self.signed = self.last;
            return;
        };
        if here && checkpoint::is_signed(key, lines, head, signature) {
            self.report.checkpoints += 1;
            self.signed = self.last;
        } else {
            let reason = "The host did not sign this checkpoint.".to_owned();
            self.tell(place, Damage::ForgedCheckpoint, reason);
        }
    }

    fn compare_with_head(&mut self, hash: Hash, place: &Place) {
        if let Some(head) = &self.head
            && head.lines == self.last
            && head.hash != hash
        {
            self.tell(
                place,
                Damage::Edited,
                "The head knows another line here.".to_owned(),
            );
        }
    }

    fn keep(&mut self, line: u64, hash: Hash, place: Place, named: bool) {
        self.last = line;
        self.hash = hash;
        self.compare_with_head(hash, &place);
        self.place = Some(place);
        self.named = named;
    }

    fn end(&mut self, lines: &Lines) {
        if let Some((file, line, bytes)) = lines.pending() {
            let place = Place {
                file,
                line,
                run: None,
                sequence: None,
                event: None,
            };
            self.tell(
                &place,
                Damage::Torn,
                format!("Its {bytes} bytes have no end."),
            );
        }
        self.account_for_absent();
        self.end_at_head();
        self.report.unsigned = self.last - self.signed.min(self.last);
        self.report.gaps = self.skipped.saturating_sub(self.refused);
    }

    /// The last line that the host vouches for: what stands behind it could have
    /// been put there by somebody else, to excuse what is missing.
    fn vouched(&self) -> u64 {
        if self.keys.public.is_none() {
            return u64::MAX;
        }
        let head = self.head.filter(|_| self.keys.head.is_some());
        self.signed.max(head.map_or(0, |head| head.lines))
    }

    /// The file before the first is not there, which is well if the host
    /// recorded that it removed it.
    fn account_for_absent(&mut self) {
        let Some((name, at)) = self.absent.take() else {
            return;
        };
        let said = self.removed.get(&name);
        if said.is_some_and(|line| *line <= self.vouched()) {
            return;
        }
        let known =
            number_of(self.log, &name).map_or(name.clone(), |number| name_of(self.log, number));
        let broken = Broken {
            file: super::segments::folder(self.log).join(&known),
            line: 0,
            run: None,
            sequence: None,
            event: None,
            damage: Damage::Missing,
            reason: format!(
                "{known} with lines 1 to {} of the log is not there.",
                self.report.removed
            ),
        };
        self.report.removed = 0;
        self.report
            .broken
            .insert(at.min(self.report.broken.len()), broken);
    }

    fn end_at_head(&mut self) {
        let place = |line| Place {
            file: self.log.into(),
            line,
            run: None,
            sequence: None,
            event: None,
        };
        let whole = place(0);
        match (&self.head, self.report.head) {
            (Some(head), _) if head.lines > self.last => {
                let reason = format!(
                    "The log ends with line {}, and had {}: lines were cut off.",
                    self.last, head.lines
                );
                let number = self.report.files.last().map_or(0, |file| file.lines);
                let end = self.place.take().unwrap_or_else(|| place(number));
                self.tell(&end, Damage::Truncated, reason);
            }
            (Some(head), _) => self.report.unsealed = self.last - head.lines,
            (None, HeadCheck::Forged) => {
                let reason = "Its head was not written by this host.".to_owned();
                self.tell(&whole, Damage::ForgedHead, reason);
            }
            (None, _) if self.last > 0 => {
                let reason =
                    "Its head is not there: lines may have been cut off the end.".to_owned();
                self.tell(&whole, Damage::ForgedHead, reason);
            }
            (None, _) => {}
        }
    }

    fn tell(&mut self, place: &Place, damage: Damage, reason: String) {
        if self.report.broken.len() >= MAX_BROKEN {
            self.report.unnamed += 1;
            return;
        }
        self.report.broken.push(Broken {
            file: place.file.to_path_buf(),
            line: place.line,
            run: place.run.clone(),
            sequence: place.sequence,
            event: place.event.clone(),
            damage,
            reason,
        });
    }
}

enum Linked {
    /// It stands where it was written.
    Here(Place),
    /// It was moved here, or put in.
    Elsewhere,
}
