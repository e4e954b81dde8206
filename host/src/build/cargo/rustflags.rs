//! The compiler flags of a skill.
//!
//! They are given as cargo configuration on the command line, where they join
//! the flags of the skill's own `.cargo/config.toml`; flags from the
//! environment would replace those, and are removed.

use std::path::{Path, PathBuf};

use super::BuildError;
use super::messages::Metadata;
use crate::build::TARGET;
use crate::build::toolchain::Toolchain;

/// Bytes of linear memory that a skill starts with.
///
/// Growing costs a locked system call in every call of a skill, untouched pages
/// cost nothing. So much serves a skill that takes and returns a text of 1 MB.
const INITIAL_MEMORY: u32 = 4 << 20;

/// The value for cargo's `--config`.
pub(super) fn setting(metadata: &Metadata, toolchain: &Toolchain) -> Result<String, BuildError> {
    let flags = rustflags(metadata, toolchain)?;
    // A JSON array of strings is a TOML array of strings.
    let array = serde_json::to_string(&flags).map_err(BuildError::Metadata)?;
    Ok(format!("target.{TARGET}.rustflags={array}"))
}

fn rustflags(metadata: &Metadata, toolchain: &Toolchain) -> Result<Vec<String>, BuildError> {
    let mut flags = vec![format!("-Clink-arg=--initial-memory={INITIAL_MEMORY}")];
    if let Some(sysroot) = &toolchain.sysroot {
        flags.push(format!("--sysroot={}", unicode(sysroot)?));
    }
    for (from, to) in remappings(metadata, toolchain) {
        flags.push(format!("--remap-path-prefix={}={to}", unicode(&from)?));
    }
    Ok(flags)
}

/// Folders of this machine and what stands for them in the component: messages
/// of panics hold source paths, which would tell about the author and make each
/// machine's bytes different.
fn remappings(metadata: &Metadata, toolchain: &Toolchain) -> Vec<(PathBuf, String)> {
    let compiler = toolchain.compiler();
    let mut mapped = vec![
        (metadata.workspace_root.clone(), "/skill".to_owned()),
        (metadata.target_directory.clone(), "/target".to_owned()),
        (compiler.sysroot.clone(), "/rust".to_owned()),
        (compiler.sysroot.join("lib/rustlib/src/rust"), format!("/rustc/{}", compiler.version.commit)),
    ];
    let outside = metadata.packages.iter().filter(|package| !package.folder().starts_with(&metadata.workspace_root));
    for package in outside {
        let folder = package.folder();
        match folder.parent() {
            Some(registry) if package.is_from_registry() => {
                mapped.push((registry.to_owned(), "/registry".to_owned()));
            }
            _ => mapped.push((folder.to_owned(), format!("/{}-{}", package.name, package.version))),
        }
    }
    // The compiler takes the last prefix that matches: the longest must win.
    mapped.sort_by(|(one, _), (other, _)| depth(one).cmp(&depth(other)).then_with(|| one.cmp(other)));
    mapped.dedup();
    mapped
}

fn depth(path: &Path) -> usize {
    path.components().count()
}

fn unicode(path: &Path) -> Result<&str, BuildError> {
    path.to_str().ok_or_else(|| BuildError::NotUnicode { path: path.to_owned() })
}
