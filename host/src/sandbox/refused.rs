//! `config` and `state`.
//!
//! Settings come from the operator. There is no capability yet that would
//! grant a store, so it answers `not-granted`.

use wasmtime::Result;

use super::State;
use super::bindings::skillhost::skill::{config, state, types};

impl types::Host for State {}

impl config::Host for State {
    fn get(&mut self, key: String) -> Result<Option<String>> {
        Ok(self.settings.get(&key).map(ToString::to_string))
    }
}

impl State {
    fn deny(&self, capability: &'static str, target: &str) {
        self.observer.capability(capability, target);
    }
}

impl state::Host for State {
    fn get(&mut self, key: String) -> Result<Result<Option<state::Entry>, state::Error>> {
        self.deny("state", &key);
        Ok(Err(state::Error::NotGranted))
    }

    fn set(
        &mut self,
        key: String,
        _value: Vec<u8>,
        _expect: Option<u64>,
        _ttl_ms: Option<u64>,
    ) -> Result<Result<u64, state::Error>> {
        self.deny("state", &key);
        Ok(Err(state::Error::NotGranted))
    }

    fn delete(&mut self, key: String) -> Result<Result<(), state::Error>> {
        self.deny("state", &key);
        Ok(Err(state::Error::NotGranted))
    }

    fn keys(
        &mut self,
        prefix: String,
        _after: Option<String>,
        _limit: u32,
    ) -> Result<Result<Vec<String>, state::Error>> {
        self.deny("state", &prefix);
        Ok(Err(state::Error::NotGranted))
    }
}
