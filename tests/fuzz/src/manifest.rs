use serde_json::{Value, json};
use skillhost::lock::Definition;
use skillhost::manifest::{Manifest, section};

/// The smallest component.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

/// As a manifest: one that is accepted means the same when it is written out
/// and read again, and shows no character that a reader would not see. As a
/// component: it is read or refused. As a section: it is found as it is.
pub fn manifest(data: &[u8]) {
    if let Ok(sections) = section::read(data) {
        // Whatever a component carries is a manifest, or refused as one.
        let _ = Manifest::parse(sections.manifest);
    }
    let packed = section::append(EMPTY, data);
    match section::read(&packed) {
        Ok(sections) => assert_eq!(sections.manifest, Some(data)),
        Err(problem) => assert!(data.len() > section::MAX_SECTION, "{problem}"),
    }
    let Ok(manifest) = Manifest::parse(Some(data)) else {
        return;
    };
    let written = written(&manifest, data);
    check_visible(&written);
    let again = Manifest::parse(Some(written.to_string().as_bytes())).unwrap();
    assert_eq!(again, manifest);
    assert_eq!(
        Definition::of(&again).digest(),
        Definition::of(&manifest).digest()
    );
}

/// The manifest as JSON; limits as they stood.
fn written(manifest: &Manifest, data: &[u8]) -> Value {
    let document: Value = serde_json::from_slice(data).unwrap();
    let mut written = json!({
        "format": 1,
        "name": manifest.name,
        "version": manifest.version,
        "description": manifest.description,
        "tools": manifest.tools,
        "capabilities": manifest.capabilities,
        "settings": manifest.settings,
    });
    if let Some(limits) = document.get("limits") {
        written["limits"] = limits.clone();
    }
    written
}

/// Controls but line feed and tab, and what changes the direction or has no
/// width (Unicode, general categories Cc and Cf).
fn check_visible(value: &Value) {
    match value {
        Value::String(text) => assert!(!text.chars().any(is_hidden), "{text:?}"),
        Value::Array(values) => values.iter().for_each(check_visible),
        Value::Object(object) => {
            for (key, value) in object {
                assert!(!key.chars().any(is_hidden), "{key:?}");
                check_visible(value);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn is_hidden(character: char) -> bool {
    let control = character.is_control() && !matches!(character, '\n' | '\t');
    let invisible = matches!(character,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}');
    control || invisible
}
