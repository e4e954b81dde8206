//! What a guest may import, and nothing else.

use wasmtime::component::{InstancePre, Linker};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2::bindings::cli;

use super::State;
use super::bindings::{self, SkillPre};
use crate::compile::Compiled;
use crate::error::{Error, Kind, Result};
use crate::manifest::Manifest;

/// Interfaces of WASI 0.2 and of ours that every guest may import. Process
/// spawning is not among them, and raw connections are for those that ask.
const OFFERED: [&str; 8] = [
    "skillhost:skill/",
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/types",
    "wasi:http/outgoing-handler",
    "wasi:io/",
    "wasi:random/",
];

/// Interfaces of guests whose manifest asks for raw connections.
const SOCKETS: &str = "wasi:sockets/";

/// A component with everything that is known before a call.
pub(crate) type Prepared = SkillPre<State>;

/// The linkers of a host; made once.
pub(crate) struct Linkers {
    plain: Linker<State>,
    with_sockets: Linker<State>,
}

impl Linkers {
    pub(crate) fn new(engine: &wasmtime::Engine) -> Result<Self> {
        both(engine).map_err(|cause| {
            Error::new(Kind::Internal, "The host's interfaces do not link.")
                .with_internal(format_args!("{cause:#}"))
        })
    }

    /// Checks a component's imports and exports against what it may have.
    ///
    /// # Errors
    ///
    /// `ComponentInvalid` that names the import or the export.
    pub(crate) fn prepare(&self, compiled: &Compiled, manifest: &Manifest) -> Result<Prepared> {
        if manifest.capabilities.sockets.is_some() {
            prepare(&self.with_sockets, compiled, true)
        } else {
            prepare(&self.plain, compiled, false)
        }
    }
}

fn both(engine: &wasmtime::Engine) -> wasmtime::Result<Linkers> {
    let mut plain = Linker::new(engine);
    link(&mut plain)?;
    let mut with_sockets = plain.clone();
    super::network::wasi_sockets::link(&mut with_sockets)?;
    Ok(Linkers {
        plain,
        with_sockets,
    })
}

fn prepare(linker: &Linker<State>, compiled: &Compiled, sockets: bool) -> Result<Prepared> {
    let component = compiled.component();
    let ty = component.component_type();
    for (name, _) in ty.imports(linker.engine()) {
        check_offered(name, sockets)?;
    }
    let pre: InstancePre<State> = linker.instantiate_pre(component).map_err(|cause| {
        Error::new(
            Kind::ComponentInvalid,
            "The component imports something in a form that this host does not offer.",
        )
        .with_hint("Build it against WASI 0.2 and skillhost:skill@1.0.0.")
        .with_internal(format_args!("{cause:#}"))
    })?;
    SkillPre::new(pre).map_err(|cause| {
        Error::new(
            Kind::ComponentInvalid,
            "The component does not export `skillhost:skill/tools@1.0.0`.",
        )
        .with_hint("Write it with the SDK's `export!`, or against the world in wit/world.wit.")
        .with_internal(format_args!("{cause:#}"))
    })
}

fn check_offered(import: &str, sockets: bool) -> Result<()> {
    let is_socket = import.starts_with(SOCKETS);
    let is_offered = OFFERED.iter().any(|offered| import.starts_with(offered));
    if is_offered || (is_socket && sockets) {
        return Ok(());
    }
    let import = crate::manifest::text::one_line(import, 200);
    let (why, hint) = if is_socket {
        (
            "its manifest does not ask for raw connections",
            "Send requests through `wasi:http`, or ask for `[capabilities.sockets]` in the author's skill.toml.",
        )
    } else {
        (
            "this host does not offer it",
            "Build it against WASI 0.2 and skillhost:skill@1.0.0.",
        )
    };
    let message = format!("The component imports `{import}`: {why}.");
    Err(Error::new(Kind::ComponentInvalid, message).with_hint(hint))
}

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    // io, clocks, random, stdin, stdout and stderr.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    super::filesystem::link(linker)?;
    super::random::link(linker)?;
    super::timer::link(linker)?;
    link_cli(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
    super::network::lengths::link(linker)?;
    bindings::Skill::add_to_linker::<State, wasmtime::component::HasSelf<State>>(linker, |state| {
        state
    })
}

fn link_cli(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    cli::exit::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::environment::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_input::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_output::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdin::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stdout::add_to_linker::<State, WasiCli>(linker, State::cli)?;
    cli::terminal_stderr::add_to_linker::<State, WasiCli>(linker, State::cli)
}
