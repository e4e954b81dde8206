//! A Rust toolchain that makes components: finding one, or setting one up.
//!
//! A usual installation of Rust has the compiler and the component linker for
//! [`TARGET`]; only the standard library can be missing. The
//! *routes* are the places where it can come from.

mod apt;
mod compiler;
mod debian;
mod lock;
mod probe;
mod rustup;
mod sources;
mod standard_library;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf, absolute};
use std::str::FromStr;

pub(super) use compiler::Compiler;
pub(super) use debian::sysroot as built_sysroot;
pub(super) use probe::{is_component, link};

pub use debian::DebianError;
pub use probe::ProbeError;

use super::TARGET;
use super::program::ProgramError;
use super::report::Report;
use lock::Lock;

/// Where the standard library of the guest target may come from.
///
/// A route other than [`Auto`](Self::Auto) is a promise that nothing else is
/// tried: with [`Debian`](Self::Debian), rustup is never asked for anything.
///
/// # Defaults
///
/// [`Auto`](Self::Auto).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Route {
    /// What is there; else rustup; else Debian.
    #[default]
    Auto,
    /// Only what is there, be it the active toolchain's own or built earlier.
    Present,
    /// The active toolchain's own, added by rustup if it is missing.
    Rustup,
    /// Built once for the active compiler from the source in Debian's archive.
    Debian,
}

impl Route {
    /// The routes that can be pinned, in the order in which they are tried.
    pub const ALL: [Self; 4] = [Self::Auto, Self::Present, Self::Rustup, Self::Debian];

    /// The ways of setting one up that this route allows, in order.
    fn ways(self) -> &'static [Self] {
        match self {
            Self::Auto => &[Self::Present, Self::Rustup, Self::Debian],
            Self::Present => &[Self::Present],
            Self::Rustup => &[Self::Rustup],
            Self::Debian => &[Self::Debian],
        }
    }

    fn accepts_own_library(self) -> bool {
        self != Self::Debian
    }

    fn accepts_built_library(self) -> bool {
        self != Self::Rustup
    }
}

impl fmt::Display for Route {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Auto => "auto",
            Self::Present => "present",
            Self::Rustup => "rustup",
            Self::Debian => "debian",
        })
    }
}

impl FromStr for Route {
    type Err = UnknownRoute;

    fn from_str(text: &str) -> Result<Self, UnknownRoute> {
        Self::ALL
            .into_iter()
            .find(|route| route.to_string() == text)
            .ok_or_else(|| UnknownRoute {
                given: text.to_owned(),
            })
    }
}

/// A name that is no [`Route`].
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no toolchain route '{given}': use auto, present, rustup or debian")]
pub struct UnknownRoute {
    /// The name.
    pub given: String,
}

/// A compiler that was seen to make components.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The compiler itself, not a proxy that chooses one.
    pub rustc: PathBuf,
    /// The cargo that belongs to it.
    pub cargo: PathBuf,
    /// The folder with the guest's standard library, if it is not the
    /// compiler's own.
    pub sysroot: Option<PathBuf>,
    /// For people: which compiler, and where the standard library comes from.
    pub description: String,
    compiler: Compiler,
}

impl Toolchain {
    fn with_own_library(compiler: &Compiler) -> Self {
        Self::of(compiler, None, "with its own standard library")
    }

    fn with_built_library(compiler: &Compiler, sysroot: PathBuf) -> Self {
        Self::of(
            compiler,
            Some(sysroot),
            "with a standard library built from Debian's source",
        )
    }

    fn of(compiler: &Compiler, sysroot: Option<PathBuf>, origin: &str) -> Self {
        Self {
            rustc: compiler.rustc.clone(),
            cargo: compiler.cargo.clone(),
            sysroot,
            description: format!("{} {origin}", compiler.version.summary()),
            compiler: compiler.clone(),
        }
    }

    pub(super) fn compiler(&self) -> &Compiler {
        &self.compiler
    }
}

/// The toolchain that a build in `folder` would use now, if any; sets nothing
/// up. `cache_dir` is where [`ensure`] keeps what it builds.
pub fn find(folder: &Path, cache_dir: &Path) -> Option<Toolchain> {
    let compiler = Compiler::active(folder).ok()?;
    ready(Route::Auto, &compiler, &absolute(cache_dir).ok()?).ok()
}

/// A toolchain for builds in `folder`, set up by `route` if there is none yet.
///
/// What is built is kept in `cache_dir`; the installed toolchains are changed
/// by rustup alone. Processes that share a `cache_dir` wait for each other.
///
/// # Errors
///
/// [`ToolchainError::NoCompiler`] without Rust, [`ToolchainError::Cache`] if
/// `cache_dir` cannot be written, and [`ToolchainError::NoRoute`] with the
/// reason of each route if none of them worked.
pub fn ensure(
    route: Route,
    folder: &Path,
    cache_dir: &Path,
    report: &dyn Report,
) -> Result<Toolchain, ToolchainError> {
    let unusable = |source| ToolchainError::Cache {
        folder: cache_dir.to_owned(),
        source,
    };
    let compiler = Compiler::active(folder).map_err(ToolchainError::NoCompiler)?;
    // The compiler runs in other folders than the caller's.
    let cache_dir = &absolute(cache_dir).map_err(unusable)?;
    if let Ok(toolchain) = ready(route, &compiler, cache_dir) {
        return Ok(toolchain);
    }
    let _lock = Lock::take(cache_dir, report).map_err(unusable)?;
    let mut failures = Vec::new();
    for &way in route.ways() {
        match set_up(way, &compiler, cache_dir, report) {
            Ok(toolchain) => {
                report.done(&format!("Guest toolchain: {}", toolchain.description));
                return Ok(toolchain);
            }
            Err(reason) => failures.push(RouteFailure { route: way, reason }),
        }
    }
    Err(ToolchainError::NoRoute { failures })
}

/// What is there already and allowed by the route.
fn ready(route: Route, compiler: &Compiler, cache_dir: &Path) -> Result<Toolchain, RouteError> {
    let mut reason = None;
    if route.accepts_own_library() {
        match probe::passes(compiler, None, cache_dir) {
            Ok(()) => return Ok(Toolchain::with_own_library(compiler)),
            Err(error) => reason = Some(error),
        }
    }
    if route.accepts_built_library() {
        let sysroot = built_sysroot(compiler, cache_dir);
        match probe::passes(compiler, Some(&sysroot), cache_dir) {
            Ok(()) => return Ok(Toolchain::with_built_library(compiler, sysroot)),
            Err(error) => reason = reason.or(Some(error)),
        }
    }
    Err(reason.map_or(RouteError::NothingPresent, RouteError::DoesNotLink))
}

fn set_up(
    way: Route,
    compiler: &Compiler,
    cache_dir: &Path,
    report: &dyn Report,
) -> Result<Toolchain, RouteError> {
    match way {
        Route::Auto | Route::Present => ready(way, compiler, cache_dir),
        Route::Rustup => {
            rustup::add_target(compiler, report)?;
            probe::passes(compiler, None, cache_dir)?;
            Ok(Toolchain::with_own_library(compiler))
        }
        // Looked at again under the lock: another process may have built it.
        Route::Debian => ready(way, compiler, cache_dir).or_else(|_| {
            let sysroot = debian::build(compiler, cache_dir, report)?;
            probe::passes(compiler, Some(&sysroot), cache_dir)?;
            Ok(Toolchain::with_built_library(compiler, sysroot))
        }),
    }
}

/// Why there is no toolchain.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// Rust itself is missing or broken.
    #[error(
        "building a skill needs Rust, and its compiler does not answer: {0}; install Rust and try again"
    )]
    NoCompiler(#[source] ProgramError),
    /// The folder for the toolchain cannot be used.
    #[error("the toolchain folder {} cannot be used: {source}", folder.display())]
    Cache {
        /// The folder.
        folder: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No route worked.
    #[error(
        "the standard library for {TARGET} could not be set up:{}\nrun `rustup target add {TARGET}` where there is a network, and try again",
        listed(failures)
    )]
    NoRoute {
        /// Each route that was tried, in order.
        failures: Vec<RouteFailure>,
    },
}

/// A route that was tried in vain.
#[derive(Debug)]
pub struct RouteFailure {
    /// Which.
    pub route: Route,
    /// Why it did not work.
    pub reason: RouteError,
}

/// Why a route did not work.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Nothing that the route allows is there.
    #[error("nothing is set up")]
    NothingPresent,
    /// The result does not make components.
    #[error(transparent)]
    DoesNotLink(#[from] ProbeError),
    /// rustup did not do it.
    #[error(transparent)]
    Rustup(ProgramError),
    /// It could not be built from Debian's archive.
    #[error(transparent)]
    Debian(#[from] DebianError),
}

fn listed(failures: &[RouteFailure]) -> String {
    failures
        .iter()
        .map(|failure| format!("\n  {}: {}", failure.route, failure.reason))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_as_they_are_written() {
        for route in Route::ALL {
            assert_eq!(route.to_string().parse(), Ok(route));
        }
        let error = "Debian".parse::<Route>().unwrap_err();
        assert_eq!(
            error,
            UnknownRoute {
                given: "Debian".to_owned()
            }
        );
    }

    #[test]
    fn a_pinned_route_tries_only_itself() {
        for route in [Route::Present, Route::Rustup, Route::Debian] {
            assert_eq!(route.ways(), [route]);
        }
        assert!(!Route::Debian.accepts_own_library());
        assert!(!Route::Rustup.accepts_built_library());
    }

    #[test]
    fn the_error_gives_the_reason_of_each_route_and_a_way_out() {
        let failures = vec![
            RouteFailure {
                route: Route::Present,
                reason: RouteError::NothingPresent,
            },
            RouteFailure {
                route: Route::Debian,
                reason: DebianError::NotDebian.into(),
            },
        ];
        assert_eq!(
            ToolchainError::NoRoute { failures }.to_string(),
            "the standard library for wasm32-wasip2 could not be set up:\
             \n  present: nothing is set up\
             \n  debian: this machine does not run Debian\
             \nrun `rustup target add wasm32-wasip2` where there is a network, and try again"
        );
    }
}
