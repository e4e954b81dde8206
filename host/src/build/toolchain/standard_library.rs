//! Building Rust's standard library for the guest target, as the compiler's
//! own bootstrap does it: compile the crate `sysroot`, then collect the
//! libraries.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use super::compiler::{Compiler, library_in};
use super::debian::DebianError;
use crate::build::TARGET;
use crate::build::program::Program;
use crate::build::report::Report;

/// What the standard library is made of.
#[derive(Debug)]
pub(super) struct Ingredients {
    /// The folder `library` of the compiler's source.
    pub(super) library: PathBuf,
    /// The folder with the C library and start files for WASI.
    pub(super) c_library: PathBuf,
}

/// The files of the C library that the compiler expects beside the standard
/// library.
const C_LIBRARY_FILES: [&str; 3] = ["libc.a", "crt1-command.o", "crt1-reactor.o"];

/// Builds into `work` and returns the sysroot in it; the log goes to `cache_dir`,
/// to be read when `work` is gone.
pub(super) fn build(
    compiler: &Compiler,
    ingredients: &Ingredients,
    work: &Path,
    cache_dir: &Path,
    report: &dyn Report,
) -> Result<PathBuf, DebianError> {
    let target_dir = work.join("target");
    let log = cache_dir.join("standard-library.log");
    compile(compiler, &ingredients.library, &target_dir, &log, report)?;
    let sysroot = work.join("sysroot");
    let libraries = target_dir.join(TARGET).join("release/deps");
    collect(&libraries, &ingredients.c_library, &library_in(&sysroot))
        .map_err(|source| DebianError::files(&sysroot, source))?;
    Ok(sysroot)
}

fn compile(
    compiler: &Compiler,
    library: &Path,
    target_dir: &Path,
    log: &Path,
    report: &dyn Report,
) -> Result<(), DebianError> {
    report.step(
        "Setting up the guest toolchain: building Rust's standard library for WASI (about a minute, once)",
    );
    let mut file = File::create(log).map_err(|source| DebianError::files(log, source))?;
    cargo_build(compiler, library, target_dir)
        .follow_complaints(|line| {
            // The log is for people; a full disk shows itself in the build.
            let _ = writeln!(file, "{line}");
            report.detail(line.trim());
        })
        .map_err(|source| DebianError::NotBuilt {
            log: log.to_owned(),
            source,
        })
}

fn cargo_build(compiler: &Compiler, library: &Path, target_dir: &Path) -> Program {
    Program::new(&compiler.cargo)
        .args([
            "build",
            "--release",
            "--locked",
            "--target",
            TARGET,
            "--features",
            "backtrace",
        ])
        .args(["--manifest-path", "sysroot/Cargo.toml", "--target-dir"])
        .arg(target_dir)
        .args([
            "--config",
            "profile.release.debug=0",
            "--config",
            "profile.release.codegen-units=4",
        ])
        // Away from the caller's folder, whose cargo configuration is not meant
        // for the standard library.
        .folder(library)
        .env("RUSTC", &compiler.rustc)
        .env("RUSTC_WRAPPER", "")
        .env("RUSTC_WORKSPACE_WRAPPER", "")
        .env(
            "CARGO_ENCODED_RUSTFLAGS",
            rustflags(compiler, library).join("\x1f"),
        )
        // The standard library uses unstable features of its own compiler.
        // What is built against it later is plain stable Rust.
        .env("RUSTC_BOOTSTRAP", "1")
}

fn rustflags(compiler: &Compiler, library: &Path) -> [String; 3] {
    [
        "-Zforce-unstable-if-unmarked".to_owned(),
        // Lets skills be optimised together with the standard library.
        "-Cembed-bitcode=yes".to_owned(),
        // The same component wherever the library was built.
        format!(
            "--remap-path-prefix={}=/rustc/{}/library",
            library.display(),
            compiler.version.commit
        ),
    ]
}

fn collect(libraries: &Path, c_library: &Path, into: &Path) -> io::Result<()> {
    let self_contained = into.join("self-contained");
    fs::create_dir_all(&self_contained)?;
    for entry in fs::read_dir(libraries)? {
        let path = entry?.path();
        if let (Some("rlib"), Some(name)) = (
            path.extension().and_then(|it| it.to_str()),
            path.file_name(),
        ) {
            fs::copy(&path, into.join(name))?;
        }
    }
    for name in C_LIBRARY_FILES {
        fs::copy(c_library.join(name), self_contained.join(name))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn collects_libraries_and_start_files_only() {
        let folder = tempfile::tempdir().unwrap();
        let (libraries, c_library) = (folder.path().join("deps"), folder.path().join("wasi"));
        fs::create_dir_all(&libraries).unwrap();
        fs::create_dir_all(&c_library).unwrap();
        for name in ["libstd-1.rlib", "libstd-1.rmeta", "std-1.d"] {
            fs::write(libraries.join(name), name).unwrap();
        }
        for name in C_LIBRARY_FILES {
            fs::write(c_library.join(name), name).unwrap();
        }
        let into = folder.path().join("lib");
        collect(&libraries, &c_library, &into).unwrap();
        let mut names: Vec<String> = fs::read_dir(&into)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        assert_eq!(names, ["libstd-1.rlib", "self-contained"]);
        assert!(into.join("self-contained/crt1-reactor.o").is_file());
    }

    #[test]
    fn a_missing_start_file_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let error = collect(folder.path(), folder.path(), &folder.path().join("lib")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
