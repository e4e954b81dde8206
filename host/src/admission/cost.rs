//! What it can cost to check a value against a schema.
//!
//! A schema of a few lines can take longer than the universe has left: forty
//! definitions, each of which refers twice to the next, are checked 2^40 times.
//! So the evaluations that one value can cause are counted before a schema is
//! used, and multiplied with the values of an argument before it is checked.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::pattern;
use crate::invocation::count;

/// The most evaluations that one value may cause. Schemas of real tools cause
/// tens.
const MAX_PER_VALUE: u64 = 10_000;

/// The most evaluations of one check; about a second.
const MAX_PER_CHECK: u64 = 20_000_000;

/// The deepest nesting of a schema, references included.
const MAX_DEPTH: usize = 128;

/// Keywords beside which a schema may refer to itself: they look at different
/// values, so each value is still looked at once.
const SAFE_IN_RECURSION: [&str; 5] = [
    "properties",
    "items",
    "prefixItems",
    "additionalProperties",
    "$ref",
];

/// Keywords whose value is a schema, an array of schemas, or an object of them.
const APPLICATORS: [&str; 18] = [
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "properties",
    "patternProperties",
    "additionalProperties",
    "propertyNames",
    "items",
    "prefixItems",
    "contains",
    "unevaluatedItems",
    "unevaluatedProperties",
    "$ref",
];

/// Keywords of which each part may be compared with each value.
const COMPARED: [&str; 4] = ["enum", "const", "required", "dependentRequired"];

/// What one value can cause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    evaluations: u64,
    /// Whether keys are matched with patterns as well.
    matches_keys: bool,
}

impl Cost {
    /// Counts the evaluations of a schema.
    ///
    /// # Errors
    ///
    /// A sentence about a schema that would take too long, or whose cost cannot
    /// be told.
    pub(super) fn of(schema: &Value) -> Result<Self, String> {
        let mut counter = Counter {
            root: schema,
            known: HashMap::new(),
            open: Vec::new(),
            recursive: false,
            matches_keys: false,
        };
        let cost = counter.count(schema, 0)?;
        if counter.recursive && !only_safe_applicators(schema) {
            return Err(
                "it refers to itself beside keywords that look at one value several times"
                    .to_owned(),
            );
        }
        if cost > MAX_PER_VALUE {
            return Err(format!(
                "one value can cause more than {MAX_PER_VALUE} checks"
            ));
        }
        Ok(Self {
            evaluations: cost,
            matches_keys: counter.matches_keys,
        })
    }

    /// Whether that many values can be checked in about a second.
    pub(super) const fn allows(self, values: u64) -> bool {
        self.evaluations.saturating_mul(values) <= MAX_PER_CHECK
    }

    /// Whether the keys of a value can be matched in about a second.
    pub(super) fn allows_keys(self, value: &Value) -> bool {
        !self.matches_keys || pattern::allows_keys(pattern::keys(value), self.evaluations)
    }
}

struct Counter<'a> {
    root: &'a Value,
    /// Costs of the targets of references.
    known: HashMap<&'a str, u64>,
    /// Targets that are being counted.
    open: Vec<&'a str>,
    recursive: bool,
    matches_keys: bool,
}

impl<'a> Counter<'a> {
    fn count(&mut self, schema: &'a Value, depth: usize) -> Result<u64, String> {
        if depth > MAX_DEPTH {
            return Err(format!("it is nested more than {MAX_DEPTH} levels deep"));
        }
        let Value::Object(object) = schema else {
            return Ok(1);
        };
        let mut cost = 1_u64;
        for (keyword, value) in object {
            let part = match keyword.as_str() {
                "$ref" => self.count_reference(value, depth)?,
                "$dynamicRef" | "$recursiveRef" => return Err(format!("it uses `{keyword}`")),
                keyword if APPLICATORS.contains(&keyword) => {
                    self.matches_keys |= keyword == "patternProperties";
                    self.count_all(value, depth)?
                }
                keyword if COMPARED.contains(&keyword) => count(value),
                _ => 1,
            };
            cost = cost.saturating_add(part);
        }
        Ok(cost)
    }

    /// One schema, or each of several.
    fn count_all(&mut self, value: &'a Value, depth: usize) -> Result<u64, String> {
        let own = self.count(value, depth + 1)?;
        let parts: Vec<&Value> = match value {
            Value::Array(schemas) => schemas.iter().collect(),
            Value::Object(schemas) => schemas
                .values()
                .filter(|schema| schema.is_object())
                .collect(),
            _ => Vec::new(),
        };
        parts.into_iter().try_fold(own, |sum, schema| {
            Ok(sum.saturating_add(self.count(schema, depth + 1)?))
        })
    }

    fn count_reference(&mut self, value: &'a Value, depth: usize) -> Result<u64, String> {
        let target = value.as_str().unwrap_or_default();
        if let Some(cost) = self.known.get(target) {
            return Ok(*cost);
        }
        if self.open.contains(&target) {
            self.recursive = true;
            return Ok(1);
        }
        let pointer = target
            .strip_prefix('#')
            .ok_or("it refers to another document")?;
        let schema = self
            .root
            .pointer(pointer)
            .ok_or_else(|| format!("it refers to `{target}`, which is not there"))?;
        self.open.push(target);
        let cost = self.count(schema, depth + 1)?;
        self.open.pop();
        self.known.insert(target, cost);
        Ok(cost)
    }
}

/// Whether no keyword of the schema looks at one value more than once.
fn only_safe_applicators(value: &Value) -> bool {
    match value {
        Value::Object(object) => is_safe(object) && object.values().all(only_safe_applicators),
        Value::Array(values) => values.iter().all(only_safe_applicators),
        _ => true,
    }
}

/// A reference stands alone, for it looks at the value that its neighbours do.
fn is_safe(object: &Map<String, Value>) -> bool {
    let applicators: Vec<&str> = object
        .keys()
        .map(String::as_str)
        .filter(|keyword| APPLICATORS.contains(keyword))
        .collect();
    applicators
        .iter()
        .all(|keyword| SAFE_IN_RECURSION.contains(keyword))
        && (!applicators.contains(&"$ref") || applicators.len() == 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn schemas_of_real_tools_cost_little() {
        let schema = json!({
            "type": "object",
            "properties": {
                "text": {"type": "string", "maxLength": 10},
                "unit": {"oneOf": [{"const": "a"}, {"const": "b"}]},
            },
            "required": ["text"],
        });
        let cost = Cost::of(&schema).unwrap();
        assert!(cost.evaluations < 40, "{cost:?}");
        assert!(cost.allows(100_000) && !cost.allows(10_000_000));
    }

    #[test]
    fn references_that_multiply_are_refused() {
        for keyword in ["allOf", "anyOf", "oneOf"] {
            let mut definitions = Map::new();
            for level in 0..40 {
                let next = json!({"$ref": format!("#/$defs/a{}", level + 1)});
                definitions.insert(format!("a{level}"), json!({keyword: [next, next]}));
            }
            definitions.insert("a40".to_owned(), json!({"type": "string"}));
            let schema = json!({"$ref": "#/$defs/a0", "$defs": definitions});
            assert!(
                Cost::of(&schema).unwrap_err().contains("10000"),
                "{keyword}"
            );
        }
    }

    #[test]
    fn a_schema_may_refer_to_itself_where_each_value_is_seen_once() {
        let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {
            "type": "object",
            "properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}},
        }}});
        assert!(Cost::of(&tree).is_ok());
        let twice = json!({"$ref": "#/$defs/node", "$defs": {"node": {
            "anyOf": [{"items": {"$ref": "#/$defs/node"}}, {"items": {"$ref": "#/$defs/node"}}],
        }}});
        assert!(Cost::of(&twice).unwrap_err().contains("refers to itself"));
    }

    #[test]
    fn i06_each_value_of_a_list_counts() {
        let options: Vec<u32> = (0..5_000).collect();
        let cost = Cost::of(&json!({"items": {"enum": options}})).unwrap();
        assert!(cost.allows(3_000) && !cost.allows(5_000));
        let names: Vec<String> = (0..20_000).map(|it| it.to_string()).collect();
        assert!(Cost::of(&json!({"required": names})).is_err());
    }

    #[test]
    fn i06_long_keys_are_not_matched() {
        let cost = Cost::of(&json!({"patternProperties": {"^x-": {}}})).unwrap();
        assert!(cost.allows_keys(&json!({"x-a": [{"y": 1}]})));
        assert!(!cost.allows_keys(&json!({"a": [{"x".repeat(500_000): 1}]})));
        let cost = Cost::of(&json!({"properties": {}})).unwrap();
        assert!(cost.allows_keys(&json!({"x".repeat(500_000): 1})));
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        for schema in [
            json!({"$ref": "https://schema.test/x"}),
            json!({"$ref": "#/$defs/missing"}),
            json!({"$dynamicRef": "#x"}),
        ] {
            assert!(Cost::of(&schema).is_err(), "{schema}");
        }
    }
}
