//! What is made of every event that there is.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use jsonschema::Validator;
use serde_json::{Value, json};

use super::{cef, ocsf};
use crate::event::catalogue::{CATALOGUE, Cause, described};
use crate::event::samples;

/// The vendored schema: one document for all classes.
fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/cases/ocsf/schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn validator(schema: &Value, class: &Value) -> Validator {
    let mut schema = schema.clone();
    schema["$ref"] = json!(format!("#/classes/{class}"));
    jsonschema::draft202012::new(&schema).unwrap()
}

#[test]
fn the_samples_are_all_events_and_the_catalogue_knows_them() {
    let source = include_str!("../mod.rs");
    let (_, events) = source.split_once("pub enum Event {").unwrap();
    let (events, _) = events.split_once("\nimpl Event {").unwrap();
    let written: BTreeSet<&str> = events
        .split("#[serde(rename = \"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap())
        .collect();
    let sampled = samples::all();
    let sampled: BTreeSet<&str> = sampled.iter().map(|event| event.name()).collect();
    let described: BTreeSet<&str> = CATALOGUE.iter().map(|event| event.name).collect();
    assert_eq!(sampled, written);
    assert_eq!(described, written);
    assert_eq!(CATALOGUE.len(), written.len());
}

#[test]
fn an_event_is_called_and_weighed_as_the_catalogue_says() {
    for event in samples::all() {
        let known = described(event.name()).unwrap();
        let name = serde_json::to_value(&event).unwrap()["event"].clone();
        assert_eq!(name, event.name());
        assert_eq!(known.severity, event.severity(), "{name}");
        assert_eq!(known.needs_review(), event.needs_review(), "{name}");
    }
}

#[test]
fn each_event_is_told_with_its_own_fields() {
    for line in samples::lines() {
        let words = line.words();
        assert!(
            !words.is_empty() && !words.contains(['?', '{', '[']),
            "{words}"
        );
    }
}

#[test]
fn each_event_is_valid_ocsf() {
    let schema = schema();
    for line in samples::lines() {
        let record = ocsf::of(&line);
        let validator = validator(&schema, &record["class_uid"]);
        let wrong: Vec<String> = validator
            .iter_errors(&record)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert_eq!(wrong, [""; 0], "{record:#}");
        assert_ne!(record["activity_name"], "Unknown", "{record:#}");
    }
}

#[test]
fn the_schema_refuses_what_is_not_ocsf() {
    let schema = schema();
    let line = samples::lines().swap_remove(0);
    let record = ocsf::of(&line);
    let validator = validator(&schema, &record["class_uid"]);
    for (field, value) in [
        ("severity_id", json!(77)),
        ("time", json!("now")),
        ("colour", json!("red")),
        ("type_uid", json!(1)),
    ] {
        let mut wrong = record.clone();
        wrong[field] = value;
        assert!(!validator.is_valid(&wrong), "{field}");
    }
}

#[test]
fn an_event_of_a_later_host_is_valid_ocsf_as_well() {
    let schema = schema();
    let line = super::Entry::parse(r#"{"event":"later.thing","more":{"a":[1]}}"#).unwrap();
    let record = ocsf::of(&line);
    assert!(
        validator(&schema, &record["class_uid"]).is_valid(&record),
        "{record:#}"
    );
    assert_eq!(record["unmapped"], json!({"more": {"a": [1]}}));
}

#[test]
fn nothing_of_a_record_is_lost_in_ocsf() {
    for line in samples::lines() {
        let record = ocsf::of(&line).to_string();
        for (name, value) in line.fields() {
            let kept = match value {
                Value::String(text) => record.contains(text.as_str()),
                Value::Object(_) | Value::Array(_) => record.contains(&value.to_string()),
                _ => true,
            };
            assert!(kept || name == "severity", "{name} of {record}");
        }
    }
}

#[test]
fn each_event_is_one_line_of_cef() {
    for line in samples::lines() {
        let record = cef::of(&line);
        assert!(record.starts_with("CEF:0|skillhost|skillhost|"), "{record}");
        assert!(!record.contains('\n'), "{record}");
    }
}

#[test]
fn each_event_stands_in_the_documentation_as_it_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/EVENTS.md");
    let page = fs::read_to_string(path).unwrap();
    for event in &CATALOGUE {
        let (class, activity) = event.class;
        let row = format!(
            "| `{}` | {} | {} | {} | {} ({}): {} |",
            event.name,
            serde_json::to_value(event.severity)
                .unwrap()
                .as_str()
                .unwrap(),
            if event.needs_review() { "yes" } else { "no" },
            event.means,
            class.name(),
            class.uid(),
            class.activity(activity)
        );
        assert!(
            page.lines().any(|line| line == row),
            "docs/EVENTS.md lacks\n{row}"
        );
        let suspends = page.contains(&format!("`{}`,", event.name))
            || page.contains(&format!("`{}`. Whoever", event.name));
        if event.cause == Cause::Skill {
            assert!(
                suspends,
                "docs/EVENTS.md does not say that `{}` can suspend",
                event.name
            );
        }
    }
}
