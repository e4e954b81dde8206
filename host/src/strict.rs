//! JSON that everybody reads alike.
//!
//! Of two equal keys one program takes the first and another the last, and a
//! check of one would not hold for the other. So each key of an object stands
//! once. Values are counted while they are read: each takes much more room in
//! memory than in text.

use std::fmt;

use serde_json::{Map, Value};

use crate::manifest::text::one_line;

/// How many other values take as much room as an object (measured: 750 bytes
/// for one with one number).
pub(crate) const OBJECT: u64 = 8;

/// The longest part of a key that an error repeats, in characters.
const MAX_SHOWN: usize = 80;

/// Reads one value: no equal keys, at most 127 levels deep, nothing after it.
pub(crate) fn parse(text: &str, room: &mut Room) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde::de::DeserializeSeed::deserialize(Strict(room), &mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// The error for a key that an object has already.
pub(crate) fn twice<E: serde::de::Error>(key: &str) -> E {
    let shown = one_line(key, MAX_SHOWN);
    E::custom(format_args!("the key `{shown}` stands twice"))
}

/// How many values were read, and for how many more there is room.
#[derive(Debug)]
pub(crate) struct Room {
    values: u64,
    left: Option<u64>,
}

impl Room {
    /// For that many values, of which an object counts as [`OBJECT`].
    pub(crate) const fn of(left: u64) -> Self {
        Self {
            values: 0,
            left: Some(left),
        }
    }

    /// How many values were read.
    pub(crate) const fn values(&self) -> u64 {
        self.values
    }

    /// Whether there was too little.
    pub(crate) const fn is_exhausted(&self) -> bool {
        self.left.is_none()
    }

    /// Takes room for something that is as large as so many values.
    pub(crate) fn take<E: serde::de::Error>(&mut self, amount: u64) -> Result<(), E> {
        self.left = self.left.and_then(|left| left.checked_sub(amount));
        self.left
            .map(|_enough| ())
            .ok_or_else(|| E::custom("there are too many values"))
    }
}

/// Counts the values while it reads them.
struct Strict<'a>(&'a mut Room);

impl<'de> serde::de::DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.0.values += 1;
        self.0.take(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> serde::de::Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut sequence: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = sequence.next_element_seed(Strict(&mut *self.0))? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        self.0.take(OBJECT - 1)?;
        let mut object = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(twice(&key));
            }
            let value = map.next_value_seed(Strict(&mut *self.0))?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}
