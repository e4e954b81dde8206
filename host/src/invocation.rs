//! One call of a tool, from whoever makes it.

use std::fmt;
use std::sync::Arc;

use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::error::{Error, Kind, Result};
use crate::manifest::SkillName;

/// Identifies one call in answers and events: 128 random bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct InvocationId(u128);

impl InvocationId {
    /// A new id from the system's random numbers.
    pub fn random() -> Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|cause| {
            Error::new(Kind::Internal, "The system gives no random numbers.").with_internal(cause)
        })?;
        Ok(Self(u128::from_be_bytes(bytes)))
    }
}

impl fmt::Display for InvocationId {
    /// 32 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// Who makes a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Principal {
    /// The person at this terminal.
    Local,
    /// A chat assistant that started this process.
    Stdio,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Local => "local",
            Self::Stdio => "stdio",
        })
    }
}

/// What a skill reports while it works.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// How much is done.
    pub done: f64,
    /// Of how much, if that is known.
    pub total: Option<f64>,
    /// What it is at.
    pub message: Option<String>,
}

/// Where progress goes.
pub type ProgressSink = Arc<dyn Fn(Progress) + Send + Sync>;

/// One call of a tool.
#[derive(Clone)]
pub struct Invocation {
    /// Identifies the call.
    pub id: InvocationId,
    /// Who makes it.
    pub principal: Principal,
    /// Whose tool.
    pub skill: SkillName,
    /// Which tool, as the caller wrote it.
    pub tool: String,
    /// The arguments.
    pub input: Input,
    /// Fires when the caller has given up.
    pub cancelled: CancellationToken,
    /// Where the skill's progress goes, if anyone listens.
    pub progress: Option<ProgressSink>,
}

impl Invocation {
    /// A call by the person at this terminal.
    pub fn local(skill: SkillName, tool: impl Into<String>, input: Input) -> Result<Self> {
        Ok(Self {
            id: InvocationId::random()?,
            principal: Principal::Local,
            skill,
            tool: tool.into(),
            input,
            cancelled: CancellationToken::new(),
            progress: None,
        })
    }
}

impl fmt::Debug for Invocation {
    /// Leaves the arguments out: they may hold what nobody else should read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("id", &self.id)
            .field("principal", &self.principal)
            .field("skill", &self.skill)
            .field("tool", &self.tool)
            .finish_non_exhaustive()
    }
}

/// The arguments of a call: JSON text and its value, parsed once.
#[derive(Clone, PartialEq)]
pub struct Input {
    text: String,
    value: Value,
    values: u64,
}

/// The most values in the arguments of one call: each takes much more room in
/// memory than in text.
pub const MAX_VALUES: u64 = 1_000_000;

impl Input {
    /// Reads JSON text: one value, no duplicate keys, at most 127 levels deep.
    /// The skill gets this very text, so no number is rounded on the way.
    pub fn parse(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let mut values = 0;
        let value = strict(&text, &mut values).map_err(|cause| {
            Error::new(
                Kind::InvalidInput,
                format!("The arguments are not valid JSON: {cause}."),
            )
            .with_hint("Give one JSON object, for example `{\"text\": \"Hello\"}`.")
        })?;
        Ok(Self {
            text,
            value,
            values,
        })
    }

    /// Arguments that are parsed already.
    #[must_use]
    pub fn from_value(value: Value) -> Self {
        Self {
            text: value.to_string(),
            values: count(&value),
            value,
        }
    }

    /// How many values there are, one in another included.
    #[must_use]
    pub const fn values(&self) -> u64 {
        self.values
    }

    /// As the skill gets it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// As the bindings want it.
    pub(crate) const fn as_string(&self) -> &String {
        &self.text
    }

    /// The parsed value, without the text.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.value
    }

    /// As the schema sees it.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }
}

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Input({} bytes)", self.text.len())
    }
}

/// How many values there are in a value, itself included.
pub(crate) fn count(value: &Value) -> u64 {
    match value {
        Value::Array(items) => items.iter().map(count).sum::<u64>() + 1,
        Value::Object(object) => object.values().map(count).sum::<u64>() + 1,
        _ => 1,
    }
}

/// A JSON value in whose objects each key stands once. Of two equal keys one
/// program takes the first and another the last, and a check of one would not
/// hold for the other.
fn strict(text: &str, values: &mut u64) -> serde_json::Result<Value> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = serde::de::DeserializeSeed::deserialize(Strict(values), &mut deserializer)?;
    deserializer.end()?;
    Ok(value)
}

/// Counts the values while it reads them.
struct Strict<'a>(&'a mut u64);

impl<'de> serde::de::DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        *self.0 += 1;
        if *self.0 > MAX_VALUES {
            return Err(serde::de::Error::custom(format_args!(
                "there are more than {MAX_VALUES} values"
            )));
        }
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
        let mut object = serde_json::Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if object.contains_key(&key) {
                return Err(serde::de::Error::custom(format_args!(
                    "the key {key:?} stands twice"
                )));
            }
            let value = map.next_value_seed(Strict(&mut *self.0))?;
            object.insert(key, value);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_have_32_digits() {
        let (one, other) = (
            InvocationId::random().unwrap(),
            InvocationId::random().unwrap(),
        );
        assert_ne!(one, other);
        assert_eq!(one.to_string().len(), 32);
    }

    #[test]
    fn the_skill_gets_the_very_text() {
        let text = r#"{"n": 123456789012345678901234567890}"#;
        assert_eq!(Input::parse(text).unwrap().text(), text);
    }

    #[test]
    fn json_that_two_readers_could_understand_differently_is_refused() {
        let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
        for text in [
            r#"{"a":1,"a":2}"#,
            r#"{"x":{"a":1,"a":2}}"#,
            "{} {}",
            "{\"a\":1e999}",
            "\u{feff}{}",
            "{// comment\n}",
            "",
            "{\"a\":NaN}",
            r#"{"a":"\ud800"}"#,
            &deep,
        ] {
            assert_eq!(
                Input::parse(text).unwrap_err().kind(),
                Kind::InvalidInput,
                "{text}"
            );
        }
    }
}
