//! Lists the guests in a macro, so that one without a test does not compile,
//! and tells the tests which compiler they are built with.

#![allow(
    clippy::disallowed_methods,
    reason = "cargo speaks to a build script through the environment"
)]

use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let rustc = env::var("RUSTC").map_err(io::Error::other)?;
    println!("cargo::rustc-env=RUSTC={rustc}");
    let mut guests = Vec::new();
    for (folder, extension) in [("guests/examples", "rs"), ("guests/wat", "wat")] {
        println!("cargo::rerun-if-changed={folder}");
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let is_guest = path.extension().is_some_and(|found| found == extension);
            if let Some(name) = path.file_stem().and_then(|name| name.to_str())
                && is_guest
                && name != "tools"
            {
                guests.push(name.to_owned());
            }
        }
    }
    guests.sort();
    let list = format!(
        "macro_rules! for_each_guest {{ ($each:ident) => {{ $each! {{ {} }} }} }}\n",
        guests.join(" ")
    );
    let out = env::var_os("OUT_DIR").ok_or(io::ErrorKind::NotFound)?;
    fs::write(Path::new(&out).join("guests.rs"), list)
}
