//! R16: floods standard output and standard error.

use skillhost_sdk::prelude::*;

/// Prints that many lines to each stream, and then answers.
#[tool]
fn print(lines: u64) -> Result<String> {
    for number in 0..lines {
        println!("out {number}");
        eprintln!("err {number}");
    }
    Ok("still here".to_owned())
}

skillhost_sdk::export!(print);
