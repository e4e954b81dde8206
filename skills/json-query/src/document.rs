//! JSON text that goes into a query, checked before the first value is built.

use jaq_json::{Val, read};
use serde::de::IgnoredAny;
use std::fmt;

/// How deep arrays and objects may be nested in what is read. The values are
/// walked by recursion, on a stack that a sandbox keeps small.
pub const MAX_DEPTH: usize = 256;

/// Why a text is not taken.
#[derive(Debug, PartialEq, Eq)]
pub enum DocumentError {
    /// It is not JSON (RFC 8259); the text says why and where.
    Invalid(String),
    /// It is nested deeper than [`MAX_DEPTH`].
    TooDeep {
        /// Counted from 1.
        line: usize,
        /// Counted from 1, in bytes.
        column: usize,
    },
}

/// Reads one JSON text. Numbers keep all their digits.
///
/// # Errors
/// If the text is not JSON or nested too deep.
pub fn read(text: &str) -> Result<Val, DocumentError> {
    // Strict, and without recursion: the reader below takes comments and NaN.
    serde_json::from_str::<IgnoredAny>(text)
        .map_err(|error| DocumentError::Invalid(error.to_string()))?;
    check_depth(text)?;
    read::parse_single(text.as_bytes()).map_err(|error| DocumentError::Invalid(error.to_string()))
}

/// Whether some text is nested no deeper than [`MAX_DEPTH`].
///
/// # Errors
/// [`DocumentError::TooDeep`], at the first bracket that is too deep.
pub fn check_depth(text: &str) -> Result<(), DocumentError> {
    let mut depth = 0usize;
    let mut in_string = false;
    let mut bytes = text.bytes().enumerate();
    while let Some((position, byte)) = bytes.next() {
        match byte {
            b'"' => in_string = !in_string,
            b'\\' if in_string => drop(bytes.next()),
            b'[' | b'{' if !in_string => depth += 1,
            b']' | b'}' if !in_string => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            let (line, column) = place(text, position);
            return Err(DocumentError::TooDeep { line, column });
        }
    }
    Ok(())
}

/// Line and column, counted from 1, of a byte.
fn place(text: &str, position: usize) -> (usize, usize) {
    let before = text.get(..position).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, position - line_start + 1)
}

impl DocumentError {
    /// What it is, for a program.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Invalid(_) => "invalid-json",
            Self::TooDeep { .. } => "too-deep",
        }
    }
}

impl fmt::Display for DocumentError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Invalid(reason) => write!(formatter, "not JSON: {reason}"),
            Self::TooDeep { line, column } => write!(
                formatter,
                "nested deeper than {MAX_DEPTH} levels at line {line} column {column}",
            ),
        }
    }
}

impl std::error::Error for DocumentError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(depth: usize) -> String {
        "[".repeat(depth) + &"]".repeat(depth)
    }

    #[test]
    fn numbers_keep_their_digits() {
        let text = r#"[123456789012345678901234567890,1.10,-0.0]"#;
        assert_eq!(read(text).unwrap().to_string(), text);
    }

    #[test]
    fn what_is_not_json_is_refused_with_its_place() {
        for (text, reason) in [
            ("", "EOF while parsing a value at line 1 column 0"),
            ("{\"a\":\n 1,}", "key must be a string at line 2 column 4"),
            ("1 2", "trailing characters at line 1 column 3"),
            ("NaN", "expected value at line 1 column 1"),
            ("# x\n1", "expected value at line 1 column 1"),
            ("{1: 2}", "key must be a string at line 1 column 2"),
        ] {
            assert_eq!(
                read(text),
                Err(DocumentError::Invalid(reason.into())),
                "{text}"
            );
        }
        assert!(matches!(
            read(r#""\ud800""#),
            Err(DocumentError::Invalid(_))
        ));
    }

    #[test]
    fn depth_is_limited() {
        assert!(read(&nested(MAX_DEPTH)).is_ok());
        let expected = Err(DocumentError::TooDeep {
            line: 1,
            column: MAX_DEPTH + 1,
        });
        assert_eq!(read(&nested(MAX_DEPTH + 1)), expected);
        assert_eq!(read(&nested(1_000_000)), expected);
        let objects = "{\"a\":\n".repeat(300) + "1" + &"}".repeat(300);
        assert_eq!(
            read(&objects),
            Err(DocumentError::TooDeep {
                line: MAX_DEPTH + 1,
                column: 1
            })
        );
    }

    #[test]
    fn brackets_in_strings_are_not_deep() {
        let text = format!(r#"["\"{0}", "\\", "{0}"]"#, "[".repeat(MAX_DEPTH + 1));
        assert!(read(&text).is_ok());
    }
}
