//! N12: a raw connection, past every rule about HTTP.

use std::net::TcpStream;

use skillhost_sdk::prelude::*;

/// Connects.
#[expect(clippy::disallowed_methods, reason = "that is what this guest is for")]
#[tool]
fn connect(address: String) -> Result<String> {
    Ok(TcpStream::connect(address)?.peer_addr()?.to_string())
}

skillhost_sdk::export!(connect);
