//! The rules that come with the host, each about one kind of argument:
//!
//! * `shell-metacharacters`, in commands: letters with which a shell begins another
//!   command, sends output elsewhere or puts something in (`; & | < > $ ` \ ( ) { }`,
//!   line breaks, NUL), those that look the same in full width included.
//! * `path-traversal`, in paths: a segment `..`, an absolute path below none of the
//!   directories that the tool sees, a drive, a home directory, a backslash, NUL, and
//!   all of that percent-encoded, up to three times, overlong, or in letters that look
//!   the same.
//! * `private-address`, in URLs: see [`address`](super::address).

use std::borrow::Cow;

use serde::Deserialize;

use super::{Kind, address};

/// How often a text may be percent-encoded.
const MAX_ROUNDS: usize = 3;

/// One of the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "described above, by the names of the rules")]
pub enum Shipped {
    ShellMetacharacters,
    PathTraversal,
    PrivateAddress,
}

impl Shipped {
    /// Every one.
    pub const ALL: [Self; 3] = [
        Self::ShellMetacharacters,
        Self::PathTraversal,
        Self::PrivateAddress,
    ];

    /// Its name in a configuration and in events.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShellMetacharacters => "shell-metacharacters",
            Self::PathTraversal => "path-traversal",
            Self::PrivateAddress => "private-address",
        }
    }

    pub(super) const fn kind(self) -> Kind {
        match self {
            Self::ShellMetacharacters => Kind::Command,
            Self::PathTraversal => Kind::Path,
            Self::PrivateAddress => Kind::Url,
        }
    }

    pub(super) fn matches(self, text: &str, roots: &[&str]) -> bool {
        match self {
            Self::ShellMetacharacters => text.chars().map(plain).any(is_of_a_shell),
            Self::PathTraversal => traverses(text, roots),
            Self::PrivateAddress => address::is_not_public(text),
        }
    }
}

fn is_of_a_shell(letter: char) -> bool {
    matches!(
        letter,
        ';' | '&' | '|' | '<' | '>' | '$' | '`' | '\\' | '(' | ')' | '{' | '}' | '\n' | '\r' | '\0'
    )
}

/// The letter for which another one may be taken: those in full width, and other
/// dots and slashes.
const fn plain(letter: char) -> char {
    match letter {
        '\u{ff01}'..='\u{ff5e}' => match char::from_u32(letter as u32 - 0xfee0) {
            Some(plain) => plain,
            None => letter,
        },
        '\u{2024}' | '\u{fe52}' => '.',
        '\u{2044}' | '\u{2215}' | '\u{29f8}' => '/',
        '\u{2216}' | '\u{29f5}' | '\u{fe68}' => '\\',
        other => other,
    }
}

fn traverses(text: &str, roots: &[&str]) -> bool {
    let mut text = Cow::Borrowed(text);
    for _ in 0..=MAX_ROUNDS {
        if is_suspect(&text, roots) {
            return true;
        }
        match decoded(&text) {
            Some(inner) => text = Cow::Owned(inner),
            None => return false,
        }
    }
    // Nobody encodes a path so often who does not hide something.
    true
}

fn is_suspect(text: &str, roots: &[&str]) -> bool {
    let text: String = text.chars().map(plain).collect();
    let text = text.replace("\u{2025}", "..").replace("\u{2026}", "...");
    if text.contains(['\0', '\\']) || text.starts_with('~') || has_drive(&text) {
        return true;
    }
    let up = |segment: &str| {
        // Some servers take parameters behind a semicolon off, and spaces.
        segment.split(';').next().unwrap_or_default().trim() == ".."
    };
    if text.split('/').any(up) {
        return true;
    }
    let path = text.trim_start();
    let below = |root: &&str| {
        let rest = path.strip_prefix(root.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    path.starts_with('/') && !roots.iter().any(below)
}

fn has_drive(text: &str) -> bool {
    let mut letters = text.trim_start().chars();
    let first = letters.next().is_some_and(|it| it.is_ascii_alphabetic());
    first && letters.next() == Some(':')
}

/// The text with what is percent-encoded put in; none if nothing is. Overlong
/// sequences of UTF-8, which some decoders take, become what they stand for.
fn decoded(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    let mut changed = false;
    while let Some((first, behind)) = rest.split_first() {
        match escape(rest) {
            Some((byte, behind)) => {
                out.push(byte);
                rest = behind;
                changed = true;
            }
            None => {
                out.push(*first);
                rest = behind;
            }
        }
    }
    changed.then(|| String::from_utf8_lossy(&shortened(&out)).into_owned())
}

fn escape(text: &[u8]) -> Option<(u8, &[u8])> {
    let (escape, behind) = text.split_at_checked(3)?;
    let [b'%', high, low] = escape else {
        return None;
    };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|it| u8::try_from(it).ok())
    };
    Some((digit(*high)? * 16 + digit(*low)?, behind))
}

/// Two bytes for a letter that needs one: `c0 ae` for a dot.
fn shortened(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        match (first, behind.split_first()) {
            (0xc0 | 0xc1, Some((second @ 0x80..=0xbf, behind))) => {
                out.push(((first & 1) << 6) | (second & 0x3f));
                rest = behind;
            }
            _ => out.push(*first),
        }
    }
    out
}
