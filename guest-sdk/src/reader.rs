//! JSON into Rust values, with errors that a model can act on.
//!
//! serde_json parses, but its own way into a type is not taken: its errors say
//! a line and a column instead of the argument's name, and can print floating
//! point numbers, which alone adds 20 KB to each skill.

use std::fmt;

use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Expected, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde_json::{Map, Value};

/// Reads a value from JSON text.
pub(crate) fn from_json<T: DeserializeOwned>(json: &[u8]) -> Result<T, Mismatch> {
    let value: Value = serde_json::from_slice(json)
        .map_err(|error| Mismatch::new(format!("not JSON: {error}")))?;
    T::deserialize(Reader(value))
}

/// Why a JSON value is no value of the type, and where in it.
#[derive(Debug)]
pub(crate) struct Mismatch {
    reason: String,
    /// From the outside in: `options.sizes[2]`. Empty for the value itself.
    path: String,
}

impl Mismatch {
    fn new(reason: String) -> Self {
        Self {
            reason,
            path: String::new(),
        }
    }

    fn at_member(mut self, name: &str) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("{name}{separator}{}", self.path);
        self
    }

    fn at_element(mut self, index: usize) -> Self {
        let separator = if self.path.is_empty() || self.path.starts_with('[') {
            ""
        } else {
            "."
        };
        self.path = format!("[{index}]{separator}{}", self.path);
        self
    }
}

impl fmt::Display for Mismatch {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(formatter, "`{}`: ", self.path)?;
        }
        formatter.write_str(&self.reason)
    }
}

impl std::error::Error for Mismatch {}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self::new(reason.to_string())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::new(format!("expected {expected}, found {}", kind(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::invalid_type(found, expected)
    }
}

fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a boolean",
        Unexpected::Unsigned(_) => "an integer outside of its range",
        Unexpected::Signed(_) => "a negative integer",
        Unexpected::Float(_) => "a number with a fraction",
        Unexpected::Str(_) => "a string",
        Unexpected::Unit => "null",
        Unexpected::Seq => "an array",
        Unexpected::Map => "an object",
        _ => "something else",
    }
}

struct Reader(Value);

impl<'de> Deserializer<'de> for Reader {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_unit(),
            Value::Bool(value) => visitor.visit_bool(value),
            Value::Number(number) => match (number.as_u64(), number.as_i64(), number.as_f64()) {
                (Some(value), _, _) => visitor.visit_u64(value),
                (None, Some(value), _) => visitor.visit_i64(value),
                (None, None, Some(value)) => visitor.visit_f64(value),
                (None, None, None) => Err(Mismatch::new("this number is too large".to_owned())),
            },
            Value::String(text) => visitor.visit_string(text),
            Value::Array(items) => elements(items, visitor),
            Value::Object(members) => visitor.visit_map(Members::new(members)),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.0 {
            Value::Null => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let variant = match self.0 {
            Value::String(name) => Variant {
                name,
                content: None,
            },
            Value::Object(members) => Variant::of(members)?,
            _ => return Err(Mismatch::new("expected the name of a variant".to_owned())),
        };
        visitor.visit_enum(variant)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

fn elements<'de, V: Visitor<'de>>(items: Vec<Value>, visitor: V) -> Result<V::Value, Mismatch> {
    let count = items.len();
    let mut elements = Elements {
        items: items.into_iter(),
        next: 0,
    };
    let value = visitor.visit_seq(&mut elements)?;
    match elements.items.len() {
        0 => Ok(value),
        rest => Err(Mismatch::new(format!(
            "expected {} elements, found {count}",
            count - rest
        ))),
    }
}

struct Elements {
    items: std::vec::IntoIter<Value>,
    next: usize,
}

impl<'de> SeqAccess<'de> for &mut Elements {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mismatch> {
        let Some(item) = self.items.next() else {
            return Ok(None);
        };
        let index = self.next;
        self.next += 1;
        seed.deserialize(Reader(item))
            .map(Some)
            .map_err(|mismatch| mismatch.at_element(index))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.items.len())
    }
}

struct Members {
    members: serde_json::map::IntoIter,
    /// The member whose key was read and whose value comes next.
    current: Option<(String, Value)>,
}

impl Members {
    fn new(members: Map<String, Value>) -> Self {
        Self {
            members: members.into_iter(),
            current: None,
        }
    }
}

impl<'de> MapAccess<'de> for Members {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Mismatch> {
        let Some((name, value)) = self.members.next() else {
            return Ok(None);
        };
        let key = seed.deserialize(Reader(Value::String(name.clone())))?;
        self.current = Some((name, value));
        Ok(Some(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let (name, value) = self.current.take().unwrap_or_default();
        seed.deserialize(Reader(value))
            .map_err(|mismatch| mismatch.at_member(&name))
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.members.len())
    }
}

/// The variant of an enum: its name alone, or `{"name": content}`.
struct Variant {
    name: String,
    content: Option<Value>,
}

impl Variant {
    fn of(members: Map<String, Value>) -> Result<Self, Mismatch> {
        let mut members = members.into_iter();
        match (members.next(), members.next()) {
            (Some((name, content)), None) => Ok(Self {
                name,
                content: Some(content),
            }),
            _ => Err(Mismatch::new("expected an object of one member".to_owned())),
        }
    }
}

impl<'de> EnumAccess<'de> for Variant {
    type Error = Mismatch;
    type Variant = Content;

    fn variant_seed<V: DeserializeSeed<'de>>(
        self,
        seed: V,
    ) -> Result<(V::Value, Content), Mismatch> {
        let variant = seed.deserialize(self.name.clone().into_deserializer())?;
        Ok((
            variant,
            Content {
                variant: self.name,
                content: self.content,
            },
        ))
    }
}

/// What a variant holds.
struct Content {
    variant: String,
    content: Option<Value>,
}

impl Content {
    fn get(self) -> Result<Reader, Mismatch> {
        let missing = || Mismatch::new(format!("the variant `{}` needs a content", self.variant));
        self.content.map(Reader).ok_or_else(missing)
    }
}

impl<'de> VariantAccess<'de> for Content {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        match self.content {
            None | Some(Value::Null) => Ok(()),
            Some(_) => Err(Mismatch::new(format!(
                "the variant `{}` has no content",
                self.variant
            ))),
        }
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mismatch> {
        seed.deserialize(self.get()?)
    }

    fn tuple_variant<V: Visitor<'de>>(
        self,
        _length: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.get()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.get()?.deserialize_any(visitor)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Serialize};

    use super::from_json;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    struct Everything {
        number: f64,
        small: u8,
        large: i128,
        letter: char,
        maybe: Option<Box<Self>>,
        pairs: Vec<(String, Option<bool>)>,
        map: BTreeMap<String, Shape>,
        any: serde_json::Value,
        unit: (),
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Shape {
        Point,
        Circle(f32),
        Line(i8, i8),
        Rectangle { width: u64 },
    }

    fn reason<T: serde::de::DeserializeOwned>(json: &str) -> String {
        from_json::<T>(json.as_bytes())
            .map(drop)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn what_serde_json_writes_is_read_back() {
        let inner = Everything {
            any: serde_json::json!({"a": [1.5, null]}),
            ..Everything::default()
        };
        let shapes = [
            ("p".to_owned(), Shape::Point),
            ("c".to_owned(), Shape::Circle(-0.5)),
            ("l".to_owned(), Shape::Line(-128, 127)),
            ("r".to_owned(), Shape::Rectangle { width: u64::MAX }),
        ];
        let value = Everything {
            number: 2.0,
            small: 255,
            large: -5,
            letter: '🦀',
            maybe: Some(Box::new(inner)),
            pairs: vec![("x\n\"".to_owned(), Some(true)), (String::new(), None)],
            map: shapes.into(),
            any: serde_json::Value::Null,
            unit: (),
        };
        let json = serde_json::to_vec(&value).unwrap();
        assert_eq!(from_json::<Everything>(&json).unwrap(), value);
    }

    #[test]
    fn a_mismatch_says_where() {
        assert_eq!(
            reason::<u8>("300"),
            "expected u8, found an integer outside of its range"
        );
        assert_eq!(
            reason::<BTreeMap<String, Vec<(u8, u8)>>>(r#"{"a":[[1,2],[1,"2"]]}"#),
            "`a[1][1]`: expected u8, found a string"
        );
        assert_eq!(
            reason::<BTreeMap<String, BTreeMap<String, bool>>>(r#"{"a":{"b":1.5}}"#),
            "`a.b`: expected a boolean, found a number with a fraction"
        );
    }

    #[test]
    fn elements_and_contents_are_counted() {
        assert_eq!(
            reason::<(u8, u8)>("[1,2,3]"),
            "expected 2 elements, found 3"
        );
        assert_eq!(
            reason::<Shape>(r#""Circle""#),
            "the variant `Circle` needs a content"
        );
        assert_eq!(
            reason::<Shape>(r#"{"Point":1}"#),
            "the variant `Point` has no content"
        );
        assert_eq!(
            reason::<Shape>(r#"{"Point":null,"Line":[1,2]}"#),
            "expected an object of one member"
        );
    }
}
