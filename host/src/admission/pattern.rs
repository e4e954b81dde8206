//! `pattern`, bounded: a text is matched in linear time, but what each byte of
//! it takes grows with the automaton. `a[ab]{5000}c` takes a tenth of a
//! millisecond for a byte, and minutes for an answer of a mebibyte.
//!
//! So the automata of one schema have a size that they may not exceed
//! together, and one check matches so much text and no more.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use jsonschema::paths::Location;
use jsonschema::{Draft, Keyword, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value, json};

/// The sizes that are told apart, in bytes: an automaton counts as the smallest
/// into which it fits. That of an address for e-mail fits into the second.
const SIZES: [usize; 5] = [4 << 10, 16 << 10, 64 << 10, 128 << 10, 256 << 10];

/// Bytes of all automata of one schema.
const MAX_SIZE: usize = 256 << 10;

/// Work of one check: bytes of text, times KiB of the automaton that they are
/// matched with. It takes about a second, and mostly less.
const MAX_WORK: u64 = 2_000_000;

/// The largest automaton of a key of `patternProperties`, in bytes.
pub(super) const MAX_KEY_SIZE: usize = SIZES[0];

thread_local! {
    /// Work that is left of the check on this thread; none if it was too much.
    static LEFT: Cell<Option<u64>> = const { Cell::new(Some(0)) };
}

/// Runs a check; none if it would have matched too much text.
pub(super) fn bounded<T>(check: impl FnOnce() -> T) -> Option<T> {
    LEFT.set(Some(MAX_WORK));
    let checked = check();
    LEFT.get().map(|_| checked)
}

/// Whether keys of so many bytes can be matched so often with automata of
/// [`MAX_KEY_SIZE`].
pub(super) const fn allows_keys(bytes: u64, times: u64) -> bool {
    let size = (MAX_KEY_SIZE as u64) >> 10;
    bytes.saturating_mul(times).saturating_mul(size) <= MAX_WORK
}

/// Bytes of all keys in a value.
pub(super) fn keys(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(keys).sum(),
        Value::Object(object) => {
            let each = object
                .iter()
                .map(|(key, value)| key.len() as u64 + keys(value));
            each.sum()
        }
        _ => 0,
    }
}

/// One `pattern` of a schema.
struct Pattern {
    /// A schema that has nothing but this pattern.
    matcher: Validator,
    /// KiB of its automaton.
    size: u64,
}

type Made<'a> = Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>>;

/// Makes the patterns of one schema.
pub(super) fn keyword() -> impl for<'a> Fn(&'a Map<String, Value>, &'a Value, Location) -> Made<'a>
{
    let taken = Arc::new(AtomicUsize::new(0));
    move |_schema, pattern, _place| {
        let (matcher, size) = compile(pattern).ok_or_else(|| {
            ValidationError::schema("a pattern is not valid, or its automaton is too large")
        })?;
        if taken.fetch_add(size, Ordering::Relaxed) + size > MAX_SIZE {
            return Err(ValidationError::schema(
                "its patterns are too large together",
            ));
        }
        let size = (size as u64) >> 10;
        Ok(Box::new(Pattern { matcher, size }))
    }
}

/// A pattern, and the size into which it fits.
fn compile(pattern: &Value) -> Option<(Validator, usize)> {
    let schema = json!({ "pattern": pattern });
    SIZES.into_iter().find_map(|size| {
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(size));
        Some((options.build(&schema).ok()?, size))
    })
}

impl Pattern {
    /// Takes the work of matching a value from what is left.
    fn affords(&self, value: &Value) -> bool {
        let work = value
            .as_str()
            .map_or(0, |text| text.len() as u64 * self.size);
        let left = LEFT.get().and_then(|left| left.checked_sub(work));
        LEFT.set(left);
        left.is_some()
    }
}

impl<'i> Keyword<'i> for Pattern {
    fn validate(&self, value: &'i Value) -> Result<(), ValidationError<'i>> {
        if self.affords(value) {
            self.matcher.validate(value)
        } else {
            Err(ValidationError::custom("there is too much text"))
        }
    }

    fn is_valid(&self, value: &'i Value) -> bool {
        self.affords(value) && self.matcher.is_valid(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, text: &str) -> Option<bool> {
        let validator = jsonschema::options()
            .with_keyword("pattern", keyword())
            .build(&json!({"pattern": pattern}))
            .unwrap();
        bounded(|| validator.is_valid(&json!(text)))
    }

    #[test]
    fn i06_a_pattern_is_matched_with_little_text_or_not_at_all() {
        for (pattern, length, expected) in [
            ("^[a-z]+$", 400_000, Some(true)),
            ("^[b-z]+$", 400_000, Some(false)),
            ("^[a-z]+$", 600_000, None),
            ("a[ab]{2000}c", 1_000, Some(false)),
            ("a[ab]{2000}c", 50_000, None),
        ] {
            let found = check(pattern, &"a".repeat(length));
            assert_eq!(found, expected, "{pattern} {length}");
        }
    }

    #[test]
    fn patterns_of_real_tools_are_taken() {
        let mail = r"^[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,}$";
        let id = "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$";
        let date = r"^\d{4}-\d{2}-\d{2}$";
        for (pattern, text) in [
            (mail, "ada@example.test"),
            (id, "01234567-89ab-cdef-0123-456789abcdef"),
            (date, "2026-11-21"),
            (r"^\w[\w-]*$", "strasse-7"),
        ] {
            assert_eq!(check(pattern, text), Some(true), "{pattern}");
            assert_eq!(check(pattern, "?"), Some(false), "{pattern}");
        }
    }

    #[test]
    fn i06_automata_of_a_schema_share_one_limit() {
        let built = |count: usize| {
            let each = |number| json!({"pattern": format!("a[ab]{{500}}{number}")});
            let all: Vec<Value> = (0..count).map(each).collect();
            let options = jsonschema::options().with_keyword("pattern", keyword());
            options.build(&json!({"anyOf": all})).is_ok()
        };
        assert!(built(3) && !built(70));
    }
}
