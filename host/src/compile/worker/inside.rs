//! The compiler's process from inside: it confines itself before it reads the
//! first byte of what it is to compile.
//!
//! It does this, and not the host for it, because between fork and exec nothing
//! can be done in Rust without `unsafe`. Until then it is the host's own program
//! that has not seen a component.

use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{self, ExitCode};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::process::{
    DumpableBehavior, Resource, Rlimit, Signal, getppid, getrlimit, nice, set_dumpable_behavior,
    set_parent_process_death_signal, setrlimit,
};
use wasmtime::{Engine, OutOfMemory};

use crate::compile::code_config;
use crate::compile::limits::{CompileLimits, MAX_CODE};

/// The argument that makes a program a compiler. It is no subcommand that
/// anybody is told of.
pub(super) const SUBCOMMAND: &str = "compile-component";

/// Exit code: the component is not valid, and the output says why.
pub(super) const INVALID: i32 = 3;

/// Exit code: there was not enough memory.
pub(super) const OUT_OF_MEMORY: i32 = 4;

/// Whether this program becomes a compiler when it is asked to.
static EXPECTED: AtomicBool = AtomicBool::new(false);

/// Compiles, if that is what this process was started for; none if it was
/// started for something else. Belongs at the very beginning of `main` in each
/// program that is named as [`Worker`](super::Worker):
///
/// ```no_run
/// # use std::process::ExitCode;
/// fn main() -> ExitCode {
///     if let Some(done) = skillhost::compile::work_if_asked() {
///         return done;
///     }
///     // What the program is for.
///     ExitCode::SUCCESS
/// }
/// ```
#[must_use]
pub fn work_if_asked() -> Option<ExitCode> {
    EXPECTED.store(true, Ordering::Release);
    let mut arguments = env::args_os().skip(1);
    if arguments.next()? != SUBCOMMAND {
        return None;
    }
    Some(ExitCode::from(work(arguments)))
}

/// Whether [`work_if_asked`] was called. Without it, a process that was started
/// to compile would begin as a host, and start the next.
pub(super) fn is_expected() -> bool {
    EXPECTED.load(Ordering::Acquire)
}

/// What a process may take, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Confines {
    parent: u64,
    cpu_seconds: u64,
    memory: u64,
    output: u64,
}

impl Confines {
    /// For a process that this one starts. It may use all cores for as long as
    /// it may run: the host measures the time, and this holds if it cannot.
    pub(super) fn of_a_child(limits: &CompileLimits) -> Self {
        let cores = thread::available_parallelism().map_or(1, |cores| cores.get() as u64);
        let seconds = limits.time.as_secs().saturating_add(1);
        Self {
            parent: process::id().into(),
            cpu_seconds: seconds.saturating_mul(cores),
            memory: limits.memory,
            output: MAX_CODE,
        }
    }

    pub(super) fn to_arguments(self) -> [String; 4] {
        [self.parent, self.cpu_seconds, self.memory, self.output].map(|number| number.to_string())
    }

    fn from_arguments(mut arguments: impl Iterator<Item = OsString>) -> Option<Self> {
        let mut number = || arguments.next()?.to_str()?.parse().ok();
        Some(Self {
            parent: number()?,
            cpu_seconds: number()?,
            memory: number()?,
            output: number()?,
        })
    }

    /// From here on this process cannot take more, and ends when the host does.
    fn enter(self) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        let parent = getppid().map(|pid| u64::from(pid.as_raw_pid().unsigned_abs()));
        if parent != Some(self.parent) {
            return Err(io::Error::other("the host has gone already"));
        }
        // Calls go before.
        nice(19)?;
        // Neither a core dump nor another process of this user sees inside.
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        restrict(Resource::Core, 0)?;
        restrict(Resource::Cpu, self.cpu_seconds)?;
        restrict(Resource::Fsize, self.output)?;
        restrict(Resource::Data, self.memory)
    }
}

/// Lowers a limit, unless it is lower already.
fn restrict(resource: Resource, most: u64) -> io::Result<()> {
    let hard = getrlimit(resource).maximum;
    let most = Some(hard.map_or(most, |hard| hard.min(most)));
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    Ok(setrlimit(resource, limit)?)
}

/// Why nothing came of it.
enum Trouble {
    /// For the one who reads the output.
    Invalid(String),
    OutOfMemory,
    Other,
}

impl From<io::Error> for Trouble {
    fn from(cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::OutOfMemory => Self::OutOfMemory,
            _ => Self::Other,
        }
    }
}

fn work(arguments: impl Iterator<Item = OsString>) -> u8 {
    let code = match compile(arguments) {
        Ok(()) => 0,
        Err(Trouble::Invalid(complaint)) if write(complaint.as_bytes()).is_ok() => INVALID,
        Err(Trouble::OutOfMemory) => OUT_OF_MEMORY,
        Err(Trouble::Invalid(_) | Trouble::Other) => 1,
    };
    u8::try_from(code).unwrap_or(1)
}

fn compile(arguments: impl Iterator<Item = OsString>) -> Result<(), Trouble> {
    let confines = Confines::from_arguments(arguments).ok_or(Trouble::Other)?;
    confines.enter()?;
    let component = read()?;
    let engine = Engine::new(&code_config()).map_err(trouble)?;
    let code = engine.precompile_component(&component).map_err(trouble)?;
    Ok(write(&code)?)
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn trouble(cause: wasmtime::Error) -> Trouble {
    let lacks_memory = |cause: &(dyn std::error::Error + 'static)| {
        let failed = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        cause.is::<OutOfMemory>() || failed == Some(io::ErrorKind::OutOfMemory)
    };
    if cause.chain().any(lacks_memory) {
        return Trouble::OutOfMemory;
    }
    Trouble::Invalid(format!("{cause:#}"))
}

fn read() -> io::Result<Vec<u8>> {
    let mut component = Vec::new();
    File::from(io::stdin().as_fd().try_clone_to_owned()?).read_to_end(&mut component)?;
    Ok(component)
}

/// Without a buffer: what is written is there once this returns.
fn write(bytes: &[u8]) -> io::Result<()> {
    File::from(io::stdout().as_fd().try_clone_to_owned()?).write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_process_may_take_survives_its_command_line() {
        let confines = Confines::of_a_child(&CompileLimits::default());
        let arguments = confines.to_arguments().map(OsString::from);
        assert_eq!(
            Confines::from_arguments(arguments.into_iter()),
            Some(confines)
        );
        for wrong in [vec![], vec!["1", "2", "3"], vec!["1", "2", "3", "-4"]] {
            let arguments = wrong.into_iter().map(OsString::from);
            assert_eq!(Confines::from_arguments(arguments), None);
        }
    }
}
