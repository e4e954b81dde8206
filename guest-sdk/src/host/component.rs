//! The host as a component sees it.

use std::time::Duration;

use bindings::skillhost::skill as wit;

use crate::{log, secrets, state};

#[cfg(not(feature = "wasi-http"))]
mod buffered_http;
#[cfg(feature = "wasi-http")]
mod wasi_http;

pub mod bindings;

#[cfg(not(feature = "wasi-http"))]
pub(crate) use buffered_http::send;
#[cfg(feature = "wasi-http")]
pub(crate) use wasi_http::send;

pub(crate) fn log(level: log::Level, message: &str, fields: &[(&str, &str)]) {
    let level = match level {
        log::Level::Trace => wit::log::Level::Trace,
        log::Level::Debug => wit::log::Level::Debug,
        log::Level::Info => wit::log::Level::Info,
        log::Level::Warn => wit::log::Level::Warn,
        log::Level::Error => wit::log::Level::Error,
    };
    let fields: Vec<_> = fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    wit::log::log(level, message, &fields);
}

pub(crate) fn call_id() -> String {
    wit::call::id()
}

pub(crate) fn remaining() -> Duration {
    Duration::from_millis(wit::call::remaining_ms())
}

pub(crate) fn is_cancelled() -> bool {
    wit::call::is_cancelled()
}

pub(crate) fn progress(done: f64, total: Option<f64>, message: Option<&str>) {
    wit::call::progress(done, total, message);
}

pub(crate) fn input_response(key: &str) -> Option<String> {
    wit::call::input_response(key)
}

pub(crate) fn input_state() -> Option<Vec<u8>> {
    wit::call::input_state()
}

pub(crate) fn setting(key: &str) -> Option<String> {
    wit::config::get(key)
}

pub(crate) fn reveal(name: &str) -> Result<String, secrets::Error> {
    wit::secrets::reveal(name).map_err(|error| match error {
        wit::secrets::Error::Undeclared => secrets::Error::Undeclared,
        wit::secrets::Error::NotSet => secrets::Error::NotSet,
        wit::secrets::Error::NotGranted => secrets::Error::NotGranted,
    })
}

pub(crate) fn state_get(key: &str) -> Result<Option<state::Entry>, state::Error> {
    let entry = wit::state::get(key).map_err(state_error)?;
    Ok(entry.map(|entry| state::Entry {
        value: entry.value,
        version: entry.version,
    }))
}

pub(crate) fn state_set(
    key: &str,
    value: &[u8],
    expect: Option<u64>,
    time: Option<Duration>,
) -> Result<u64, state::Error> {
    wit::state::set(key, value, expect, time.map(milliseconds)).map_err(state_error)
}

pub(crate) fn state_delete(key: &str) -> Result<(), state::Error> {
    wit::state::delete(key).map_err(state_error)
}

pub(crate) fn state_keys(
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>, state::Error> {
    wit::state::keys(prefix, after, limit).map_err(state_error)
}

fn state_error(error: wit::state::Error) -> state::Error {
    match error {
        wit::state::Error::NotGranted => state::Error::NotGranted,
        wit::state::Error::QuotaExceeded => state::Error::QuotaExceeded,
        wit::state::Error::Conflict => state::Error::Conflict,
        wit::state::Error::Unavailable(reason) => state::Error::Unavailable(reason),
    }
}

/// Whole milliseconds; a duration beyond 64 bits is as good as for ever.
fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
