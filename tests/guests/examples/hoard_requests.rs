//! R19: keeps requests whose parts are as long as the host takes them.
#![cfg(target_family = "wasm")]

use skillhost_sdk::prelude::*;
use wasip2::http::types::{Fields, Method, OutgoingRequest};

/// Holds that many requests, each part of which has that many bytes; how many
/// parts the host took.
#[tool]
fn hoard(count: usize, bytes: usize) -> Result<usize> {
    let text = "x".repeat(bytes);
    let (method, path) = (Method::Other(text.clone()), format!("/{text}"));
    let mut taken = 0;
    let mut held = Vec::new();
    for _ in 0..count {
        let request = OutgoingRequest::new(Fields::new());
        let parts = [
            request.set_method(&method),
            request.set_path_with_query(Some(&path)),
            request.set_authority(Some(&text)),
        ];
        taken += parts.iter().filter(|part| part.is_ok()).count();
        held.push(request);
    }
    Ok(taken)
}

skillhost_sdk::export!(hoard);
