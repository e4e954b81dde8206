//! Machine code on disk, so that a component is compiled once and not at each
//! start.
//!
//! Whoever can make the host map a file of theirs runs code in it. So each
//! entry bears an authentication code under a key that only this user can read;
//! it covers which component, which engine and how many bytes, and is checked
//! on a copy in memory that cannot change any more, which is then mapped. The
//! cache is asked only for what was verified before: it holds no verdicts.

mod entry;
mod folder;
mod key;

use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use wasmtime::Engine;

use self::entry::Name;
pub(super) use self::entry::Rejected;
use self::key::Key;
use super::sealed::Sealed;
use crate::artifact::Digest;
use crate::error::{Error, Kind, Result};

/// How much a cache holds, in bytes, unless something else is said.
pub const CACHE_SIZE: u64 = 1 << 30;

/// A cache of machine code on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheSettings {
    /// Its folder, which is made if it is not there. It must be this user's, and
    /// nobody else may be able to write it.
    pub folder: PathBuf,
    /// The file with the key of its entries, likewise.
    pub key: PathBuf,
    /// How many bytes it holds before those entries go that were not used for
    /// longest.
    pub size: u64,
}

/// What a cache holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct CacheUse {
    /// How many entries it has.
    pub(crate) entries: u64,
    /// Bytes of them all.
    pub(crate) bytes: u64,
}

impl CacheSettings {
    /// Opens the cache. What it needs and is not there is made.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` if somebody else may write the folder, the key or what
    /// leads to them; `Internal` if they cannot be read or made.
    pub(super) fn open(&self) -> Result<Shelf<'_>> {
        folder::secure(&self.folder)?;
        Ok(Shelf {
            settings: self,
            key: Key::load_or_create(&self.key)?,
        })
    }

    /// What it holds; nothing if it is not there yet.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` if somebody else may write it.
    pub(crate) fn usage(&self) -> Result<CacheUse> {
        if fs::symlink_metadata(&self.folder).is_err() {
            return Ok(CacheUse::default());
        }
        folder::secure(&self.folder)?;
        let files = folder::files(&self.folder).map_err(|cause| unusable(&self.folder, cause))?;
        Ok(CacheUse {
            entries: files.len() as u64,
            bytes: files.iter().map(|file| file.bytes).sum(),
        })
    }

    /// Removes every entry, and says what was removed.
    ///
    /// # Errors
    ///
    /// `ConfigInsecure` if somebody else may write it: then what lies there may
    /// not be its own.
    pub(crate) fn clear(&self) -> Result<CacheUse> {
        let usage = self.usage()?;
        if usage.entries > 0 {
            folder::make_room(&self.folder, 0).map_err(|cause| unusable(&self.folder, cause))?;
        }
        Ok(usage)
    }
}

/// What code depends on besides the component: version, settings, target and
/// processor.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub(super) fn of(engine: &Engine) -> Self {
        let mut digest = Digesting(blake3::Hasher::new());
        env!("CARGO_PKG_VERSION").hash(&mut digest);
        engine.precompile_compatibility_hash().hash(&mut digest);
        Self(*digest.0.finalize().as_bytes())
    }
}

/// BLAKE3 where a [`Hasher`] is asked for, whose 64 bits would be too few.
struct Digesting(blake3::Hasher);

impl Hasher for Digesting {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.0.finalize();
        let first = digest.as_bytes().first_chunk();
        first.map_or(0, |first| u64::from_le_bytes(*first))
    }
}

/// A cache whose folder and key were judged.
#[derive(Debug)]
pub(super) struct Shelf<'a> {
    settings: &'a CacheSettings,
    key: Key,
}

impl Shelf<'_> {
    /// The code of a component, in memory; none if there is none.
    pub(super) fn find(
        &self,
        component: Digest,
        fingerprint: Fingerprint,
    ) -> Result<Option<Sealed>, Rejected> {
        let name = Name::of(&self.key, component, fingerprint);
        entry::read(&self.path(&name), &name, &self.key)
    }

    /// Keeps code: in whole, or not at all.
    pub(super) fn keep(
        &self,
        component: Digest,
        fingerprint: Fingerprint,
        code: &Sealed,
    ) -> io::Result<()> {
        let folder = &self.settings.folder;
        let Some(room) = self.settings.size.checked_sub(entry::length(code)) else {
            return Ok(());
        };
        folder::make_room(folder, room)?;
        let name = Name::of(&self.key, component, fingerprint);
        let mut file = tempfile::Builder::new()
            .prefix(folder::UNFINISHED)
            .tempfile_in(folder)?;
        entry::write(file.as_file_mut(), &name, &self.key, code)?;
        file.as_file().sync_all()?;
        persist(file, &self.path(&name))?;
        // The new name is on disk only once its folder is.
        File::open(folder)?.sync_all()
    }

    fn path(&self, name: &Name) -> PathBuf {
        self.settings.folder.join(name.to_string())
    }
}

/// Puts a file in the place of whatever lies there, be it a folder.
fn persist(file: tempfile::NamedTempFile, path: &Path) -> io::Result<()> {
    let Err(failed) = file.persist(path) else {
        return Ok(());
    };
    fs::remove_dir_all(path)?;
    failed.file.persist(path)?;
    Ok(())
}

#[expect(clippy::needless_pass_by_value, reason = "fits map_err")]
fn unusable(path: &Path, cause: io::Error) -> Error {
    Error::new(Kind::Internal, "The cache of compiled code cannot be used.")
        .with_internal(format_args!("{}: {cause}", path.display()))
}

/// Somebody else could put something in.
fn exposed(path: &Path, why: &str) -> Error {
    let path = path.display();
    Error::new(
        Kind::ConfigInsecure,
        format!("The cache of compiled code is not used: {path} {why}."),
    )
    .with_hint(format!(
        "Make {path} your own and let nobody else write it (`chmod go-w {path}`), or remove it."
    ))
}
