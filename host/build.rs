//! Collects the sources of the guest SDK, which `skillhost new` unpacks for an
//! author: a skill then needs no registry that has the SDK. And assembles the
//! guests of `skillhost selftest`: the host itself reads no WebAssembly text.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its folders through the environment"
)]

#[path = "selftest/compose.rs"]
mod compose;

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The parts of the SDK that a skill needs. `wit` leads to the contract.
const PARTS: [&str; 5] = [
    "Cargo.toml",
    "src",
    "macros/Cargo.toml",
    "macros/src",
    "wit",
];

fn main() -> Result<(), Box<dyn Error>> {
    write("sdk_files.rs", &sdk_files()?)?;
    write("selftest_guests.rs", &guests()?)
}

fn write(name: &str, code: &str) -> Result<(), Box<dyn Error>> {
    fs::write(PathBuf::from(env::var("OUT_DIR")?).join(name), code)?;
    Ok(())
}

/// A constant for each guest of `selftest`, so that one without a row is a
/// warning.
fn guests() -> Result<String, Box<dyn Error>> {
    let (folder, out) = (Path::new("selftest"), PathBuf::from(env::var("OUT_DIR")?));
    println!("cargo::rerun-if-changed={}", folder.display());
    let template = fs::read_to_string(folder.join("tools.wat"))?;
    let mut files = Vec::new();
    collect(folder, &mut files)?;
    files.sort();
    let mut constants = String::new();
    for file in files.iter().filter(|file| is_guest(file)) {
        let guest = fs::read_to_string(file)?;
        let text = compose::compose(&template, &guest, |name| {
            fs::read_to_string(folder.join("interfaces").join(name).with_extension("wat"))
        })?;
        let name = file.file_stem().unwrap_or_default().to_string_lossy();
        let binary = wat::parse_str(&text).map_err(|cause| format!("{name}: {cause}"))?;
        let assembled = out.join(&*name).with_extension("wasm");
        fs::write(&assembled, binary)?;
        writeln!(
            constants,
            "pub(super) const {}: &[u8] = include_bytes!({:?});",
            name.to_uppercase(),
            assembled.display().to_string()
        )?;
    }
    Ok(constants)
}

fn is_guest(file: &Path) -> bool {
    let is_text = file.extension().is_some_and(|extension| extension == "wat");
    is_text && file.parent() == Some(Path::new("selftest")) && !file.ends_with("tools.wat")
}

fn sdk_files() -> Result<String, Box<dyn Error>> {
    let sdk = PathBuf::from(env::var("CARGO_MANIFEST_DIR")?)
        .join("../guest-sdk")
        .canonicalize()?;
    let mut files = Vec::new();
    for part in PARTS {
        println!("cargo::rerun-if-changed={}", sdk.join(part).display());
        collect(&sdk.join(part), &mut files)?;
    }
    // The order of a folder's entries is not the same everywhere.
    files.sort();
    table(&sdk, &files)
}

fn collect(path: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    if path.is_dir() {
        for entry in fs::read_dir(path)? {
            collect(&entry?.path(), files)?;
        }
    } else {
        files.push(path.to_owned());
    }
    Ok(())
}

/// A Rust expression: pairs of a path in the SDK and the bytes of the file.
fn table(sdk: &Path, files: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let mut table = String::from("&[\n");
    for file in files {
        let (name, source) = (file.strip_prefix(sdk)?.display(), file.display());
        writeln!(
            table,
            "    ({:?}, include_bytes!({:?})),",
            name.to_string(),
            source.to_string()
        )?;
    }
    table.push_str("]\n");
    Ok(table)
}
