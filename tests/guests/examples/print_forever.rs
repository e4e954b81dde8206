//! R16: floods standard output and standard error.

use skillhost_sdk::prelude::*;
use std::io::Write;

/// Prints that many lines to each stream, and then answers.
#[tool]
fn print(lines: u64) -> Result<String> {
    for number in 0..lines {
        println!("out {number}");
        eprintln!("err {number}");
    }
    Ok("still here".to_owned())
}

/// Writes that many mebibytes to each stream, without a line's end.
#[tool]
fn flood(mebibytes: u64) -> Result<String> {
    let piece = vec![b'x'; 1 << 20];
    for _ in 0..mebibytes {
        std::io::stdout().write_all(&piece)?;
        std::io::stderr().write_all(&piece)?;
    }
    Ok("still here".to_owned())
}

skillhost_sdk::export!(print, flood);
