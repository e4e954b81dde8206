//! What a guest may import, and nothing else.

use wasmtime::component::{InstancePre, Linker};
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::p2::bindings::cli;

use super::State;
use super::bindings::{self, SkillPre};
use crate::compile::Compiled;
use crate::error::{Error, Kind, Result};

/// Interfaces of WASI 0.2 and of ours that guests may import. Raw sockets,
/// name lookup and process spawning are not among them.
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

/// A component with everything that is known before a call.
pub(crate) type Prepared = SkillPre<State>;

/// The linker of a host; made once.
pub(crate) fn linker(engine: &wasmtime::Engine) -> Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    link(&mut linker).map_err(|cause| {
        Error::new(Kind::Internal, "The host's interfaces do not link.")
            .with_internal(format_args!("{cause:#}"))
    })?;
    Ok(linker)
}

/// Checks a component's imports and exports against the linker.
///
/// # Errors
///
/// `ComponentInvalid` that names the import or the export.
pub(crate) fn prepare(linker: &Linker<State>, compiled: &Compiled) -> Result<Prepared> {
    let component = compiled.component();
    let ty = component.component_type();
    for (name, _) in ty.imports(linker.engine()) {
        check_offered(name)?;
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

fn check_offered(import: &str) -> Result<()> {
    if OFFERED.iter().any(|offered| import.starts_with(offered)) {
        return Ok(());
    }
    let why = if import.starts_with("wasi:sockets/") {
        "raw sockets are not offered; send requests through `wasi:http`"
    } else {
        "this host does not offer it"
    };
    Err(Error::new(
        Kind::ComponentInvalid,
        format!(
            "The component imports `{}`: {why}.",
            crate::manifest::text::one_line(import, 200)
        ),
    ))
}

fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    // io, clocks, random, stdin, stdout and stderr.
    wasmtime_wasi::p2::add_to_linker_proxy_interfaces_async(linker)?;
    super::filesystem::link(linker)?;
    super::random::link(linker)?;
    super::timer::link(linker)?;
    link_cli(linker)?;
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
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
