//! What an author, or an operator, says that arguments are.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use super::{Kind, Kinds};

/// The keyword of a schema that says what an argument is: `command`, `path` or
/// `url`.
const KEYWORD: &str = "x-skillhost-kind";

/// Formats of JSON Schema that say the same.
const URL_FORMATS: [&str; 3] = ["uri", "iri", "url"];

/// Keywords of which the schemas are about the same argument, or about what is in
/// it.
const ABOUT_THE_SAME: [&str; 5] = ["allOf", "anyOf", "oneOf", "items", "prefixItems"];

/// How many references and choices are followed to a declaration.
const MAX_STEPS: u32 = 8;

/// The kinds of a tool's arguments, by name. An argument of that name is taken for
/// that wherever it stands: rather one too many is looked at than one too few.
#[derive(Debug, Default)]
pub(in super::super) struct Declared {
    names: HashMap<Box<str>, Kinds>,
    /// Of arguments whose names the schema does not say.
    others: Kinds,
}

impl Declared {
    /// What the schema of a tool declares, and what the operator adds.
    pub(in super::super) fn of(
        schema: &Map<String, Value>,
        added: &BTreeMap<String, Kind>,
    ) -> Self {
        let mut declared = Self::default();
        let root = Value::Object(schema.clone());
        declared.search(&root, &root);
        for (name, kind) in added {
            declared.add(name, Kinds::of(*kind));
        }
        declared
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty() && self.others.is_none()
    }

    pub(super) fn kinds(&self, name: &str) -> Kinds {
        let named = self.names.get(name).copied().unwrap_or_default();
        named.and(self.others)
    }

    fn add(&mut self, name: &str, kinds: Kinds) {
        if !kinds.is_none() {
            let known = self.names.entry(name.into()).or_default();
            *known = known.and(kinds);
        }
    }

    /// Every object of the document that names properties, wherever it stands. The
    /// depth of schemas is bounded before they come here.
    fn search(&mut self, root: &Value, schema: &Value) {
        match schema {
            Value::Array(schemas) => schemas.iter().for_each(|it| self.search(root, it)),
            Value::Object(object) => {
                for (name, property) in members(object, "properties") {
                    self.add(name, kinds_of(root, property, 0));
                }
                let patterns = members(object, "patternProperties").map(|(_, schema)| schema);
                let others = patterns.chain(object.get("additionalProperties"));
                for other in others {
                    self.others = self.others.and(kinds_of(root, other, 0));
                }
                object.values().for_each(|it| self.search(root, it));
            }
            _ => {}
        }
    }
}

fn members<'a>(
    schema: &'a Map<String, Value>,
    keyword: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let members = schema.get(keyword).and_then(Value::as_object);
    members.into_iter().flatten()
}

/// What one schema says that a value is.
fn kinds_of(root: &Value, schema: &Value, steps: u32) -> Kinds {
    let Some(object) = schema.as_object().filter(|_| steps <= MAX_STEPS) else {
        return Kinds::default();
    };
    let mut kinds = stated(object);
    if let Some(target) = object.get("$ref").and_then(Value::as_str)
        && let Some(schema) = target.strip_prefix('#').and_then(|it| root.pointer(it))
    {
        kinds = kinds.and(kinds_of(root, schema, steps + 1));
    }
    for part in ABOUT_THE_SAME
        .iter()
        .filter_map(|keyword| object.get(*keyword))
    {
        let schemas = part
            .as_array()
            .map_or(std::slice::from_ref(part), Vec::as_slice);
        for schema in schemas {
            kinds = kinds.and(kinds_of(root, schema, steps + 1));
        }
    }
    kinds
}

fn stated(schema: &Map<String, Value>) -> Kinds {
    let text = |keyword| schema.get(keyword).and_then(Value::as_str);
    let stated = match text(KEYWORD) {
        Some("command") => Some(Kind::Command),
        Some("path") => Some(Kind::Path),
        Some("url") => Some(Kind::Url),
        _ => None,
    };
    let format = text("format").filter(|format| URL_FORMATS.contains(format));
    let kinds = stated.map_or_else(Kinds::default, Kinds::of);
    format.map_or(kinds, |_| kinds.and(Kinds::of(Kind::Url)))
}
