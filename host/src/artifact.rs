//! Component bytes by digest, read once into one immutable buffer.
//!
//! The same buffer is hashed, verified and compiled, so a file that is swapped
//! meanwhile changes nothing about what runs. Where the bytes came from is
//! kept as well: [`Artifact::is_unchanged`] tells whether those files are still
//! the ones that were read.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};
use sigstore_crypto::sha256;
use sigstore_types::Sha256Hash;

use crate::error::{Error, Kind, Result};
use crate::manifest::section;

/// The largest component, in bytes; a Python skill is about 18 MB.
pub const MAX_COMPONENT: u64 = 64 * 1024 * 1024;

/// The largest signature bundle, in bytes; real ones are 0.4 to 12 KB.
pub const MAX_BUNDLE: u64 = 256 * 1024;

/// The most signature bundles beside one component.
pub const MAX_BUNDLES: usize = 16;

/// What the name of a signature bundle ends with.
pub const BUNDLE_SUFFIX: &str = ".sigstore.json";

/// SHA-256 of a component.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Digest([u8; 32]);

/// Text that is no digest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no digest: write `sha256:` and 64 of `0-9` and `a-f`")]
pub struct NotADigest;

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(*sha256(bytes).as_bytes())
    }

    /// The digest of everything that `source` gives.
    pub fn of_reader(mut source: impl Read) -> std::io::Result<Self> {
        let mut hash = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = source.read(&mut buffer)?;
            match buffer.get(..read) {
                Some(bytes) if read > 0 => hash.update(bytes),
                _ => break,
            }
        }
        let digest = hash.finish();
        let bytes = <[u8; 32]>::try_from(digest.as_ref());
        bytes.map(Self).map_err(std::io::Error::other)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for Digest {
    /// `sha256:` and 64 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("sha256:")?;
        // In one piece: each call has one made, and 32 pieces cost more than the hash.
        let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        f.write_str(&digits.map(digit).collect::<String>())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = NotADigest;

    fn from_str(text: &str) -> Result<Self, NotADigest> {
        let hex = text.strip_prefix("sha256:").ok_or(NotADigest)?;
        let lower = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != 64 || !hex.bytes().all(lower) {
            return Err(NotADigest);
        }
        let hash = Sha256Hash::from_hex(hex).map_err(|_cause| NotADigest)?;
        Ok(Self(*hash.as_bytes()))
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = NotADigest;

    fn try_from(text: String) -> Result<Self, NotADigest> {
        text.parse()
    }
}

/// A component and the signatures that lay beside it. Nothing is known about
/// it yet but that it claims to be a component.
#[derive(Debug, Clone)]
pub struct Artifact {
    bytes: Arc<[u8]>,
    digest: Digest,
    bundles: Arc<[Bundle]>,
    sources: Sources,
}

/// A signature bundle: its file's name and its text, not yet parsed.
#[derive(Debug, Clone)]
pub struct Bundle {
    /// File name without folder.
    pub name: String,
    /// Claims to be a Sigstore bundle as JSON.
    pub json: Arc<str>,
}

/// The files that an artifact was read from, as they were.
#[derive(Debug, Clone)]
pub(crate) struct Sources(Arc<[Source]>);

impl Sources {
    /// Whether the files on disk are still those that were read: same file,
    /// size and times. Takes about half a microsecond for each.
    pub(crate) fn are_unchanged(&self) -> bool {
        self.0.iter().all(Source::is_unchanged)
    }
}

/// A file that was read, and which one it was.
#[derive(Debug, Clone)]
struct Source {
    path: PathBuf,
    identity: Identity,
}

/// What changes when a file is written to or replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Artifact {
    /// Reads the component at `path` and the bundles beside it:
    /// `NAME.wasm.sigstore.json` and `NAME.wasm.SIGNER.sigstore.json`.
    ///
    /// # Errors
    ///
    /// `InvalidRequest` if there is no such file, `ComponentInvalid` if it is
    /// no component, `CompileLimit` if it is larger than [`MAX_COMPONENT`], and
    /// `SignatureInvalid` for bundles that are too many or too large.
    pub fn open(path: &Path) -> Result<Self> {
        let (folder, name) = split(path)?;
        let directory = Dir::open_ambient_dir(&folder, ambient_authority())
            .map_err(|cause| unreadable(path, &cause))?;
        let (bytes, source) = read(&directory, &folder, &name, MAX_COMPONENT, || {
            Error::new(
                Kind::CompileLimit,
                format!(
                    "{} is larger than the {MAX_COMPONENT} bytes that a component may have.",
                    path.display()
                ),
            )
        })?;
        section::check_preamble(&bytes).map_err(|cause| {
            Error::new(
                Kind::ComponentInvalid,
                format!("{} is no skill: {cause}.", path.display()),
            )
        })?;
        let mut sources = vec![source];
        let mut bundles = Vec::new();
        for name in bundle_names(&directory, &name).map_err(|cause| unreadable(path, &cause))? {
            if bundles.len() == MAX_BUNDLES {
                return Err(too_many());
            }
            let (bundle, source) = read_bundle(&directory, &folder, name)?;
            bundles.push(bundle);
            sources.push(source);
        }
        Ok(Self {
            digest: Digest::of(&bytes),
            bytes: bytes.into(),
            bundles: bundles.into(),
            sources: Sources(sources.into()),
        })
    }

    /// The component.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Of the component.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The signatures, by file name.
    #[must_use]
    pub fn bundles(&self) -> &[Bundle] {
        &self.bundles
    }

    /// Whether the files on disk are still those that were read: same file,
    /// size and times. Takes about half a microsecond for each.
    #[must_use]
    pub fn is_unchanged(&self) -> bool {
        self.sources.are_unchanged()
    }

    /// The files that it was read from.
    pub(crate) const fn sources(&self) -> &Sources {
        &self.sources
    }
}

impl Source {
    fn is_unchanged(&self) -> bool {
        rustix::fs::lstat(&self.path).is_ok_and(|stat| Identity::of(&stat) == self.identity)
    }
}

impl Identity {
    #[expect(
        clippy::allow_attributes,
        reason = "which casts are lossless differs between platforms"
    )]
    fn of(stat: &rustix::fs::Stat) -> Self {
        #[allow(clippy::useless_conversion, reason = "u64 on Linux, i32 elsewhere")]
        Self {
            device: stat.st_dev.into(),
            inode: stat.st_ino.into(),
            size: stat.st_size.into(),
            modified: (
                stat.st_mtime.into(),
                stat.st_mtime_nsec.try_into().unwrap_or(i64::MAX),
            ),
            changed: (
                stat.st_ctime.into(),
                stat.st_ctime_nsec.try_into().unwrap_or(i64::MAX),
            ),
        }
    }
}

fn read_bundle(directory: &Dir, folder: &Path, name: String) -> Result<(Bundle, Source)> {
    let (bytes, source) = read(directory, folder, &name, MAX_BUNDLE, || {
        Error::new(
            Kind::SignatureInvalid,
            format!("The signature bundle {name} is larger than {MAX_BUNDLE} bytes."),
        )
        .with_hint("Remove it: a bundle has a few thousand bytes.")
    })?;
    let json = String::from_utf8(bytes).map_err(|_cause| {
        Error::new(
            Kind::SignatureInvalid,
            format!("The signature bundle {name} is not UTF-8."),
        )
    })?;
    let json = json.into();
    Ok((Bundle { name, json }, source))
}

fn too_many() -> Error {
    Error::new(
        Kind::SignatureInvalid,
        format!("There are more than {MAX_BUNDLES} signature bundles beside the component."),
    )
    .with_hint("Keep those of the signers whom the trust policy names.")
}

fn split(path: &Path) -> Result<(PathBuf, String)> {
    let name = path.file_name().and_then(OsStr::to_str).ok_or_else(|| {
        Error::new(
            Kind::InvalidRequest,
            format!("{} names no file.", path.display()),
        )
    })?;
    let folder = match path.parent() {
        Some(parent) if parent != Path::new("") => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    Ok((folder, name.to_owned()))
}

/// Names of the bundles that belong to `component`, sorted.
fn bundle_names(directory: &Dir, component: &str) -> std::io::Result<Vec<String>> {
    let prefix = format!("{component}.");
    let mut names = Vec::new();
    for entry in directory.entries()? {
        if let Some(name) = entry?.file_name().to_str()
            && let Some(rest) = name.strip_prefix(&prefix)
            && (rest == &BUNDLE_SUFFIX[1..] || rest.ends_with(BUNDLE_SUFFIX))
        {
            names.push(name.to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// Reads a regular file whole, at most `max` bytes. A symbolic link, a FIFO
/// or a device is refused without waiting for it.
fn read(
    directory: &Dir,
    folder: &Path,
    name: &str,
    max: u64,
    too_large: impl Fn() -> Error,
) -> Result<(Vec<u8>, Source)> {
    let path = folder.join(name);
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = rustix::fs::openat(directory, name, flags, Mode::empty())
        .map_err(|cause| unreadable(&path, &cause.into()))?;
    let mut file = File::from(file);
    let stat = rustix::fs::fstat(&file).map_err(|cause| unreadable(&path, &cause.into()))?;
    if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
        return Err(Error::new(
            Kind::InvalidRequest,
            format!("{} is no regular file.", path.display()),
        )
        .with_hint("Name the component file; `skillhost build FOLDER` makes one."));
    }
    let mut bytes = Vec::new();
    let read = file.by_ref().take(max + 1).read_to_end(&mut bytes);
    read.map_err(|cause| unreadable(&path, &cause))?;
    if bytes.len() as u64 > max {
        return Err(too_large());
    }
    Ok((
        bytes,
        Source {
            path,
            identity: Identity::of(&stat),
        },
    ))
}

fn unreadable(path: &Path, cause: &std::io::Error) -> Error {
    let message = match cause.kind() {
        std::io::ErrorKind::NotFound => format!("There is no file {}.", path.display()),
        _ => format!("{} cannot be read.", path.display()),
    };
    Error::new(Kind::InvalidRequest, message).with_internal(cause)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_is_written_in_one_way() {
        let good = Digest::of(b"a");
        assert_eq!(good.to_string().parse(), Ok(good));
        let digits = "0".repeat(64);
        for bad in [
            String::new(),
            digits.clone(),
            format!("sha512:{digits}"),
            format!("sha256:{}", &digits[1..]),
            format!("sha256:{digits}0"),
            format!("sha256:{}A", &digits[1..]),
            format!("sha256:{}é", &digits[2..]),
        ] {
            assert!(bad.parse::<Digest>().is_err(), "{bad}");
        }
    }
}
