//! Whether a compiler really makes components.
//!
//! The bookkeeping of an installer can be wrong, and the standard library of
//! another release may lie in the way, so a tiny skill is linked. What passed
//! is remembered, so that a later build does not pay for it again.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::compiler::{Compiler, library_in};
use crate::build::TARGET;
use crate::build::program::{Program, ProgramError};

/// How a component begins: `\0asm`, version 13, layer 1.
pub(in crate::build) const COMPONENT_PREAMBLE: [u8; 8] = *b"\0asm\x0d\0\x01\0";

/// Allocates, so that the C library under the standard library is linked too.
const SOURCE: &str = "#[unsafe(no_mangle)] pub extern \"C\" fn probe(n: u32) -> usize { vec![1u8; n as usize].len() }\n";

/// The file in the cache folder with the compilers that passed.
const MEMORY: &str = "probed.json";

/// More compilers than anyone switches between.
const REMEMBERED: usize = 16;

/// Why a compiler does not make components.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// There is no standard library for the target.
    #[error("there is no standard library for {TARGET} in {}", folder.display())]
    NoStandardLibrary {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The compiler refused the probe.
    #[error(transparent)]
    Compiler(#[from] ProgramError),
    /// The compiler wrote something that is not a component.
    #[error("the compiler produced a file that is not a WebAssembly component")]
    NotAComponent,
    /// The probe could not be written or read.
    #[error("a file for trying the compiler could not be used: {0}")]
    Files(#[from] io::Error),
}

/// Links a skill, unless the same compiler with the same standard library
/// passed before.
pub(super) fn passes(
    compiler: &Compiler,
    sysroot: Option<&Path>,
    cache_dir: &Path,
) -> Result<(), ProbeError> {
    let pair = Pair::of(compiler, sysroot);
    require_library(compiler, sysroot)?;
    let mut remembered = recall(cache_dir);
    if remembered.contains(&pair) {
        return Ok(());
    }
    link(compiler, sysroot)?;
    remembered.push(pair);
    // Nothing depends on it but the time of the next build.
    let _ = remember(cache_dir, &remembered);
    Ok(())
}

/// Links a skill and looks at the result; `sysroot` is the folder with the
/// standard library if it is not the compiler's own.
pub(in crate::build) fn link(
    compiler: &Compiler,
    sysroot: Option<&Path>,
) -> Result<(), ProbeError> {
    require_library(compiler, sysroot)?;
    let folder = tempfile::tempdir()?;
    let source = folder.path().join("probe.rs");
    let component = folder.path().join("probe.wasm");
    fs::write(&source, SOURCE)?;
    let mut rustc = Program::new(&compiler.rustc)
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "cdylib",
            "--target",
            TARGET,
            "-o",
        ])
        .arg(&component)
        .arg(&source)
        .folder(folder.path());
    if let Some(sysroot) = sysroot {
        rustc = rustc.arg("--sysroot").arg(sysroot);
    }
    rustc.capture()?;
    if is_component(&component)? {
        Ok(())
    } else {
        Err(ProbeError::NotAComponent)
    }
}

/// Whether a file begins like a component.
pub(in crate::build) fn is_component(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    fs::File::open(path)?
        .take(COMPONENT_PREAMBLE.len() as u64)
        .read_to_end(&mut start)?;
    Ok(start == COMPONENT_PREAMBLE)
}

fn require_library(compiler: &Compiler, sysroot: Option<&Path>) -> Result<(), ProbeError> {
    let folder = sysroot.map_or_else(|| compiler.own_library(), library_in);
    if folder.is_dir() {
        Ok(())
    } else {
        Err(ProbeError::NoStandardLibrary { folder })
    }
}

/// A compiler with a standard library.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Pair {
    version: String,
    compiler: PathBuf,
    sysroot: Option<PathBuf>,
}

impl Pair {
    fn of(compiler: &Compiler, sysroot: Option<&Path>) -> Self {
        Self {
            version: compiler.version.verbose.clone(),
            compiler: compiler.rustc.clone(),
            sysroot: sysroot.map(Path::to_owned),
        }
    }
}

/// An unreadable memory is an empty one: then the link is tried again.
fn recall(cache_dir: &Path) -> Vec<Pair> {
    let bytes = fs::read(cache_dir.join(MEMORY)).unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

fn remember(cache_dir: &Path, pairs: &[Pair]) -> io::Result<()> {
    let latest = pairs
        .get(pairs.len().saturating_sub(REMEMBERED)..)
        .unwrap_or_default();
    fs::create_dir_all(cache_dir)?;
    let mut file = tempfile::NamedTempFile::new_in(cache_dir)?;
    file.write_all(&serde_json::to_vec(latest)?)?;
    file.persist(cache_dir.join(MEMORY))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(version: &str) -> Pair {
        Pair {
            version: version.to_owned(),
            compiler: "/bin/rustc".into(),
            sysroot: None,
        }
    }

    #[test]
    fn remembers_the_latest_compilers() {
        let cache = tempfile::tempdir().unwrap();
        let pairs: Vec<Pair> = (0..REMEMBERED + 1).map(|n| pair(&n.to_string())).collect();
        remember(cache.path(), &pairs).unwrap();
        assert_eq!(recall(cache.path()), pairs[1..]);
    }

    #[test]
    fn a_damaged_memory_is_an_empty_one() {
        let cache = tempfile::tempdir().unwrap();
        fs::write(cache.path().join(MEMORY), "[{").unwrap();
        assert_eq!(recall(cache.path()), []);
    }

    #[test]
    fn a_core_module_is_not_a_component() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        fs::write(&path, b"\0asm\x01\0\0\0").unwrap();
        assert!(!is_component(&path).unwrap());
        fs::write(&path, COMPONENT_PREAMBLE).unwrap();
        assert!(is_component(&path).unwrap());
        fs::write(&path, &COMPONENT_PREAMBLE[..7]).unwrap();
        assert!(!is_component(&path).unwrap());
    }
}
