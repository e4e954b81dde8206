//! The command as a user runs it: exit code, standard output and standard
//! error.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot be set up fails"
)]

mod desk;

mod asks;
mod audit;
mod author;
mod cache;
mod callers;
mod deny;
mod development;
mod exit_codes;
mod grants;
mod keys;
mod limited;
mod lock;
mod logs;
mod models;
mod names;
mod network;
mod reading;
mod reload;
mod remains;
mod run;
mod secrets;
mod selftest;
mod serve;
mod sinks;
mod trust;
