use std::fs;
use std::time::Duration;

use skillhost_sdk::ErrorKind;
use skillhost_sdk::serde_json::{Value, json};
use skillhost_sdk::testing::{Host, call};

use crate::SKILL;

fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for (file, contents) in files {
        fs::write(root.path().join(file), contents).unwrap();
    }
    root
}

fn search(host: &Host, root: &tempfile::TempDir, more: &Value) -> skillhost_sdk::Result<Value> {
    let mut arguments = json!({ "path": root.path() });
    arguments
        .as_object_mut()
        .unwrap()
        .extend(more.as_object().unwrap().clone());
    let output = host.run(|| call(&SKILL, "search", arguments))?;
    Ok(output.structured_value().unwrap())
}

#[track_caller]
fn assert_error(arguments: Value, kind: ErrorKind, code: &str) {
    let error = call(&SKILL, "search", arguments).unwrap_err();
    assert_eq!(
        (error.kind(), error.code_name()),
        (kind, Some(code)),
        "{error}"
    );
}

#[test]
fn answers_with_matches_and_counts() {
    let root = tree(&[("a.rs", "x\n// TODO: y\nz\n"), (".b", "TODO")]);
    let answer = search(
        &Host::new(),
        &root,
        &json!({ "pattern": "todo", "ignore_case": true, "context": 1 }),
    )
    .unwrap();
    let expected = json!({
        "matches": [{
            "path": root.path().join("a.rs"),
            "line": 2,
            "column": 4,
            "text": "// TODO: y",
            "before": ["x"],
            "after": ["z"],
        }],
        "files_searched": 1,
        "truncated": false,
        "stopped_by": null,
        "skipped": { "binary": 0, "too_large": 0, "unreadable": 0, "hidden": 1, "ignored": 0, "links": 0 },
    });
    assert_eq!(answer, expected);
}

#[test]
fn every_option_reaches_the_search() {
    let root = tree(&[
        (".gitignore", "b\n"),
        ("a", "f(x)\n"),
        ("b", "f(x)\n"),
        ("c.md", "f(x) f(x) f(x)\n"),
    ]);
    let paths = |more: &Value| {
        let answer = search(&Host::new(), &root, more).unwrap();
        let matches = answer["matches"].as_array().unwrap().clone();
        let name = |m: &Value| {
            m["path"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap()
                .to_owned()
        };
        matches.iter().map(name).collect::<Vec<_>>()
    };
    assert_eq!(paths(&json!({ "pattern": "f(x)" })), [""; 0]);
    assert_eq!(
        paths(&json!({ "pattern": "f(x)", "fixed_string": true })),
        ["a", "c.md"]
    );
    assert_eq!(
        paths(&json!({ "pattern": "x", "no_ignore": true })),
        ["a", "b", "c.md"]
    );
    assert_eq!(
        paths(&json!({ "pattern": "b", "hidden": true })),
        [".gitignore"]
    );
    assert_eq!(paths(&json!({ "pattern": "x", "glob": "*.md" })), ["c.md"]);
    assert_eq!(paths(&json!({ "pattern": "x", "max_matches": 1 })), ["a"]);
    assert_eq!(
        paths(&json!({ "pattern": "x", "max_file_size": 10 })),
        ["a"]
    );
}

#[test]
fn stops_before_the_deadline_and_when_cancelled() {
    let root = tree(&[("a", "x")]);
    for (host, reason) in [
        (
            Host::new().remaining(Duration::from_millis(100)),
            "deadline",
        ),
        (Host::new().cancelled(true), "cancelled"),
    ] {
        let answer = search(&host, &root, &json!({ "pattern": "x" })).unwrap();
        assert_eq!(
            (&answer["stopped_by"], &answer["truncated"]),
            (&json!(reason), &json!(true))
        );
        assert_eq!(answer["files_searched"], 0);
    }
}

#[test]
fn reports_progress_in_a_large_tree() {
    let names: Vec<_> = (0..600)
        .flat_map(|number| [format!("{number}"), format!("{number}.binary")])
        .collect();
    let contents = |name: &str| if name.ends_with("binary") { "\0" } else { "" };
    let files: Vec<_> = names
        .iter()
        .map(|name| (name.as_str(), contents(name)))
        .collect();
    let host = Host::new();
    search(&host, &tree(&files), &json!({ "pattern": "x" })).unwrap();
    assert_eq!(
        host.progress()
            .iter()
            .map(|report| report.done)
            .collect::<Vec<_>>(),
        [256.0, 512.0]
    );
}

#[test]
fn errors_say_what_to_do() {
    assert_error(
        json!({ "pattern": "a(" }),
        ErrorKind::InvalidArguments,
        "invalid-pattern",
    );
    assert_error(
        json!({ "pattern": "a", "glob": "[" }),
        ErrorKind::InvalidArguments,
        "invalid-pattern",
    );
    let missing = json!({ "pattern": "a", "path": "/no/such/directory" });
    let error = call(&SKILL, "search", missing).unwrap_err();
    assert_eq!(
        (error.kind(), error.code_name()),
        (ErrorKind::NotFound, Some("no-such-path"))
    );
    assert!(error.message().contains("--allow-dir"), "{error}");
}
