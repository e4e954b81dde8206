//! Matching lines as a model should see them.

use std::borrow::Cow;

/// Longer lines are cut: in characters.
pub(crate) const MAX_LINE: usize = 400;
/// Characters shown before the place of interest when a line's start is cut.
const LEAD: usize = 100;
const MARK: char = '…';

/// A line, cut around `focus` (an offset in bytes) if it is long. `…` marks
/// each end that was cut.
pub(crate) fn line(bytes: &[u8], focus: usize) -> String {
    let text = String::from_utf8_lossy(bytes);
    let length = text.chars().count();
    if length <= MAX_LINE {
        return text.into_owned();
    }
    let first = column(bytes, focus)
        .saturating_sub(LEAD + 1)
        .min(length - MAX_LINE);
    let shown = text.chars().skip(first).take(MAX_LINE);
    let before = (first > 0).then_some(MARK);
    let after = (first + MAX_LINE < length).then_some(MARK);
    before.into_iter().chain(shown).chain(after).collect()
}

/// Column of an offset in a line: in characters, from 1.
pub(crate) fn column(line: &[u8], offset: usize) -> usize {
    let before: Cow<'_, str> = String::from_utf8_lossy(line.get(..offset).unwrap_or(line));
    before.chars().count() + 1
}

/// Up to `count` lines that end at `position`, the start of a line, in the
/// order of the file.
pub(crate) fn before(text: &[u8], position: usize, count: usize) -> Vec<String> {
    let text = text.get(..position).unwrap_or(text);
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    if position == 0 {
        return Vec::new();
    }
    let mut lines: Vec<_> = text
        .rsplit(|&byte| byte == b'\n')
        .take(count)
        .map(context)
        .collect();
    lines.reverse();
    lines
}

/// Up to `count` lines after the line that ends at `position`.
pub(crate) fn after(text: &[u8], position: usize, count: usize) -> Vec<String> {
    let rest = text.get(position..).unwrap_or_default();
    let rest = rest.strip_prefix(b"\r").unwrap_or(rest);
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    if rest.is_empty() {
        return Vec::new();
    }
    let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
    rest.split(|&byte| byte == b'\n')
        .take(count)
        .map(context)
        .collect()
}

fn context(bytes: &[u8]) -> String {
    line(bytes.strip_suffix(b"\r").unwrap_or(bytes), 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_lines_stay_whole() {
        assert_eq!(line("añb".as_bytes(), 1), "añb");
        assert_eq!(
            line("é".repeat(MAX_LINE).as_bytes(), 0),
            "é".repeat(MAX_LINE)
        );
    }

    #[test]
    fn long_lines_are_cut_between_characters_around_the_match() {
        let long = "é".repeat(1000) + "match" + &"ü".repeat(1000);
        let start = line(long.as_bytes(), 0);
        assert_eq!(start, "é".repeat(MAX_LINE) + "…");
        let middle = line(long.as_bytes(), 2000);
        assert_eq!(
            middle,
            format!(
                "…{}match{}…",
                "é".repeat(LEAD),
                "ü".repeat(MAX_LINE - LEAD - 5)
            )
        );
        let end = line(long.as_bytes(), long.len());
        assert_eq!(end, format!("…{}", "ü".repeat(MAX_LINE)));
    }

    #[test]
    fn columns_count_characters() {
        assert_eq!(column("éa".as_bytes(), 2), 2);
        assert_eq!(column(b"a", 0), 1);
    }

    #[test]
    fn gives_the_lines_around_a_match() {
        let text = b"1\r\n2\n3\n4\r\n5\n";
        assert_eq!(before(text, 7, 2), ["2", "3"].map(str::to_owned));
        assert_eq!(before(text, 0, 2), Vec::<String>::new());
        assert_eq!(before(text, 3, 9), ["1".to_owned()]);
        assert_eq!(before(b"\nx", 1, 9), [String::new()]);
        assert_eq!(after(text, 6, 2), ["4", "5"].map(str::to_owned));
        assert_eq!(after(text, 1, 1), ["2".to_owned()]);
        assert_eq!(after(text, 11, 2), Vec::<String>::new());
        assert_eq!(after(b"a\n\nb", 1, 9), ["", "b"].map(str::to_owned));
        assert_eq!(after(text, 6, 0), Vec::<String>::new());
    }
}
