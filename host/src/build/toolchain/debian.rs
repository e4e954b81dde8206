//! The standard library from Debian's archive.
//!
//! Debian packages the source of Rust's standard library and a C library for
//! WASI. From these the library is built for the very compiler that is active,
//! into a folder of ours. Nothing is installed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::apt::Archive;
use super::compiler::Compiler;
use super::sources::debian_codename;
use super::standard_library::{self, Ingredients};
use crate::build::TARGET;
use crate::build::program::{Program, ProgramError};
use crate::build::report::Report;

/// Marks folders of a set-up in progress. What an interrupted one left is
/// removed by the next.
const WORK_PREFIX: &str = ".work-";

/// Why the standard library could not be built from Debian's archive.
#[derive(Debug, thiserror::Error)]
pub enum DebianError {
    /// This is another system.
    #[error("this machine does not run Debian")]
    NotDebian,
    /// Only stable compilers have their source packaged.
    #[error("the active compiler {release} is not a stable release")]
    NotStable {
        /// What it is.
        release: String,
    },
    /// apt is not configured for Debian's main archive.
    #[error("apt has no source for the main archive of Debian {codename}")]
    NoSource {
        /// The release of this machine.
        codename: String,
    },
    /// The archive does not have the package, or cannot be reached.
    #[error("the suites {suites} have no package {package} {}; is the mirror reachable?", release.as_deref().unwrap_or_default())]
    NoPackage {
        /// Its name.
        package: String,
        /// The release that is needed, if it matters.
        release: Option<String>,
        /// Where it was looked for.
        suites: String,
    },
    /// A program failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// The standard library did not compile.
    #[error("the standard library did not build, the log is {}: {source}", log.display())]
    NotBuilt {
        /// Everything that cargo said.
        log: PathBuf,
        /// How it ended.
        source: ProgramError,
    },
    /// A file or folder of the set-up could not be used.
    #[error("{} could not be used: {source}", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl DebianError {
    pub(super) fn files(path: &Path, source: io::Error) -> Self {
        Self::Files {
            path: path.to_owned(),
            source,
        }
    }
}

/// Where the library for that compiler is, once it is built.
pub(in crate::build) fn sysroot(compiler: &Compiler, cache_dir: &Path) -> PathBuf {
    cache_dir.join(compiler.version.library_name())
}

/// Builds the library and returns its sysroot. The caller holds the lock on
/// `cache_dir`.
pub(super) fn build(
    compiler: &Compiler,
    cache_dir: &Path,
    report: &dyn Report,
) -> Result<PathBuf, DebianError> {
    let codename = require_debian()?;
    if !compiler.version.is_stable() {
        return Err(DebianError::NotStable {
            release: compiler.version.release.clone(),
        });
    }
    let work = fresh_work_folder(cache_dir)?;
    let ingredients = fetch(work.path(), &codename, &compiler.version.release, report)?;
    let built = standard_library::build(compiler, &ingredients, work.path(), cache_dir, report)?;
    let finished = sysroot(compiler, cache_dir);
    replace(&built, &finished).map_err(|source| DebianError::files(&finished, source))?;
    Ok(finished)
}

fn require_debian() -> Result<String, DebianError> {
    let text = fs::read_to_string("/etc/os-release").unwrap_or_default();
    debian_codename(&text).ok_or(DebianError::NotDebian)
}

fn fresh_work_folder(cache_dir: &Path) -> Result<TempDir, DebianError> {
    let files = |source| DebianError::files(cache_dir, source);
    for entry in fs::read_dir(cache_dir).map_err(files)?.flatten() {
        if entry.file_name().to_string_lossy().starts_with(WORK_PREFIX) {
            // A leftover that cannot be removed is in nobody's way.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    tempfile::Builder::new()
        .prefix(WORK_PREFIX)
        .tempdir_in(cache_dir)
        .map_err(files)
}

/// The suites that may have the release, small lists first.
fn suite_sets(codename: &str) -> [Vec<String>; 2] {
    let owned = |suites: &[&str]| suites.iter().map(|suite| (*suite).to_owned()).collect();
    let backports = format!("{codename}-backports");
    [
        owned(&[&backports, "stable-backports"]),
        owned(&["stable", "stable-backports", "testing", "unstable"]),
    ]
}

fn fetch(
    work: &Path,
    codename: &str,
    release: &str,
    report: &dyn Report,
) -> Result<Ingredients, DebianError> {
    report.step("Setting up the guest toolchain: fetching the source of Rust's standard library");
    let [near, far] = suite_sets(codename);
    fetch_from(&work.join("near"), codename, &near, release, report).or_else(|error| match error {
        DebianError::NoPackage { .. } => {
            fetch_from(&work.join("far"), codename, &far, release, report)
        }
        other => Err(other),
    })
}

fn fetch_from(
    folder: &Path,
    codename: &str,
    suites: &[String],
    release: &str,
    report: &dyn Report,
) -> Result<Ingredients, DebianError> {
    report.detail(&format!("reading the lists of {}", suites.join(", ")));
    let archive = Archive::open(&folder.join("apt"), codename, suites)?;
    let source = archive.newest("rust-src", Some(release))?;
    let c_library = archive.newest("wasi-libc", None)?;
    report.detail(&format!(
        "downloading rust-src {source} and wasi-libc {c_library}"
    ));
    let source = archive.download("rust-src", &source)?;
    let c_library = archive.download("wasi-libc", &c_library)?;
    report.detail("unpacking");
    Ok(Ingredients {
        library: unpack_library(&source, folder)?,
        c_library: unpack_c_library(&c_library, folder)?,
    })
}

/// Unpacks the one folder that is needed of a package with the whole compiler.
fn unpack_library(package: &Path, folder: &Path) -> Result<PathBuf, DebianError> {
    let unpacked = folder.join("rust-src");
    fs::create_dir_all(&unpacked).map_err(|source| DebianError::files(&unpacked, source))?;
    let select = Program::new("tar")
        .args([
            "-x",
            "--strip-components=4",
            "--wildcards",
            "--no-wildcards-match-slash",
            "-C",
        ])
        .arg(&unpacked)
        .arg("./usr/src/rustc-*/library");
    Program::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .pipe_into(select)?;
    require(unpacked.join("library"), "sysroot/Cargo.toml")
}

fn unpack_c_library(package: &Path, folder: &Path) -> Result<PathBuf, DebianError> {
    let unpacked = folder.join("wasi-libc");
    Program::new("dpkg-deb")
        .arg("-x")
        .arg(package)
        .arg(&unpacked)
        .capture()?;
    require(unpacked.join("usr/lib").join(TARGET), "libc.a")
}

fn require(folder: PathBuf, file: &str) -> Result<PathBuf, DebianError> {
    let path = folder.join(file);
    if path.is_file() {
        return Ok(folder);
    }
    Err(DebianError::files(&path, io::ErrorKind::NotFound.into()))
}

/// Puts a finished sysroot in its place; what is there did not link.
fn replace(built: &Path, finished: &Path) -> io::Result<()> {
    match fs::remove_dir_all(finished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::rename(built, finished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leftovers_of_an_interrupted_set_up_are_removed() {
        let cache = tempfile::tempdir().unwrap();
        let leftover = cache.path().join(".work-abc/apt");
        fs::create_dir_all(&leftover).unwrap();
        fs::create_dir_all(cache.path().join("std-1.0.0-abc")).unwrap();
        let work = fresh_work_folder(cache.path()).unwrap();
        assert!(!leftover.exists());
        assert!(cache.path().join("std-1.0.0-abc").exists());
        assert!(work.path().starts_with(cache.path()));
    }

    #[test]
    fn a_broken_sysroot_is_replaced() {
        let cache = tempfile::tempdir().unwrap();
        let (built, finished) = (cache.path().join("built"), cache.path().join("finished"));
        for folder in [&built, &finished] {
            fs::create_dir_all(folder.join("lib")).unwrap();
        }
        fs::write(built.join("lib/good"), "").unwrap();
        replace(&built, &finished).unwrap();
        assert!(finished.join("lib/good").is_file());
        assert!(!built.exists());
    }
}
