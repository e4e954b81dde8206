//! Collects the sources of the guest SDK, which `skillhost new` unpacks for an
//! author: a skill then needs no registry that has the SDK.

#![expect(
    clippy::disallowed_methods,
    reason = "cargo tells a build script its folders through the environment"
)]

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
    let out = PathBuf::from(env::var("OUT_DIR")?).join("sdk_files.rs");
    fs::write(out, table(&sdk, &files)?)?;
    Ok(())
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
