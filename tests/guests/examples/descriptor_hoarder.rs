//! R24: opens files and keeps them.
#![cfg(target_family = "wasm")]

use skillhost_sdk::prelude::*;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags};
use wasip2::io::streams::InputStream;

/// How far it got.
#[derive(Serialize, Schema)]
struct Hoarded {
    /// Files that were open in the end.
    held: usize,
    /// The error that ended it, if one did.
    error: Option<String>,
}

/// Opens `path` that many times, and holds what it got for a while.
#[tool(read_only)]
fn hoard(path: String, count: usize, way: String, hold_ms: u64) -> Result<Hoarded> {
    let directories = get_directories();
    let (directory, _) = directories
        .first()
        .ok_or_else(|| Error::invalid_arguments("There is no directory."))?;
    let mut files: Vec<Descriptor> = Vec::new();
    let mut streams: Vec<InputStream> = Vec::new();
    let mut error = None;
    for _ in 0..count {
        match open(directory, &path) {
            // The stream goes on without its descriptor.
            Ok(file) if way == "streams" => match file.read_via_stream(0) {
                Ok(stream) => streams.push(stream),
                Err(code) => error = Some(code),
            },
            Ok(file) if way == "close" => drop(file),
            Ok(file) => files.push(file),
            Err(code) => error = Some(code),
        }
        if error.is_some() {
            break;
        }
    }
    std::thread::sleep(std::time::Duration::from_millis(hold_ms));
    Ok(Hoarded {
        held: files.len() + streams.len(),
        error: error.map(|code| code.name().to_owned()),
    })
}

fn open(directory: &Descriptor, path: &str) -> Result<Descriptor, ErrorCode> {
    let (how, flags) = (OpenFlags::empty(), DescriptorFlags::READ);
    directory.open_at(PathFlags::SYMLINK_FOLLOW, path, how, flags)
}

skillhost_sdk::export!(hoard);
