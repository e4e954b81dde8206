//! The compiler flags of a skill.
//!
//! They are given as cargo configuration on the command line, where they join
//! the flags of the skill's own `.cargo/config.toml`; flags from the
//! environment would replace those, and are removed.

use std::path::{Path, PathBuf};

use super::BuildError;
use super::messages::Metadata;
use crate::build::TARGET;
use crate::build::toolchain::{Compiler, Toolchain};

/// Bytes of linear memory that a skill starts with.
///
/// Growing costs a locked system call in every call of a skill, untouched pages
/// cost nothing. The smallest power of two with which a skill that reads a text
/// of 1 MB from JSON and returns it changed never grows; 4 MiB serve 500 KB.
const INITIAL_MEMORY: u32 = 8 << 20;

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
    for (from, to) in remappings(metadata, toolchain.compiler()) {
        flags.push(format!("--remap-path-prefix={}={to}", unicode(&from)?));
    }
    Ok(flags)
}

/// Folders of this machine and what stands for them in the component: messages
/// of panics hold source paths, which would tell about the author and make each
/// machine's bytes different.
fn remappings(metadata: &Metadata, compiler: &Compiler) -> Vec<(PathBuf, String)> {
    let mut mapped = vec![
        (metadata.workspace_root.clone(), "/skill".to_owned()),
        (metadata.target_directory.clone(), "/target".to_owned()),
        (compiler.sysroot.clone(), "/rust".to_owned()),
        (
            compiler.sysroot.join("lib/rustlib/src/rust"),
            format!("/rustc/{}", compiler.version.commit),
        ),
    ];
    let outside = metadata
        .packages
        .iter()
        .filter(|package| !package.folder().starts_with(&metadata.workspace_root));
    for package in outside {
        let folder = package.folder();
        match folder.parent() {
            Some(registry) if package.is_from_registry() => {
                mapped.push((registry.to_owned(), "/registry".to_owned()));
            }
            _ => mapped.push((
                folder.to_owned(),
                format!("/{}-{}", package.name, package.version),
            )),
        }
    }
    // The compiler takes the last prefix that matches: the longest must win.
    mapped
        .sort_by(|(one, _), (other, _)| depth(one).cmp(&depth(other)).then_with(|| one.cmp(other)));
    mapped.dedup();
    mapped
}

fn depth(path: &Path) -> usize {
    path.components().count()
}

fn unicode(path: &Path) -> Result<&str, BuildError> {
    path.to_str().ok_or_else(|| BuildError::NotUnicode {
        path: path.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{
        "packages": [
            {"id": "a", "name": "skill", "version": "0.1.0", "description": null, "source": null,
             "manifest_path": "/home/ada/code/skill/Cargo.toml", "targets": []},
            {"id": "b", "name": "shared", "version": "2.0.0", "description": null, "source": null,
             "manifest_path": "/home/ada/Cargo.toml", "targets": []},
            {"id": "c", "name": "serde", "version": "1.0.0", "description": null,
             "source": "registry+https://index.example",
             "manifest_path": "/home/ada/.cargo/registry/src/index/serde-1.0.0/Cargo.toml", "targets": []}
        ],
        "workspace_root": "/home/ada/code", "target_directory": "/home/ada/code/target"
    }"#;

    #[test]
    fn the_longest_prefix_comes_last_and_so_wins() {
        let metadata: Metadata = serde_json::from_str(METADATA).unwrap();
        let compiler = Compiler::at("/opt/rust", "rustc 1.95.0\ncommit-hash: abc\n");
        let mapped: Vec<(String, String)> = remappings(&metadata, &compiler)
            .into_iter()
            .map(|(from, to)| (from.to_str().unwrap().to_owned(), to))
            .collect();
        let expected = [
            ("/home/ada", "/shared-2.0.0"),
            ("/opt/rust", "/rust"),
            ("/home/ada/code", "/skill"),
            ("/home/ada/code/target", "/target"),
            ("/home/ada/.cargo/registry/src/index", "/registry"),
            ("/opt/rust/lib/rustlib/src/rust", "/rustc/abc"),
        ];
        assert_eq!(
            mapped,
            expected.map(|(from, to)| (from.to_owned(), to.to_owned()))
        );
    }
}
