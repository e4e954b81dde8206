//! Bytes in memory that nobody can change any more, this process included.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;

/// How much is read of it at a time, in bytes.
const CHUNK: usize = 64 * 1024;

/// A file without a name that lives in memory and is never executed as a
/// program.
pub(super) fn memory_file() -> io::Result<File> {
    let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
    let made = match memfd_create("skillhost", flags | MemfdFlags::NOEXEC_SEAL) {
        // Linux before 6.3 does not know the flag.
        Err(Errno::INVAL) => memfd_create("skillhost", flags),
        made => made,
    };
    Ok(File::from(made?))
}

/// A memory file of which the kernel refuses every change, also through
/// descriptors that somebody else still holds (memfd_create(2), "File
/// sealing").
#[derive(Debug)]
pub(super) struct Sealed {
    file: File,
    length: u64,
}

impl Sealed {
    /// Seals a memory file as it is now. Nobody may have it mapped for writing.
    pub(super) fn new(file: File) -> io::Result<Self> {
        fcntl_add_seals(
            &file,
            SealFlags::WRITE | SealFlags::GROW | SealFlags::SHRINK | SealFlags::SEAL,
        )?;
        let length = file.metadata()?.len();
        Ok(Self { file, length })
    }

    /// A sealed copy.
    pub(super) fn copy_of(bytes: &[u8]) -> io::Result<Self> {
        let mut file = memory_file()?;
        file.write_all(bytes)?;
        Self::new(file)
    }

    /// In bytes.
    pub(super) const fn len(&self) -> u64 {
        self.length
    }

    /// A descriptor for another process, which begins to read at the start.
    pub(super) fn to_hand_on(&self) -> io::Result<File> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(file)
    }

    /// Under which it can be opened while this lives.
    pub(super) fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }

    /// Shows all of it, piece by piece.
    pub(super) fn each_chunk(
        &self,
        mut take: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut buffer = vec![0; CHUNK];
        let mut position = 0;
        loop {
            let read = self.file.read_at(&mut buffer, position)?;
            match buffer.get(..read) {
                Some(bytes) if read > 0 => take(bytes)?,
                _ => return Ok(()),
            }
            position += read as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_can_be_read_and_not_changed() {
        let mut other = memory_file().unwrap();
        other.write_all(b"machine code").unwrap();
        let sealed = Sealed::new(other.try_clone().unwrap()).unwrap();
        let mut seen = Vec::new();
        sealed.each_chunk(|bytes| seen.write_all(bytes)).unwrap();
        assert_eq!(
            (seen.as_slice(), sealed.len()),
            (b"machine code".as_slice(), 12)
        );
        assert!(other.write_all(b"!").is_err());
        assert!(other.write_at(b"!", 0).is_err());
        assert!(other.set_len(0).is_err() && other.set_len(100).is_err());
        let reopened = File::options().write(true).open(sealed.path());
        assert!(reopened.and_then(|mut it| it.write_all(b"!")).is_err());
    }
}
