//! `audit.jsonl.head`: how far the log goes, in one line of JSON that is
//! overwritten soon after lines were written. Lines that are cut off the end
//! leave a sound chain; this is what tells that there were more.

use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::chain::{self, Hash};
use super::segments::beside;
use crate::sign::PrivateKey;

/// Bytes of the file, so that it never changes its length: less than the 512
/// that a disk writes as one.
const LENGTH: usize = 448;

const PURPOSE: &str = "skillhost audit.jsonl.head 2026";

/// Where it lies.
pub(super) fn path(log: &Path) -> PathBuf {
    beside(log, ".head")
}

/// Authenticates heads: derived from the host's private key.
#[derive(Clone)]
pub struct HeadKey([u8; 32]);

impl HeadKey {
    /// That of a host.
    #[must_use]
    pub fn of(key: &PrivateKey) -> Self {
        Self(key.derive(PURPOSE))
    }

    fn mac(&self, text: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, text)
    }
}

impl std::fmt::Debug for HeadKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("HeadKey")
    }
}

/// How far a log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Head {
    /// Lines of all files.
    pub(super) lines: u64,
    /// Hash of the last.
    #[serde(with = "in_hex")]
    pub(super) hash: Hash,
    /// The number that the live file will get.
    pub(super) file: u64,
    /// Lines of the live file.
    pub(super) file_lines: u64,
    /// Bytes of the live file.
    pub(super) bytes: u64,
    /// Which file it is.
    pub(super) inode: u64,
    /// When it was begun, in milliseconds since 1970.
    pub(super) begun: i64,
    /// The line of the last checkpoint.
    pub(super) signed: u64,
    /// When the first line after it was written, in milliseconds since 1970.
    pub(super) unsigned_since: i64,
}

/// What is known of a head that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Found {
    /// There is none.
    Absent,
    /// It is the host's, or nobody can tell for want of a key.
    Good(Head),
    /// The host did not write it so.
    Forged,
}

impl Head {
    /// Overwrites the file. `text` is room that is used again.
    pub(super) fn write(
        &self,
        key: &HeadKey,
        file: &impl FileExt,
        text: &mut Vec<u8>,
    ) -> io::Result<()> {
        text.clear();
        serde_json::to_writer(&mut *text, self)?;
        let mac = key.mac(text).to_hex();
        text.push(b' ');
        text.extend_from_slice(mac.as_bytes());
        text.resize(LENGTH - 1, b' ');
        text.push(b'\n');
        file.write_all_at(text, 0)
    }

    /// Reads the head of a log; without a key, its authenticity is not checked.
    pub(super) fn read(text: &[u8], key: Option<&HeadKey>) -> Found {
        if text.is_empty() {
            return Found::Absent;
        }
        Self::parse(text, key).map_or(Found::Forged, Found::Good)
    }

    fn parse(text: &[u8], key: Option<&HeadKey>) -> Option<Self> {
        let text = str::from_utf8(text).ok()?.trim_ascii_end();
        let (json, mac) = text.rsplit_once(' ')?;
        let mac = blake3::Hash::from_hex(mac).ok()?;
        if key.is_some_and(|key| key.mac(json.as_bytes()) != mac) {
            return None;
        }
        serde_json::from_str(json).ok()
    }
}

/// The head beside the log at `log`.
pub(super) fn read_beside(log: &Path, key: Option<&HeadKey>) -> io::Result<Found> {
    match std::fs::File::open(path(log)) {
        Ok(file) => read_from(&file, key),
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(Found::Absent),
        Err(cause) => Err(cause),
    }
}

/// The head in that file.
pub(super) fn read_from(file: &impl FileExt, key: Option<&HeadKey>) -> io::Result<Found> {
    let mut text = [0; LENGTH];
    let mut read = 0;
    while let Some(room) = text.get_mut(read..).filter(|room| !room.is_empty()) {
        match file.read_at(room, read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(Head::read(text.get(..read).unwrap_or_default(), key))
}

mod in_hex {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Hash, chain};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&chain::hex(hash))
    }

    pub(super) fn deserialize<'a, D: Deserializer<'a>>(source: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(source)?;
        chain::from_hex(text.as_bytes()).ok_or_else(|| D::Error::custom("no SHA-256"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn largest() -> Head {
        Head {
            lines: u64::MAX,
            hash: [255; 32],
            file: u64::MAX,
            file_lines: u64::MAX,
            bytes: u64::MAX,
            inode: u64::MAX,
            begun: i64::MIN,
            signed: u64::MAX,
            unsigned_since: i64::MIN,
        }
    }

    #[test]
    fn a_head_reads_back_and_no_other_key_makes_it() {
        let key = HeadKey([1; 32]);
        let file = tempfile::tempfile().unwrap();
        assert_eq!(read_from(&file, Some(&key)).unwrap(), Found::Absent);
        for lines in [0, u64::MAX] {
            let head = Head { lines, ..largest() };
            head.write(&key, &file, &mut Vec::new()).unwrap();
            assert_eq!(file.metadata().unwrap().len(), LENGTH as u64);
            assert_eq!(read_from(&file, Some(&key)).unwrap(), Found::Good(head));
            assert_eq!(read_from(&file, None).unwrap(), Found::Good(head));
            assert_eq!(
                read_from(&file, Some(&HeadKey([2; 32]))).unwrap(),
                Found::Forged
            );
        }
    }

    #[test]
    fn a_head_that_was_changed_is_forged() {
        let key = HeadKey([1; 32]);
        let file = tempfile::tempfile().unwrap();
        let mut text = Vec::new();
        largest().write(&key, &file, &mut text).unwrap();
        for at in 0..text.trim_ascii_end().len() {
            let mut other = text.clone();
            other[at] = if other[at] == b'7' { b'8' } else { b'7' };
            assert_eq!(Head::read(&other, Some(&key)), Found::Forged, "{at}");
        }
    }
}
