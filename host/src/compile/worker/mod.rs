//! Compiling in a process of its own, which is killed when it takes too much.
//!
//! The process gets the component in a sealed memory file as its standard
//! input, an empty memory file as its standard output, and nothing else of the
//! host's: no environment, no other descriptor, no arguments but its limits.
//! Nobody but the host and the process has these files, and the output is
//! sealed before anything is read from it. So what is in it is what our own
//! program wrote.

mod inside;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf, absolute};
use std::process::{Child, Command, ExitStatus, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open};
use wasmtime::Engine;

pub use self::inside::work_if_asked;
use self::inside::{Confines, INVALID, OUT_OF_MEMORY, SUBCOMMAND};
use super::limits::{CompileLimits, Exceeded};
use super::sealed::{Sealed, memory_file};
use super::{Failure, invalid};
use crate::error::{Error, Kind};
use crate::time::Clock;

/// The most that is read of what the compiler says about a broken component,
/// in bytes.
const MAX_COMPLAINT: u64 = 4096;

/// Who compiles.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Worker {
    /// Another process of the program that runs now, whose `main` must begin
    /// with [`work_if_asked`]. In a program that does not, nothing is compiled.
    #[default]
    ThisProgram,
    /// A process of the program at that path: a `skillhost`, or another one
    /// whose `main` begins with [`work_if_asked`].
    Program(PathBuf),
    /// The host itself, **without any limit of time and memory**: a component
    /// of some kilobytes can stop it. For tests, and where everything that is
    /// loaded is your own. A host with this cannot be served.
    InProcess,
}

impl Worker {
    /// Machine code of a component. Blocks its thread, at most for as long as
    /// the limits allow; the process dies with this thread.
    pub(super) fn compile(
        &self,
        component: &[u8],
        engine: &Engine,
        limits: &CompileLimits,
        clock: &dyn Clock,
    ) -> Result<Sealed, Failure> {
        let program = match self {
            Self::InProcess => return compile_here(component, engine),
            Self::Program(program) => program.as_path(),
            Self::ThisProgram if inside::is_expected() => Path::new("/proc/self/exe"),
            Self::ThisProgram => return Err(nobody_compiles()),
        };
        let input = Sealed::copy_of(component).map_err(unusable)?;
        let output = memory_file().map_err(unusable)?;
        let mut running = Running::start(program, limits, &input, &output)?;
        match running.wait(limits, clock).map_err(unusable)? {
            Some(status) => judge(status, output, limits),
            None => Err(limits.exceeded(Exceeded::Time)),
        }
    }
}

fn compile_here(component: &[u8], engine: &Engine) -> Result<Sealed, Failure> {
    let code = engine
        .precompile_component(component)
        .map_err(|cause| invalid(&format!("{cause:#}")))?;
    Sealed::copy_of(&code).map_err(unusable)
}

/// The compiler's process. It is killed when this is dropped, whatever happens.
struct Running(Child);

impl Running {
    #[expect(
        clippy::disallowed_methods,
        reason = "beside `build::program` the only one to run a program: our own, with limits"
    )]
    fn start(
        program: &Path,
        limits: &CompileLimits,
        input: &Sealed,
        output: &File,
    ) -> Result<Self, Failure> {
        // Its folder is another one.
        let program = absolute(program).map_err(unusable)?;
        let stdin = input.to_hand_on().map_err(unusable)?;
        let stdout = output.try_clone().map_err(unusable)?;
        let started = Command::new(&program)
            .arg(SUBCOMMAND)
            .args(Confines::of_a_child(limits).to_arguments())
            .env_clear()
            .current_dir("/")
            .stdin(stdin)
            .stdout(stdout)
            .stderr(Stdio::null())
            .spawn();
        started.map(Self).map_err(|cause| {
            Error::new(Kind::ConfigInvalid, "The compiler cannot be started.")
                .with_hint("Name a `skillhost` program that this user may run.")
                .with_internal(format_args!("{}: {cause}", program.display()))
                .into()
        })
    }

    /// How it ended; none if it does not in time.
    fn wait(
        &mut self,
        limits: &CompileLimits,
        clock: &dyn Clock,
    ) -> io::Result<Option<ExitStatus>> {
        let process = pidfd_open(Pid::from_child(&self.0), PidfdFlags::empty())?;
        let end = clock.monotonic() + limits.time;
        loop {
            let left = end.saturating_duration_since(clock.monotonic());
            if left.is_zero() {
                return Ok(None);
            }
            let left = Timespec::try_from(left).map_err(io::Error::other)?;
            match poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&left)) {
                Ok(0) | Err(Errno::INTR) => {}
                Ok(_) => return self.0.wait().map(Some),
                Err(cause) => return Err(cause.into()),
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // If it has ended, nothing is left to be killed.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What came of a process that has ended.
fn judge(status: ExitStatus, output: File, limits: &CompileLimits) -> Result<Sealed, Failure> {
    let signal = status.signal().and_then(Signal::from_named_raw);
    match (status.code(), signal) {
        (Some(0), _) => not_empty(Sealed::new(output).map_err(unusable)?),
        (Some(INVALID), _) => Err(invalid(&complaint(output).map_err(unusable)?)),
        // Rust aborts when memory cannot be had, or its stack is at its end.
        (Some(OUT_OF_MEMORY), _) | (_, Some(Signal::ABORT)) => {
            Err(limits.exceeded(Exceeded::Memory))
        }
        (_, Some(Signal::XCPU)) => Err(limits.exceeded(Exceeded::Time)),
        (_, Some(Signal::XFSZ)) => Err(limits.exceeded(Exceeded::Code)),
        _ => Err(ended_early(&status.to_string())),
    }
}

fn not_empty(code: Sealed) -> Result<Sealed, Failure> {
    if code.len() > 0 {
        return Ok(code);
    }
    Err(ended_early("it wrote nothing"))
}

fn complaint(mut output: File) -> io::Result<String> {
    let mut text = Vec::new();
    output.rewind()?;
    output.take(MAX_COMPLAINT).read_to_end(&mut text)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn ended_early(how: &str) -> Failure {
    Error::new(Kind::Internal, "The compiler ended before it was done.")
        .with_hint("If this happens again, the machine may be short of memory.")
        .with_internal(how)
        .into()
}

fn nobody_compiles() -> Failure {
    let message = "This program does not say who compiles components.";
    Error::new(Kind::ConfigInvalid, message)
        .with_hint(
            "Call `skillhost::compile::work_if_asked` first in `main`, \
             or name a `skillhost` program in `Setup::compile`.",
        )
        .into()
}

fn unusable(cause: io::Error) -> Failure {
    Error::new(
        Kind::Internal,
        "The compiler cannot be run on this machine.",
    )
    .with_internal(cause)
    .into()
}
