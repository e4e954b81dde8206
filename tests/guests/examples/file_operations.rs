//! F01 to F18: does each operation on files as it is told to, past the
//! standard library, and says how each ended.
#![cfg(target_family = "wasm")]

use skillhost_sdk::prelude::*;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};

/// One operation.
#[derive(Deserialize, Schema)]
struct Operation {
    /// Which, by the name that WASI has for it.
    name: String,
    /// The granted directory in which it begins, by its path.
    directory: String,
    /// The path, as it is given to the host.
    path: String,
    /// The directory of the other path, if there is one.
    other_directory: String,
    /// The other path, or the target of a link.
    other: String,
}

type Done = Result<String, ErrorCode>;

/// Does each, and returns its outcome: `ok` and what was found, or the name
/// of the error.
#[tool(destructive)]
fn run(operations: Vec<Operation>) -> Result<Vec<String>> {
    let directories = get_directories();
    let find = |path: &str| {
        let found = directories.iter().find(|(_, guest)| guest == path);
        found
            .map(|(directory, _)| directory)
            .ok_or_else(|| Error::invalid_arguments(format!("There is no directory {path}.")))
    };
    let mut outcomes = Vec::new();
    for operation in &operations {
        let directory = find(&operation.directory)?;
        let other = match operation.other_directory.as_str() {
            "" => directory,
            path => find(path)?,
        };
        outcomes.push(match perform(operation, directory, other) {
            Ok(found) => format!("ok {found}").trim_end().to_owned(),
            Err(code) => code.name().to_owned(),
        });
    }
    Ok(outcomes)
}

fn perform(operation: &Operation, directory: &Descriptor, other: &Descriptor) -> Done {
    let path = operation.path.as_str();
    let opened = |how: OpenFlags, flags: DescriptorFlags| {
        directory.open_at(PathFlags::SYMLINK_FOLLOW, path, how, flags)
    };
    let (read, write) = (DescriptorFlags::READ, DescriptorFlags::WRITE);
    let none = OpenFlags::empty();
    let done = match operation.name.as_str() {
        "read" => return opened(none, read).and_then(|file| text(&file)),
        "read-nofollow" => {
            return directory
                .open_at(PathFlags::empty(), path, none, read)
                .and_then(|file| text(&file));
        }
        "list" => return opened(OpenFlags::DIRECTORY, read).and_then(|it| list(&it)),
        "readlink" => return directory.readlink_at(path),
        "stat" => {
            return directory
                .stat_at(PathFlags::SYMLINK_FOLLOW, path)
                .map(|it| it.size.to_string());
        }
        "metadata-hash" => directory
            .metadata_hash_at(PathFlags::SYMLINK_FOLLOW, path)
            .map(drop),
        "open-write" => opened(none, read | write).map(drop),
        "open-truncate" => opened(OpenFlags::TRUNCATE, read).map(drop),
        "open-create" => opened(OpenFlags::CREATE, read).map(drop),
        "open-exclusive" => {
            opened(OpenFlags::CREATE | OpenFlags::EXCLUSIVE, read | write).map(drop)
        }
        "open-directory" => opened(OpenFlags::DIRECTORY, read).map(drop),
        "open-mutable" => opened(
            OpenFlags::DIRECTORY,
            read | DescriptorFlags::MUTATE_DIRECTORY,
        )
        .map(drop),
        "write" => {
            opened(OpenFlags::CREATE, write).and_then(|it| it.write(b"changed", 0).map(drop))
        }
        "write-stream" => opened(OpenFlags::CREATE, write).and_then(|it| {
            it.write_via_stream(0)
                .map(|stream| stream.blocking_write_and_flush(b"changed").is_ok())
                .map(drop)
        }),
        // On a file that was opened for reading.
        "write-to-read" => opened(none, read).and_then(|it| it.write(b"changed", 0).map(drop)),
        "write-stream-to-read" => {
            opened(none, read).and_then(|it| it.write_via_stream(0).map(drop))
        }
        "append-stream-to-read" => {
            opened(none, read).and_then(|it| it.append_via_stream().map(drop))
        }
        "set-size" => opened(none, read).and_then(|it| it.set_size(1)),
        "set-times" => {
            opened(none, read).and_then(|it| it.set_times(NewTimestamp::Now, NewTimestamp::Now))
        }
        "set-times-at" => directory.set_times_at(
            PathFlags::empty(),
            path,
            NewTimestamp::Now,
            NewTimestamp::Now,
        ),
        "create-directory" => directory.create_directory_at(path),
        "remove-directory" => directory.remove_directory_at(path),
        "unlink" => directory.unlink_file_at(path),
        "symlink" => directory.symlink_at(&operation.other, path),
        "link" => directory.link_at(PathFlags::empty(), path, other, &operation.other),
        "rename" => directory.rename_at(path, other, &operation.other),
        _ => return Ok("there is no such operation".to_owned()),
    };
    done.map(|()| String::new())
}

fn text(file: &Descriptor) -> Done {
    let (bytes, _) = file.read(4096, 0)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn list(directory: &Descriptor) -> Done {
    let entries = directory.read_directory()?;
    let mut names = Vec::new();
    loop {
        match entries.read_directory_entry() {
            Ok(Some(entry)) => names.push(entry.name),
            Ok(None) => break,
            Err(code) => names.push(format!("<{}>", code.name())),
        }
    }
    names.sort();
    Ok(names.join(","))
}

skillhost_sdk::export!(run);
