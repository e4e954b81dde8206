use serde_json::json;

use super::*;

fn document() -> Value {
    json!({
        "format": 1,
        "name": "text-stats",
        "version": "1.2.3",
        "description": "Statistics of a text",
        "tools": [{
            "name": "analyze",
            "description": "Counts words.",
            "input_schema": {"type": "object", "properties": {"text": {"type": "string"}}},
            "annotations": {"read_only": true},
        }],
        "capabilities": {
            "filesystem": {"reason": "reads files"},
            "http": {"origins": ["https://*.good.test"], "reason": "fetches pages"},
            "secrets": {"github": {"origin": "https://a.good.test", "reason": "signs in"}},
        },
        "limits": {"memory": "64 MiB", "timeout": "5s"},
    })
}

fn parse(document: &Value) -> Result<Manifest, ManifestError> {
    Manifest::parse(Some(document.to_string().as_bytes()))
}

#[test]
fn a_manifest_is_read_with_safe_defaults() {
    let manifest = parse(&document()).unwrap();
    assert_eq!(manifest.name.as_str(), "text-stats");
    assert_eq!(manifest.version, Version::new(1, 2, 3));
    let filesystem = manifest.capabilities.filesystem.unwrap();
    assert_eq!(filesystem.access, Access::ReadOnly);
    assert!(!filesystem.optional);
    assert_eq!(manifest.capabilities.http.unwrap().methods, ["GET", "HEAD"]);
    let (name, secret) = manifest.capabilities.secrets.first_key_value().unwrap();
    assert_eq!((name.as_str(), secret.usage), ("github", SecretUse::Inject));
    assert_eq!(manifest.limits.memory, Some(64 << 20));
    assert_eq!(manifest.tools[0].annotations.read_only, Some(true));
    assert_eq!(manifest.tools[0].annotations.destructive, None);
}

#[test]
fn what_is_wrong_is_named_with_its_field() {
    let cases: [(&str, Value, &str); 16] = [
        ("/name", json!("Text Stats"), "skill name"),
        ("/tools", json!([]), "tools must be"),
        ("/tools/0/name", json!("a_b"), "tool name"),
        ("/tools/0/name", json!("x".repeat(60)), "too long"),
        ("/tools/0/description", json!("a\u{202e}b"), "U+202E"),
        ("/tools/0/input_schema", json!({}), "\"type\": \"object\""),
        (
            "/description",
            json!("x".repeat(MAX_DESCRIPTION + 1)),
            "longer",
        ),
        ("/limits", json!({"memory": "5 GiB"}), "out of range"),
        ("/limits", json!({"speed": 1}), "unknown field"),
        ("/capabilities", json!({"process": {}}), "unknown field"),
        (
            "/capabilities/secrets",
            json!({"a": {"reason": "r"}}),
            "secrets.a has no `origin`",
        ),
        (
            "/capabilities/secrets",
            json!({"a": {"use": "reveal", "origin": "*", "reason": "r"}}),
            "secrets.a has an `origin`",
        ),
        (
            "/capabilities/secrets",
            json!({"a": {"use": "reveal", "reason": "r\ns"}}),
            "secrets.a.reason has a line break",
        ),
        (
            "/capabilities/secrets",
            json!({"A_B": {"use": "reveal", "reason": "r"}}),
            "secret name",
        ),
        (
            "/capabilities/http/origins",
            json!(["good.test"]),
            "no origin",
        ),
        (
            "/capabilities/http/methods",
            json!(["get"]).clone(),
            "no method",
        ),
    ];
    for (pointer, value, expected) in cases {
        let mut document = document();
        document["capabilities"]["http"]["methods"] = json!(["GET"]);
        *document.pointer_mut(pointer).unwrap() = value;
        let error = parse(&document).unwrap_err().to_string();
        assert!(error.contains(expected), "{pointer}: {error}");
    }
}

#[test]
fn a_second_tool_of_the_same_name_is_refused() {
    let mut document = document();
    let tool = document["tools"][0].clone();
    document["tools"].as_array_mut().unwrap().push(tool);
    let error = parse(&document).unwrap_err().to_string();
    assert!(
        error.contains("tools[1] has the name `analyze` a second time"),
        "{error}"
    );
}

#[test]
fn missing_and_newer_manifests_get_an_answer_of_their_own() {
    assert_eq!(Manifest::parse(None), Err(ManifestError::Missing));
    let newer = json!({"format": 2, "whatever": true});
    assert_eq!(parse(&newer), Err(ManifestError::Format(2)));
    assert!(matches!(
        Manifest::parse(Some(b"{")),
        Err(ManifestError::Malformed(_))
    ));
}

#[test]
fn a_source_overrides_what_is_embedded_and_adds_to_it() {
    let source = Source::parse(
        "name = \"stats\"\n[capabilities.filesystem]\naccess = \"read-write\"\nreason = \"writes\"\n[limits]\nmemory = \"1 MiB\"\n",
    )
    .unwrap();
    let embedded = json!({
        "format": 1, "name": "Cargo_Name", "version": "0.1.0", "description": "d",
        "tools": document()["tools"],
    });
    let json = source
        .manifest(Some(embedded.to_string().as_bytes()))
        .unwrap();
    let manifest = Manifest::parse(Some(&json)).unwrap();
    assert_eq!(manifest.name.as_str(), "stats");
    assert_eq!(manifest.version, Version::new(0, 1, 0));
    assert_eq!(
        manifest.capabilities.filesystem.unwrap().access,
        Access::ReadWrite
    );
    assert_eq!(manifest.limits.memory, Some(1 << 20));
}

#[test]
fn a_wrong_source_is_shown_with_its_line() {
    let error = Source::parse("name = \"x\"\nnmae = \"y\"\n")
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("line 2") && error.contains("nmae"),
        "{error}"
    );
}

#[test]
fn a_source_without_name_or_embedded_tools_says_what_to_set() {
    let error = Source::default().manifest(None).unwrap_err().to_string();
    assert!(error.contains("set `name` in skill.toml"), "{error}");
}
