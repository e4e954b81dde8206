//! The Rust compiler that is active in a folder.

use std::path::{Path, PathBuf};

use crate::build::program::{Program, ProgramError};

/// The active compiler, past rustup's proxies, which could choose another one
/// in another folder.
#[derive(Debug, Clone)]
pub(in crate::build) struct Compiler {
    pub(in crate::build) rustc: PathBuf,
    pub(in crate::build) cargo: PathBuf,
    /// Where it looks for standard libraries.
    pub(in crate::build) sysroot: PathBuf,
    pub(in crate::build) version: Version,
}

impl Compiler {
    /// The one that `cargo build` would use in `folder`.
    pub(in crate::build) fn active(folder: &Path) -> Result<Self, ProgramError> {
        let printed = Program::new("rustc")
            .args(["--print", "sysroot"])
            .folder(folder)
            .capture()?;
        let sysroot = PathBuf::from(printed.trim_end());
        let verbose = Program::new(program_in(&sysroot, "rustc"))
            .arg("-vV")
            .folder(folder)
            .capture()?;
        Ok(Self::at(sysroot, &verbose))
    }

    /// The one with that sysroot, which says that of itself with `-vV`.
    pub(in crate::build) fn at(sysroot: impl Into<PathBuf>, verbose: &str) -> Self {
        let sysroot = sysroot.into();
        Self {
            rustc: program_in(&sysroot, "rustc"),
            cargo: program_in(&sysroot, "cargo"),
            version: Version::parse(verbose),
            sysroot,
        }
    }

    /// The folder with the libraries of the guest target that come with it.
    pub(super) fn own_library(&self) -> PathBuf {
        library_in(&self.sysroot)
    }
}

/// Where a sysroot has the libraries of the guest target.
pub(super) fn library_in(sysroot: &Path) -> PathBuf {
    sysroot
        .join("lib/rustlib")
        .join(crate::build::TARGET)
        .join("lib")
}

fn program_in(sysroot: &Path, name: &str) -> PathBuf {
    let path = sysroot.join("bin").join(name);
    if path.is_file() {
        path
    } else {
        PathBuf::from(name)
    }
}

/// What `rustc -vV` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::build) struct Version {
    /// As printed; identifies the compiler.
    pub(in crate::build) verbose: String,
    /// For example `1.95.0`.
    pub(in crate::build) release: String,
    /// Of the compiler's source; empty for builds without one.
    pub(in crate::build) commit: String,
    /// The target that it runs on.
    pub(in crate::build) host: String,
}

impl Version {
    fn parse(verbose: &str) -> Self {
        let field = |name: &str| {
            let value = verbose
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            value.unwrap_or_default().to_owned()
        };
        Self {
            release: field("release"),
            commit: field("commit-hash"),
            host: field("host"),
            verbose: verbose.to_owned(),
        }
    }

    /// The first line: name, release, commit and date.
    pub(in crate::build) fn summary(&self) -> &str {
        self.verbose.lines().next().unwrap_or_default()
    }

    /// Beta and nightly compilers have a suffix, and no distribution has the
    /// source of their standard library.
    pub(super) fn is_stable(&self) -> bool {
        !self.release.is_empty() && !self.release.contains('-')
    }

    /// Tells the standard libraries of different compilers apart: a library
    /// works only with the very compiler that built it.
    pub(super) fn library_name(&self) -> String {
        let commit: String = self.commit.chars().take(9).collect();
        format!("std-{}-{commit}", self.release)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STABLE: &str = "\
rustc 1.95.0 (59807616e 2026-04-14)
binary: rustc
commit-hash: 59807616e1fa2540724bfbac14d7976d7e4a3860
commit-date: 2026-04-14
host: x86_64-unknown-linux-gnu
release: 1.95.0
LLVM version: 22.1.2
";

    #[test]
    fn reads_the_fields_of_a_stable_compiler() {
        let version = Version::parse(STABLE);
        assert_eq!(version.release, "1.95.0");
        assert_eq!(version.host, "x86_64-unknown-linux-gnu");
        assert_eq!(version.summary(), "rustc 1.95.0 (59807616e 2026-04-14)");
        assert_eq!(version.library_name(), "std-1.95.0-59807616e");
        assert!(version.is_stable());
    }

    #[test]
    fn a_nightly_is_not_stable() {
        assert!(!Version::parse("rustc 1.98.0-nightly\nrelease: 1.98.0-nightly\n").is_stable());
    }

    #[test]
    fn what_is_not_a_compiler_is_not_stable() {
        assert!(!Version::parse("hello\n").is_stable());
    }
}
