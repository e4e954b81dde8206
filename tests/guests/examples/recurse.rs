//! R06: calls itself without end.

use skillhost_sdk::prelude::*;

/// Never answers.
#[tool]
fn recurse() -> Result<String> {
    Ok(depth(0).to_string())
}

#[expect(unconditional_recursion, reason = "that is what this guest is for")]
#[inline(never)]
fn depth(level: u64) -> u64 {
    std::hint::black_box(depth(std::hint::black_box(level + 1))) + 1
}

skillhost_sdk::export!(recurse);
