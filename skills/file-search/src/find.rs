//! A search through a tree, and what it finds.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

use skillhost_sdk::prelude::*;

use crate::excerpt;
use crate::glob::NameGlob;
use crate::pattern::{Hit, Pattern};
use crate::walk::{Filter, PassedOver, Walk};

/// Text in one answer, in bytes: more than a model can read at once.
const MAX_TEXT: usize = 512 << 10;

/// What to look for, and where not to.
#[derive(Debug)]
pub(crate) struct Search {
    /// What a line must match.
    pub(crate) pattern: Pattern,
    /// Which entries are visited.
    pub(crate) filter: Filter,
    /// Only files that match.
    pub(crate) names: Option<NameGlob>,
    /// Lines before and after each match.
    pub(crate) context: usize,
    /// Stop after so many matching lines.
    pub(crate) max_matches: usize,
    /// Larger files are passed over, in bytes.
    pub(crate) max_file_size: u64,
}

/// What the search was given to keep an eye on.
pub(crate) trait Watch {
    /// A reason to stop now. Asked before each file.
    fn stop(&mut self) -> Option<Stop>;
    /// So many files are done; it grows from one call to the next.
    fn searched(&mut self, files: u64);
}

/// Why a search ended before it had seen every file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Schema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Stop {
    /// `max_matches` is reached
    MaxMatches,
    /// The answer is as long as it may be
    AnswerFull,
    /// The time is up
    Deadline,
    /// The caller has given up
    Cancelled,
}

/// What was found
#[derive(Debug, Default, PartialEq, Eq, Serialize, Schema)]
pub(crate) struct Found {
    /// Matching lines, by path and line
    pub(crate) matches: Vec<Match>,
    /// How many files were searched
    pub(crate) files_searched: u64,
    /// Whether there may be more matches
    pub(crate) truncated: bool,
    /// Why the search ended early
    pub(crate) stopped_by: Option<Stop>,
    /// What was not searched
    pub(crate) skipped: Skipped,
}

/// A line that matches
#[derive(Debug, PartialEq, Eq, Serialize, Schema)]
pub(crate) struct Match {
    /// The file
    pub(crate) path: String,
    /// Number of the line, from 1
    pub(crate) line: u64,
    /// Where the first match begins: in characters, from 1
    pub(crate) column: u64,
    /// The line; `…` marks where a long one is cut
    pub(crate) text: String,
    /// Lines before it
    pub(crate) before: Vec<String>,
    /// Lines after it
    pub(crate) after: Vec<String>,
}

/// What was not searched. A directory counts once, not with its contents
#[derive(Debug, Default, PartialEq, Eq, Serialize, Schema)]
pub(crate) struct Skipped {
    /// Files with a zero byte
    pub(crate) binary: u64,
    /// Files over `max_file_size`
    pub(crate) too_large: u64,
    /// Files and directories that cannot be read
    pub(crate) unreadable: u64,
    /// Names that begin with a dot
    pub(crate) hidden: u64,
    /// Left out by `.gitignore` or `.ignore`
    pub(crate) ignored: u64,
    /// Symbolic links: they are never followed
    pub(crate) links: u64,
}

impl Search {
    /// Searches the trees or files at `roots`, in a fixed order. A file that
    /// cannot be read is counted and passed over.
    ///
    /// # Errors
    ///
    /// Those of [`Walk::new`], with the root that cannot be searched.
    pub(crate) fn run<'a>(
        &self,
        roots: &'a [PathBuf],
        watch: &mut dyn Watch,
    ) -> Result<Found, (&'a Path, io::Error)> {
        let mut findings = Findings::default();
        for root in roots {
            let walk = Walk::new(root, self.filter).map_err(|error| (root.as_path(), error))?;
            self.search_tree(root, walk, watch, &mut findings);
        }
        Ok(findings.finish())
    }

    fn search_tree(
        &self,
        root: &Path,
        mut walk: Walk,
        watch: &mut dyn Watch,
        findings: &mut Findings,
    ) {
        for file in &mut walk {
            findings.found.stopped_by = findings.found.stopped_by.or_else(|| watch.stop());
            if findings.found.stopped_by.is_some() {
                break;
            }
            if self
                .names
                .as_ref()
                .is_none_or(|names| names.matches(&file, root))
            {
                let before = findings.found.files_searched;
                self.search_file(&file, findings);
                if findings.found.files_searched > before {
                    watch.searched(before + 1);
                }
            }
        }
        findings.pass_over(walk.passed_over());
    }

    fn search_file(&self, path: &Path, findings: &mut Findings) {
        let skipped = &mut findings.found.skipped;
        match read(path, self.max_file_size) {
            Err(_) => skipped.unreadable += 1,
            Ok(None) => skipped.too_large += 1,
            Ok(Some(text)) if memchr::memchr(0, &text).is_some() => skipped.binary += 1,
            Ok(Some(text)) => {
                findings.found.files_searched += 1;
                self.search_text(&path.to_string_lossy(), &text, findings);
            }
        }
    }

    fn search_text(&self, path: &str, text: &[u8], findings: &mut Findings) {
        let mut line = 1;
        let mut counted = 0;
        for hit in self.pattern.hits(text) {
            if let Some(full) = findings.full(self.max_matches) {
                findings.found.stopped_by = Some(full);
                return;
            }
            line += newlines(text, counted, hit.line_start);
            counted = hit.line_start;
            findings.add(self.describe(path, line, text, hit));
        }
    }

    fn describe(&self, path: &str, line: u64, text: &[u8], hit: Hit) -> Match {
        let bytes = text.get(hit.line_start..hit.line_end).unwrap_or_default();
        let offset = hit.match_start - hit.line_start;
        Match {
            path: path.to_owned(),
            line,
            column: excerpt::column(bytes, offset) as u64,
            text: excerpt::line(bytes, offset),
            before: excerpt::before(text, hit.line_start, self.context),
            after: excerpt::after(text, hit.line_end, self.context),
        }
    }
}

/// The guest path that is meant: relative ones start at `/`, and `..` does not
/// lead above it.
pub(crate) fn resolve(path: &str) -> PathBuf {
    let mut resolved = PathBuf::from("/");
    for component in Path::new(path).components() {
        match component {
            Component::Normal(name) => resolved.push(name),
            Component::ParentDir => {
                resolved.pop();
            }
            Component::CurDir | Component::RootDir | Component::Prefix(_) => {}
        }
    }
    resolved
}

#[derive(Default)]
struct Findings {
    found: Found,
    text_size: usize,
}

impl Findings {
    fn full(&self, max_matches: usize) -> Option<Stop> {
        if self.found.matches.len() >= max_matches {
            Some(Stop::MaxMatches)
        } else if self.text_size >= MAX_TEXT {
            Some(Stop::AnswerFull)
        } else {
            None
        }
    }

    fn add(&mut self, found: Match) {
        let context = found
            .before
            .iter()
            .chain(&found.after)
            .map(String::len)
            .sum::<usize>();
        self.text_size += found.path.len() + found.text.len() + context;
        self.found.matches.push(found);
    }

    fn pass_over(&mut self, entries: PassedOver) {
        let skipped = &mut self.found.skipped;
        skipped.hidden += entries.hidden;
        skipped.ignored += entries.ignored;
        skipped.links += entries.links;
        skipped.unreadable += entries.unreadable;
    }

    fn finish(mut self) -> Found {
        self.found.truncated = self.found.stopped_by.is_some();
        self.found
    }
}

/// The contents of a file, or none if it has more than `limit` bytes.
fn read(path: &Path, limit: u64) -> io::Result<Option<Vec<u8>>> {
    let file = File::open(path)?;
    if file.metadata()?.len() > limit {
        return Ok(None);
    }
    let mut contents = Vec::new();
    // A file can grow between the two calls.
    file.take(limit + 1).read_to_end(&mut contents)?;
    Ok((contents.len() as u64 <= limit).then_some(contents))
}

fn newlines(text: &[u8], from: usize, to: usize) -> u64 {
    memchr::memchr_iter(b'\n', text.get(from..to).unwrap_or_default()).count() as u64
}

#[cfg(test)]
#[path = "find_tests.rs"]
mod tests;
