//! wasmtime alone: the engine settings of the host, a linker, and a fresh
//! store and instance for each call. No limit but those that the engine needs.

use wasmtime::component::{Component, HasSelf, Linker, ResourceTable};
use wasmtime::{Engine, Store};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

use self::bindings::{Skill, SkillPre};

#[expect(
    clippy::error_impl_error,
    reason = "generated: the WIT calls its errors `error`"
)]
mod bindings {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "skill",
        exports: { default: async },
    });
}

pub(crate) struct Bare {
    engine: Engine,
    pre: SkillPre<State>,
}

impl Bare {
    pub(crate) fn new(component: &[u8]) -> Self {
        let engine = Engine::new(&skillhost::compile::config(256)).unwrap();
        let mut linker = Linker::new(&engine);
        wasmtime_wasi::p2::add_to_linker_async(&mut linker).unwrap();
        Skill::add_to_linker::<State, HasSelf<State>>(&mut linker, |state| state).unwrap();
        let component = Component::from_binary(&engine, component).unwrap();
        let pre = SkillPre::new(linker.instantiate_pre(&component).unwrap()).unwrap();
        Self { engine, pre }
    }

    /// The length of the answer's first text.
    pub(crate) async fn call(&self, tool: &str, arguments: &str) -> usize {
        let state = State {
            wasi: WasiCtx::builder().build(),
            table: ResourceTable::new(),
        };
        let mut store = Store::new(&self.engine, state);
        store.set_fuel(u64::MAX).unwrap();
        store.set_epoch_deadline(u64::MAX / 2);
        let skill = self.pre.instantiate_async(&mut store).await.unwrap();
        let (tool, arguments) = (tool.to_owned(), arguments.to_owned());
        let called = skill
            .skillhost_skill_tools()
            .call_call(&mut store, &tool, &arguments)
            .await;
        match called.unwrap().unwrap() {
            bindings::skillhost::skill::types::Outcome::Complete(output) => output.content.len(),
            bindings::skillhost::skill::types::Outcome::InputRequired(_) => 0,
        }
    }
}

pub(crate) struct State {
    wasi: WasiCtx,
    table: ResourceTable,
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: &mut self.wasi,
            table: &mut self.table,
        }
    }
}

/// The interfaces of `wit/`, answered with nothing: an echo calls none.
mod nothing {
    use super::State;
    use super::bindings::skillhost::skill::{call, config, http, log, secrets, state, types};

    impl types::Host for State {}

    impl call::Host for State {
        fn id(&mut self) -> String {
            String::new()
        }
        fn remaining_ms(&mut self) -> u64 {
            0
        }
        fn is_cancelled(&mut self) -> bool {
            false
        }
        fn progress(&mut self, _: f64, _: Option<f64>, _: Option<String>) {}
        fn input_response(&mut self, _: String) -> Option<String> {
            None
        }
        fn input_state(&mut self) -> Option<Vec<u8>> {
            None
        }
    }

    impl log::Host for State {
        fn log(&mut self, _: log::Level, _: String, _: Vec<(String, String)>) {}
    }

    impl config::Host for State {
        fn get(&mut self, _: String) -> Option<String> {
            None
        }
    }

    impl state::Host for State {
        fn get(&mut self, _: String) -> Result<Option<state::Entry>, state::Error> {
            Ok(None)
        }
        fn set(
            &mut self,
            _: String,
            _: Vec<u8>,
            _: Option<u64>,
            _: Option<u64>,
        ) -> Result<u64, state::Error> {
            Ok(1)
        }
        fn delete(&mut self, _: String) -> Result<(), state::Error> {
            Ok(())
        }
        fn keys(
            &mut self,
            _: String,
            _: Option<String>,
            _: u32,
        ) -> Result<Vec<String>, state::Error> {
            Ok(Vec::new())
        }
    }

    impl secrets::Host for State {
        fn reveal(&mut self, _: String) -> Result<String, secrets::Error> {
            Err(secrets::Error::NotGranted)
        }
    }

    impl http::Host for State {
        fn send(&mut self, _: http::Request) -> Result<http::Response, http::Error> {
            Err(http::Error::Timeout)
        }
    }
}
