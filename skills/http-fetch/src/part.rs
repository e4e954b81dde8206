//! The part of a long text that one answer holds.

/// A part, and where the next begins.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// The text.
    pub(crate) text: String,
    /// Where to go on, in characters from the start; none at the end.
    pub(crate) next: Option<usize>,
}

/// At most `length` characters of `text` from `start` on. A part ends at a line
/// break if there is one in its last quarter.
pub(crate) fn of(text: &str, start: usize, length: usize) -> Part {
    let rest = skip(text, start);
    let whole = rest.len() - skip(rest, length).len();
    let (head, tail) = rest.split_at(whole);
    if tail.is_empty() {
        return Part {
            text: head.to_owned(),
            next: None,
        };
    }
    let line_end = head
        .rfind('\n')
        .map(|newline| newline + 1)
        .filter(|end| *end > whole / 4 * 3);
    let head = line_end.and_then(|end| head.get(..end)).unwrap_or(head);
    Part {
        text: head.to_owned(),
        next: Some(start + head.chars().count()),
    }
}

fn skip(text: &str, count: usize) -> &str {
    let offset = text
        .char_indices()
        .nth(count)
        .map_or(text.len(), |(offset, _)| offset);
    text.get(offset..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(text: &str, next: Option<usize>) -> Part {
        Part {
            text: text.to_owned(),
            next,
        }
    }

    #[test]
    fn a_short_text_is_one_part() {
        assert_eq!(of("héllo", 0, 5), part("héllo", None));
        assert_eq!(of("", 0, 5), part("", None));
    }

    #[test]
    fn parts_are_counted_in_characters() {
        assert_eq!(of("héllo", 0, 2), part("hé", Some(2)));
        assert_eq!(of("héllo", 2, 2), part("ll", Some(4)));
        assert_eq!(of("héllo", 4, 2), part("o", None));
        assert_eq!(of("héllo", 9, 2), part("", None));
    }

    #[test]
    fn a_part_ends_with_a_line_where_one_ends_late_enough() {
        assert_eq!(of("1234567\n90", 0, 9), part("1234567\n", Some(8)));
        assert_eq!(of("1\n34567890", 0, 9), part("1\n3456789", Some(9)));
    }

    #[test]
    fn parts_add_up_to_the_text() {
        let text = "Zeile ä\nzwei\n\nünd drei".repeat(7);
        let (mut start, mut joined) = (0, String::new());
        loop {
            let part = of(&text, start, 10);
            joined.push_str(&part.text);
            match part.next {
                Some(next) => start = next,
                None => break,
            }
        }
        assert_eq!(joined, text);
    }
}
