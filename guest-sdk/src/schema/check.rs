//! Refuses attributes that do not fit the type, while the skill compiles.

use super::{Keyword, Literal, Node, same};

impl Keyword {
    /// The keyword, or a compile error if it says nothing about such a value.
    pub const fn checked(node: &Node, name: &'static str, value: Literal) -> Self {
        match name.as_bytes() {
            b"minimum" | b"maximum" | b"exclusiveMinimum" | b"exclusiveMaximum" | b"multipleOf" => {
                assert!(
                    node.admits(Kind::Number),
                    "this bound is for numbers, and the type here is none"
                );
            }
            b"minLength" | b"maxLength" | b"pattern" | b"format" | b"x-skillhost-kind" => {
                assert!(
                    node.admits(Kind::String),
                    "this bound is for strings, and the type here is none"
                );
            }
            b"minItems" | b"maxItems" | b"uniqueItems" => {
                assert!(
                    node.admits(Kind::Array),
                    "this bound is for arrays, and the type here is none"
                );
            }
            b"default" => {
                assert!(
                    node.accepts(&value),
                    "the default is not a value of the type here"
                );
            }
            _ => {}
        }
        Self { name, value }
    }
}

/// What a bound can be about.
#[derive(Clone, Copy)]
enum Kind {
    Number,
    String,
    Array,
}

impl Node {
    const fn admits(&self, kind: Kind) -> bool {
        match self {
            Self::Any | Self::Raw { .. } => true,
            Self::Nullable { inner } | Self::Annotated { inner, .. } => inner.admits(kind),
            Self::Integer { .. } | Self::Number => matches!(kind, Kind::Number),
            Self::String => matches!(kind, Kind::String),
            Self::Array { .. } => matches!(kind, Kind::Array),
            _ => false,
        }
    }

    const fn accepts(&self, value: &Literal) -> bool {
        match self {
            Self::Any | Self::Raw { .. } => true,
            Self::Nullable { inner } => matches!(value, Literal::Null) || inner.accepts(value),
            Self::Annotated { inner, .. } => inner.accepts(value),
            Self::Boolean => matches!(value, Literal::Boolean(_)),
            Self::Integer { minimum, maximum } => match value {
                Literal::Integer(value) => within(*value, *minimum, *maximum),
                _ => false,
            },
            Self::Number => matches!(value, Literal::Integer(_) | Literal::Number(_)),
            Self::String => matches!(value, Literal::Text(_)),
            Self::Character => match value {
                Literal::Text(text) => code_points(text) == 1,
                _ => false,
            },
            Self::Constant { value: name } => is_text(value, name),
            Self::Names { values } => is_one_of(value, values),
            Self::Array { items, length, .. } => match value {
                Literal::Array(values) => {
                    fits(values.len(), *length) && all_accepted(items, values)
                }
                _ => false,
            },
            Self::Tuple { items } => match value {
                Literal::Array(values) => each_accepted(items, values),
                _ => false,
            },
            Self::OneOf { variants } | Self::AnyOf { variants } => any_accepts(variants, value),
            Self::Map { .. } | Self::Object { .. } => false,
        }
    }
}

const fn within(value: i128, minimum: Option<i128>, maximum: Option<i128>) -> bool {
    let above = match minimum {
        Some(minimum) => minimum <= value,
        None => true,
    };
    let below = match maximum {
        Some(maximum) => value <= maximum,
        None => true,
    };
    above && below
}

const fn code_points(text: &str) -> usize {
    let bytes = text.as_bytes();
    let (mut index, mut count) = (0, 0);
    while index < bytes.len() {
        // Bytes of the form 10xxxxxx continue a code point (RFC 3629, section 3).
        if bytes[index] & 0xC0 != 0x80 {
            count += 1;
        }
        index += 1;
    }
    count
}

const fn is_text(value: &Literal, expected: &str) -> bool {
    match value {
        Literal::Text(text) => same(text, expected),
        _ => false,
    }
}

const fn is_one_of(value: &Literal, names: &[&str]) -> bool {
    let mut index = 0;
    while index < names.len() {
        if is_text(value, names[index]) {
            return true;
        }
        index += 1;
    }
    false
}

const fn fits(count: usize, length: Option<usize>) -> bool {
    match length {
        Some(length) => count == length,
        None => true,
    }
}

const fn all_accepted(items: &Node, values: &[Literal]) -> bool {
    let mut index = 0;
    while index < values.len() {
        if !items.accepts(&values[index]) {
            return false;
        }
        index += 1;
    }
    true
}

const fn each_accepted(items: &[&Node], values: &[Literal]) -> bool {
    if items.len() != values.len() {
        return false;
    }
    let mut index = 0;
    while index < values.len() {
        if !items[index].accepts(&values[index]) {
            return false;
        }
        index += 1;
    }
    true
}

const fn any_accepts(variants: &[&Node], value: &Literal) -> bool {
    let mut index = 0;
    while index < variants.len() {
        if variants[index].accepts(value) {
            return true;
        }
        index += 1;
    }
    false
}
