//! `skillhost keygen` and `skillhost sign`, and how private keys are read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::ExitStatus;
use super::options::signing;
use super::terminal::{note, print, print_json};
use crate::artifact::{Artifact, Bundle, MAX_BUNDLES};
use crate::error::{Error, Kind, Result};
use crate::sign::{Password, PrivateKey, approval_path};

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

/// The private key to sign with.
#[derive(Debug, Args)]
pub(super) struct KeyOptions {
    /// The private key: one of `skillhost keygen`, another ECDSA P-256 key as PKCS#8 PEM, or one of cosign's
    #[arg(long, value_name = "KEY")]
    key: PathBuf,
    #[command(flatten)]
    password: PasswordOptions,
}

/// The password of an encrypted private key: never an argument or a variable,
/// which others can see.
#[derive(Debug, Args)]
pub(super) struct PasswordOptions {
    /// Read the password of an encrypted key from a file; a newline at its end is left out
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Read the password of an encrypted key from an open file descriptor, such as 0 for standard input
    #[arg(long, value_name = "N", conflicts_with = "password_file")]
    password_fd: Option<u32>,
}

impl KeyOptions {
    pub(super) fn load(&self) -> Result<PrivateKey> {
        self.password.load(&self.key)
    }
}

impl PasswordOptions {
    /// The private key at `path`, opened with the password if one was given.
    pub(super) fn load(&self, path: &Path) -> Result<PrivateKey> {
        let password = match (&self.password_file, self.password_fd) {
            (Some(path), _) => Some(Password::from_file(path)),
            (None, Some(number)) => Some(Password::from_descriptor(number)),
            (None, None) => None,
        };
        let password = password.transpose().map_err(signing)?;
        PrivateKey::load_with(path, password.as_ref()).map_err(signing)
    }

    /// Whether there is a password for a key.
    pub(super) const fn is_given(&self) -> bool {
        self.password_file.is_some() || self.password_fd.is_some()
    }
}

/// Sign a component: writes a Sigstore bundle beside it, which cosign can verify as well
#[derive(Debug, Args)]
pub(super) struct Sign {
    /// The component
    file: PathBuf,
    #[command(flatten)]
    key: KeyOptions,
    /// Write FILE.NAME.sigstore.json, so that several can sign [default: FILE.sigstore.json]
    #[arg(long, value_name = "NAME", value_parser = signer_name)]
    signer: Option<String>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

impl Sign {
    pub(super) fn execute(&self) -> Result<ExitStatus> {
        let key = self.key.load()?;
        let artifact = open_for_signing(&self.file)?;
        require_room(
            &artifact,
            &approval_path(&self.file, self.signer.as_deref()),
        )?;
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

/// The component at `path`, as a host would read it.
pub(super) fn open_for_signing(path: &Path) -> Result<Artifact> {
    Artifact::open(path).map_err(|error| match error.kind() {
        // Old bundles may be broken; signing anew is how to mend them.
        Kind::SignatureInvalid => Error::new(Kind::InvalidRequest, error.message())
            .with_hint("Remove the bundles beside the component, and sign it again."),
        _ => error,
    })
}

/// Refuses to add a bundle that would make a host refuse all of them.
pub(super) fn require_room(artifact: &Artifact, target: &Path) -> Result<()> {
    let name = target.file_name().and_then(OsStr::to_str);
    let replaced = |bundle: &Bundle| Some(bundle.name.as_str()) == name;
    if artifact.bundles().len() < MAX_BUNDLES || artifact.bundles().iter().any(replaced) {
        return Ok(());
    }
    Err(Error::new(
        Kind::InvalidRequest,
        format!("There are {MAX_BUNDLES} bundles beside the component already, and a host reads no more."),
    )
    .with_hint("Remove one that is no longer needed."))
}

/// Part of a file's name, so nothing that could leave the folder.
pub(super) fn signer_name(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if (1..=64).contains(&text.len()) && text.bytes().all(plain) {
        Ok(text.to_owned())
    } else {
        Err("a signer's name has 1 to 64 of a-z, A-Z, 0-9, - and _".to_owned())
    }
}
