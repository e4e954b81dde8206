//! Samples that the tests of the lock share.

mod changes;
mod sentences;
mod text;

use std::path::Path;

use serde_json::{Value, json};

use super::*;

/// A manifest in which everything is stated.
fn document() -> Value {
    json!({
        "format": 1,
        "name": "text-stats",
        "version": "1.2.0",
        "description": "Statistics of a text",
        "tools": [
            {
                "name": "count",
                "title": "Count words",
                "description": "Counts the words of a text.",
                "input_schema": {
                    "type": "object",
                    "properties": {
                        "text": {"type": "string", "description": "What to count", "maxLength": 1000},
                        "unit": {"enum": ["word", "line"]},
                        "filter": {
                            "type": ["object", "null"],
                            "properties": {"tags": {"type": "array", "items": {"type": "string"}}},
                        },
                    },
                    "required": ["text"],
                    "additionalProperties": false,
                },
                "output_schema": {"type": "object"},
                "annotations": {"read_only": true, "destructive": false},
            },
            {"name": "about", "description": "", "input_schema": {"type": "object"}},
        ],
        "capabilities": {
            "filesystem": {"access": "read-only", "reason": "reads files"},
            "http": {
                "origins": ["https://*.good.test", "https://one.test"],
                "methods": ["HEAD", "GET"],
                "reason": "fetches pages",
            },
            "sockets": {
                "tcp": ["*:5432", "db.test:22"],
                "udp": ["time.test:123"],
                "listen": ["127.0.0.1:8080"],
                "reason": "asks a database",
            },
            "secrets": {
                "token": {"use": "inject", "origin": "https://one.test", "reason": "signs in"},
                "key": {"use": "reveal", "reason": "opens files"},
            },
        },
        "limits": {"fuel": 1000, "memory": "64 MiB", "timeout": "5s", "output": "1 MiB"},
        "settings": {"type": "object"},
    })
}

/// The sample with other values at JSON pointers; `null` removes a member.
fn document_with(values: &[(&str, Value)]) -> Value {
    let mut document = document();
    for (pointer, value) in values {
        let (parent, member) = pointer.rsplit_once('/').unwrap();
        let parent = document.pointer_mut(parent).unwrap();
        match (parent, value) {
            (Value::Object(object), Value::Null) => drop(object.shift_remove(member)),
            (Value::Array(list), Value::Null) => drop(list.remove(member.parse().unwrap())),
            (Value::Array(list), value) if member == "-" => list.push(value.clone()),
            (parent, value) => parent[member] = value.clone(),
        }
    }
    document
}

/// What is found for a manifest whose component has the bytes `component`.
fn found(document: &Value, component: &[u8], signers: &[&str]) -> Release {
    let manifest = Manifest::parse(Some(document.to_string().as_bytes())).unwrap();
    let signers: Vec<SignerName> = signers.iter().map(|name| SignerName::new(name)).collect();
    Release::of(&manifest, Digest::of(component), &signers)
}

/// A lock in which the sample was approved, and another version of it.
fn lock() -> Lock {
    let mut lock = Lock::default();
    lock.approve(found(&document(), b"1.2.0", &["alice", "bob"]));
    let earlier = document_with(&[("/version", json!("1.0.0"))]);
    lock.approve(found(&earlier, b"1.0.0", &["alice"]));
    lock
}

/// What differs when the sample has those values, besides its bytes.
#[track_caller]
fn changes(values: &[(&str, Value)]) -> Vec<Change> {
    let release = found(&document_with(values), b"other", &["alice", "bob"]);
    let mut changes = lock().check(&release).unwrap_err();
    assert_eq!(changes[0].what(), What::OtherBytes);
    changes.remove(0);
    changes
}
