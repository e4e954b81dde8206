//! How one line holds on to the line before: `{"previous":"HASH","line":N,`
//! and then the record. The hash is SHA-256 over the bytes of the line before
//! without its line feed, in lower-case hexadecimal digits.

use std::io::Write;

use aws_lc_rs::digest::{SHA256, digest};

/// SHA-256 of a line.
pub(super) type Hash = [u8; 32];

/// What stands for the line before the first.
pub(super) const NOTHING: Hash = [0; 32];

const PREVIOUS: &[u8] = b"{\"previous\":\"";
const LINE: &[u8] = b"\",\"line\":";

pub(super) fn hash(line: &[u8]) -> Hash {
    let mut hash = NOTHING;
    hash.copy_from_slice(digest(&SHA256, line).as_ref());
    hash
}

pub(super) fn hex(hash: &Hash) -> String {
    let mut text = Vec::with_capacity(64);
    push_hex(&mut text, hash);
    text.into_iter().map(char::from).collect()
}

pub(super) fn from_hex(text: &[u8]) -> Option<Hash> {
    let mut hash = NOTHING;
    if text.len() != 64 {
        return None;
    }
    for (byte, digits) in hash.iter_mut().zip(text.chunks_exact(2)) {
        let [high, low] = digits else { return None };
        *byte = nibble(*high)? << 4 | nibble(*low)?;
    }
    Some(hash)
}

fn push_hex(text: &mut Vec<u8>, hash: &Hash) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in hash {
        for nibble in [byte >> 4, byte & 15] {
            text.push(DIGITS.get(usize::from(nibble)).copied().unwrap_or(b'0'));
        }
    }
}

const fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// What a line says of its place in the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Link {
    /// Hash of the line before.
    pub(super) previous: Hash,
    /// Counts the lines of all files from 1.
    pub(super) line: u64,
}

impl Link {
    /// Reads it off the beginning of a line.
    pub(super) fn of(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(PREVIOUS)?;
        let (previous, rest) = rest.split_at_checked(64)?;
        let rest = rest.strip_prefix(LINE)?;
        let digits = rest.split(|byte| *byte == b',').next()?;
        Some(Self {
            previous: from_hex(previous)?,
            line: str::from_utf8(digits).ok()?.parse().ok()?,
        })
    }

    /// Begins a line with it; `record` is a JSON object.
    pub(super) fn write(&self, record: &[u8], line: &mut Vec<u8>) {
        line.clear();
        line.extend_from_slice(PREVIOUS);
        push_hex(line, &self.previous);
        line.extend_from_slice(LINE);
        // Writing to a vector does not fail.
        let _ = write!(line, "{},", self.line);
        line.extend_from_slice(record.strip_prefix(b"{").unwrap_or(record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_reads_back() {
        let link = Link {
            previous: hash(b"a"),
            line: 12,
        };
        let mut line = Vec::new();
        link.write(b"{\"time\":1}", &mut line);
        assert_eq!(Link::of(&line), Some(link));
        let value: serde_json::Value = serde_json::from_slice(&line).unwrap();
        assert_eq!(value["previous"], hex(&link.previous));
        assert_eq!(
            (value["line"].as_u64(), value["time"].as_u64()),
            (Some(12), Some(1))
        );
    }

    #[test]
    fn what_is_no_link_is_none() {
        for line in ["", "{}", "{\"previous\":\"00\",\"line\":1,", "x"] {
            assert_eq!(Link::of(line.as_bytes()), None, "{line}");
        }
        assert_eq!(from_hex("A".repeat(64).as_bytes()), None);
        assert_eq!(from_hex(hex(&hash(b"")).as_bytes()), Some(hash(b"")));
    }
}
