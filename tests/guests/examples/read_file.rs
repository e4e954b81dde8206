//! Reads what it was granted.

use std::fs;

use skillhost_sdk::prelude::*;

/// The text of a file.
#[tool(read_only)]
fn read(path: String) -> Result<String> {
    Ok(fs::read_to_string(path)?)
}

/// The names in a directory, sorted.
#[tool(read_only)]
fn list(path: String) -> Result<Vec<String>> {
    let mut names = fs::read_dir(path)?
        .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<Vec<String>, std::io::Error>>()?;
    names.sort();
    Ok(names)
}

skillhost_sdk::export!(read, list);
