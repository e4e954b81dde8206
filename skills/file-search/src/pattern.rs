//! What to look for, line by line.

use std::fmt;

use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::hir::Look;

/// Largest compiled expression, in bytes: an expression such as `\w{1000}{1000}`
/// is refused instead of filling the skill's memory.
const MAX_COMPILED_SIZE: usize = 4 << 20;

/// How the text of a pattern is meant.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meaning {
    /// Upper and lower case are the same.
    pub(crate) ignore_case: bool,
    /// The text stands for itself and is no expression.
    pub(crate) fixed_string: bool,
}

/// The text is no regular expression, or one that grows too large.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct InvalidPattern(pub String);

impl fmt::Display for InvalidPattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A compiled pattern. No match spans two lines.
#[derive(Debug)]
pub(crate) struct Pattern {
    regex: Regex,
    /// Whether the expression means the same in a whole file as in one line.
    /// `\A` and `\z` do not.
    fits_whole_files: bool,
}

/// A line that matches, by offsets into the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hit {
    /// Where the line begins.
    pub(crate) line_start: usize,
    /// Where it ends, without its terminator.
    pub(crate) line_end: usize,
    /// Where its first match begins.
    pub(crate) match_start: usize,
}

impl Pattern {
    /// Compiles `text`.
    ///
    /// # Errors
    ///
    /// [`InvalidPattern`] with the compiler's explanation, which points at the
    /// position.
    pub(crate) fn new(text: &str, meaning: Meaning) -> Result<Self, InvalidPattern> {
        let expression = if meaning.fixed_string {
            regex::escape(text)
        } else {
            text.to_owned()
        };
        let regex = RegexBuilder::new(&expression)
            .case_insensitive(meaning.ignore_case)
            .multi_line(true)
            .crlf(true)
            .size_limit(MAX_COMPILED_SIZE)
            .build()
            .map_err(|error| InvalidPattern(error.to_string()))?;
        Ok(Self {
            regex,
            fits_whole_files: !has_text_anchor(&expression),
        })
    }

    /// The lines of `text` that match, from the first to the last.
    pub(crate) fn hits<'a>(&'a self, text: &'a [u8]) -> Hits<'a> {
        Hits {
            regex: &self.regex,
            text,
            position: 0,
            line_by_line: !self.fits_whole_files,
        }
    }
}

/// Iterator over the lines that match.
///
/// One scan of the rest of the file is several times faster than one of each
/// line, and a match inside a line is the same in both. Once a match spans two
/// lines, each line is tried alone: such scans could repeat without end.
#[derive(Debug)]
pub(crate) struct Hits<'a> {
    regex: &'a Regex,
    text: &'a [u8],
    /// Always the start of a line, or the end of the text.
    position: usize,
    line_by_line: bool,
}

impl Hits<'_> {
    fn scan(&mut self) -> Option<Hit> {
        let Some(found) = self.regex.find_at(self.text, self.position) else {
            self.position = self.text.len();
            return None;
        };
        let line = Line::around(self.text, found.start());
        if found.end() > line.end {
            self.line_by_line = true;
            self.position = line.start;
            return None;
        }
        self.position = line.next;
        (line.start < self.text.len()).then(|| line.hit(found.start()))
    }

    fn try_line(&mut self) -> Option<Hit> {
        let line = Line::around(self.text, self.position);
        self.position = line.next;
        let found = self.regex.find(self.text.get(line.start..line.end)?)?;
        Some(line.hit(line.start + found.start()))
    }
}

impl Iterator for Hits<'_> {
    type Item = Hit;

    fn next(&mut self) -> Option<Hit> {
        while self.position < self.text.len() {
            let hit = if self.line_by_line {
                self.try_line()
            } else {
                self.scan()
            };
            if hit.is_some() {
                return hit;
            }
        }
        None
    }
}

/// Where a line begins and ends, and where the next begins.
struct Line {
    start: usize,
    end: usize,
    next: usize,
}

impl Line {
    fn around(text: &[u8], position: usize) -> Self {
        let (before, after) = text.split_at(position.min(text.len()));
        let start = memchr::memrchr(b'\n', before).map_or(0, |newline| newline + 1);
        let newline = memchr::memchr(b'\n', after).map(|offset| before.len() + offset);
        let end = newline.unwrap_or(text.len());
        let carriage_return = end > start && text.get(end - 1) == Some(&b'\r');
        Self {
            start,
            end: end - usize::from(carriage_return),
            next: newline.map_or(text.len(), |newline| newline + 1),
        }
    }

    fn hit(&self, match_start: usize) -> Hit {
        Hit {
            line_start: self.start,
            line_end: self.end,
            match_start,
        }
    }
}

/// Whether the expression asks for the start or the end of the whole text.
fn has_text_anchor(expression: &str) -> bool {
    regex_syntax::ParserBuilder::new()
        .utf8(false)
        .multi_line(true)
        .crlf(true)
        .build()
        .parse(expression)
        .is_ok_and(|parsed| {
            let looks = parsed.properties().look_set();
            looks.contains(Look::Start) || looks.contains(Look::End)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pattern: &str, text: &str) -> Vec<String> {
        lines_meaning(pattern, Meaning::default(), text)
    }

    fn lines_meaning(pattern: &str, meaning: Meaning, text: &str) -> Vec<String> {
        let pattern = Pattern::new(pattern, meaning).unwrap();
        pattern
            .hits(text.as_bytes())
            .map(|hit| text[hit.line_start..hit.line_end].to_owned())
            .collect()
    }

    #[test]
    fn gives_each_matching_line_once() {
        assert_eq!(lines("a", "a a\nb\nca\n"), ["a a", "ca"]);
    }

    #[test]
    fn places_a_hit_at_its_first_match() {
        let pattern = Pattern::new("b+", Meaning::default()).unwrap();
        let hits: Vec<_> = pattern.hits(b"x\naabb b\n").collect();
        assert_eq!(
            hits,
            [Hit {
                line_start: 2,
                line_end: 8,
                match_start: 4
            }]
        );
    }

    #[test]
    fn never_matches_across_lines() {
        assert_eq!(lines(r"a\s+b", "a\nb\na b\n"), ["a b"]);
        assert_eq!(lines("a[^x]b", "a\nb\n"), [""; 0]);
    }

    #[test]
    fn a_match_that_spans_lines_costs_no_more_than_the_lines() {
        let text = "a\n".repeat(50_000) + "az\n";
        assert_eq!(lines("a[^x]*z", &text), ["az"]);
        assert_eq!(lines("a[^x]*", &text).len(), 50_001);
    }

    #[test]
    fn finds_a_line_hidden_by_a_match_that_spans_it() {
        assert_eq!(lines(r"a[^x]*z", "a\naz\nz"), ["az"]);
    }

    #[test]
    fn anchors_mean_the_line() {
        assert_eq!(lines("^b$", "ab\nb\r\nbc\nb"), ["b", "b"]);
        assert_eq!(lines(r"\Ab\z", "ab\nb\r\nbc\nb"), ["b", "b"]);
    }

    #[test]
    fn empty_lines_match_and_the_end_of_the_text_is_no_line() {
        assert_eq!(lines("^$", "a\n\nb\n"), [""]);
        assert_eq!(lines("", "a\nb\n"), ["a", "b"]);
        assert_eq!(lines("", ""), [""; 0]);
    }

    #[test]
    fn fixed_strings_are_no_expressions() {
        let fixed = Meaning {
            fixed_string: true,
            ..Meaning::default()
        };
        assert_eq!(lines_meaning("a.b(", fixed, "axb(\na.b(\n"), ["a.b("]);
    }

    #[test]
    fn case_can_be_ignored_beyond_ascii() {
        let folded = Meaning {
            ignore_case: true,
            ..Meaning::default()
        };
        assert_eq!(
            lines_meaning("straße|É", folded, "STRAßE\né\ne\n"),
            ["STRAßE", "é"]
        );
    }

    #[test]
    fn bytes_that_are_not_utf_8_do_not_hide_a_match() {
        let pattern = Pattern::new("caf.", Meaning::default()).unwrap();
        assert_eq!(pattern.hits(b"caf\xe9\ncafe\n").count(), 1);
        assert_eq!(
            Pattern::new("caf", Meaning::default())
                .unwrap()
                .hits(b"caf\xe9")
                .count(),
            1
        );
    }

    #[test]
    fn a_broken_expression_is_explained() {
        let InvalidPattern(message) = Pattern::new("a(b", Meaning::default()).unwrap_err();
        assert!(message.contains("unclosed group"), "{message}");
    }

    #[test]
    fn an_expression_that_grows_too_large_is_refused() {
        assert!(Pattern::new(r"\w{1000}{100}", Meaning::default()).is_err());
    }
}
