//! `docs/SPECIFICATION.md` stays true: each promise names tests that exist.

use std::fs;
use std::path::{Path, PathBuf};

/// Names in backticks that are files or folders of tests, not tests.
const PLACES: [&str; 3] = ["attacks", "cases", "e2e"];

#[test]
fn each_promise_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let sources = sources(&root.join("tests")) + &sources(&root.join("host/src"));
    let text = fs::read_to_string(root.join("docs/SPECIFICATION.md")).unwrap();
    let promises: Vec<&str> = text.lines().filter(|line| is_promise(line)).collect();
    assert!(promises.len() > 30, "{}", promises.len());
    for promise in promises {
        let held_by = promise.split('|').nth(3).unwrap();
        assert!(held_by.contains('`'), "no test is named: {promise}");
        for name in names(held_by) {
            assert!(
                sources.contains(&format!("fn {name}(")),
                "there is no test {name}: {promise}"
            );
        }
    }
}

/// A row of a table that begins with a letter and a number.
fn is_promise(line: &str) -> bool {
    let number = line.strip_prefix("| ").and_then(|rest| rest.get(1..2));
    number.is_some_and(|digit| digit.chars().all(|digit| digit.is_ascii_digit()))
}

/// Test functions among what stands in backticks.
fn names(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|name| {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        name.bytes().all(plain) && !PLACES.contains(name)
    })
}

/// All Rust sources below a folder, one behind the other.
fn sources(folder: &Path) -> String {
    let mut entries: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    entries.sort();
    let mut text = String::new();
    for path in entries {
        if path.is_dir() {
            text += &sources(&path);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text += &fs::read_to_string(path).unwrap();
        }
    }
    text
}
