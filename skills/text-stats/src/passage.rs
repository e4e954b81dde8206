//! Where a text divides: paragraphs, blocks, sentences.
//!
//! Sentences are found by rules of this skill rather than by UAX #29, which
//! ends one at every line break and after every `Mr.`: text that is wrapped at
//! 72 columns would fall into pieces.

/// Abbreviations after which a sentence goes on, in lower case without the
/// last full stop.
const ABBREVIATIONS: [&str; 25] = [
    "mr", "mrs", "ms", "dr", "prof", "sr", "jr", "st", "rev", "hon", "gen", "col", "capt", "lt",
    "sgt", "e.g", "i.e", "cf", "vs", "viz", "ca", "approx", "pp", "dept", "messrs",
];

/// The same, if a number follows: `No. 5`, but not `No. I won't.`
const BEFORE_NUMBER: [&str; 10] = [
    "no", "nos", "p", "fig", "figs", "vol", "sec", "art", "eq", "ch",
];

/// The number of paragraphs: runs of lines with a blank line between them.
pub fn paragraphs(text: &str) -> usize {
    let mut after_blank = true;
    text.lines()
        .filter(|line| {
            let blank = line.trim().is_empty();
            let starts = after_blank && !blank;
            after_blank = blank;
            starts
        })
        .count()
}

/// The sentences of a text, each with the white space around it.
///
/// A sentence never crosses a blank line, a heading or the start of a list
/// item. What has neither a letter nor a digit is no sentence.
pub fn sentences(text: &str) -> impl Iterator<Item = &str> {
    blocks(text)
        .into_iter()
        .flat_map(Sentences)
        .filter(|sentence| sentence.contains(char::is_alphanumeric))
}

/// Splits a text before each line that starts something new.
fn blocks(text: &str) -> Vec<&str> {
    let mut blocks = Vec::new();
    let mut rest = text;
    let mut length = 0;
    let mut ended = false;
    for line in text.split_inclusive('\n') {
        let heading = line.starts_with('#');
        if ended || heading || line.trim().is_empty() || is_list_item(line) {
            let (block, after) = rest.split_at(length);
            blocks.push(block);
            rest = after;
            length = 0;
        }
        length += line.len();
        ended = heading;
    }
    blocks.push(rest);
    blocks
}

/// Whether a line begins with `- `, `* `, `+ `, `• `, `1. `, `12) ` or `a) `.
fn is_list_item(line: &str) -> bool {
    let Some((marker, _)) = line.trim_start().split_once(' ') else {
        return false;
    };
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbered = marker.strip_suffix(['.', ')']).is_some_and(is_number);
    let lettered = marker
        .strip_suffix(')')
        .is_some_and(|letter| letter.chars().count() == 1);
    matches!(marker, "-" | "*" | "+" | "•") || numbered || lettered
}

/// The sentences of one block.
struct Sentences<'a>(&'a str);

impl<'a> Iterator for Sentences<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        if self.0.is_empty() {
            return None;
        }
        let (sentence, rest) = self.0.split_at(sentence_length(self.0));
        self.0 = rest;
        Some(sentence)
    }
}

/// The length in bytes of the first sentence.
fn sentence_length(block: &str) -> usize {
    let mut from = 0;
    while let Some(start) = find(block, from, is_terminator) {
        let marks_end = skip(block, start, is_terminator);
        let end = skip(block, marks_end, is_closing);
        if ends_sentence(block, start..marks_end, end) {
            return end;
        }
        from = end;
    }
    block.len()
}

/// Whether the punctuation at `marks`, after which closing quotes and brackets
/// reach to `end`, ends a sentence.
fn ends_sentence(block: &str, marks: std::ops::Range<usize>, end: usize) -> bool {
    let before = block.get(..marks.start).unwrap_or_default();
    let after = block.get(end..).unwrap_or_default();
    let marks = block.get(marks).unwrap_or_default();
    if marks.contains(['。', '！', '？', '｡']) {
        return true;
    }
    let Some(next) = after.trim_start().chars().next() else {
        return true;
    };
    let spaced = after.starts_with(char::is_whitespace);
    let is_abbreviation = marks == "." && spaced && is_unfinished(before, next);
    spaced && !next.is_lowercase() && !is_abbreviation
}

/// Whether a full stop between this and `next` belongs to an abbreviation, an
/// initial or the number of a list item.
fn is_unfinished(before: &str, next: char) -> bool {
    let token = before
        .rsplit(char::is_whitespace)
        .next()
        .unwrap_or_default();
    let token = token.trim_start_matches(['(', '[', '"', '\'', '“', '‘']);
    let mut letters = token.chars();
    let is_initial = letters
        .next()
        .is_some_and(|first| first.is_uppercase() && first != 'I')
        && letters.next().is_none();
    let is_number = before.trim().bytes().all(|byte| byte.is_ascii_digit());
    let token = token.to_ascii_lowercase();
    is_initial
        || is_number
        || ABBREVIATIONS.contains(&token.as_str())
        || next.is_ascii_digit() && BEFORE_NUMBER.contains(&token.as_str())
}

fn is_terminator(character: char) -> bool {
    matches!(
        character,
        '.' | '!' | '?' | '…' | '‼' | '⁇' | '⁈' | '⁉' | '。' | '！' | '？' | '｡'
    )
}

fn is_closing(character: char) -> bool {
    matches!(
        character,
        '"' | '\'' | ')' | ']' | '}' | '”' | '’' | '»' | '」' | '』' | '*' | '_'
    )
}

/// The first position from `from` on of a character that `wanted` accepts.
fn find(text: &str, from: usize, wanted: fn(char) -> bool) -> Option<usize> {
    Some(from + text.get(from..)?.find(wanted)?)
}

/// The position after the characters from `from` on that `skipped` accepts.
fn skip(text: &str, from: usize, skipped: fn(char) -> bool) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    text.len() - rest.trim_start_matches(skipped).len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trimmed(text: &str) -> Vec<&str> {
        sentences(text).map(str::trim).collect()
    }

    #[test]
    fn a_sentence_ends_at_its_mark() {
        assert_eq!(
            trimmed("One. Two! Three? Four"),
            ["One.", "Two!", "Three?", "Four"]
        );
        assert_eq!(
            trimmed("Wait... What?! (Yes.) \"No.\" Two left."),
            ["Wait...", "What?!", "(Yes.)", "\"No.\"", "Two left.",]
        );
        assert_eq!(
            trimmed("今日は。元気？はい"),
            ["今日は。", "元気？", "はい"]
        );
    }

    #[test]
    fn a_full_stop_within_a_sentence_does_not_end_it() {
        for text in [
            "Mr. Smith paid 3.50 to J. R. Tolkien.",
            "See No. 4, e.g. (cf. Dr. Who) at example.com today.",
            "\"Really?\" she asked.",
            "He paused... then spoke.",
            "1. First point",
        ] {
            assert_eq!(trimmed(text), [text]);
        }
    }

    #[test]
    fn the_pronoun_is_no_initial() {
        assert_eq!(trimmed("So do I. We go."), ["So do I.", "We go."]);
    }

    #[test]
    fn a_line_break_ends_no_sentence_but_a_blank_line_does() {
        assert_eq!(trimmed("one\ntwo.\nThree"), ["one\ntwo.", "Three"]);
        assert_eq!(trimmed("Title\n\nText"), ["Title", "Text"]);
        assert_eq!(trimmed("Title\r\n\r\nText"), ["Title", "Text"]);
    }

    #[test]
    fn headings_and_list_items_stand_alone() {
        assert_eq!(
            trimmed("# Head\ntext:\n- one\n- two\n12) three\na) four"),
            ["# Head", "text:", "- one", "- two", "12) three", "a) four",]
        );
    }

    #[test]
    fn punctuation_alone_is_no_sentence() {
        assert_eq!(trimmed("--- ... !\n\n***"), [""; 0]);
        assert_eq!(trimmed(""), [""; 0]);
    }

    #[test]
    fn blank_lines_separate_paragraphs() {
        for (text, expected) in [
            ("", 0),
            (" \n\t\n", 0),
            ("a", 1),
            ("a\nb", 1),
            ("\n\na\n \t\n\nb\nc\n\n", 2),
            ("a\r\n\r\nb", 2),
        ] {
            assert_eq!(paragraphs(text), expected, "{text:?}");
        }
    }
}
