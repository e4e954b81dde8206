//! Machine code of bytes from anywhere.

use skillhost::Result;
use skillhost::compile::{Compiled, Compiler};

pub fn compile(compiler: &Compiler, bytes: &[u8]) -> Result<Compiled> {
    compiler.compile(bytes)
}
