//! `skillhost list`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use super::terminal::{note, print_json, print_untrusted};
use super::{ExitStatus, Session};
use crate::artifact::Artifact;
use crate::error::{Error, Kind, Result};
use crate::manifest::{Manifest, section};
use crate::verify::{Verified, Verifier};

/// List the installed skills, their tools and whether they may run
#[derive(Debug, Args)]
pub(super) struct List {
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

/// One installed component.
struct Installed {
    path: PathBuf,
    found: Result<(Manifest, Vec<String>)>,
}

impl List {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        let folder = session.skills_folder();
        let verifier = session.verifier()?;
        let skills: Vec<Installed> = components(&folder)?
            .into_iter()
            .map(|path| Installed {
                found: read(&path, &verifier),
                path,
            })
            .collect();
        if self.json {
            print_json(&skills.iter().map(Installed::json).collect::<Vec<_>>())?;
        } else if skills.is_empty() {
            note(&format!("No skills are installed in {}.", folder.display()));
            note("Install one with `skillhost build FOLDER --install`.");
        } else {
            print_untrusted(&skills.iter().map(Installed::text).collect::<String>())?;
        }
        Ok(ExitStatus::Ok)
    }
}

impl Installed {
    fn text(&self) -> String {
        match &self.found {
            Ok((manifest, signers)) => {
                let tools: Vec<&str> = manifest
                    .tools
                    .iter()
                    .map(|tool| tool.name.as_str())
                    .collect();
                format!(
                    "{} {}  tools: {}  signed by: {}\n",
                    manifest.name,
                    manifest.version,
                    tools.join(", "),
                    signers.join(", ")
                )
            }
            Err(error) => format!(
                "{}  will not run: {}\n",
                self.path.display(),
                error.message()
            ),
        }
    }

    fn json(&self) -> Value {
        match &self.found {
            Ok((manifest, signers)) => json!({
                "path": self.path, "name": manifest.name, "version": manifest.version, "signers": signers,
                "tools": manifest.tools.iter().map(|tool| tool.name.as_str()).collect::<Vec<_>>(),
            }),
            Err(error) => {
                json!({"path": self.path, "kind": error.kind(), "message": error.message()})
            }
        }
    }
}

fn read(path: &Path, verifier: &Verifier) -> Result<(Manifest, Vec<String>)> {
    let verified = verifier.verify(Artifact::open(path)?)?;
    let signers = verified.verdict().signers().iter();
    Ok((
        manifest_of(&verified)?,
        signers.map(ToString::to_string).collect(),
    ))
}

/// The manifest of a component whose signatures hold.
pub(super) fn manifest_of(verified: &Verified<Artifact>) -> Result<Manifest> {
    let invalid = |cause: String| {
        let message = format!("Its manifest cannot be used: {cause}.");
        Error::new(Kind::ManifestInvalid, message)
    };
    let sections =
        section::read(verified.inner().bytes()).map_err(|cause| invalid(cause.to_string()))?;
    Manifest::parse(sections.manifest).map_err(|cause| invalid(cause.to_string()))
}

/// The components in a folder, in order; a folder that is not there has none.
pub(super) fn components(folder: &Path) -> Result<Vec<PathBuf>> {
    let unreadable = |cause: std::io::Error| {
        Error::new(
            Kind::ConfigInvalid,
            format!(
                "The skills folder {} cannot be read: {cause}.",
                folder.display()
            ),
        )
    };
    let entries = match fs::read_dir(folder) {
        Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(unreadable)?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == "wasm")
        {
            paths.push(path);
        }
    }
    paths.sort_unstable();
    Ok(paths)
}
