//! A Sigstore of our own, for tests and benches: a certificate authority, a
//! certificate log, two signature logs and a timestamp authority, with every
//! bundle that they can vouch for. All in memory; no file, no network.
//!
//! ```
//! use skillhost_test_world::{Evidence, Key, World, mutants, pointer, tamper};
//!
//! let world = World::new();
//! let root = world.trusted_root(); // the text of a trusted_root.json
//! let draft = world
//!     .bundle(b"artifact")
//!     .identity("https://ci.test/build.yml@refs/heads/main", "https://issuer.test")
//!     .at(1_750_000_000); // Unix seconds
//!
//! let rekor_v1 = draft.v1().json();
//! let rekor_v2 = draft.v2().json(); // with an RFC 3161 timestamp
//! let offline = draft.clone().key(&Key::generate()).unlogged().json();
//!
//! let forged = tamper::forged_promise(&draft, Evidence::V1);
//! let altered = draft.v1().with(pointer::RECORDED_AT, "1750000001");
//! for (name, tamper) in tamper::all(&draft, Evidence::V2) {
//!     let wrong = tamper(&draft, Evidence::V2).json(); // in what the name says
//! }
//! for text in mutants(&rekor_v1, 7).take(10) {
//!     // anything may be wrong
//! }
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
