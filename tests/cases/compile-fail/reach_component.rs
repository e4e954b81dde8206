//! The machine code itself, past the host that records its use.

use skillhost::compile::Compiled;

pub fn reach(compiled: &Compiled) {
    let _ = compiled.component();
}
