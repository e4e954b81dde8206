//! The fields of JSON-RPC 2.0, unread.

use std::fmt;
use std::sync::Arc;

use rmcp::model::RequestId;
use serde::de::{Deserialize, DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::MAX_SHOWN;
use super::malformed::Fault;
use crate::manifest::text::one_line;

/// The longest id, in bytes: it stands in every answer.
pub const MAX_ID: usize = 256;

/// The longest name of a method, in bytes.
const MAX_METHOD: usize = 128;

/// A message of which each field stands at most once. What is wrong with the
/// rest is told later, when the id is known.
#[derive(Debug, Default)]
pub(super) struct Envelope<'a> {
    version: Option<&'a RawValue>,
    id: Option<&'a RawValue>,
    method: Option<&'a RawValue>,
    pub(super) params: Option<&'a RawValue>,
    result: Option<&'a RawValue>,
    error: Option<&'a RawValue>,
    problem: Option<String>,
    has_two_ids: bool,
}

impl<'a> Envelope<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, Fault> {
        let read: Result<Self, _> = serde_json::from_str(text);
        let Err(cause) = read else {
            return read.map_err(Fault::unreadable);
        };
        // What is JSON, and no object, is told apart from what is none.
        if cause.classify() != Category::Data {
            return Err(Fault::unreadable(cause));
        }
        match serde_json::from_str::<&RawValue>(text) {
            Err(cause) => Err(Fault::unreadable(cause)),
            Ok(value) if value.get().starts_with('[') => Err(Fault::invalid(
                "there are no batches: send one message at a time",
            )),
            Ok(_) => Err(Fault::invalid("it is no object")),
        }
    }

    /// Whether it answers something, so that it gets no answer itself: two sides
    /// could go on for ever.
    pub(super) const fn is_answer(&self) -> bool {
        self.method.is_none() && (self.result.is_some() || self.error.is_some())
    }

    /// The id, if there is one.
    pub(super) fn id(&self) -> Result<Option<RequestId>, Fault> {
        if self.has_two_ids {
            return Err(Fault::invalid("it has two ids"));
        }
        self.id.map(identify).transpose()
    }

    /// Finds fields that are missing, unknown, or there twice.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if let Some(problem) = &self.problem {
            return Err(Fault::invalid(problem));
        }
        match self.version.map(string) {
            Some(Some(version)) if version == "2.0" => Ok(()),
            _ => Err(Fault::invalid("`jsonrpc` is not \"2.0\"")),
        }
    }

    /// What is asked for, if anything is.
    pub(super) fn method(&self) -> Result<Option<String>, Fault> {
        let Some(method) = self.method else {
            return Ok(None);
        };
        if self.result.is_some() || self.error.is_some() {
            return Err(Fault::invalid("it asks and answers at once"));
        }
        let within = string(method).filter(|it| it.len() <= MAX_METHOD);
        let method = within.ok_or_else(|| {
            Fault::invalid(format_args!(
                "`method` is no string of at most {MAX_METHOD} bytes"
            ))
        })?;
        Ok(Some(method))
    }

    /// The name and the value of what is answered.
    pub(super) fn answer(&self) -> Result<(&'static str, &'a RawValue), Fault> {
        match (self.result, self.error, self.params) {
            (Some(result), None, None) => Ok(("result", result)),
            (None, Some(error), None) => Ok(("error", error)),
            (None, None, _) => Err(Fault::invalid("it has no `method`")),
            _ => Err(Fault::invalid("it answers in two ways")),
        }
    }

    fn take(&mut self, field: Field, value: &'a RawValue) {
        let (slot, name) = match field {
            Field::Jsonrpc => (&mut self.version, "jsonrpc"),
            Field::Id => (&mut self.id, "id"),
            Field::Method => (&mut self.method, "method"),
            Field::Params => (&mut self.params, "params"),
            Field::Result => (&mut self.result, "result"),
            Field::Error => (&mut self.error, "error"),
            Field::Unknown(name) => {
                let shown = one_line(&name, MAX_SHOWN);
                let problem = format!("it has a field `{shown}`, which JSON-RPC does not");
                self.problem.get_or_insert(problem);
                return;
            }
        };
        if slot.replace(value).is_some() {
            self.has_two_ids |= name == "id";
            let problem = format!("the key `{name}` stands twice");
            self.problem.get_or_insert(problem);
        }
    }
}

/// What the first bytes of a message say of it, the rest of which nobody reads:
/// its id, if that is whole, and whether it is an answer.
pub(in crate::mcp) fn beginning(bytes: &[u8]) -> (Option<RequestId>, bool) {
    let whole = match str::from_utf8(bytes) {
        Ok(text) => text,
        Err(cause) => bytes
            .get(..cause.valid_up_to())
            .and_then(|it| str::from_utf8(it).ok())
            .unwrap_or_default(),
    };
    let mut first = First::default();
    let mut deserializer = serde_json::Deserializer::from_str(whole);
    // It breaks off, which is known.
    let _ = (&mut first).deserialize(&mut deserializer);
    (first.id, first.is_answer)
}

#[derive(Default)]
struct First {
    id: Option<RequestId>,
    is_answer: bool,
}

impl<'de> DeserializeSeed<'de> for &mut First {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut First {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key::<Field>()? {
            self.is_answer |= matches!(field, Field::Result | Field::Error);
            let is_id = matches!(field, Field::Id);
            let value: &RawValue = map.next_value()?;
            if is_id {
                self.id = identify(value).ok();
            }
        }
        Ok(())
    }
}

/// A string, or an integer that is written the one way in which it is written
/// back: what is rounded or spelt otherwise would answer somebody else.
fn identify(id: &RawValue) -> Result<RequestId, Fault> {
    if let Some(text) = string(id) {
        if text.len() > MAX_ID {
            return Err(Fault::invalid(format_args!(
                "its id is longer than {MAX_ID} bytes"
            )));
        }
        return Ok(RequestId::String(Arc::from(text)));
    }
    let number = id.get().parse::<i64>().ok();
    let exact = number.filter(|number| number.to_string() == id.get());
    let number = exact
        .ok_or_else(|| Fault::invalid("its id is neither a string nor an integer of 64 bits"))?;
    Ok(RequestId::Number(number))
}

fn string(value: &RawValue) -> Option<String> {
    serde_json::from_str(value.get()).ok()
}

enum Field {
    Jsonrpc,
    Id,
    Method,
    Params,
    Result,
    Error,
    Unknown(String),
}

impl<'de> Deserialize<'de> for Field {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;
        impl Visitor<'_> for Name {
            type Value = Field;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Field, E> {
                Ok(match name {
                    "jsonrpc" => Field::Jsonrpc,
                    "id" => Field::Id,
                    "method" => Field::Method,
                    "params" => Field::Params,
                    "result" => Field::Result,
                    "error" => Field::Error,
                    unknown => Field::Unknown(one_line(unknown, MAX_SHOWN)),
                })
            }
        }
        deserializer.deserialize_str(Name)
    }
}

impl<'de> Deserialize<'de> for Envelope<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = Envelope<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a message")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut envelope = Envelope::default();
                while let Some(field) = map.next_key::<Field>()? {
                    let value = map.next_value()?;
                    envelope.take(field, value);
                }
                Ok(envelope)
            }
        }
        deserializer.deserialize_map(Fields)
    }
}
