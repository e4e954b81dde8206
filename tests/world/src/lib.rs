//! A Sigstore of our own, for tests and benches: a certificate authority, a
//! certificate log, two signature logs and a timestamp authority, with every
//! bundle that they can vouch for. All in memory; no file, no network.
//!
//! ```text
//! let world = World::new();
//! let root = world.trusted_root();                   // trusted_root.json
//! let draft = world.bundle(b"artifact")
//!     .identity("https://ci.test/build.yml@refs/heads/main", "https://issuer.test")
//!     .at(1_750_000_000);                            // Unix seconds
//! let good = draft.v1();                             // Rekor v1: promise and proof
//! let good = draft.v2();                             // Rekor v2, with an RFC 3161 timestamp
//! let bad = tamper::forged_promise(&draft, Evidence::V1); // one thing wrong
//! let bad = draft.v1().with(pointer::PROOF_SIZE, "8");
//! for text in mutants(&good.json(), 7).take(1000) {} // anything may be wrong
//! ```
//!
//! A second `World::new()` shares nothing with the first: its bundles are
//! perfect, and no other world may accept them. Nothing here uses the verifier
//! or the host, so that a mistake of theirs cannot hide in the material that
//! they are tested with.

#![expect(
    clippy::expect_used,
    reason = "a world that cannot be minted fails the test that asked for it"
)]

mod world;

mod draft;
mod evidence;
mod signed;
mod bundle;

mod key;
mod authority;
mod leaf;

mod log;
mod entry;
mod tree;
mod timestamp;

pub mod tamper;
mod mutate;

mod encode;

pub use bundle::{Bundle, Format, pointer};
pub use draft::{Draft, IDENTITY, ISSUER, SIGNED_AT};
pub use evidence::Evidence;
pub use key::Key;
pub use leaf::Claim;
pub use mutate::{Mutants, mutants};
pub use world::World;
