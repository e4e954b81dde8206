//! An author's private key, and the bundles that it signs.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use pem::{EncodeConfig, LineEnding, Pem};
use sigstore_bundle::builder::{BundleV03, VerificationMaterialV03};
use sigstore_crypto::{KeyAlgorithm, KeyPair};
use sigstore_types::bundle::{MessageDigest, MessageSignature};
use sigstore_types::{HashAlgorithm, Sha256Hash, SignatureContent};

use crate::artifact::{BUNDLE_SUFFIX, Digest};
use crate::verify::PublicKey;

const PRIVATE_KEY: &str = "PRIVATE KEY";

/// An ECDSA P-256 key pair. Its `Debug` shows the public half only.
pub struct PrivateKey {
    pair: KeyPair,
    pkcs8: Vec<u8>,
    public: PublicKey,
}

/// What can go wrong with keys and signing.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// A file cannot be read or written.
    #[error("{path} cannot be {action}: {cause}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read` or `written`.
        action: &'static str,
        /// Why.
        cause: io::Error,
    },
    /// Making a key would destroy one.
    #[error("{} exists already, and a key that is lost cannot be made again; choose another name with --out", .0.display())]
    Exists(PathBuf),
    /// Not a key that this host can use.
    #[error("{} is no unencrypted PKCS#8 ECDSA P-256 private key; make one with `skillhost keygen`", .0.display())]
    NotAKey(PathBuf),
    /// Others than the owner may read the key.
    #[error("{path} may be read by others (mode {mode:03o}); run `chmod 600 {path}`", path = path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The cryptographic library failed.
    #[error("the cryptographic library failed to {0}")]
    Crypto(&'static str),
}

impl PrivateKey {
    /// A new key from the system's random numbers.
    pub fn generate() -> Result<Self, SignError> {
        let failed = |_cause| SignError::Crypto("make a key");
        let random = SystemRandom::new();
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &random)
            .map_err(failed)?;
        Self::from_pkcs8(document.as_ref().to_vec()).ok_or(SignError::Crypto("read its own key"))
    }

    /// Reads a PKCS#8 PEM file that only its owner may read.
    pub fn load(path: &Path) -> Result<Self, SignError> {
        let file = |cause| SignError::File {
            path: path.to_owned(),
            action: "read",
            cause,
        };
        let text = fs::read_to_string(path).map_err(file)?;
        let not_a_key = || SignError::NotAKey(path.to_owned());
        let pem = pem::parse(text).map_err(|_cause| not_a_key())?;
        if pem.tag() != PRIVATE_KEY {
            return Err(not_a_key());
        }
        let mode = fs::metadata(path).map_err(file)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(SignError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        Self::from_pkcs8(pem.into_contents()).ok_or_else(not_a_key)
    }

    /// Reads the key at `prefix.key`, or makes it and `prefix.pub` if there is
    /// none. Two processes that do so at once end up with one key.
    pub fn load_or_create(prefix: &Path) -> Result<Self, SignError> {
        let path = with_suffix(prefix, ".key");
        match Self::load(&path) {
            Err(SignError::File { cause, .. }) if cause.kind() == io::ErrorKind::NotFound => {}
            loaded => return loaded,
        }
        match Self::generate()?.save(prefix) {
            Ok(_) | Err(SignError::Exists(_)) => Self::load(&path),
            Err(error) => Err(error),
        }
    }

    /// Writes `prefix.key` (mode 0600) and `prefix.pub`; returns both paths.
    /// Never overwrites.
    pub fn save(&self, prefix: &Path) -> Result<(PathBuf, PathBuf), SignError> {
        if let Some(folder) = prefix.parent() {
            let written = |cause| SignError::File {
                path: folder.to_owned(),
                action: "written",
                cause,
            };
            fs::create_dir_all(folder).map_err(written)?;
        }
        let private = with_suffix(prefix, ".key");
        let public = with_suffix(prefix, ".pub");
        let config = EncodeConfig::new().set_line_ending(LineEnding::LF);
        let text = pem::encode_config(&Pem::new(PRIVATE_KEY, self.pkcs8.as_slice()), config);
        create_new(&private, 0o600, text.as_bytes())?;
        create_new(&public, 0o644, self.public.to_pem().as_bytes())?;
        Ok((private, public))
    }

    /// The public half.
    #[must_use]
    pub const fn public(&self) -> &PublicKey {
        &self.public
    }

    /// A Sigstore v0.3 bundle over the component with that digest, as cosign
    /// reads and writes it.
    pub fn sign(&self, digest: Digest) -> Result<String, SignError> {
        let digest = Sha256Hash::new(*digest.as_bytes());
        let failed = |_cause| SignError::Crypto("sign");
        let signature = self.pair.sign_digest(&digest).map_err(failed)?;
        let bundle = BundleV03::new(
            VerificationMaterialV03::PublicKey {
                hint: self.public.hint(),
            },
            SignatureContent::MessageSignature(
                MessageSignature::new(signature)
                    .with_message_digest(MessageDigest::new(HashAlgorithm::Sha2256, digest.into())),
            ),
        )
        .into_bundle();
        let unwritable = |_cause| SignError::Crypto("write the bundle");
        let mut json = serde_json::to_value(&bundle)
            .map_err(|_cause| SignError::Crypto("write the bundle"))?;
        drop_empty_evidence(&mut json);
        serde_json::to_string(&json).map_err(unwritable)
    }

    /// Signs the component at `path` and writes the bundle beside it; returns
    /// the bundle's path. A bundle of the same signer is replaced.
    pub fn sign_file(&self, path: &Path, signer: Option<&str>) -> Result<PathBuf, SignError> {
        let bytes = fs::read(path).map_err(|cause| SignError::File {
            path: path.to_owned(),
            action: "read",
            cause,
        })?;
        self.sign_beside(path, Digest::of(&bytes), signer)
    }

    /// Like [`sign_file`](Self::sign_file), for a component that was read
    /// already: what was looked at is what is signed.
    pub fn sign_beside(
        &self,
        path: &Path,
        digest: Digest,
        signer: Option<&str>,
    ) -> Result<PathBuf, SignError> {
        let bundle = self.sign(digest)?;
        let suffix = match signer {
            Some(signer) => format!(".{signer}{BUNDLE_SUFFIX}"),
            None => BUNDLE_SUFFIX.to_owned(),
        };
        let target = with_suffix(path, &suffix);
        crate::file::replace(&target, bundle.as_bytes()).map_err(|cause| SignError::File {
            path: target.clone(),
            action: "written",
            cause,
        })?;
        Ok(target)
    }

    /// A raw signature, for envelopes that only tests write.
    #[cfg(test)]
    pub(crate) fn sign_bytes_for_tests(&self, bytes: &[u8]) -> Vec<u8> {
        self.pair.sign(bytes).unwrap().as_bytes().to_vec()
    }

    fn from_pkcs8(pkcs8: Vec<u8>) -> Option<Self> {
        let pair = KeyPair::from_pkcs8_der(&pkcs8).ok()?;
        if pair.algorithm() != KeyAlgorithm::EcdsaP256 {
            return None;
        }
        let public = PublicKey::from_der(pair.public_key_der().ok()?).ok()?;
        Some(Self {
            pair,
            pkcs8,
            public,
        })
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey({})", self.public.hint())
    }
}

/// `path` with `suffix` behind its whole file name.
fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn create_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), SignError> {
    let written = |cause: io::Error| match cause.kind() {
        io::ErrorKind::AlreadyExists => SignError::Exists(path.to_owned()),
        _ => SignError::File {
            path: path.to_owned(),
            action: "written",
            cause,
        },
    };
    let mut options = File::options();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)
        .map_err(written)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(written)
}

/// cosign leaves out what is empty; so do we.
fn drop_empty_evidence(json: &mut serde_json::Value) {
    if let Some(material) = json
        .get_mut("verificationMaterial")
        .and_then(|it| it.as_object_mut())
    {
        material.retain(|key, value| match key.as_str() {
            "tlogEntries" => value.as_array().is_none_or(|entries| !entries.is_empty()),
            "timestampVerificationData" => value
                .get("rfc3161Timestamps")
                .and_then(serde_json::Value::as_array)
                .is_some_and(|stamps| !stamps.is_empty()),
            _ => true,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_key_is_private_and_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("keys/alice");
        let key = PrivateKey::generate().unwrap();
        let (private, public) = key.save(&prefix).unwrap();
        let mode = fs::metadata(&private).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let text = fs::read_to_string(public).unwrap();
        assert_eq!(&PublicKey::from_pem(&text).unwrap(), key.public());
        assert_eq!(PrivateKey::load(&private).unwrap().public(), key.public());
    }

    #[test]
    fn a_key_is_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("alice");
        let first = PrivateKey::load_or_create(&prefix).unwrap();
        let again = PrivateKey::load_or_create(&prefix).unwrap();
        assert_eq!(first.public(), again.public());
        assert!(matches!(first.save(&prefix), Err(SignError::Exists(_))));
    }

    #[test]
    fn a_key_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (private, _) = PrivateKey::generate()
            .unwrap()
            .save(&folder.path().join("k"))
            .unwrap();
        fs::set_permissions(&private, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(
            PrivateKey::load(&private),
            Err(SignError::Exposed { mode: 0o640, .. })
        ));
    }

    #[test]
    fn a_bundle_leaves_out_what_is_empty() {
        let key = PrivateKey::generate().unwrap();
        let bundle = key.sign(Digest::of(b"component")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&bundle).unwrap();
        assert_eq!(
            json["mediaType"],
            "application/vnd.dev.sigstore.bundle.v0.3+json"
        );
        let material = json["verificationMaterial"].as_object().unwrap();
        assert_eq!(material.keys().collect::<Vec<_>>(), ["publicKey"]);
        assert_eq!(material["publicKey"]["hint"], key.public().hint());
    }
}
