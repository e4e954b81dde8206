use std::sync::{Arc, LazyLock};

use serde_json::{Value, json};
use skillhost::Kind;
use skillhost::invocation::{Input, MAX_VALUES};
use skillhost::manifest::Source;
use skillhost_tests::{guests, pack};

use crate::stage::{Stage, shared};

/// As the arguments of a call: they are refused as such, or the skill gets the
/// very text, of which every reader makes the same value. They reach the skill
/// if, and only if, they fit its schema.
pub fn input(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let input = match Input::parse(text) {
        Ok(input) => input,
        Err(error) => return assert_eq!(error.kind(), Kind::InvalidInput),
    };
    assert_eq!(input.text(), text);
    assert!(input.values() <= MAX_VALUES);
    let lenient: Value = serde_json::from_str(text).unwrap();
    assert_eq!(*input.value(), lenient);
    let written = Input::from_value(input.value().clone());
    assert_eq!(written.values(), input.values());
    assert_eq!(Input::parse(written.text()).unwrap(), written);

    let fits = fits(&lenient);
    let answer = STAGE.call("run", input);
    let kind = answer.outcome.as_ref().err().map(skillhost::Error::kind);
    let expected = (!fits).then_some(Kind::InvalidInput);
    assert_eq!(kind, expected, "{text}");
}

static STAGE: LazyLock<Arc<Stage>> = LazyLock::new(|| {
    let tool = json!({
        "name": "run", "description": "",
        "input_schema": {
            "type": "object",
            "properties": {
                "text": {"type": "string", "maxLength": 5},
                "number": {"type": "integer", "minimum": 0, "maximum": 10},
                "many": {"type": "array", "items": {"type": "boolean"}, "maxItems": 3},
            },
            "required": ["text"],
            "additionalProperties": false,
        },
    });
    let source = Source {
        tools: Some(vec![serde_json::from_value(tool).unwrap()]),
        ..pack::plain_source("honest")
    };
    let component = pack::with_manifest(&guests::text("honest"), source);
    shared(Stage::new("honest", &component, |_| {}))
});

/// The schema above, written by hand.
fn fits(value: &Value) -> bool {
    let Some(object) = value.as_object() else {
        return false;
    };
    let text = |it: &Value| it.as_str().is_some_and(|text| text.chars().count() <= 5);
    object.get("text").is_some_and(text)
        && object.iter().all(|(key, value)| match key.as_str() {
            "text" => true,
            // 1.0 is an integer (JSON Schema 2020-12, section 6.1.1).
            "number" => value
                .as_f64()
                .is_some_and(|number| number.fract() == 0.0 && (0.0..=10.0).contains(&number)),
            "many" => value
                .as_array()
                .is_some_and(|many| many.len() <= 3 && many.iter().all(Value::is_boolean)),
            _ => false,
        })
}
