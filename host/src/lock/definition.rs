//! What a skill tells models and operators about itself, in a form that can be
//! kept and compared later without the component.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::canonical::{digest_of, digest_of_object};
use crate::artifact::Digest;
use crate::manifest::{Annotations, Capabilities, Http, Manifest, Sockets, Tool, ToolName};
use crate::policy::limits::{Amount, LimitsChange};
use crate::time::millis;

/// What a manifest says: tools with every text and argument that a model
/// reads, and what the skill wants.
///
/// The order in which an author wrote things is no part of it. Texts are kept
/// whole: a change behind the point where they were cut would not be seen.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Definition {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) settings: Option<Digest>,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) limits: DefinedLimits,
    #[serde(skip_serializing_if = "is_default")]
    pub(super) capabilities: Capabilities,
    pub(super) tools: Vec<DefinedTool>,
}

/// One tool, as a model sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefinedTool {
    pub(super) name: ToolName,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) title: Option<String>,
    pub(super) description: String,
    /// Of the whole schema.
    pub(super) input_schema: Digest,
    /// Of what the schema says besides the arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) input_rules: Option<Digest>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) output_schema: Option<Digest>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) annotations: Annotations,
    /// Sorted by path.
    #[serde(default, rename = "argument", skip_serializing_if = "Vec::is_empty")]
    pub(super) arguments: Vec<DefinedArgument>,
}

/// One argument, or a part of one: `filter`, `filter.name`, `tags[]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DefinedArgument {
    /// A name that is not plain stands in it as a JSON string, so that no two
    /// arguments share a path.
    pub(super) path: String,
    /// In words: `string`, `integer or null`.
    #[serde(rename = "type")]
    pub(super) kind: String,
    #[serde(default, skip_serializing_if = "is_default")]
    pub(super) required: bool,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub(super) description: String,
    /// Of what its schema says besides: bounds, defaults, alternatives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rules: Option<Digest>,
}

/// Limits that the author holds to be enough: names as in `skill.toml`, with
/// `-bytes` or `-ms` behind those that have a unit. Larger numbers than TOML
/// can hold are kept as the largest.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct DefinedLimits(pub(super) BTreeMap<String, u64>);

/// The largest integer of TOML.
const MAX_INTEGER: u64 = i64::MAX.unsigned_abs();

/// Below a path of more bytes than this, arguments are told apart by digest
/// alone: an author who nests long names would otherwise have each of them
/// repeated for every argument inside.
const MAX_PATH: usize = 256;

/// What an argument's own entry tells, so that `rules` need not.
const TOLD_OF_ARGUMENTS: [&str; 6] = [
    "type",
    "enum",
    "description",
    "properties",
    "required",
    "items",
];

/// The same for one whose parts have no entries.
const TOLD_OF_DEEP_ARGUMENTS: [&str; 3] = ["type", "enum", "description"];

/// What entries of arguments tell of the schema that holds them all.
const TOLD_OF_INPUT: [&str; 3] = ["type", "properties", "required"];

impl Definition {
    /// What `manifest` says.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let mut tools: Vec<DefinedTool> = manifest.tools.iter().map(DefinedTool::of).collect();
        tools.sort_by(|one, other| one.name.cmp(&other.name));
        Self {
            description: manifest.description.clone(),
            settings: manifest.settings.as_ref().map(digest_of_object),
            limits: DefinedLimits::of(&manifest.limits),
            capabilities: ordered(&manifest.capabilities),
            tools,
        }
    }

    /// SHA-256 of all of it as canonical JSON.
    #[must_use]
    pub fn digest(&self) -> Digest {
        // Texts, numbers and flags always make JSON.
        let value = serde_json::to_value(self).unwrap_or_default();
        digest_of(&value)
    }
}

impl DefinedTool {
    /// A tool that says nothing: what one that is added is compared with.
    pub(super) fn silent(name: ToolName) -> Self {
        let schema = Map::new();
        Self {
            name,
            title: None,
            description: String::new(),
            input_schema: digest_of_object(&schema),
            input_rules: None,
            output_schema: None,
            annotations: Annotations::default(),
            arguments: Vec::new(),
        }
    }

    fn of(tool: &Tool) -> Self {
        let mut arguments = Vec::new();
        collect_properties("", &tool.input_schema, &mut arguments);
        arguments.sort_by(|one: &DefinedArgument, other| one.path.cmp(&other.path));
        Self {
            name: tool.name.clone(),
            title: tool.title.clone(),
            description: tool.description.clone(),
            input_schema: digest_of_object(&tool.input_schema),
            input_rules: rest(&tool.input_schema, &TOLD_OF_INPUT),
            output_schema: tool.output_schema.as_ref().map(digest_of_object),
            annotations: tool.annotations,
            arguments,
        }
    }
}

impl DefinedLimits {
    fn of(limits: &LimitsChange) -> Self {
        let number = |(name, amount): (String, Amount)| {
            let (name, number) = match amount {
                Amount::Number(number) => (name, number),
                Amount::Size(bytes) => (format!("{name}-bytes"), bytes),
                Amount::Time(time) => (format!("{name}-ms"), millis(time)),
            };
            (name, number.min(MAX_INTEGER))
        };
        Self(limits.named().into_iter().map(number).collect())
    }
}

/// Every argument below `schema`. A name that is required without being
/// described counts as well: it is text that a model reads.
fn collect_properties(
    path: &str,
    schema: &Map<String, Value>,
    arguments: &mut Vec<DefinedArgument>,
) {
    let properties = schema.get("properties").and_then(Value::as_object);
    let required: BTreeSet<&str> = strings(schema.get("required")).collect();
    for (name, property) in properties.into_iter().flatten() {
        let is_required = required.contains(name.as_str());
        collect(below(path, name), property, is_required, arguments);
    }
    for name in required {
        if properties.is_none_or(|properties| !properties.contains_key(name)) {
            collect(below(path, name), &Value::Bool(true), true, arguments);
        }
    }
}

fn collect(path: String, schema: &Value, required: bool, arguments: &mut Vec<DefinedArgument>) {
    let nothing = Map::new();
    let object = schema.as_object().unwrap_or(&nothing);
    let told = if path.len() <= MAX_PATH {
        collect_properties(&path, object, arguments);
        if let Some(items @ Value::Object(_)) = object.get("items") {
            collect(format!("{path}[]"), items, false, arguments);
        }
        TOLD_OF_ARGUMENTS.as_slice()
    } else {
        &TOLD_OF_DEEP_ARGUMENTS
    };
    let description = object.get("description").and_then(Value::as_str);
    arguments.push(DefinedArgument {
        path,
        kind: kind(schema),
        required,
        description: description.unwrap_or_default().to_owned(),
        rules: rest(object, told),
    });
}

fn below(path: &str, name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let name = if !name.is_empty() && name.bytes().all(plain) {
        name.to_owned()
    } else {
        Value::from(name).to_string()
    };
    if path.is_empty() {
        name
    } else {
        format!("{path}.{name}")
    }
}

/// What a schema allows, in words.
fn kind(schema: &Value) -> String {
    if schema == &Value::Bool(false) {
        return "nothing".to_owned();
    }
    let types = match schema.get("type") {
        Some(Value::String(one)) => one.clone(),
        several => strings(several).collect::<Vec<_>>().join(" or "),
    };
    let values = schema.get("enum").and_then(Value::as_array).map(|values| {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        format!("one of {}", values.join(", "))
    });
    match (types.as_str(), values) {
        ("", None) => "anything".to_owned(),
        ("", Some(values)) => values,
        (types, None) => types.to_owned(),
        (types, Some(values)) => format!("{types}, {values}"),
    }
}

/// Of a schema without the keywords that are `told` elsewhere. One that has not
/// the form that is told stays.
fn rest(schema: &Map<String, Value>, told: &[&str]) -> Option<Digest> {
    let is_told =
        |keyword: &String, value| told.contains(&keyword.as_str()) && has_form(keyword, value);
    let rest: Map<String, Value> = schema
        .iter()
        .filter(|(keyword, value)| !is_told(keyword, value))
        .map(|(keyword, value)| (keyword.clone(), value.clone()))
        .collect();
    (!rest.is_empty()).then(|| digest_of_object(&rest))
}

fn has_form(keyword: &str, value: &Value) -> bool {
    match keyword {
        "properties" | "items" => value.is_object(),
        "description" => value.is_string(),
        "enum" => value.is_array(),
        "type" if value.is_string() => true,
        _ => value
            .as_array()
            .is_some_and(|values| values.iter().all(Value::is_string)),
    }
}

fn strings(value: Option<&Value>) -> impl Iterator<Item = &str> {
    let values = value.and_then(Value::as_array);
    values.into_iter().flatten().filter_map(Value::as_str)
}

/// The same wishes with origins, methods and endpoints in order.
fn ordered(capabilities: &Capabilities) -> Capabilities {
    let mut ordered = capabilities.clone();
    if let Some(Http {
        origins, methods, ..
    }) = &mut ordered.http
    {
        origins.sort_by_cached_key(ToString::to_string);
        origins.dedup();
        methods.sort_unstable();
        methods.dedup();
    }
    if let Some(Sockets {
        tcp, udp, listen, ..
    }) = &mut ordered.sockets
    {
        for endpoints in [tcp, udp] {
            endpoints.sort_by_cached_key(ToString::to_string);
            endpoints.dedup();
        }
        listen.sort_unstable();
        listen.dedup();
    }
    ordered
}

pub(super) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}
