//! Components become skills: a manifest is added, and the whole is signed.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;
use skillhost::manifest::{Source, section};
use skillhost::sign::PrivateKey;

use crate::guests;

/// The name of the skill that a guest becomes.
#[must_use]
pub fn skill_name(guest: &str) -> String {
    guest.replace('_', "-")
}

/// What stands in the `.toml` beside the guest, with the guest's name.
#[must_use]
pub fn source(guest: &str) -> Source {
    let path = guests::folder()
        .join("examples")
        .join(format!("{guest}.toml"));
    let text = fs::read_to_string(path).unwrap_or_default();
    Source {
        name: Some(skill_name(guest).parse().unwrap()),
        ..Source::parse(&text).unwrap()
    }
}

/// A manifest with the one tool `run`, for components that embed none.
#[must_use]
pub fn plain_source(name: &str) -> Source {
    let tool = json!({"name": "run", "description": "", "input_schema": {"type": "object"}});
    Source {
        name: Some(skill_name(name).parse().unwrap()),
        version: Some("1.0.0".parse().unwrap()),
        tools: Some(vec![serde_json::from_value(tool).unwrap()]),
        ..Source::default()
    }
}

/// The component with a complete manifest.
#[must_use]
pub fn with_manifest(component: &[u8], source: Source) -> Vec<u8> {
    let embedded = section::read(component).unwrap().manifest;
    section::append(component, &source.manifest(embedded).unwrap())
}

/// A Rust guest as a complete, unsigned skill.
#[must_use]
pub fn rust(guest: &str) -> Vec<u8> {
    with_manifest(&guests::rust(guest), source(guest))
}

/// A guest in WebAssembly text as a complete, unsigned skill.
#[must_use]
pub fn text(guest: &str) -> Vec<u8> {
    with_manifest(&guests::text(guest), plain_source(guest))
}

/// Writes `NAME.wasm` into the folder, and its signature beside it.
#[must_use]
pub fn write_signed(folder: &Path, name: &str, component: &[u8], key: &PrivateKey) -> PathBuf {
    let path = folder.join(format!("{name}.wasm"));
    fs::write(&path, component).unwrap();
    key.sign_file(&path, None).unwrap();
    path
}
