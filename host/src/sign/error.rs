//! What can go wrong with keys and signing.

use std::io;
use std::path::PathBuf;

use super::cosign::{MAX_WORK, Unopened};
use crate::artifact::MAX_BUNDLE;

/// Why a key cannot be made or read, or nothing can be signed with it.
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
    #[error("{path} {found}", path = path.display())]
    NotAKey {
        /// Which file.
        path: PathBuf,
        /// What it is instead.
        found: Found,
    },
    /// Others than the owner may read the key.
    #[error("{path} may be read by others (mode {mode:03o}); run `chmod 600 {path}`", path = path.display())]
    Exposed {
        /// Which.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// The key is encrypted, and no password was given.
    #[error("{} is encrypted; give its password with --password-file FILE or --password-fd N", .0.display())]
    PasswordNeeded(PathBuf),
    /// A password was given for a key that has none: perhaps another key was
    /// meant.
    #[error("{} is not encrypted, so it has no password; leave the password out, or name the encrypted key", .0.display())]
    PasswordUnneeded(PathBuf),
    /// The password is not the key's.
    #[error("the password does not open {}; give the one that it was made with, or another copy of the key if this one is damaged", .0.display())]
    WrongPassword(PathBuf),
    /// Too long to be a password: another file was meant.
    #[error("{path} holds more than {limit} bytes, so it is no password", path = path.display())]
    PasswordTooLong {
        /// Where it was read from.
        path: PathBuf,
        /// How many bytes a password may have.
        limit: usize,
    },
    /// What a host would not read is not written.
    #[error(
        "the bundle would be {0} bytes, and a host reads at most {MAX_BUNDLE}; make the predicate shorter"
    )]
    BundleTooLarge(usize),
    /// The cryptographic library failed.
    #[error("the cryptographic library failed to {0}")]
    Crypto(&'static str),
}

/// What a file holds instead of a private key that signs here.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Found {
    /// Nothing of the kind.
    #[error("is no private key in PEM; make one with `skillhost keygen`")]
    NoKey,
    /// The half that everybody may have.
    #[error("is a public key; sign with the private key that belongs to it")]
    PublicKey,
    /// A key as OpenSSL writes it, SEC 1 or encrypted PKCS#8.
    #[error(
        "is a private key in another form than PKCS#8; if it is ECDSA P-256, `openssl pkey -in OLD -out NEW` converts it, and else `skillhost keygen` makes one"
    )]
    OtherForm,
    /// A key for another algorithm.
    #[error(
        "is a private key for {0}; only ECDSA P-256 signs, and `skillhost keygen` makes such a key"
    )]
    OtherAlgorithm(String),
    /// The frame of a key around something else.
    #[error("is a damaged private key; use another copy, or make one with `skillhost keygen`")]
    Damaged,
    /// An encrypted key that cosign would not write.
    #[error(
        "is encrypted with another method than scrypt and nacl/secretbox; make one with `cosign generate-key-pair` or `skillhost keygen`"
    )]
    OtherEncryption,
    /// An encrypted key that asks for more work or memory than any that cosign
    /// writes.
    #[error(
        "asks for more work than a key may (scrypt with N over {MAX_WORK}, r over 8 or p over 1); make one with `cosign generate-key-pair` or `skillhost keygen`"
    )]
    TooMuchWork,
}

impl SignError {
    /// A key file that could not be opened with the password, or not at all.
    pub(super) fn unopened(path: PathBuf, why: Unopened) -> Self {
        let found = match why {
            Unopened::WrongPassword => return Self::WrongPassword(path),
            Unopened::Malformed => Found::Damaged,
            Unopened::OtherMethod => Found::OtherEncryption,
            Unopened::TooMuchWork => Found::TooMuchWork,
        };
        Self::NotAKey { path, found }
    }
}
