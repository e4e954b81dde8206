//! Whether arguments are within their limit and fit the tool's schema.
//!
//! Schemas are compiled once, when a skill is loaded. They come from the skill
//! and are untrusted: nothing that they refer to is fetched, and their patterns
//! run in linear time.

use std::collections::BTreeMap;

use jsonschema::{Draft, PatternOptions, ValidationError, Validator};
use serde_json::{Map, Value};

use super::cost::Cost;
use super::rules::SkillRules;
use super::screening::Declared;
use super::{interpreter, pattern};
use crate::error::{Error, Kind, Result};
use crate::invocation::{Input, MAX_VALUES, count};
use crate::manifest::text::one_line;
use crate::manifest::{Manifest, Tool};

/// The longest part of a value that is repeated in an error, in characters.
pub(super) const MAX_SHOWN: usize = 200;

/// The compiled schemas of one tool, and what else is known of it before a call.
#[derive(Debug)]
pub(crate) struct Schemas {
    input: Schema,
    output: Option<Schema>,
    /// What its arguments are.
    pub(super) declared: Declared,
    /// Whether it is called like an interpreter, and the operator did not list it.
    pub(crate) is_blocked: bool,
}

/// A compiled schema, and what a check against it can cost.
#[derive(Debug)]
pub(super) struct Schema {
    validator: Validator,
    pub(super) cost: Cost,
}

impl Schemas {
    /// Compiles a tool's schemas.
    ///
    /// # Errors
    ///
    /// `ManifestInvalid` for a schema that is none, or that refers to another
    /// document.
    pub(crate) fn compile(tool: &Tool, rules: &SkillRules) -> Result<Self> {
        let compile = |which: &str, schema: &Map<String, Value>| {
            Schema::compile(&Value::Object(schema.clone())).map_err(|problem| {
                Error::new(
                    Kind::ManifestInvalid,
                    format!(
                        "The {which} schema of the tool `{}` cannot be used: {}.",
                        tool.name,
                        one_line(&problem, MAX_SHOWN)
                    ),
                )
            })
        };
        Ok(Self {
            input: compile("input", &tool.input_schema)?,
            output: tool
                .output_schema
                .as_ref()
                .map(|schema| compile("output", schema))
                .transpose()?,
            declared: match rules.tools.get(&tool.name) {
                Some(own) => Declared::of(&tool.input_schema, &own.fields),
                None => Declared::of(&tool.input_schema, &BTreeMap::new()),
            },
            is_blocked: interpreter::is_called_like_one(tool.name.as_str())
                && !rules.interpreters.contains(&tool.name),
        })
    }

    /// Checks the arguments of a call.
    ///
    /// # Errors
    ///
    /// `InputTooLarge` over `limit` bytes, `InvalidInput` with the field and
    /// the rule that it breaks.
    pub(crate) fn admit(&self, input: &Input, limit: u64) -> Result<()> {
        let size = input.text().len() as u64;
        if size > limit {
            return Err(Error::new(
                Kind::InputTooLarge,
                format!("The arguments are {size} bytes; at most {limit} are allowed."),
            )
            .with_hint("Send less, or have the skill read a file."));
        }
        if input.values() > MAX_VALUES || !self.input.cost.allows(input.values()) {
            return Err(Error::new(
                Kind::InputTooLarge,
                "The arguments hold too many values to be checked against the tool's schema.",
            )
            .with_hint("Send less, or send the data as one string."));
        }
        match self.input.violation(input.value()) {
            None => Ok(()),
            Some(what) => Err(Error::new(
                Kind::InvalidInput,
                format!("The arguments do not fit the tool's schema: {what}."),
            )
            .with_hint("Correct the arguments and call again.")),
        }
    }

    /// Checks the structured answer of a call.
    ///
    /// # Errors
    ///
    /// `InvalidOutput` if there is none and the tool promises one, or if it
    /// does not fit the schema.
    pub(crate) fn check_output(&self, structured: Option<&Value>) -> Result<()> {
        let Some(schema) = &self.output else {
            return Ok(());
        };
        let problem = match structured {
            None => Some("it is missing".to_owned()),
            Some(value) if !schema.cost.allows(count(value)) => {
                Some("it holds too many values to be checked".to_owned())
            }
            Some(value) => schema.violation(value),
        };
        match problem {
            None => Ok(()),
            Some(what) => Err(Error::new(
                Kind::InvalidOutput,
                format!("The skill's structured answer does not fit its own schema: {what}."),
            )
            .with_hint("This is a defect of the skill; tell its author.")),
        }
    }
}

/// The tool that a caller named.
///
/// # Errors
///
/// `UnknownTool` with the names there are.
pub(crate) fn tool<'a>(manifest: &'a Manifest, name: &str) -> Result<&'a Tool> {
    manifest.tool(name).ok_or_else(|| {
        let names: Vec<&str> = manifest
            .tools
            .iter()
            .map(|tool| tool.name.as_str())
            .collect();
        Error::new(
            Kind::UnknownTool,
            format!("{} has no tool `{}`.", manifest.name, one_line(name, 80)),
        )
        .with_hint(format!("Its tools are: {}.", names.join(", ")))
    })
}

impl Schema {
    pub(super) fn compile(schema: &Value) -> Result<Self, String> {
        let cost = Cost::of(schema)?;
        let validator = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(pattern::MAX_KEY_SIZE))
            .with_keyword("pattern", pattern::keyword())
            .build(schema)
            .map_err(|cause| cause.to_string())?;
        Ok(Self { validator, cost })
    }

    /// The first violation in words, if there is one.
    pub(super) fn violation(&self, value: &Value) -> Option<String> {
        let too_much = || Some("it has too much text to be matched with its patterns".to_owned());
        if !self.cost.allows_keys(value) {
            return too_much();
        }
        let found = pattern::bounded(|| {
            self.validator
                .validate(value)
                .err()
                .map(|it| violation(&it))
        });
        found.unwrap_or_else(too_much)
    }
}

/// Field, what is wrong, and the rule.
fn violation(error: &ValidationError<'_>) -> String {
    let path = error.instance_path().to_string();
    let field = match path.trim_start_matches('/') {
        "" => String::new(),
        field => format!("`{}`: ", one_line(&field.replace('/', "."), MAX_SHOWN)),
    };
    let what = one_line(&error.masked().to_string(), MAX_SHOWN);
    format!("{field}{what} (rule `{}`)", error.kind().keyword())
}

#[cfg(test)]
#[expect(clippy::needless_pass_by_value, reason = "`json!` makes values")]
mod tests {
    use serde_json::json;

    use super::*;

    fn schemas(input: Value, output: Option<Value>) -> Result<Schemas> {
        let tool =
            json!({"name": "t", "description": "", "input_schema": input, "output_schema": output});
        Schemas::compile(
            &serde_json::from_value(tool).unwrap(),
            &SkillRules::default(),
        )
    }

    fn admit(input: Value, arguments: &str) -> Result<(), (Kind, String)> {
        schemas(input, None)
            .unwrap()
            .admit(&Input::parse(arguments).unwrap(), 1000)
            .map_err(|error| (error.kind(), error.message().to_owned()))
    }

    fn text_schema() -> Value {
        json!({
            "type": "object",
            "properties": {"text": {"type": "string", "maxLength": 3}, "top": {"type": "integer", "maximum": 100}},
            "required": ["text"],
            "additionalProperties": false,
        })
    }

    #[test]
    fn an_error_names_the_field_and_the_rule() {
        for (arguments, expected) in [
            (r#"{"text": "a", "top": 500}"#, ["`top`", "`maximum`"]),
            (r#"{"text": 7}"#, ["`text`", "`type`"]),
            (r#"{"text": "abcd"}"#, ["`text`", "`maxLength`"]),
            ("{}", ["text", "`required`"]),
            (
                r#"{"text": "a", "tpo": 1}"#,
                ["tpo", "`additionalProperties`"],
            ),
            ("[]", ["object", "`type`"]),
        ] {
            let (kind, message) = admit(text_schema(), arguments).unwrap_err();
            assert_eq!(kind, Kind::InvalidInput);
            assert!(
                expected.iter().all(|part| message.contains(part)),
                "{arguments}: {message}"
            );
        }
        assert_eq!(admit(text_schema(), r#"{"text": "a"}"#), Ok(()));
    }

    #[test]
    fn an_error_does_not_repeat_the_value() {
        let (_, message) = admit(text_schema(), r#"{"text": "hunter2hunter2"}"#).unwrap_err();
        assert!(!message.contains("hunter2"), "{message}");
    }

    #[test]
    fn arguments_over_the_limit_are_refused() {
        let long = format!(r#"{{"text": "{}"}}"#, "x".repeat(2000));
        assert_eq!(
            admit(text_schema(), &long).unwrap_err().0,
            Kind::InputTooLarge
        );
    }

    #[test]
    fn i06_schemas_that_reach_out_or_run_long_are_refused() {
        for schema in [
            json!({"type": "object", "$ref": "https://schema.test/x.json"}),
            json!({"type": "object", "$ref": "file:///etc/passwd"}),
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "(a{1000}){1000}"}}}),
            json!({"type": "object", "properties": {"a": {"type": "string", "pattern": "(?=look)"}}}),
            json!({"type": "object", "properties": {"a": {"type": "no such type"}}}),
        ] {
            assert_eq!(
                schemas(schema.clone(), None).unwrap_err().kind(),
                Kind::ManifestInvalid,
                "{schema}"
            );
        }
    }

    #[test]
    fn i12_an_answer_must_fit_the_promised_schema() {
        let schemas = schemas(
            json!({"type": "object"}),
            Some(json!({"type": "object", "required": ["n"]})),
        )
        .unwrap();
        assert!(schemas.check_output(Some(&json!({"n": 1}))).is_ok());
        for wrong in [None, Some(&json!({})), Some(&json!(1))] {
            assert_eq!(
                schemas.check_output(wrong).unwrap_err().kind(),
                Kind::InvalidOutput
            );
        }
    }
}
