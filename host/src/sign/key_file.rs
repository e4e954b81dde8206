//! Private keys on disk: PKCS#8 in PEM (RFC 5958, RFC 7468), as `keygen` and
//! OpenSSL write it, and cosign's encrypted keys.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use pem_rfc7468::LineEnding;
use pkcs8::{ObjectIdentifier, PrivateKeyInfo};
use zeroize::Zeroizing;

use super::password::{Password, read_secret};
use super::{Found, PrivateKey, SignError, cosign, with_suffix};

const PRIVATE_KEY: &str = "PRIVATE KEY";

/// The largest key file, in bytes; cosign's are 653.
const MAX_FILE: usize = 16 * 1024;

const ELLIPTIC_CURVE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// Algorithms and curves that people have keys for (RFC 8017, RFC 5480,
/// RFC 8410, SEC 2).
const OTHER_ALGORITHMS: [(ObjectIdentifier, &str); 7] = [
    (ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1"), "RSA"),
    (ObjectIdentifier::new_unwrap("1.3.101.112"), "Ed25519"),
    (ObjectIdentifier::new_unwrap("1.3.101.113"), "Ed448"),
    (ObjectIdentifier::new_unwrap("1.3.101.110"), "X25519"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.34"), "ECDSA P-384"),
    (ObjectIdentifier::new_unwrap("1.3.132.0.35"), "ECDSA P-521"),
    (
        ObjectIdentifier::new_unwrap("1.3.132.0.10"),
        "ECDSA secp256k1",
    ),
];

/// How a private key stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Plain,
    Encrypted,
}

impl PrivateKey {
    /// Reads an unencrypted key from a file that only its owner may read.
    ///
    /// # Errors
    ///
    /// As [`load_with`](Self::load_with).
    pub fn load(path: &Path) -> Result<Self, SignError> {
        Self::load_with(path, None)
    }

    /// Reads a key from a file that only its owner may read: PKCS#8 in PEM
    /// without a password, or a key that cosign encrypted with one.
    ///
    /// # Errors
    ///
    /// `File` if there is none to read, `NotAKey` for what is no ECDSA P-256
    /// private key, `Exposed` if others may read it, `PasswordNeeded`,
    /// `PasswordUnneeded` or `WrongPassword`.
    pub fn load_with(path: &Path, password: Option<&Password>) -> Result<Self, SignError> {
        let (text, mode) = read(path).map_err(|cause| SignError::File {
            path: path.to_owned(),
            action: "read",
            cause,
        })?;
        let not_a_key = |found| SignError::NotAKey {
            path: path.to_owned(),
            found,
        };
        let form = Form::of(&text).map_err(not_a_key)?;
        if mode & 0o077 != 0 {
            return Err(SignError::Exposed {
                path: path.to_owned(),
                mode,
            });
        }
        let contents = decode(&text).map_err(not_a_key)?;
        let pkcs8 = match (form, password) {
            (Form::Plain, None) => contents,
            (Form::Plain, Some(_)) => return Err(SignError::PasswordUnneeded(path.to_owned())),
            (Form::Encrypted, None) => return Err(SignError::PasswordNeeded(path.to_owned())),
            (Form::Encrypted, Some(password)) => cosign::open(&contents, password)
                .map_err(|why| SignError::unopened(path.to_owned(), why))?,
        };
        Self::from_pkcs8(&pkcs8).map_err(not_a_key)
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
        create_new(&private, 0o600, encode(&self.pkcs8)?.as_bytes())?;
        // The library ends lines as DOS does; cosign and OpenSSL do not.
        let text = self.public.to_pem().replace("\r\n", "\n");
        create_new(&public, 0o644, text.as_bytes())?;
        Ok((private, public))
    }
}

/// The file's text, as far as a key could reach, and its permission bits.
fn read(path: &Path) -> io::Result<(Zeroizing<Vec<u8>>, u32)> {
    let file = File::open(path)?;
    let mode = file.metadata()?.permissions().mode() & 0o777;
    Ok((read_secret(file, MAX_FILE)?, mode))
}

impl Form {
    fn of(text: &[u8]) -> Result<Self, Found> {
        if text.len() > MAX_FILE {
            return Err(Found::NoKey);
        }
        match label(text).unwrap_or_default() {
            PRIVATE_KEY => Ok(Self::Plain),
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                Ok(Self::Encrypted)
            }
            "EC PRIVATE KEY" | "EC PARAMETERS" | "ENCRYPTED PRIVATE KEY" => Err(Found::OtherForm),
            "RSA PRIVATE KEY" => Err(Found::OtherAlgorithm("RSA".to_owned())),
            "DSA PRIVATE KEY" => Err(Found::OtherAlgorithm("DSA".to_owned())),
            "OPENSSH PRIVATE KEY" => Err(Found::OtherAlgorithm("SSH".to_owned())),
            "PUBLIC KEY" | "RSA PUBLIC KEY" => Err(Found::PublicKey),
            _ => Err(Found::NoKey),
        }
    }
}

/// The label of the first PEM frame.
fn label(text: &[u8]) -> Option<&str> {
    let (_, rest) = str::from_utf8(text).ok()?.split_once("-----BEGIN ")?;
    rest.split_once("-----").map(|(label, _)| label)
}

fn decode(text: &[u8]) -> Result<Zeroizing<Vec<u8>>, Found> {
    let mut contents = Zeroizing::new(vec![0; text.len()]);
    let (_, decoded) = pem_rfc7468::decode(text.trim_ascii_end(), &mut contents)
        .map_err(|_cause| Found::Damaged)?;
    let length = decoded.len();
    contents.truncate(length);
    Ok(contents)
}

fn encode(pkcs8: &[u8]) -> Result<Zeroizing<String>, SignError> {
    pem_rfc7468::encode_string(PRIVATE_KEY, LineEnding::LF, pkcs8)
        .map(Zeroizing::new)
        .map_err(|_cause| SignError::Crypto("write the key as PEM"))
}

/// What the library did not take as an ECDSA P-256 key.
pub(super) fn identify(pkcs8: &[u8]) -> Found {
    let Ok(key) = PrivateKeyInfo::try_from(pkcs8) else {
        return Found::Damaged;
    };
    let algorithm = match (key.algorithm.oid, key.algorithm.parameters_oid()) {
        (ELLIPTIC_CURVE, Ok(P256)) => return Found::Damaged,
        (ELLIPTIC_CURVE, Ok(curve)) => curve,
        (algorithm, _) => algorithm,
    };
    let known = OTHER_ALGORITHMS.iter().find(|(id, _)| *id == algorithm);
    Found::OtherAlgorithm(known.map_or_else(
        || format!("the algorithm {algorithm}"),
        |(_, name)| (*name).to_owned(),
    ))
}

/// Writes beside `path` and gives it that name if nothing has it: whoever reads
/// it meanwhile, and whoever is killed meanwhile, sees or leaves a whole file or
/// none.
fn create_new(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), SignError> {
    let written = |cause: io::Error| match cause.kind() {
        io::ErrorKind::AlreadyExists => SignError::Exists(path.to_owned()),
        _ => SignError::File {
            path: path.to_owned(),
            action: "written",
            cause,
        },
    };
    let folder = path.parent().filter(|folder| *folder != Path::new(""));
    let mut file = tempfile::Builder::new()
        .permissions(Permissions::from_mode(mode))
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(written)?;
    file.write_all(bytes)
        .and_then(|()| file.as_file().sync_all())
        .map_err(written)?;
    file.persist_noclobber(path)
        .map(drop)
        .map_err(|failed| written(failed.error))
}
