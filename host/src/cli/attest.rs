//! `skillhost attest`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde_json::json;

use super::ExitStatus;
use super::keys::{KeyOptions, open_for_signing, require_room, signer_name};
use super::options::signing;
use super::terminal::{print, print_json};
use crate::error::{Error, Kind, Result};
use crate::sign::{MAX_PREDICATE, Predicate, PredicateType, attestation_path};

const BUNDLE: &str = "\
The statement is a Sigstore bundle, FILE.NAME.TYPE.sigstore.json:
  hello.wasm.attestation.slsa-dev-provenance-v1.sigstore.json
One by the same signer and of the same type is replaced; what `skillhost sign`
wrote never is. A statement says something about a component, and does not let
it run.";

/// Say something about a component, such as how it was built: writes a signed in-toto statement beside it, which cosign can verify as well
#[derive(Debug, Args)]
#[command(after_help = BUNDLE)]
pub(super) struct Attest {
    /// The component
    file: PathBuf,
    #[command(flatten)]
    key: KeyOptions,
    /// What is said: the predicate's type as a URI, or slsaprovenance1 for https://slsa.dev/provenance/v1
    #[arg(long = "type", value_name = "TYPE", value_parser = PredicateType::from_str)]
    kind: PredicateType,
    /// The predicate: a file with a JSON object of at most 128 KiB, which is signed as it is written
    #[arg(long, value_name = "FILE.json")]
    predicate: PathBuf,
    /// Who says it, as part of the bundle's name [default: attestation]
    #[arg(long, value_name = "NAME", value_parser = signer_name)]
    signer: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Attest {
    pub(super) fn execute(&self) -> Result<ExitStatus> {
        let predicate = read_predicate(&self.predicate)?;
        let key = self.key.load()?;
        let artifact = open_for_signing(&self.file)?;
        let signer = self.signer.as_deref();
        require_room(&artifact, &attestation_path(&self.file, signer, &self.kind))?;
        let bundle = key
            .attest_beside(
                &self.file,
                artifact.digest(),
                &self.kind,
                &predicate,
                signer,
            )
            .map_err(signing)?;
        if self.json {
            print_json(&json!({
                "bundle": bundle, "digest": artifact.digest().to_string(),
                "key_id": key.public().hint(), "type": self.kind.as_str(),
            }))?;
        } else {
            print(&format!("{}\n", bundle.display()))?;
        }
        Ok(ExitStatus::Ok)
    }
}

fn read_predicate(path: &Path) -> Result<Predicate> {
    let text = read_text(path).map_err(|cause| {
        Error::new(
            Kind::InvalidRequest,
            format!("The predicate {} cannot be read: {cause}.", path.display()),
        )
    })?;
    text.parse().map_err(|cause| {
        Error::new(
            Kind::InvalidRequest,
            format!("The predicate {} is refused: {cause}.", path.display()),
        )
        .with_hint("Give a file with the JSON object that the type describes.")
    })
}

/// One byte more than may be, so that what is too large is refused and not cut.
fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?
        .take(MAX_PREDICATE + 1)
        .read_to_string(&mut text)?;
    Ok(text)
}
