//! Attacks on the host, and what must happen. A test of one guest has that
//! guest's name; others begin with the id of the attack.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up fails"
)]

// What a guest does with its time and its memory.
mod compute;
mod leftovers;
mod memory;

// What it says, and how it fails.
mod failures;
mod output;

// What it asks.
mod asks;

// What it reaches for.
mod ambient;
mod egress;
mod grants;
mod files;
mod hostcalls;
mod http;
mod places;
mod secrets;
mod sockets;
mod plans;
mod state;

// What is given to the host.
mod admission;
mod artifacts;
mod cache;
mod compile;
mod components;
mod input;
mod manifests;
mod signatures;
mod trust_root;

// What is trusted, at the moment of each call, and every way to a call.
#[path = "../e2e/desk.rs"]
#[expect(dead_code, reason = "the tests of the command use the rest")]
mod desk;
mod entries;
mod monitor;
mod protocol;
mod trust;

// The host itself.
mod audit;
mod host;
mod recovery;
mod reload;
mod sinks;
mod wire;

// What must hold after each of these, and that it would be noticed if not.
mod oracles;

use ambient::*;
use asks::*;
use components::*;
use compute::*;
use egress::*;
use failures::*;
use files::*;
use hostcalls::*;
use memory::*;
use output::*;
use plans::*;
use recovery::*;
use reload::*;
use secrets::*;
use sockets::*;
use state::*;
use trust::*;

include!(concat!(env!("OUT_DIR"), "/guests.rs"));

/// A guest without a test of its name does not compile.
macro_rules! assert_tested {
    ($($guest:ident)*) => { $(const _: fn() = $guest;)* };
}

for_each_guest!(assert_tested);
