//! `skillhost keygen` and `skillhost sign`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::ExitStatus;
use super::options::signing;
use super::terminal::{note, print, print_json};
use crate::artifact::Artifact;
use crate::error::{Error, Kind, Result};
use crate::sign::PrivateKey;

/// Make an ECDSA P-256 key pair: PREFIX.key for you alone, PREFIX.pub for those who trust you
#[derive(Debug, Args)]
pub(super) struct Keygen {
    /// Where to write the keys
    #[arg(long, value_name = "PREFIX", default_value = "skillhost")]
    out: PathBuf,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Keygen {
    pub(super) fn execute(&self) -> Result<ExitStatus> {
        let key = PrivateKey::generate().map_err(signing)?;
        let (private, public) = key.save(&self.out).map_err(signing)?;
        if self.json {
            print_json(
                &json!({"private": private, "public": public, "key_id": key.public().hint()}),
            )?;
        } else {
            print(&format!("{}\n{}\n", private.display(), public.display()))?;
            note("Keep the first one secret; give the second to those who run your skills.");
        }
        Ok(ExitStatus::Ok)
    }
}

/// Sign a component: writes a Sigstore bundle beside it, which cosign can verify as well
#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The component
    file: PathBuf,
    /// The private key
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    /// Write FILE.NAME.sigstore.json, so that several can sign [default: FILE.sigstore.json]
    #[arg(long, value_name = "NAME", value_parser = signer_name)]
    signer: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Sign {
    pub(super) fn execute(&self) -> Result<ExitStatus> {
        let key = PrivateKey::load(&self.key).map_err(signing)?;
        let artifact = Artifact::open(&self.file).map_err(|error| match error.kind() {
            // Old bundles may be broken; signing anew is how to mend them.
            Kind::SignatureInvalid => Error::new(Kind::InvalidRequest, error.message())
                .with_hint("Remove the bundles beside the component, and sign it again."),
            _ => error,
        })?;
        let bundle = key
            .sign_beside(&self.file, artifact.digest(), self.signer.as_deref())
            .map_err(signing)?;
        if self.json {
            print_json(
                &json!({"bundle": bundle, "digest": artifact.digest().to_string(), "key_id": key.public().hint()}),
            )?;
        } else {
            print(&format!("{}\n", bundle.display()))?;
        }
        Ok(ExitStatus::Ok)
    }
}

/// Part of a file's name, so nothing that could leave the folder.
fn signer_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("a signer's name has 1 to 64 of a-z, A-Z, 0-9, - and _".to_owned())
    }
}
