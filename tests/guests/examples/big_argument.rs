//! R15: passes a text of any size to each import that takes one.
#![cfg(target_family = "wasm")]

use skillhost_sdk::http::Request;
use skillhost_sdk::prelude::*;
use skillhost_sdk::serde_json::Value;
use skillhost_sdk::{config, log, progress, secrets, state};
use wasip2::cli::stdout::get_stdout;
use wasip2::filesystem::preopens::get_directories;
use wasip2::filesystem::types::{DescriptorFlags, OpenFlags, PathFlags};
use wasip2::http::types::{Fields, Method, OutgoingRequest, Scheme};

/// Passes that many bytes to that import.
#[tool]
fn pass(import: String, bytes: usize) -> Result<String> {
    let text = "x".repeat(bytes);
    match import.split_once('.').unwrap_or_default() {
        ("skill", name) => skill(name, &text),
        ("http", name) => http(name, text),
        ("request", name) => request(name, &text),
        ("file", name) => file(name, &text),
        _ => return Err(Error::not_found("There is no such import.")),
    }
    Ok("still here".to_owned())
}

fn skill(name: &str, text: &str) {
    match name {
        "log" => log::info(text),
        "log-key" => log::log(log::Level::Info, "", &[(text, "")]),
        "log-value" => log::log(log::Level::Info, "", &[("", text)]),
        "progress" => progress(1.0, None, Some(text)),
        "setting" => drop(config::get::<Value>(text)),
        "state" => drop(state::get(text)),
        "state-keys" => drop(state::keys(text, None, 1)),
        "secret" => drop(secrets::reveal(text)),
        "stdout" => drop(get_stdout().write(text.as_bytes())),
        _ => unreachable!("{name}"),
    }
}

fn http(name: &str, text: String) {
    let request = || Request::get("http://public.test/");
    let request = match name {
        "method" => Request::new(text, "http://public.test/"),
        "url" => Request::get(text),
        "header-name" => request().header(text, ""),
        "header-value" => request().header("x-a", text),
        "body" => request().body(text),
        "credential" => request().credential(text),
        _ => unreachable!("{name}"),
    };
    drop(request.send());
}

fn request(name: &str, text: &str) {
    let request = OutgoingRequest::new(Fields::new());
    match name {
        "field-name" => drop(Fields::new().append(text, b"")),
        "field-value" => drop(Fields::new().append("x-a", text.as_bytes())),
        "method" => drop(request.set_method(&Method::Other(text.to_owned()))),
        "path" => drop(request.set_path_with_query(Some(&format!("/{text}")))),
        "scheme" => drop(request.set_scheme(Some(&Scheme::Other(text.to_owned())))),
        "authority" => drop(request.set_authority(Some(text))),
        _ => unreachable!("{name}"),
    }
}

fn file(name: &str, text: &str) {
    let directories = get_directories();
    let Some((root, _)) = directories.first() else {
        unreachable!("there is a directory");
    };
    let follow = PathFlags::SYMLINK_FOLLOW;
    match name {
        "open" => drop(root.open_at(follow, text, OpenFlags::empty(), DescriptorFlags::READ)),
        "stat" => drop(root.stat_at(follow, text)),
        "make-directory" => drop(root.create_directory_at(text)),
        "remove" => drop(root.unlink_file_at(text)),
        "read-link" => drop(root.readlink_at(text)),
        "rename-from" => drop(root.rename_at(text, root, "b")),
        "rename-to" => drop(root.rename_at("a", root, text)),
        "link-to" => drop(root.link_at(PathFlags::empty(), "a", root, text)),
        "symlink" => drop(root.symlink_at(text, "b")),
        _ => unreachable!("{name}"),
    }
}

skillhost_sdk::export!(pass);
