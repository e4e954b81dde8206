//! JSON Schema (2020-12) of Rust types, as constant trees.
//!
//! [`Schema`] gives a type its tree, `#[derive(Schema)]` writes it, and the
//! compiler renders it into the skill's manifest. The tree itself is an
//! implementation detail of the macros: authors meet the trait only.

mod check;
mod literal;
mod render;
mod types;

pub use literal::Literal;
pub(crate) use render::schema;

/// A type that has a JSON Schema.
///
/// Implemented for the types that an argument or an answer is usually made of,
/// and by `#[derive(Schema)]` for your own structs and enums.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON Schema",
    label = "no JSON Schema is known for this type",
    note = "derive it for a type of your own: `#[derive(Schema)]`",
    note = "or write the schema by hand: `#[schema(raw = r#\"{{...}}\"#)]` on the field or parameter"
)]
pub trait Schema {
    /// The schema of this type.
    const NODE: Node;
}

/// A schema, or a part of one.
#[doc(hidden)]
#[derive(Debug)]
pub enum Node {
    /// Every JSON value.
    Any,
    Boolean,
    Integer {
        minimum: Option<i128>,
        maximum: Option<i128>,
    },
    Number,
    String,
    /// A string of one code point.
    Character,
    Array {
        items: &'static Self,
        unique: bool,
        length: Option<usize>,
    },
    Tuple {
        items: &'static [&'static Self],
    },
    /// An object whose keys are not known beforehand.
    Map {
        values: &'static Self,
    },
    Nullable {
        inner: &'static Self,
    },
    Object {
        fields: &'static [Field],
    },
    /// Exactly this string.
    Constant {
        value: &'static str,
    },
    /// One of these strings.
    Names {
        values: &'static [&'static str],
    },
    /// Exactly one of the variants.
    OneOf {
        variants: &'static [&'static Self],
    },
    /// At least one of the variants.
    AnyOf {
        variants: &'static [&'static Self],
    },
    /// `inner` with keywords that take the place of its own.
    Annotated {
        keywords: &'static [Keyword],
        inner: &'static Self,
    },
    /// The members of a schema that the author wrote, each name with its JSON.
    Raw {
        members: &'static [(&'static str, &'static str)],
    },
}

impl Node {
    /// Whether every value of this schema is an object.
    pub const fn is_object(&self) -> bool {
        match self.type_name() {
            Some(name) => matches!(name.as_bytes(), b"object"),
            None => false,
        }
    }

    /// The JSON type of all values, if they have one in common.
    pub(crate) const fn type_name(&self) -> Option<&'static str> {
        match self {
            Self::Boolean => Some("boolean"),
            Self::Integer { .. } => Some("integer"),
            Self::Number => Some("number"),
            Self::String | Self::Character | Self::Constant { .. } | Self::Names { .. } => {
                Some("string")
            }
            Self::Array { .. } | Self::Tuple { .. } => Some("array"),
            Self::Map { .. } | Self::Object { .. } => Some("object"),
            Self::OneOf { variants } | Self::AnyOf { variants } => common_type(variants),
            Self::Annotated { inner, .. } => inner.type_name(),
            Self::Any | Self::Nullable { .. } | Self::Raw { .. } => None,
        }
    }
}

const fn common_type(variants: &[&Node]) -> Option<&'static str> {
    let Some((first, rest)) = variants.split_first() else {
        return None;
    };
    let Some(name) = first.type_name() else {
        return None;
    };
    let mut index = 0;
    while index < rest.len() {
        match rest[index].type_name() {
            Some(other) if same(name, other) => index += 1,
            _ => return None,
        }
    }
    Some(name)
}

/// A property of an object.
#[doc(hidden)]
#[derive(Debug)]
pub struct Field {
    pub name: &'static str,
    pub node: &'static Node,
    /// The properties of `node` stand among those of the object around it.
    pub flatten: bool,
    pub input: Presence,
    pub output: Presence,
}

/// Whether a property is there.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    Required,
    Optional,
    Never,
}

impl Presence {
    /// What serde asks of a field of that type on input: an `Option` may be
    /// left out, everything else must be there.
    pub const fn on_input(node: &Node) -> Self {
        match node {
            Node::Nullable { .. } => Self::Optional,
            _ => Self::Required,
        }
    }
}

/// A keyword of JSON Schema and its value.
#[doc(hidden)]
#[derive(Debug)]
pub struct Keyword {
    pub name: &'static str,
    pub value: Literal,
}

/// Who writes the values that a schema describes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    /// The caller: what may be left out is optional, what is unknown refused.
    Input,
    /// The skill: what is always written is required.
    Output,
}

/// `==` for strings, which is no const function yet.
pub(crate) const fn same(left: &str, right: &str) -> bool {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    if left.len() != right.len() {
        return false;
    }
    let mut index = 0;
    while index < left.len() {
        if left[index] != right[index] {
            return false;
        }
        index += 1;
    }
    true
}
