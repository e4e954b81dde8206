//! Does with files what it is told, step by step, through `wasi:filesystem`
//! itself: no library stands between that would tidy a path.
#![cfg(target_family = "wasm")]

use skillhost_sdk::prelude::*;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{
    Descriptor, DescriptorFlags, ErrorCode, NewTimestamp, OpenFlags, PathFlags,
};

/// One step.
#[derive(Deserialize, Schema)]
struct Step {
    way: String,
    from_directory: usize,
    from: String,
    to_directory: usize,
    to: String,
}

/// Takes each step, whatever came of the one before.
#[tool]
fn follow(plan: Vec<Step>) -> Result<Vec<String>> {
    let directories: Vec<Descriptor> = get_directories().into_iter().map(|it| it.0).collect();
    Ok(plan.iter().map(|step| take(step, &directories)).collect())
}

fn take(step: &Step, directories: &[Descriptor]) -> String {
    let (Some(from), Some(to)) = (
        directories.get(step.from_directory),
        directories.get(step.to_directory),
    ) else {
        return "no directory".to_owned();
    };
    let done = attempt(step, from, to);
    done.unwrap_or_else(|code| format!("{code:?}"))
}

fn attempt(step: &Step, from: &Descriptor, to: &Descriptor) -> Result<String, ErrorCode> {
    let (path, target) = (step.from.as_str(), step.to.as_str());
    let follow = PathFlags::SYMLINK_FOLLOW;
    let open = |how, flags| from.open_at(follow, path, how, flags);
    let (read, write) = (DescriptorFlags::READ, DescriptorFlags::WRITE);
    match step.way.as_str() {
        "read" => {
            let (bytes, _) = open(OpenFlags::empty(), read)?.read(1000, 0)?;
            return Ok(String::from_utf8_lossy(&bytes).into_owned());
        }
        "write" => drop(open(OpenFlags::empty(), write)?.write(b"changed", 0)?),
        "truncate" => drop(open(OpenFlags::TRUNCATE, write)?),
        "create" => drop(open(OpenFlags::CREATE | OpenFlags::EXCLUSIVE, write)?),
        "append" => open(OpenFlags::CREATE, read | write)?.set_size(20)?,
        "remove" => from.unlink_file_at(path)?,
        "make-directory" => from.create_directory_at(path)?,
        "remove-directory" => from.remove_directory_at(path)?,
        "rename" => from.rename_at(path, to, target)?,
        "link" => from.link_at(PathFlags::empty(), path, to, target)?,
        "symlink" => from.symlink_at(target, path)?,
        "list" => {
            let entries = open(OpenFlags::DIRECTORY, read)?.read_directory()?;
            while let Some(entry) = entries.read_directory_entry()? {
                let _ = from.stat_at(PathFlags::empty(), &entry.name);
            }
        }
        "look" => {
            let size = from.stat_at(follow, path)?.size;
            return Ok(format!("{size} {}", from.readlink_at(path)?));
        }
        "times" => from.set_times_at(follow, path, NewTimestamp::Now, NewTimestamp::Now)?,
        _ => return Err(ErrorCode::Unsupported),
    }
    Ok("done".to_owned())
}

skillhost_sdk::export!(follow);
