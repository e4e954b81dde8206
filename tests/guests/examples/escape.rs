//! F01 to F06: every way out of a directory that a path can name.
#![cfg(target_family = "wasm")]

use std::fs;

use skillhost_sdk::prelude::*;
use wasip2::filesystem::preopens::get_directories;

/// What came of one path.
#[derive(Serialize, Schema)]
struct Attempt {
    path: String,
    /// What was read, if anything.
    found: Option<String>,
    /// The error, if there was one.
    error: Option<String>,
}

/// Reads each path.
#[tool(read_only)]
fn read(paths: Vec<String>) -> Result<Vec<Attempt>> {
    Ok(paths
        .into_iter()
        .map(|path| attempt(path, |path| fs::read_to_string(path)))
        .collect())
}

/// Makes a symbolic link to each target, and reads through it.
#[tool]
fn symlink(targets: Vec<String>) -> Result<Vec<Attempt>> {
    let mut attempts = Vec::new();
    for (number, target) in targets.into_iter().enumerate() {
        attempts.push(attempt(target, |target| {
            let link = format!("/link-{number}");
            make_link(target, link.trim_start_matches('/')).map_err(std::io::Error::other)?;
            fs::read_to_string(link)
        }));
    }
    Ok(attempts)
}

/// Renames and links each path of the first directory into the second.
#[tool]
fn across(from: String, to: String) -> Result<Vec<Attempt>> {
    Ok(vec![
        attempt(to.clone(), |to| {
            fs::hard_link(&from, to).map(|()| "linked".to_owned())
        }),
        attempt(to, |to| {
            fs::rename(&from, to).map(|()| "renamed".to_owned())
        }),
    ])
}

fn make_link(target: &str, link: &str) -> Result<(), String> {
    let directories = get_directories();
    let (directory, _) = directories.first().ok_or("no directory")?;
    directory
        .symlink_at(target, link)
        .map_err(|code| format!("{code:?}"))
}

fn attempt(path: String, read: impl FnOnce(&str) -> std::io::Result<String>) -> Attempt {
    let (found, error) = match read(&path) {
        Ok(found) => (Some(found), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Attempt { path, found, error }
}

skillhost_sdk::export!(read, symlink, across);
