//! `skillhost verify`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use serde_json::json;

use super::options::existing;
use super::terminal::{print, print_json, print_untrusted};
use super::{ExitStatus, Session};
use crate::artifact::{Artifact, Digest, MAX_BUNDLE};
use crate::config::read_bounded;
use crate::error::{Error, Kind, Result};
use crate::manifest::text::one_line;
use crate::verify::{Expected, Identity, MAX_ROOT, Proof, PublicKey, Root, check_bundle};

/// Check a component's signatures against the configuration's `[trust]`, or against your own key if there is none; or one bundle against one signer. Exit code 0 if it holds, 3 if not
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Verify {
    /// The component, with its bundles beside it
    #[arg(required_unless_present = "bundle", conflicts_with = "bundle")]
    file: Option<PathBuf>,
    /// One Sigstore bundle, instead of those beside a component
    #[arg(long, value_name = "BUNDLE", requires = "artifact")]
    bundle: Option<PathBuf>,
    /// What the bundle is said to sign: a file, or its digest as sha256:HEX
    #[arg(long, value_name = "FILE|sha256:HEX", requires = "bundle")]
    artifact: Option<String>,
    /// The public key that must have signed
    #[arg(long, value_name = "KEY.pub", requires = "bundle", required_unless_present_any = ["file", "identity"], conflicts_with = "identity")]
    key: Option<PathBuf>,
    /// The identity that must have signed, exactly as its certificate has it
    #[arg(
        long = "certificate-identity",
        id = "identity",
        value_name = "IDENTITY",
        requires_all = ["bundle", "issuer"]
    )]
    identity: Option<String>,
    /// The OIDC issuer that must vouch for the identity
    #[arg(
        long = "certificate-oidc-issuer",
        id = "issuer",
        value_name = "URL",
        requires = "identity"
    )]
    issuer: Option<String>,
    /// A trusted_root.json [default: the one of `skillhost trust update`, or Sigstore's public-good root]
    #[arg(long, value_name = "FILE", requires = "bundle")]
    trusted_root: Option<PathBuf>,
    /// Print the result as JSON
    #[arg(long)]
    pub(super) json: bool,
}

const EXAMPLES: &str = "\
Examples:
  skillhost verify hello.wasm
  skillhost verify --bundle hello.wasm.sigstore.json --artifact hello.wasm --key alice.pub
  skillhost verify --bundle b.json --artifact sha256:HEX --certificate-identity ada@example.com \\
    --certificate-oidc-issuer https://accounts.example.com --trusted-root trusted_root.json";

impl Verify {
    pub(super) fn execute(&self, session: &Session) -> Result<ExitStatus> {
        match (&self.file, &self.bundle) {
            (Some(file), _) => self.check_component(file, session),
            (None, Some(bundle)) => self.check_one(bundle, session),
            (None, None) => Err(Error::new(
                Kind::InvalidRequest,
                "There is nothing to verify.",
            )),
        }
    }

    fn check_component(&self, file: &Path, session: &Session) -> Result<ExitStatus> {
        let artifact = Artifact::open(&existing(file)?)?;
        let verified = session.verifier()?.verify(artifact)?;
        let verdict = verified.verdict();
        let signers: Vec<&str> = verdict.signers().iter().map(|name| name.as_str()).collect();
        if self.json {
            print_json(&json!({
                "outcome": "ok",
                "digest": verdict.digest(),
                "signers": signers,
                "policy": verdict.decision().policy,
                "until": verdict.until(),
            }))?;
        } else {
            let signers = signers.join(", ");
            print(&format!("{} signed by {signers}\n", verdict.digest()))?;
        }
        Ok(ExitStatus::Ok)
    }

    fn check_one(&self, bundle: &Path, session: &Session) -> Result<ExitStatus> {
        let expected = self.expected()?;
        let digest = digest(self.artifact.as_deref().unwrap_or_default())?;
        let json = read("bundle", bundle, MAX_BUNDLE, Kind::SignatureInvalid)?;
        let proof = check_bundle(&json, digest, expected, &self.root(session)?)?;
        if self.json {
            print_json(&json!({
                "outcome": "ok",
                "digest": digest,
                "signer": proof.signer,
                "times": proof.times,
                "logged": proof.logged,
                "predicate_type": proof.predicate_type,
            }))?;
        } else {
            print_untrusted(&format!("{digest} {}\n", describe(&proof)))?;
        }
        Ok(ExitStatus::Ok)
    }

    fn expected(&self) -> Result<Expected> {
        let invalid = |problem: String| Error::new(Kind::InvalidRequest, problem);
        match (&self.key, &self.identity, &self.issuer) {
            (Some(path), _, _) => {
                let pem = read("key", path, 16 * 1024, Kind::InvalidRequest)?;
                PublicKey::from_pem(&pem)
                    .map(Expected::Key)
                    .map_err(|cause| invalid(format!("{}: {cause}.", path.display())))
            }
            (None, Some(identity), Some(issuer)) => Identity::exact(issuer, identity)
                .map(Expected::Identity)
                .map_err(|cause| invalid(format!("{cause}."))),
            _ => Err(invalid("Say who must have signed: --key, or --certificate-identity and --certificate-oidc-issuer.".to_owned())),
        }
    }

    fn root(&self, session: &Session) -> Result<Root> {
        let unusable = |source: &str, cause| {
            Error::new(
                Kind::TrustRootInvalid,
                format!("The trusted root {source} cannot be used: {cause}."),
            )
        };
        let updated = Some(session.places.trusted_root()).filter(|path| path.exists());
        match self.trusted_root.clone().or(updated) {
            None => Root::public_good().map_err(|cause| unusable("of this build", cause)),
            Some(path) => {
                let source = path.display().to_string();
                let text = read("trusted root", &path, MAX_ROOT, Kind::TrustRootInvalid)?;
                Root::parse(&text, &source).map_err(|cause| unusable(&source, cause))
            }
        }
    }
}

/// The digest that is written out, or that of a file.
fn digest(artifact: &str) -> Result<Digest> {
    if artifact.starts_with("sha256:") {
        return Digest::from_str(artifact)
            .map_err(|cause| Error::new(Kind::InvalidRequest, format!("{artifact}: {cause}.")));
    }
    let file = std::fs::File::open(artifact);
    file.and_then(Digest::of_reader).map_err(|cause| {
        Error::new(
            Kind::InvalidRequest,
            format!("The artifact {artifact} cannot be read: {cause}."),
        )
    })
}

fn read(what: &str, path: &Path, max: u64, too_large: Kind) -> Result<String> {
    let unreadable = |kind, cause: &dyn std::fmt::Display| {
        Error::new(
            kind,
            format!("The {what} {} cannot be read: {cause}.", path.display()),
        )
    };
    match read_bounded(path, max) {
        Ok(Some(text)) => Ok(text),
        Ok(None) => Err(unreadable(
            too_large,
            &format_args!("it is larger than {max} bytes"),
        )),
        Err(cause) if cause.kind() == std::io::ErrorKind::InvalidData => {
            Err(unreadable(too_large, &"it is not UTF-8"))
        }
        Err(cause) => Err(unreadable(Kind::InvalidRequest, &cause)),
    }
}

fn describe(proof: &Proof) -> String {
    let what = match &proof.predicate_type {
        Some(kind) => format!("attested ({}) by", one_line(kind, 200)),
        None => "signed by".to_owned(),
    };
    let mut text = format!("{what} {}", one_line(&proof.signer, 400));
    if let Some(time) = proof.times.iter().min() {
        text += &format!(" at {time}");
    }
    if proof.logged {
        text += ", in a transparency log";
    }
    text
}
