//! The schema of every kind of type, compared with what is expected, checked
//! as JSON Schema 2020-12, and held against what serde really writes.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::{Value, json};
use skillhost_sdk::prelude::*;
use skillhost_sdk::testing;

const MOST: u8 = 9;

/// A point.
#[derive(Debug, Default, Serialize, Deserialize, Schema)]
#[serde(rename_all = "camelCase")]
struct Point {
    #[schema(minimum = -1.5, exclusive_maximum = 10, multiple_of = 0.5)]
    first_axis: f64,
    #[serde(rename = "y", default)]
    second_axis: f32,
    #[serde(skip)]
    #[expect(dead_code, reason = "skipped")]
    cache: u8,
    #[schema(default = "a", example = "b", description = "Shown")]
    label: String,
    #[serde(flatten)]
    more: More,
}

#[derive(Debug, Default, Serialize, Deserialize, Schema)]
struct More {
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(flatten)]
    rest: BTreeMap<String, i64>,
}

/// Percent
#[derive(Debug, Serialize, Deserialize, Schema)]
struct Percent(#[schema(maximum = 100)] u8);

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(transparent)]
struct Id {
    #[schema(format = "uuid")]
    value: Option<String>,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
struct Page<T> {
    items: Vec<T>,
    next: Option<u64>,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
enum Plain {
    One,
    #[serde(rename = "zwei")]
    Two,
}

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(rename_all = "snake_case")]
enum External {
    OnlyName,
    /// Has one
    Newtype(bool),
    Tuple(u8, bool),
    #[serde(rename_all = "UPPERCASE")]
    Struct {
        width: bool,
    },
}

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(
    tag = "kind",
    rename_all = "lowercase",
    rename_all_fields = "kebab-case"
)]
enum Internal {
    Empty,
    Round { inner_radius: i8 },
    Same(Page<bool>),
}

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(tag = "t", content = "c")]
enum Adjacent {
    Empty,
    Pair(bool, bool),
}

#[derive(Debug, Serialize, Deserialize, Schema)]
#[serde(untagged)]
enum Untagged {
    Number(i64),
    Text(String),
}

/// Takes everything.
#[tool]
#[expect(unused_variables, reason = "only the schema is looked at")]
fn simple(
    boolean: bool,
    unsigned: u64,
    small: i8,
    #[schema(maximum = MOST, examples = [1, 2])] byte: Option<u8>,
    letter: char,
    any: Value,
    #[schema(min_items = 1, max_items = 2)] set: HashSet<String>,
    map: HashMap<String, Option<bool>>,
    pair: (bool, String),
    fixed: [i64; 2],
    #[schema(default = [true], unique_items = true)] list: Vec<bool>,
    #[schema(min_length = 1, pattern = "^\"a\\\\$")] text: String,
    /// By hand
    #[schema(raw = r#"{"type": "string", "format": "date"}"#)]
    date: Option<String>,
    #[schema(kind = "path")] place: String,
    #[serde(rename = "other")] renamed: i16,
    #[schema(default = None)] nothing: Option<i64>,
) -> Result<String> {
    Ok(String::new())
}

/// Takes structs.
#[tool]
#[expect(unused_variables, reason = "only the schema is looked at")]
fn structs(
    point: Point,
    percent: Percent,
    half: Option<Percent>,
    id: Id,
    page: Page<bool>,
) -> Result<Point> {
    Ok(Point::default())
}

/// Takes enums.
#[tool]
#[expect(unused_variables, reason = "only the schema is looked at")]
fn enums(
    plain: Option<Plain>,
    external: External,
    internal: Internal,
    adjacent: Adjacent,
    untagged: Option<Untagged>,
) -> Result<Internal> {
    Ok(Internal::Empty)
}

type Enums = (Vec<External>, Vec<Internal>, Vec<Adjacent>);

/// Gives it back.
#[tool]
fn echo(
    external: Vec<External>,
    internal: Vec<Internal>,
    adjacent: Vec<Adjacent>,
) -> Result<Vec<Enums>> {
    Ok(vec![(external, internal, adjacent)])
}

/// Takes one of two.
#[tool(input = r##"{
    "$defs": {"text": {"type": "string"}},
    "type": "object",
    "properties": {"post": {"$ref": "#/$defs/text"}, "phone": {"$ref": "#/$defs/text"}},
    "anyOf": [{"required": ["post"]}, {"required": ["phone"]}],
    "additionalProperties": false
}"##)]
fn by_hand(post: Option<String>, phone: Option<String>) -> Result<String> {
    Ok(post.or(phone).unwrap_or_default())
}

skillhost_sdk::export!(simple, structs, enums, echo, by_hand);

fn tool(name: &str) -> Value {
    let manifest = testing::manifest(&SKILL);
    let tools = manifest["tools"].as_array().unwrap();
    tools
        .iter()
        .find(|tool| tool["name"] == name)
        .unwrap()
        .clone()
}

fn arguments(name: &str) -> Value {
    tool(name)["input_schema"]["properties"].clone()
}

#[test]
fn simple_types() {
    assert_eq!(
        arguments("simple"),
        json!({
            "boolean": {"type": "boolean"},
            "unsigned": {"type": "integer", "minimum": 0},
            "small": {"type": "integer", "minimum": -128, "maximum": 127},
            "byte": {"type": ["integer", "null"], "minimum": 0, "maximum": 9, "examples": [1, 2]},
            "letter": {"type": "string", "minLength": 1, "maxLength": 1},
            "any": {},
            "set": {"type": "array", "items": {"type": "string"}, "uniqueItems": true, "minItems": 1, "maxItems": 2},
            "map": {"type": "object", "additionalProperties": {"type": ["boolean", "null"]}},
            "pair": {"type": "array", "prefixItems": [{"type": "boolean"}, {"type": "string"}], "minItems": 2, "maxItems": 2},
            "fixed": {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
            "list": {"type": "array", "items": {"type": "boolean"}, "default": [true], "uniqueItems": true},
            "text": {"type": "string", "minLength": 1, "pattern": "^\"a\\\\$"},
            "date": {"description": "By hand", "type": "string", "format": "date"},
            "place": {"type": "string", "x-skillhost-kind": "path"},
            "other": {"type": "integer", "minimum": -32768, "maximum": 32767},
            "nothing": {"type": ["integer", "null"], "default": null},
        })
    );
    assert_eq!(
        tool("simple")["input_schema"]["required"],
        json!([
            "boolean", "unsigned", "small", "letter", "any", "set", "map", "pair", "fixed", "text",
            "place", "other"
        ])
    );
}

#[test]
fn arguments_by_hand() {
    let text = json!({"$ref": "#/$defs/text"});
    assert_eq!(
        tool("by-hand")["input_schema"],
        json!({
            "$defs": {"text": {"type": "string"}},
            "type": "object",
            "properties": {"post": text, "phone": text},
            "anyOf": [{"required": ["post"]}, {"required": ["phone"]}],
            "additionalProperties": false,
        })
    );
    let answer = testing::call(&SKILL, "by-hand", json!({"phone": "1"})).unwrap();
    assert_eq!(answer.to_text(), "1");
}

#[test]
fn structs_as_arguments() {
    let arguments = arguments("structs");
    assert_eq!(
        arguments["point"],
        json!({
            "description": "A point.",
            "type": "object",
            "properties": {
                "firstAxis": {"type": "number", "minimum": -1.5, "exclusiveMaximum": 10, "multipleOf": 0.5},
                "y": {"type": "number"},
                "label": {"type": "string", "description": "Shown", "default": "a", "examples": ["b"]},
                "note": {"type": ["string", "null"]},
            },
            "required": ["firstAxis"],
            "additionalProperties": {"type": "integer"},
        })
    );
    let percent =
        json!({"description": "Percent", "type": "integer", "minimum": 0, "maximum": 100});
    assert_eq!(arguments["percent"], percent);
    assert_eq!(arguments["half"]["type"], json!(["integer", "null"]));
    assert_eq!(
        arguments["id"],
        json!({"type": ["string", "null"], "format": "uuid"})
    );
    assert_eq!(
        arguments["page"],
        json!({
            "type": "object",
            "properties": {
                "items": {"type": "array", "items": {"type": "boolean"}},
                "next": {"type": ["integer", "null"], "minimum": 0},
            },
            "required": ["items"],
            "additionalProperties": false,
        })
    );
}

#[test]
fn structs_as_answers() {
    let schema = tool("structs")["output_schema"].clone();
    assert_eq!(schema["required"], json!(["firstAxis", "y", "label"]));
    assert_eq!(schema["additionalProperties"], json!({"type": "integer"}));
}

#[test]
fn enums_by_their_tags() {
    let arguments = arguments("enums");
    assert_eq!(
        arguments["plain"],
        json!({"type": ["string", "null"], "enum": ["One", "zwei", null]})
    );
    let object = |properties: Value, required: Value| json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false});
    let boolean = || json!({"type": "boolean"});
    let byte = json!({"type": "integer", "minimum": 0, "maximum": 255});
    let mut newtype = object(json!({"newtype": boolean()}), json!(["newtype"]));
    newtype["description"] = json!("Has one");
    assert_eq!(
        arguments["external"],
        json!({"oneOf": [
            {"const": "only_name"},
            newtype,
            object(json!({"tuple": {"type": "array", "prefixItems": [byte, boolean()], "minItems": 2, "maxItems": 2}}), json!(["tuple"])),
            object(json!({"struct": object(json!({"WIDTH": boolean()}), json!(["WIDTH"]))}), json!(["struct"])),
        ]})
    );
    assert_eq!(
        arguments["internal"],
        json!({"type": "object", "oneOf": [
            object(json!({"kind": {"const": "empty"}}), json!(["kind"])),
            object(
                json!({"kind": {"const": "round"}, "inner-radius": {"type": "integer", "minimum": -128, "maximum": 127}}),
                json!(["kind", "inner-radius"]),
            ),
            object(
                json!({
                    "kind": {"const": "same"},
                    "items": {"type": "array", "items": boolean()},
                    "next": {"type": ["integer", "null"], "minimum": 0},
                }),
                json!(["kind", "items"]),
            ),
        ]})
    );
    let pair = json!({"type": "array", "prefixItems": [boolean(), boolean()], "minItems": 2, "maxItems": 2});
    assert_eq!(
        arguments["adjacent"],
        json!({"type": "object", "oneOf": [
            object(json!({"t": {"const": "Empty"}}), json!(["t"])),
            object(json!({"t": {"const": "Pair"}, "c": pair}), json!(["t", "c"])),
        ]})
    );
    assert_eq!(
        arguments["untagged"],
        json!({"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}]})
    );
    assert_eq!(tool("enums")["output_schema"]["type"], "object");
}

#[test]
fn what_serde_writes_fits_the_schema() {
    let values = json!({
        "external": ["only_name", {"newtype": true}, {"tuple": [1, false]}, {"struct": {"WIDTH": true}}],
        "internal": [{"kind": "empty"}, {"kind": "round", "inner-radius": -1}, {"kind": "same", "items": [true], "next": 7}],
        "adjacent": [{"t": "Empty"}, {"t": "Pair", "c": [true, false]}],
    });
    let tool = tool("echo");
    assert!(jsonschema::draft202012::is_valid(
        &tool["input_schema"],
        &values
    ));
    let answer = testing::call(&SKILL, "echo", values.clone())
        .unwrap()
        .structured_value()
        .unwrap();
    let expected =
        json!({"result": [[values["external"], values["internal"], values["adjacent"]]]});
    assert_eq!(answer, expected);
    assert!(jsonschema::draft202012::is_valid(
        &tool["output_schema"],
        &answer
    ));
}

#[test]
fn every_schema_is_valid() {
    let manifest = testing::manifest(&SKILL);
    for tool in manifest["tools"].as_array().unwrap() {
        assert!(
            jsonschema::draft202012::meta::is_valid(&tool["input_schema"]),
            "{tool:#}"
        );
        if let Some(output) = tool.get("output_schema") {
            assert!(jsonschema::draft202012::meta::is_valid(output), "{tool:#}");
            assert_eq!(output["type"], "object", "{tool:#}");
        }
    }
}
