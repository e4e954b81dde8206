//! R05: bulk writes, which cost one unit of fuel and much time.

use skillhost_sdk::prelude::*;

/// Never answers.
#[tool]
fn fill() -> Result<String> {
    let mut bytes = vec![0_u8; 64 << 20];
    for value in (0..=u8::MAX).cycle() {
        std::hint::black_box(&mut bytes).fill(value);
    }
    Err(Error::failed("cycle() ended"))
}

skillhost_sdk::export!(fill);
