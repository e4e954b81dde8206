//! What the tests of the host share: guests, a host to run them on, and what
//! must hold after every call, whatever the guest did.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up fails"
)]

pub mod alone;
pub mod assistant;
pub mod bench;
pub mod guests;
pub mod inbox;
pub mod network;
pub mod operator;
pub mod oracles;
pub mod pack;
pub mod records;
pub mod says;
pub mod server;
pub mod stage;
pub mod trail;
pub mod tree;
pub mod tuf;

pub use alone::{Scale, alone};
pub use assistant::Assistant;
pub use bench::{Bench, Called, grant};
pub use inbox::{Inbox, Post};
pub use network::FakeNetwork;
pub use operator::Operator;
pub use records::{Records, audit_log};
pub use says::Says;
pub use server::{Files, Reply, Server};
pub use stage::Stage;
pub use trail::Trail;
