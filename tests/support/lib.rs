//! What the tests of the host share: guests, a host to run them on, and what
//! must hold after every call, whatever the guest did.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up fails"
)]

pub mod bench;
pub mod guests;
pub mod network;
pub mod pack;
pub mod records;
pub mod server;
pub mod stage;
pub mod tuf;

pub use bench::{Bench, Called, grant};
pub use network::FakeNetwork;
pub use records::Records;
pub use server::{Files, Reply, Server};
pub use stage::Stage;
