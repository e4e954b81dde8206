//! One entry: what it is of, its authentication code, and the code.
//!
//! ```text
//! 8 bytes   the format: `SKHCODE` and its version
//! 32 bytes  BLAKE3 under the key, of `code`, the entry's name, the length of
//!           the machine code as 8 bytes in little-endian order, and the code
//! the rest  the machine code, as the engine writes it
//! ```

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fs::{Mode, OFlags, Timespec, Timestamps, UTIME_NOW, UTIME_OMIT};
use rustix::io::Errno;

use super::Fingerprint;
use super::key::Key;
use crate::artifact::Digest;
use crate::compile::limits::MAX_CODE;
use crate::compile::sealed::{Sealed, memory_file};

/// What an entry begins with.
const FORMAT: &[u8; 8] = b"SKHCODE\x01";

/// Bytes before the code.
const HEADER: u64 = 8 + 32;

/// What an entry is of: key, format, component and engine. It is the entry's
/// file name, and part of what is authenticated, so that entries cannot be
/// swapped. Entries of hosts with another key have other names.
#[derive(Debug)]
pub(super) struct Name(blake3::Hash);

impl Name {
    pub(super) fn of(key: &Key, component: Digest, fingerprint: Fingerprint) -> Self {
        let mut hash = blake3::Hasher::new_keyed(key.as_bytes());
        hash.update(b"name");
        hash.update(FORMAT);
        hash.update(component.as_bytes());
        hash.update(&fingerprint.0);
        Self(hash.finalize())
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Why an entry is not used.
#[derive(Debug, thiserror::Error)]
pub(in crate::compile) enum Rejected {
    #[error("it cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    #[error("it is no regular file")]
    NotAFile,
    #[error("it is cut short, or too large")]
    Length,
    #[error("it does not begin as an entry does")]
    Format,
    #[error("its authentication code is not that of this host for this component")]
    Forged,
    #[error("the engine does not take it: {0}")]
    Foreign(String),
}

/// Reads an entry into memory that cannot change any more, and authenticates
/// what is there. None if there is no such file.
pub(super) fn read(path: &Path, name: &Name, key: &Key) -> Result<Option<Sealed>, Rejected> {
    let Some(mut file) = open(path)? else {
        return Ok(None);
    };
    let length = length_of(&file)?;
    let (mut format, mut claimed) = ([0; 8], [0; 32]);
    file.read_exact(&mut format)?;
    file.read_exact(&mut claimed)?;
    if format != *FORMAT {
        return Err(Rejected::Format);
    }
    let mut copy = memory_file()?;
    io::copy(&mut (&file).take(length - HEADER), &mut copy)?;
    let code = Sealed::new(copy)?;
    // These are compared in a time that tells nothing.
    if authenticate(name, key, &code)? != blake3::Hash::from_bytes(claimed) {
        return Err(Rejected::Forged);
    }
    mark_as_used(&file);
    Ok(Some(code))
}

/// Bytes of the entry that this code becomes.
pub(super) const fn length(code: &Sealed) -> u64 {
    HEADER + code.len()
}

/// Writes an entry.
pub(super) fn write(file: &mut File, name: &Name, key: &Key, code: &Sealed) -> io::Result<()> {
    file.write_all(FORMAT)?;
    file.write_all(authenticate(name, key, code)?.as_bytes())?;
    code.each_chunk(|bytes| file.write_all(bytes))
}

fn authenticate(name: &Name, key: &Key, code: &Sealed) -> io::Result<blake3::Hash> {
    let mut mac = blake3::Hasher::new_keyed(key.as_bytes());
    mac.update(b"code");
    mac.update(name.0.as_bytes());
    mac.update(&code.len().to_le_bytes());
    code.each_chunk(|bytes| {
        mac.update(bytes);
        Ok(())
    })?;
    Ok(mac.finalize())
}

/// A link is not followed, and a pipe not waited for.
fn open(path: &Path) -> Result<Option<File>, Rejected> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(file) => Ok(Some(File::from(file))),
        Err(Errno::NOENT) => Ok(None),
        Err(Errno::LOOP) => Err(Rejected::NotAFile),
        Err(cause) => Err(io::Error::from(cause).into()),
    }
}

fn length_of(file: &File) -> Result<u64, Rejected> {
    let metadata = file.metadata()?;
    match metadata.len() {
        _ if !metadata.is_file() => Err(Rejected::NotAFile),
        length if length <= HEADER || length - HEADER > MAX_CODE => Err(Rejected::Length),
        length => Ok(length),
    }
}

/// So that it is not among the first to go.
fn mark_as_used(file: &File) {
    let at = |nanoseconds| Timespec {
        tv_sec: 0,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: at(UTIME_OMIT),
        last_modification: at(UTIME_NOW),
    };
    // Where this cannot be written, entries go in the order they were made.
    let _ = rustix::fs::futimens(file, &times);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &Name, key: &Key, code: &[u8]) -> Vec<u8> {
        let mut file = tempfile::tempfile().unwrap();
        write(&mut file, name, key, &Sealed::copy_of(code).unwrap()).unwrap();
        let mut bytes = Vec::new();
        io::Seek::rewind(&mut file).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        bytes
    }

    fn name(key: &Key, of: &[u8], engine: u8) -> Name {
        Name::of(key, Digest::of(of), Fingerprint([engine; 32]))
    }

    #[test]
    fn s24_d04_no_byte_of_an_entry_can_be_changed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entry");
        let key = Key::of([1; 32]);
        let name = name(&key, b"component", 0);
        let good = entry(&name, &key, b"machine code");
        std::fs::write(&path, &good).unwrap();
        assert_eq!(read(&path, &name, &key).unwrap().unwrap().len(), 12);
        for position in 0..good.len() {
            let mut bytes = good.clone();
            bytes[position] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            let rejected = read(&path, &name, &key).unwrap_err();
            let expected = if position < 8 { "Format" } else { "Forged" };
            assert_eq!(format!("{rejected:?}"), expected, "{position}");
        }
        for length in 0..good.len() {
            std::fs::write(&path, &good[..length]).unwrap();
            assert!(read(&path, &name, &key).is_err(), "{length}");
        }
        std::fs::write(&path, [good, vec![0]].concat()).unwrap();
        assert!(matches!(read(&path, &name, &key), Err(Rejected::Forged)));
    }

    #[test]
    fn s24_s26_an_entry_is_of_one_component_one_engine_and_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("entry");
        let (key, another) = (Key::of([1; 32]), Key::of([2; 32]));
        let good = name(&key, b"component", 0);
        std::fs::write(&path, entry(&good, &key, b"code")).unwrap();
        for (name, key) in [
            (name(&key, b"another", 0), &key),
            (name(&key, b"component", 1), &key),
            (name(&another, b"component", 0), &key),
            (good, &another),
        ] {
            assert!(matches!(read(&path, &name, key), Err(Rejected::Forged)));
        }
    }
}
