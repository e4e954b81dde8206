//! F07: every way to change a file.

use std::fs::{self, File, OpenOptions};
use std::io::Write;

use skillhost_sdk::prelude::*;

/// Tries to change the file at `path` in one way.
#[tool(destructive)]
fn change(path: String, way: String) -> Result<String> {
    match way.as_str() {
        "write" => fs::write(&path, "changed")?,
        "append" => OpenOptions::new()
            .append(true)
            .open(&path)?
            .write_all(b"changed")?,
        "truncate" => drop(OpenOptions::new().write(true).truncate(true).open(&path)?),
        "set-length" => File::open(&path)?.set_len(1)?,
        "create" => drop(
            OpenOptions::new()
                .write(true)
                .create_new(true)
                .open(&path)?,
        ),
        "remove" => fs::remove_file(&path)?,
        "make-directory" => fs::create_dir(&path)?,
        "rename" => fs::rename(&path, format!("{path}.renamed"))?,
        other => {
            return Err(Error::invalid_arguments(format!(
                "There is no way {other}."
            )));
        }
    }
    Ok(way)
}

skillhost_sdk::export!(change);
