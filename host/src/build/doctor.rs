//! What is there for building skills, and what to do about what is not.

use std::path::{Path, PathBuf, absolute};

use super::TARGET;
use super::program::{Program, ProgramError};
use super::toolchain::{Compiler, ProbeError, built_sysroot, link};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// Whether it serves.
    pub status: Status,
    /// Whether skills can be built without it.
    pub optional: bool,
    /// The version, or what is wrong.
    pub detail: String,
    /// What the user can do about it.
    pub remedy: Option<String>,
}

/// The state of a thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It works.
    Ok,
    /// It is not there.
    Missing,
    /// It is there and does not work.
    Broken,
}

/// Looks at everything that a build in `folder` needs, with what
/// [`ensure`](super::ensure) has put into `cache_dir`. Changes nothing.
pub fn diagnose(folder: &Path, cache_dir: &Path) -> Vec<Finding> {
    let compiler = Compiler::active(folder);
    let mut findings = vec![rustc(&compiler)];
    if let Ok(compiler) = &compiler {
        findings.push(cargo(compiler));
        findings.push(component_linker(compiler));
        findings.push(standard_library(compiler, cache_dir));
    }
    findings.push(installer("rustup", "rustup"));
    findings.push(installer("apt", "apt-get"));
    findings
}

const INSTALL_RUST: &str = "install Rust with rustup";

fn rustc(compiler: &Result<Compiler, ProgramError>) -> Finding {
    match compiler {
        Ok(compiler) => works("rustc", compiler.version.summary()),
        Err(error) => fails("rustc", error, INSTALL_RUST),
    }
}

fn cargo(compiler: &Compiler) -> Finding {
    match Program::new(&compiler.cargo).arg("-V").capture() {
        Ok(version) => works("cargo", &version),
        Err(error) => fails("cargo", &error, INSTALL_RUST),
    }
}

fn component_linker(compiler: &Compiler) -> Finding {
    let name = "wasm-component-ld";
    match Program::new(component_linker_path(compiler))
        .arg("--version")
        .capture()
    {
        Ok(version) => works(name, &version),
        Err(error) => fails(
            name,
            &error,
            "install Rust with rustup: its compiler brings this linker along",
        ),
    }
}

/// The compiler looks beside its own libraries first, then in `PATH`.
fn component_linker_path(compiler: &Compiler) -> PathBuf {
    let own = compiler
        .sysroot
        .join("lib/rustlib")
        .join(&compiler.version.host)
        .join("bin/wasm-component-ld");
    if own.is_file() {
        own
    } else {
        "wasm-component-ld".into()
    }
}

fn standard_library(compiler: &Compiler, cache_dir: &Path) -> Finding {
    // The compiler runs in another folder than the caller's.
    let cache_dir = absolute(cache_dir).unwrap_or_else(|_| cache_dir.to_owned());
    let built = built_sysroot(compiler, &cache_dir);
    let own = link(compiler, None);
    if own.is_ok() {
        return works(
            TARGET,
            "the toolchain's own standard library links a component",
        );
    }
    match (own, link(compiler, Some(&built))) {
        (_, Ok(())) => works(
            TARGET,
            &format!(
                "the standard library in {} links a component",
                built.display()
            ),
        ),
        (Err(ProbeError::NoStandardLibrary { .. }), Err(error))
        | (Err(error), Err(_))
        | (Ok(()), Err(error)) => no_standard_library(&error),
    }
}

fn no_standard_library(error: &ProbeError) -> Finding {
    let status = match error {
        ProbeError::NoStandardLibrary { .. } => Status::Missing,
        ProbeError::Compiler(_) | ProbeError::NotAComponent | ProbeError::Files(_) => {
            Status::Broken
        }
    };
    Finding {
        name: TARGET,
        status,
        optional: false,
        detail: error.to_string(),
        remedy: Some(format!(
            "run `rustup target add {TARGET}`, or let `skillhost build` set it up"
        )),
    }
}

fn installer(name: &'static str, program: &str) -> Finding {
    let finding = match Program::new(program).arg("--version").capture() {
        Ok(version) => works(name, version.lines().next().unwrap_or_default()),
        Err(error) => fails(name, &error, "only needed to set up the guest toolchain"),
    };
    Finding {
        optional: true,
        ..finding
    }
}

fn works(name: &'static str, detail: &str) -> Finding {
    Finding {
        name,
        status: Status::Ok,
        optional: false,
        detail: detail.trim().to_owned(),
        remedy: None,
    }
}

fn fails(name: &'static str, error: &ProgramError, remedy: &str) -> Finding {
    let status = match error {
        ProgramError::NotFound { .. } => Status::Missing,
        ProgramError::NotStarted { .. }
        | ProgramError::Failed { .. }
        | ProgramError::TimedOut { .. }
        | ProgramError::Unreadable { .. } => Status::Broken,
    };
    Finding {
        name,
        status,
        optional: false,
        detail: error.to_string(),
        remedy: Some(remedy.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installer_that_is_not_there_is_no_obstacle() {
        let finding = installer("rustup", "no-such-program");
        assert_eq!((finding.status, finding.optional), (Status::Missing, true));
        assert_eq!(
            finding.detail,
            "no-such-program is not installed, or not in PATH"
        );
    }

    #[test]
    fn without_a_compiler_nothing_is_asked_of_it() {
        let missing = ProgramError::NotFound {
            program: "rustc".to_owned(),
        };
        let finding = rustc(&Err(missing));
        assert_eq!((finding.status, finding.optional), (Status::Missing, false));
        assert_eq!(finding.remedy.as_deref(), Some(INSTALL_RUST));
    }

    #[test]
    fn an_absent_library_is_missing_and_a_refused_one_broken() {
        let absent = ProbeError::NoStandardLibrary {
            folder: "/rust".into(),
        };
        assert_eq!(no_standard_library(&absent).status, Status::Missing);
        assert_eq!(
            no_standard_library(&ProbeError::NotAComponent).status,
            Status::Broken
        );
    }
}
