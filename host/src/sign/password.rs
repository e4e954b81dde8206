//! The password of an encrypted key.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::SignError;

/// The longest password, in bytes. What is longer is another file.
const MAX_PASSWORD: usize = 1024;

/// A password, wiped from memory when it is dropped. It may be empty, as
/// cosign's may.
///
/// It comes from a file or a descriptor: arguments and the environment can be
/// read by others, and end up in logs.
pub struct Password(Zeroizing<Vec<u8>>);

impl Password {
    /// Reads a file. One newline at its end is not part of the password.
    ///
    /// # Errors
    ///
    /// `File` if it cannot be read, `PasswordTooLong` beyond 1024 bytes.
    pub fn from_file(path: &Path) -> Result<Self, SignError> {
        Self::read(path, File::open(path))
    }

    /// Reads a descriptor that this process was started with: a pipe, a file or
    /// a terminal. One newline at its end is not part of the password.
    ///
    /// # Errors
    ///
    /// As [`from_file`](Self::from_file).
    pub fn from_descriptor(number: u32) -> Result<Self, SignError> {
        let path = PathBuf::from(format!("/dev/fd/{number}"));
        let file = match number {
            // May be a socket, which cannot be opened by its path.
            0 => io::stdin().as_fd().try_clone_to_owned().map(File::from),
            _ => File::open(&path),
        };
        Self::read(&path, file)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn read(path: &Path, file: io::Result<File>) -> Result<Self, SignError> {
        let mut password = file
            .and_then(|file| read_secret(file, MAX_PASSWORD + 1))
            .map_err(|cause| SignError::File {
                path: path.to_owned(),
                action: "read",
                cause,
            })?;
        if password.last() == Some(&b'\n') {
            password.pop();
        }
        if password.len() > MAX_PASSWORD {
            return Err(SignError::PasswordTooLong {
                path: path.to_owned(),
                limit: MAX_PASSWORD,
            });
        }
        Ok(Self(password))
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(..)")
    }
}

/// Reads until the end, and one byte beyond `limit` at most.
pub(super) fn read_secret(source: impl Read, limit: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    // A buffer that grew would leave copies behind that nobody wipes.
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 64));
    let most = u64::try_from(limit + 1).unwrap_or(u64::MAX);
    source.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}
