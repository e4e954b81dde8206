//! R23: fills the disk, in every way that there is.
#![cfg(target_family = "wasm")]

use skillhost_sdk::prelude::*;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, OpenFlags, PathFlags, filesystem_error_code,
};
use wasip2::io::streams::{OutputStream, StreamError};

/// One piece of what is written.
const PIECE: usize = 4096;

/// How far it got.
#[derive(Serialize, Schema)]
struct Filled {
    /// Pieces of 4,096 bytes, or files.
    done: u64,
    /// The error that ended it, if one did.
    error: Option<String>,
}

/// Does one thing that needs disk, up to that many times.
#[tool(destructive)]
fn fill(way: String, times: u64) -> Result<Filled> {
    let directories = get_directories();
    let (directory, _) = directories
        .first()
        .ok_or_else(|| Error::invalid_arguments("There is no directory."))?;
    let (done, error) = attempt(directory, &way, times);
    Ok(Filled {
        done,
        error: error.map(|code| code.name().to_owned()),
    })
}

fn attempt(directory: &Descriptor, way: &str, times: u64) -> (u64, Option<ErrorCode>) {
    let file = match create(directory, "filled") {
        Ok(file) => file,
        Err(code) => return (0, Some(code)),
    };
    let piece = vec![b'x'; PIECE];
    let at = |number: u64| number * PIECE as u64;
    match way {
        "write" => count(times, |number| file.write(&piece, at(number)).map(drop)),
        "stream" => match file.write_via_stream(0) {
            Ok(stream) => count(times, |_| send(&stream, &piece)),
            Err(code) => (0, Some(code)),
        },
        "append" => match file.append_via_stream() {
            Ok(stream) => count(times, |_| send(&stream, &piece)),
            Err(code) => (0, Some(code)),
        },
        "overwrite" => count(times, |_| file.write(&piece, 0).map(drop)),
        "sparse" => count(times, |_| file.set_size(1 << 40)),
        "grow" => count(times, |number| file.set_size((number + 1) << 20)),
        "hole" => count(times, |_| file.write(b"x", 1 << 40).map(drop)),
        "hole-stream" => count(times, |_| send(&file.write_via_stream(1 << 40)?, b"x")),
        "grow-and-shrink" => count(times, |_| {
            file.set_size(1 << 20)?;
            file.set_size(0)
        }),
        "files" => count(times, |number| {
            create(directory, &format!("file-{number}")).map(drop)
        }),
        "directories" => count(times, |number| {
            directory.create_directory_at(&format!("directory-{number}"))
        }),
        "links" => count(times, |number| {
            let name = format!("link-{number}");
            directory.link_at(PathFlags::empty(), "filled", directory, &name)
        }),
        "create-and-remove" => count(times, |_| {
            create(directory, "again").map(drop)?;
            directory.unlink_file_at("again")
        }),
        _ => (0, Some(ErrorCode::Invalid)),
    }
}

fn count(
    times: u64,
    mut each: impl FnMut(u64) -> Result<(), ErrorCode>,
) -> (u64, Option<ErrorCode>) {
    for number in 0..times {
        if let Err(code) = each(number) {
            return (number, Some(code));
        }
    }
    (times, None)
}

fn create(directory: &Descriptor, name: &str) -> Result<Descriptor, ErrorCode> {
    let (how, flags) = (OpenFlags::CREATE, DescriptorFlags::WRITE);
    directory.open_at(PathFlags::empty(), name, how, flags)
}

fn send(stream: &OutputStream, bytes: &[u8]) -> Result<(), ErrorCode> {
    stream
        .blocking_write_and_flush(bytes)
        .map_err(|error| match error {
            StreamError::LastOperationFailed(error) => {
                filesystem_error_code(&error).unwrap_or(ErrorCode::Io)
            }
            StreamError::Closed => ErrorCode::Pipe,
        })
}

skillhost_sdk::export!(fill);
