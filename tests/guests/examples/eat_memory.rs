//! R08: takes memory until there is none.

use skillhost_sdk::prelude::*;

/// Never answers.
#[tool]
fn eat() -> Result<String> {
    let mut eaten = Vec::new();
    loop {
        eaten.push(vec![1_u8; 1 << 20]);
        std::hint::black_box(&eaten);
    }
}

skillhost_sdk::export!(eat);
