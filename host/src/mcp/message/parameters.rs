//! What stands in `params`, `result` and `error`.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::malformed::Fault;
use super::{outline, quoted};
use crate::error::{Error, Kind};
use crate::invocation::Input;
use crate::strict::{self, Room};

/// The most values beside the arguments of a call.
const MAX_VALUES: u64 = 10_000;

/// From here on neighbouring integers are the same number to `rmcp` (2^53).
const INEXACT: f64 = 9_007_199_254_740_992.0;

/// Parameters that were read.
#[derive(Debug, Default)]
pub(super) struct Parameters {
    /// As `rmcp` shall read them.
    pub(super) text: Option<String>,
    pub(super) arguments: Option<Input>,
}

impl Parameters {
    /// Reads the parameters of a method. `null` means none, as some clients
    /// write it.
    pub(super) fn read(params: Option<&RawValue>, method: &str) -> Result<Self, Fault> {
        let Some(params) = params.filter(|it| it.get() != "null") else {
            return Ok(Self::default());
        };
        let mut room = Room::of(MAX_VALUES);
        let members = members(params, &mut room).map_err(Fault::parameters)?;
        let mut read = Self::default();
        let mut texts = Vec::new();
        for (key, raw) in members {
            let text = if (method, key.as_str()) == ("tools/call", "arguments") {
                read.arguments = arguments(raw)?;
                read.arguments.as_ref().map(shown).transpose()?
            } else {
                exact(raw, &mut room)?;
                Some(raw.get().to_owned())
            };
            texts.extend(text.map(|text| format!("{}:{text}", quoted(&key))));
        }
        read.text = Some(format!("{{{}}}", texts.join(",")));
        Ok(read)
    }
}

/// Checks what is answered to a request of ours.
pub(super) fn check(body: &RawValue) -> Result<(), Fault> {
    exact(body, &mut Room::of(MAX_VALUES))
}

fn arguments(raw: &RawValue) -> Result<Option<Input>, Fault> {
    if raw.get() == "null" {
        return Ok(None);
    }
    let input = Input::parse(raw.get()).map_err(|error| Fault::arguments(&error))?;
    if input.value().is_object() {
        return Ok(Some(input));
    }
    let error = Error::new(Kind::InvalidInput, "The arguments are no JSON object.");
    Err(Fault::arguments(&error))
}

fn shown(input: &Input) -> Result<String, Fault> {
    let outline = outline::of(input).ok_or_else(|| {
        let error = Error::new(
            Kind::InputTooLarge,
            "The arguments hold more named values than a host takes.",
        );
        Fault::arguments(&error.with_hint("Send them as a list, or as one string."))
    })?;
    Ok(outline.into_owned())
}

/// A value that `rmcp` reads as it is written.
fn exact(raw: &RawValue, room: &mut Room) -> Result<(), Fault> {
    let value = strict::parse(raw.get(), room).map_err(Fault::parameters)?;
    if is_exact(&value) {
        return Ok(());
    }
    Err(Fault::parameters("a number is too large to be exact"))
}

fn is_exact(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().all(is_exact),
        Value::Object(members) => members.values().all(is_exact),
        Value::Number(number) if number.is_f64() => {
            number.as_f64().is_some_and(|it| it.abs() < INEXACT)
        }
        _ => true,
    }
}

/// The members of an object, unread, each key once.
fn members<'a>(
    object: &'a RawValue,
    room: &mut Room,
) -> serde_json::Result<BTreeMap<String, &'a RawValue>> {
    let mut deserializer = serde_json::Deserializer::from_str(object.get());
    Members(room).deserialize(&mut deserializer)
}

struct Members<'a>(&'a mut Room);

impl<'de> DeserializeSeed<'de> for Members<'_> {
    type Value = BTreeMap<String, &'de RawValue>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Members<'_> {
    type Value = BTreeMap<String, &'de RawValue>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut members = BTreeMap::new();
        while let Some(key) = map.next_key::<String>()? {
            self.0.take(1)?;
            if members.contains_key(&key) {
                return Err(strict::twice(&key));
            }
            members.insert(key, map.next_value()?);
        }
        Ok(members)
    }
}
