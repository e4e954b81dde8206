//! Addresses of pages.

use std::fmt;

/// As a client that fills in templates has it (RFC 6570).
pub(super) const TEMPLATE: &str = "skillhost://output/{id}/{page}";

/// What each address begins with.
const START: &str = "skillhost://output/";

/// The digits of an id.
const ID: usize = 32;

/// The most digits of a page's number.
const NUMBER: usize = 6;

/// One page of one output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PageUri {
    /// Which output.
    pub(super) id: u128,
    /// Which page, from 1.
    pub(super) number: usize,
}

impl PageUri {
    /// Where an output begins.
    pub(super) const fn first(id: u128) -> Self {
        Self { id, number: 1 }
    }

    /// Where it goes on.
    pub(super) const fn next(self) -> Self {
        Self {
            number: self.number.saturating_add(1),
            ..self
        }
    }

    /// Reads an address in the very form in which they are written: there is
    /// nothing to decode, so nothing can be decoded in two ways.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > START.len() + ID + 1 + NUMBER {
            return None;
        }
        let (id, number) = text.strip_prefix(START)?.split_once('/')?;
        let is_id = id.len() == ID && id.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
        let is_number = !number.starts_with('0') && number.bytes().all(|it| it.is_ascii_digit());
        if !is_id || !is_number {
            return None;
        }
        Some(Self {
            id: u128::from_str_radix(id, 16).ok()?,
            number: number.parse().ok()?,
        })
    }
}

impl fmt::Display for PageUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{START}{:032x}/{}", self.id, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        let page = PageUri {
            id: 0xab,
            number: 12,
        };
        let text = "skillhost://output/000000000000000000000000000000ab/12";
        assert_eq!(page.to_string(), text);
        assert_eq!(PageUri::parse(text), Some(page));
        let filled = TEMPLATE
            .replace("{id}", "000000000000000000000000000000ab")
            .replace("{page}", "12");
        assert_eq!(filled, text);
    }

    #[test]
    fn m20_hostile_and_malformed_addresses_name_nothing() {
        let id = "0".repeat(ID);
        let long = "a".repeat(100_000);
        for uri in [
            "",
            "file:///etc/passwd",
            "skillhost://output/../../etc/passwd",
            "skillhost://output",
            "skillhost://output/",
            &format!("{START}{id}"),
            &format!("{START}{id}/"),
            &format!("{START}{id}/0"),
            &format!("{START}{id}/01"),
            &format!("{START}{id}/-1"),
            &format!("{START}{id}/+1"),
            &format!("{START}{id}/1/"),
            &format!("{START}{id}/1?page=2"),
            &format!("{START}{id}/1#x"),
            &format!("{START}{id}/1000000"),
            &format!("{START}{id}/%31"),
            &format!("{START}{id}%2f1"),
            &format!("{START}%30{}/1", "0".repeat(ID - 3)),
            &format!("{START}{}/1", "0".repeat(ID - 1)),
            &format!("{START}{}/1", "0".repeat(ID + 1)),
            &format!("{START}{}/1", "A".repeat(ID)),
            &format!("{START}+{}/1", "0".repeat(ID - 1)),
            &format!("SKILLHOST://output/{id}/1"),
            &format!("skillhost://OUTPUT/{id}/1"),
            &format!("skillhost://user@output/{id}/1"),
            &format!("skillhost://output:1/{id}/1"),
            &format!(" {START}{id}/1"),
            &format!("{START}{id}/1\n"),
            &format!("{START}{id}/1\0"),
            &format!("{START}{id}/\u{661}"),
            &format!("{START}{id}/{long}"),
            &format!("{START}{long}"),
            &long,
            TEMPLATE,
        ] {
            assert_eq!(PageUri::parse(uri), None, "{uri:.100}");
        }
    }
}
