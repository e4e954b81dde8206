//! Compiling a skill's package into a component.

mod messages;
mod rustflags;

use std::io;
use std::path::{Path, PathBuf};

use super::TARGET;
use super::program::{Program, ProgramError};
use super::report::Report;
use super::toolchain::{Toolchain, is_component};
use messages::{Artifact, Metadata, Package};

/// Small and without anything of the author's machine. Given on the command
/// line, so that a skill's `Cargo.toml` needs no profile of its own.
const PROFILE: [&str; 7] = [
    "profile.skill.inherits='release'",
    "profile.skill.opt-level='s'",
    "profile.skill.lto=true",
    "profile.skill.codegen-units=1",
    "profile.skill.panic='abort'",
    "profile.skill.strip=true",
    "profile.skill.debug=false",
];

/// A compiled package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CargoOutput {
    /// The package's name in `Cargo.toml`.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its description, if it has one.
    pub description: Option<String>,
    /// Where cargo puts what it builds.
    pub target_dir: PathBuf,
    /// The folder of the workspace that the package belongs to; its own folder
    /// if it stands alone.
    pub workspace_root: PathBuf,
    /// The component.
    pub component: PathBuf,
}

/// Builds the package in `folder` for [`TARGET`]. What the compiler has to say
/// goes to standard error as it is.
///
/// The same sources, dependencies and toolchain give the same bytes, wherever
/// the folder is.
///
/// # Errors
///
/// One variant of [`BuildError`] for each thing that can be missing or wrong.
pub fn compile(
    folder: &Path,
    toolchain: &Toolchain,
    report: &dyn Report,
) -> Result<CargoOutput, BuildError> {
    let manifest = find_manifest(folder)?;
    report.step("Reading the skill's package");
    let metadata = read_metadata(&manifest, toolchain)?;
    let package = metadata
        .package_of(&manifest)
        .ok_or_else(|| BuildError::NoPackage {
            manifest: manifest.clone(),
        })?;
    require_cdylib(package, &manifest)?;
    report.done(&format!("Building {} {}", package.name, package.version));
    let component = build(package, &metadata, &manifest, toolchain)?;
    Ok(CargoOutput {
        name: package.name.clone(),
        version: package.version.clone(),
        description: package.description.clone(),
        target_dir: metadata.target_directory,
        workspace_root: metadata.workspace_root,
        component,
    })
}

fn find_manifest(folder: &Path) -> Result<PathBuf, BuildError> {
    let manifest = folder.join("Cargo.toml");
    manifest
        .canonicalize()
        .map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => BuildError::NoManifest {
                folder: folder.to_owned(),
            },
            _ => BuildError::Files {
                path: manifest,
                source,
            },
        })
}

/// Resolves the dependencies too: what is not there yet is fetched. Where the
/// network is missing, what is there may do.
fn read_metadata(manifest: &Path, toolchain: &Toolchain) -> Result<Metadata, BuildError> {
    let ask = |offline: &[&str]| {
        cargo(toolchain, manifest)
            .args([
                "metadata",
                "--format-version",
                "1",
                "--filter-platform",
                TARGET,
            ])
            .args(offline)
            .arg("--manifest-path")
            .arg(manifest)
            .capture()
    };
    let text = ask(&[]).or_else(|error| ask(&["--offline"]).or(Err(error)))?;
    serde_json::from_str(&text).map_err(BuildError::Metadata)
}

fn require_cdylib(package: &Package, manifest: &Path) -> Result<(), BuildError> {
    if package.has_cdylib() {
        return Ok(());
    }
    Err(BuildError::NotCdylib {
        manifest: manifest.to_owned(),
    })
}

fn build(
    package: &Package,
    metadata: &Metadata,
    manifest: &Path,
    toolchain: &Toolchain,
) -> Result<PathBuf, BuildError> {
    let mut artifacts = Vec::new();
    // `rustc` with a crate type, not `build`: a library that is also an `rlib`
    // would not be optimised as a whole.
    cargo(toolchain, manifest)
        .args([
            "rustc",
            "--lib",
            "--crate-type",
            "cdylib",
            "--profile",
            "skill",
            "--target",
            TARGET,
        ])
        .args([
            "--message-format",
            "json-render-diagnostics",
            "--package",
            &package.id,
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .args(PROFILE.iter().flat_map(|setting| ["--config", setting]))
        .args(["--config", &rustflags::setting(metadata, toolchain)?])
        .follow_output(|line| artifacts.extend(Artifact::parse(line)))
        .map_err(|source| refused(source, package))?;
    let component = artifacts
        .iter()
        .filter(|artifact| artifact.package_id == package.id)
        .find_map(Artifact::module)
        .ok_or_else(|| BuildError::NoComponent {
            name: package.name.clone(),
        })?;
    match is_component(component) {
        Ok(true) => Ok(component.to_owned()),
        Ok(false) => Err(BuildError::NotAComponent {
            path: component.to_owned(),
        }),
        Err(source) => Err(BuildError::Files {
            path: component.to_owned(),
            source,
        }),
    }
}

/// Cargo in the package's folder, where its configuration is looked for, with
/// the compiler that was tried.
fn cargo(toolchain: &Toolchain, manifest: &Path) -> Program {
    let folder = manifest.parent().unwrap_or(manifest);
    Program::new(&toolchain.cargo)
        .folder(folder)
        .env("RUSTC", &toolchain.rustc)
}

fn refused(source: ProgramError, package: &Package) -> BuildError {
    match source {
        ProgramError::Failed { .. } => BuildError::DoesNotCompile {
            name: package.name.clone(),
        },
        other => BuildError::Program(other),
    }
}

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// There is no `Cargo.toml`.
    #[error("there is no Cargo.toml in {}: give the folder of a skill, or make one with `skillhost new`", folder.display())]
    NoManifest {
        /// Where it was looked for.
        folder: PathBuf,
    },
    /// The `Cargo.toml` is that of a workspace alone.
    #[error("{} describes no package: give the folder of one of the workspace's members", manifest.display())]
    NoPackage {
        /// The `Cargo.toml`.
        manifest: PathBuf,
    },
    /// The package does not say that it makes a component.
    #[error(
        "{} does not build a component: add these lines to it\n\n    [lib]\n    crate-type = [\"cdylib\", \"rlib\"]\n",
        manifest.display()
    )]
    NotCdylib {
        /// The `Cargo.toml`.
        manifest: PathBuf,
    },
    /// The compiler refused the sources; it said why on standard error.
    #[error("{name} does not compile: see the messages above")]
    DoesNotCompile {
        /// The package.
        name: String,
    },
    /// Cargo built everything but a WebAssembly file.
    #[error("cargo built no WebAssembly file for {name}")]
    NoComponent {
        /// The package.
        name: String,
    },
    /// The linker wrote something else than a component.
    #[error("{} is not a WebAssembly component: look for linker settings in the skill's .cargo/config.toml", path.display())]
    NotAComponent {
        /// The file.
        path: PathBuf,
    },
    /// The description of the package is not as expected.
    #[error("the answer of `cargo metadata` could not be read: {0}")]
    Metadata(serde_json::Error),
    /// A program failed before the compiler ran.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A path goes into compiler flags and is not Unicode.
    #[error("the path {} is not Unicode, which the compiler's flags need: move the folder", path.display())]
    NotUnicode {
        /// The path.
        path: PathBuf,
    },
    /// A file could not be used.
    #[error("{} could not be read: {source}", path.display())]
    Files {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_manifest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let error = find_manifest(folder.path()).unwrap_err();
        assert!(
            matches!(error, BuildError::NoManifest { folder: named } if named == folder.path())
        );
    }
}
