//! The host of a native test: the one that [`testing::Host::run`] put in place.
//!
//! [`testing::Host::run`]: crate::testing::Host::run

use std::time::Duration;

use crate::testing::{LogLine, Progress, Simulation, current};
use crate::{http, log, secrets, state};

pub(crate) fn log(level: log::Level, message: &str, fields: &[(&str, &str)]) {
    let fields = fields
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    current(|host| {
        host.logs.push(LogLine {
            level,
            message: message.to_owned(),
            fields,
        })
    });
}

pub(crate) fn call_id() -> String {
    "0".repeat(32)
}

pub(crate) fn remaining() -> Duration {
    current(|host| host.remaining)
}

pub(crate) fn is_cancelled() -> bool {
    current(|host| host.cancelled)
}

pub(crate) fn progress(done: f64, total: Option<f64>, message: Option<&str>) {
    let message = message.map(str::to_owned);
    current(|host| {
        host.progress.push(Progress {
            done,
            total,
            message,
        })
    });
}

pub(crate) fn input_response(key: &str) -> Option<String> {
    current(|host| host.answers.get(key).map(ToString::to_string))
}

pub(crate) fn input_state() -> Option<Vec<u8>> {
    current(|host| host.input_state.clone())
}

pub(crate) fn setting(key: &str) -> Option<String> {
    current(|host| host.settings.get(key).map(ToString::to_string))
}

pub(crate) fn reveal(name: &str) -> Result<String, secrets::Error> {
    current(|host| {
        host.secrets
            .get(name)
            .cloned()
            .unwrap_or(Err(secrets::Error::Undeclared))
    })
}

pub(crate) fn state_get(key: &str) -> Result<Option<state::Entry>, state::Error> {
    current(|host| Ok(host.state.get(key).cloned()))
}

// The simulated store forgets nothing: a test has no time to pass.
pub(crate) fn state_set(
    key: &str,
    value: &[u8],
    expect: Option<u64>,
    _time: Option<Duration>,
) -> Result<u64, state::Error> {
    current(|host| {
        let stored = host.state.get(key).map_or(0, |entry| entry.version);
        if expect.is_some_and(|expected| expected != stored) {
            return Err(state::Error::Conflict);
        }
        host.last_version += 1;
        let entry = state::Entry {
            value: value.to_vec(),
            version: host.last_version,
        };
        host.state.insert(key.to_owned(), entry);
        Ok(host.last_version)
    })
}

pub(crate) fn state_delete(key: &str) -> Result<(), state::Error> {
    current(|host| {
        host.state.remove(key);
        Ok(())
    })
}

pub(crate) fn state_keys(
    prefix: &str,
    after: Option<&str>,
    limit: u32,
) -> Result<Vec<String>, state::Error> {
    current(|host| {
        let keys = host.state.keys().filter(|key| key.starts_with(prefix));
        let keys = keys.filter(|key| after.is_none_or(|after| key.as_str() > after));
        Ok(keys.take(limit as usize).cloned().collect())
    })
}

pub(crate) fn send(request: &http::Request) -> Result<http::Response, http::Error> {
    // The closure runs outside of the borrow: it may call the host itself.
    match current(Simulation::responder) {
        Some(respond) => respond(request),
        None => Err(http::Error::Denied(
            "the test has no `testing::Host::http`".to_owned(),
        )),
    }
}
