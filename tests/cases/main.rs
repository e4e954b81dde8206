//! Programs that must not compile: each `compile-fail/*.rs` is refused with
//! exactly the codes in the `.err` beside it. Those in `compile-pass` show that
//! it is not for another reason.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up fails"
)]

mod cef;
mod configuration;
mod matrix;
mod specification;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn what_the_types_forbid_does_not_compile() {
    for program in programs("compile-fail") {
        let expected = fs::read_to_string(program.with_extension("err")).unwrap();
        let expected: Vec<&str> = expected.lines().collect();
        assert_eq!(errors(&program), expected, "{}", program.display());
    }
}

#[test]
fn what_the_types_allow_compiles() {
    for program in programs("compile-pass") {
        assert_eq!(
            errors(&program),
            Vec::<String>::new(),
            "{}",
            program.display()
        );
    }
}

fn programs(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("cases")
        .join(folder);
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let programs: Vec<_> = paths
        .filter(|path| path.extension().is_some_and(|it| it == "rs"))
        .collect();
    assert!(!programs.is_empty());
    programs
}

/// The codes of the errors with which the compiler refuses a program, or their
/// text if they have none.
#[expect(clippy::disallowed_methods, reason = "the compiler is what is tested")]
fn errors(program: &Path) -> Vec<String> {
    let dependencies = dependencies();
    let out = tempfile::tempdir().unwrap();
    let output = Command::new(env!("RUSTC"))
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
        ])
        .args(["--error-format", "json", "--out-dir"])
        .arg(out.path())
        .arg("-L")
        .arg(format!("dependency={}", dependencies.display()))
        .arg("--extern")
        .arg(format!("skillhost={}", library(&dependencies).display()))
        .arg(program)
        .output()
        .unwrap();
    let messages = String::from_utf8(output.stderr).unwrap();
    messages.lines().filter_map(error).collect()
}

fn error(line: &str) -> Option<String> {
    let message: Value = serde_json::from_str(line).unwrap();
    let text = message["message"].as_str().unwrap();
    if message["level"] != "error" || text.starts_with("aborting due to") {
        return None;
    }
    let code = message["code"]["code"].as_str();
    Some(code.unwrap_or(text).to_owned())
}

/// The folder of this test, where cargo has put what it is linked with.
fn dependencies() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().unwrap().to_owned()
}

/// Of several builds of the host the one that cargo made last, for this test.
fn library(folder: &Path) -> PathBuf {
    let paths = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let builds = paths.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("libskillhost-") && name.ends_with(".rlib")
    });
    builds
        .max_by_key(|path| path.metadata().unwrap().modified().unwrap())
        .unwrap()
}
