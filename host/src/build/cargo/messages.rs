//! The parts of cargo's JSON that a build needs.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The answer of `cargo metadata`.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    pub(super) packages: Vec<Package>,
    pub(super) workspace_root: PathBuf,
    pub(super) target_directory: PathBuf,
}

impl Metadata {
    /// The package with that `Cargo.toml`, given by its canonical path.
    pub(super) fn package_of(&self, manifest: &Path) -> Option<&Package> {
        self.packages.iter().find(|package| {
            package.manifest_path == manifest
                || package
                    .manifest_path
                    .canonicalize()
                    .is_ok_and(|path| path == manifest)
        })
    }
}

/// A package of the skill's dependency tree.
#[derive(Debug, Deserialize)]
pub(super) struct Package {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) version: String,
    pub(super) description: Option<String>,
    pub(super) manifest_path: PathBuf,
    /// Absent for packages in folders of this machine.
    source: Option<String>,
    targets: Vec<Target>,
}

impl Package {
    pub(super) fn has_cdylib(&self) -> bool {
        let is_cdylib = |crate_type: &String| crate_type == "cdylib";
        self.targets
            .iter()
            .any(|target| target.crate_types.iter().any(is_cdylib))
    }

    pub(super) fn is_from_registry(&self) -> bool {
        self.source
            .as_ref()
            .is_some_and(|source| source.starts_with("registry+") || source.starts_with("sparse+"))
    }

    pub(super) fn folder(&self) -> &Path {
        self.manifest_path.parent().unwrap_or(&self.manifest_path)
    }
}

#[derive(Debug, Deserialize)]
struct Target {
    crate_types: Vec<String>,
}

/// A file that cargo has built.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Artifact {
    pub(super) package_id: String,
    filenames: Vec<PathBuf>,
}

impl Artifact {
    /// Reads a line of `--message-format json`; other messages, and what build
    /// scripts print, are none.
    pub(super) fn parse(line: &str) -> Option<Self> {
        match serde_json::from_str(line).ok()? {
            Message::CompilerArtifact(artifact) => Some(artifact),
            Message::Other => None,
        }
    }

    /// The WebAssembly file among what was built.
    pub(super) fn module(&self) -> Option<&Path> {
        let is_wasm = |path: &&PathBuf| {
            path.extension()
                .is_some_and(|extension| extension == "wasm")
        };
        self.filenames.iter().find(is_wasm).map(PathBuf::as_path)
    }
}

#[derive(Deserialize)]
#[serde(tag = "reason", rename_all = "kebab-case")]
enum Message {
    CompilerArtifact(Artifact),
    #[serde(other)]
    Other,
}

#[cfg(test)]
mod tests {
    use super::*;

    const METADATA: &str = r#"{
        "packages": [
            {"id": "path+file:///skill#hello@0.2.0", "name": "hello", "version": "0.2.0",
             "description": null, "manifest_path": "/skill/Cargo.toml", "source": null,
             "targets": [{"name": "hello", "kind": ["cdylib", "rlib"], "crate_types": ["cdylib", "rlib"]}]},
            {"id": "registry+https://index.example#serde@1.0.0", "name": "serde", "version": "1.0.0",
             "description": "Serialization", "manifest_path": "/home/.cargo/serde/Cargo.toml",
             "source": "registry+https://index.example",
             "targets": [{"name": "serde", "kind": ["lib"], "crate_types": ["lib"]}]}
        ],
        "workspace_root": "/skill", "target_directory": "/skill/target", "version": 1
    }"#;

    #[test]
    fn finds_the_package_of_a_manifest() {
        let metadata: Metadata = serde_json::from_str(METADATA).unwrap();
        let package = metadata.package_of(Path::new("/skill/Cargo.toml")).unwrap();
        assert_eq!(
            (package.name.as_str(), package.version.as_str()),
            ("hello", "0.2.0")
        );
        assert!(package.has_cdylib() && !package.is_from_registry());
        assert!(
            metadata
                .package_of(Path::new("/other/Cargo.toml"))
                .is_none()
        );
    }

    #[test]
    fn a_plain_library_is_no_cdylib() {
        let metadata: Metadata = serde_json::from_str(METADATA).unwrap();
        assert!(!metadata.packages[1].has_cdylib());
        assert!(metadata.packages[1].is_from_registry());
    }

    #[test]
    fn the_module_is_taken_from_the_artifact_message() {
        let line = r#"{"reason":"compiler-artifact","package_id":"p","manifest_path":"/skill/Cargo.toml",
            "target":{"kind":["cdylib"]},"filenames":["/t/libhello.rlib","/t/hello.wasm"],"fresh":false}"#;
        let artifact = Artifact::parse(line).unwrap();
        assert_eq!(artifact.module(), Some(Path::new("/t/hello.wasm")));
    }

    #[test]
    fn other_lines_are_no_artifacts() {
        for line in [
            "",
            "warning: hello",
            r#"{"reason":"build-finished","success":true}"#,
            "{}",
        ] {
            assert_eq!(Artifact::parse(line), None, "{line}");
        }
    }
}
