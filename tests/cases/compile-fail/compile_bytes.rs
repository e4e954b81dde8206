//! Machine code of bytes from anywhere.

use skillhost::compile::{Compiled, Compiler, Failure};
use skillhost::event::Subject;

pub async fn compile(compiler: &Compiler, bytes: &[u8]) -> Result<Compiled, Failure> {
    compiler.compile(bytes, &Subject::default()).await
}
