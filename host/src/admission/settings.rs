//! The operator's settings for a skill, against what its manifest says of them.

use serde_json::{Map, Value};

use super::schemas::{MAX_SHOWN, Schema};
use crate::error::{Error, Kind, Result};
use crate::invocation::count;
use crate::manifest::text::one_line;
use crate::manifest::{Manifest, SkillName};

/// The settings as the skill sees them: those that are `set`, and the defaults
/// of the others.
///
/// # Errors
///
/// `ManifestInvalid` for a schema that is none; `ConfigInvalid` with the key
/// and the rule for a setting that the manifest does not declare, that does not
/// fit, or that is missing.
pub(crate) fn settings(
    manifest: &Manifest,
    set: &Map<String, Value>,
) -> Result<Map<String, Value>> {
    let nothing = Map::new();
    let schema = manifest.settings.as_ref().unwrap_or(&nothing);
    check_declared(&manifest.name, schema, set)?;
    let settings = with_defaults(schema, set);
    if let Some(declared) = &manifest.settings {
        check(&manifest.name, declared, &settings)?;
    }
    Ok(settings)
}

/// A key that nobody reads is a slip of the pen, and what it was meant for is
/// not set.
fn check_declared(
    skill: &SkillName,
    schema: &Map<String, Value>,
    set: &Map<String, Value>,
) -> Result<()> {
    let declared = properties(schema);
    let is_declared = |key: &&String| declared.is_some_and(|it| it.contains_key(*key));
    let Some(unknown) = set.keys().find(|key| !is_declared(key)) else {
        return Ok(());
    };
    let names: Vec<String> = declared
        .into_iter()
        .flat_map(Map::keys)
        .map(|name| format!("`{name}`"))
        .collect();
    let hint = match names.as_slice() {
        [] => "It has none. Remove the key.".to_owned(),
        names => one_line(&format!("Its settings are {}.", names.join(", ")), 400),
    };
    Err(Error::new(
        Kind::ConfigInvalid,
        format!(
            "`{skill}` has no setting `{}`, which stands under `[skill.{skill}.settings]`.",
            one_line(unknown, MAX_SHOWN)
        ),
    )
    .with_hint(hint))
}

fn with_defaults(schema: &Map<String, Value>, set: &Map<String, Value>) -> Map<String, Value> {
    let mut settings = set.clone();
    for (key, property) in properties(schema).into_iter().flatten() {
        if let Some(default) = property.get("default")
            && !settings.contains_key(key)
        {
            settings.insert(key.clone(), default.clone());
        }
    }
    settings
}

fn check(
    skill: &SkillName,
    schema: &Map<String, Value>,
    settings: &Map<String, Value>,
) -> Result<()> {
    let schema = Schema::compile(&Value::Object(schema.clone())).map_err(|problem| {
        Error::new(
            Kind::ManifestInvalid,
            format!(
                "The schema of the settings of `{skill}` cannot be used: {}.",
                one_line(&problem, MAX_SHOWN)
            ),
        )
    })?;
    let settings = Value::Object(settings.clone());
    let problem = if schema.cost.allows(count(&settings)) {
        schema.violation(&settings)
    } else {
        Some("they hold too many values to be checked".to_owned())
    };
    problem.map_or(Ok(()), |what| {
        Err(Error::new(
            Kind::ConfigInvalid,
            format!("The settings of `{skill}` do not fit its manifest: {what}."),
        )
        .with_hint(format!(
            "Correct them under `[skill.{skill}.settings]` in skillhost.toml."
        )))
    })
}

fn properties(schema: &Map<String, Value>) -> Option<&Map<String, Value>> {
    schema.get("properties").and_then(Value::as_object)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn resolved(schema: &Value, set: &Value) -> Result<Value, (Kind, String)> {
        let document = json!({
            "format": 1, "name": "s", "version": "1.0.0", "settings": schema,
            "tools": [{"name": "t", "description": "", "input_schema": {"type": "object"}}],
        });
        let manifest = Manifest::parse(Some(document.to_string().as_bytes())).unwrap();
        settings(&manifest, set.as_object().unwrap())
            .map(Value::Object)
            .map_err(|error| {
                let hint = error.hint().unwrap_or_default();
                (error.kind(), format!("{} {hint}", error.message()))
            })
    }

    fn schema() -> Value {
        json!({
            "type": "object", "required": ["region"],
            "properties": {
                "lang": {"type": "string", "default": "en"},
                "region": {"type": "string", "maxLength": 2},
                "most": {"type": "integer"},
            },
        })
    }

    #[test]
    fn what_is_not_set_has_its_default() {
        for (set, expected) in [
            (
                json!({"region": "eu"}),
                json!({"region": "eu", "lang": "en"}),
            ),
            (
                json!({"region": "eu", "lang": "de", "most": 3}),
                json!({"region": "eu", "lang": "de", "most": 3}),
            ),
        ] {
            assert_eq!(resolved(&schema(), &set), Ok(expected), "{set}");
        }
        assert_eq!(resolved(&Value::Null, &json!({})), Ok(json!({})));
    }

    #[test]
    fn what_does_not_fit_is_refused_with_key_and_rule() {
        for (set, key, rule) in [
            (
                json!({"region": "eu", "most": "3"}),
                "`most`",
                "rule `type`",
            ),
            (json!({"region": "europe"}), "`region`", "rule `maxLength`"),
            (json!({}), "region", "rule `required`"),
            (json!({"region": "eu", "lagn": 1}), "`lagn`", "`lang`"),
        ] {
            let (kind, text) = resolved(&schema(), &set).unwrap_err();
            assert_eq!(kind, Kind::ConfigInvalid, "{set}");
            assert!(text.contains(key) && text.contains(rule), "{text}");
        }
        let (kind, text) = resolved(&Value::Null, &json!({"lang": 1})).unwrap_err();
        assert_eq!(kind, Kind::ConfigInvalid);
        assert!(text.contains("It has none"), "{text}");
    }

    #[test]
    fn a_schema_that_is_none_is_the_authors_mistake() {
        let (kind, _) = resolved(&json!({"type": "thing"}), &json!({})).unwrap_err();
        assert_eq!(kind, Kind::ManifestInvalid);
        let wrong_default = json!({"properties": {"a": {"type": "string", "default": 1}}});
        let (kind, _) = resolved(&wrong_default, &json!({})).unwrap_err();
        assert_eq!(kind, Kind::ConfigInvalid);
    }
}
