//! How much compiling one component may take.

use std::time::Duration;

use wasmparser::{Parser, Payload};

use super::Failure;
use crate::artifact::MAX_COMPONENT;
use crate::error::{Error, Kind};

/// The largest machine code of one component, in bytes; an interpreter has
/// about 50 MB.
pub(super) const MAX_CODE: u64 = 512 << 20;

/// How much compiling one component may take. Each is enforced before or while
/// it is compiled.
///
/// # Defaults
///
/// 64 MiB of component, 100,000 functions, two minutes and 2 GiB of memory. A
/// skill of Rust has about 150 KB and takes a fifth of a second; an
/// interpreter of 12 MB takes fifteen seconds on two cores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CompileLimits {
    /// Bytes of the component; at most [`MAX_COMPONENT`].
    pub component: u64,
    /// Functions in all its modules, and those that join them to the host.
    pub functions: u64,
    /// Wall-clock time of the compiler.
    pub time: Duration,
    /// Bytes of memory of the compiler.
    pub memory: u64,
}

impl Default for CompileLimits {
    fn default() -> Self {
        Self {
            component: MAX_COMPONENT,
            functions: 100_000,
            time: Duration::from_secs(120),
            memory: 2 << 30,
        }
    }
}

/// A limit that compiling a component would break, or has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exceeded {
    Component,
    Functions,
    Time,
    Memory,
    Code,
}

impl CompileLimits {
    /// What can be known without compiling: a bomb costs little to recognise
    /// and much to set off.
    pub(super) fn check(&self, component: &[u8]) -> Result<(), Failure> {
        if component.len() as u64 > self.component {
            return Err(self.exceeded(Exceeded::Component));
        }
        if functions(component)? > self.functions {
            return Err(self.exceeded(Exceeded::Functions));
        }
        Ok(())
    }

    /// The failure, with what would allow it.
    pub(super) fn exceeded(&self, exceeded: Exceeded) -> Failure {
        let (limit, takes) = match exceeded {
            Exceeded::Component => (
                "compile-component",
                format!("has more than the {} bytes", self.component),
            ),
            Exceeded::Functions => (
                "compile-functions",
                format!("has more than the {} functions", self.functions),
            ),
            Exceeded::Time => (
                "compile-time",
                format!("takes longer to compile than the {:?}", self.time),
            ),
            Exceeded::Memory => (
                "compile-memory",
                format!(
                    "takes more memory to compile than the {} bytes",
                    self.memory
                ),
            ),
            Exceeded::Code => (
                "compile-code",
                format!("becomes more machine code than the {MAX_CODE} bytes"),
            ),
        };
        let error = Error::new(
            Kind::CompileLimit,
            format!("The component {takes} that are allowed."),
        );
        Failure {
            limit: Some(limit),
            error: error.with_hint(exceeded.hint()),
        }
    }
}

impl Exceeded {
    const fn hint(self) -> &'static str {
        match self {
            Self::Component => "Allow it more with `component` under `[compile]`.",
            Self::Functions => "Allow it more with `functions` under `[compile]`.",
            Self::Time => {
                "Allow it more with `time` under `[compile]`, if you know why it needs it."
            }
            Self::Memory => {
                "Allow it more with `memory` under `[compile]`, if you know why it needs it."
            }
            Self::Code => "Make the component smaller: this limit cannot be changed.",
        }
    }
}

/// How many functions are to be compiled: those of all modules, however
/// deep, and one for each that is passed between modules and the host.
fn functions(component: &[u8]) -> Result<u64, Failure> {
    let mut count = 0_u64;
    for payload in Parser::new(0).parse_all(component) {
        let more = match payload {
            Ok(Payload::FunctionSection(section)) => section.count(),
            Ok(Payload::ComponentCanonicalSection(section)) => section.count(),
            Ok(_) => 0,
            Err(cause) => return Err(super::invalid(&cause.to_string())),
        };
        count = count.saturating_add(more.into());
    }
    Ok(count)
}
