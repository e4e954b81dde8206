//! `skillhost:skill/config`: settings that the operator chose.

use wasmtime::Result;

use super::State;
use super::bindings::skillhost::skill::{config, types};

impl types::Host for State {}

impl config::Host for State {
    fn get(&mut self, key: String) -> Result<Option<String>> {
        Ok(self.settings.get(&key).map(ToString::to_string))
    }
}
