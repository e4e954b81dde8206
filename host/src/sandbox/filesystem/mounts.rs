//! Directories of the host: opened once, when a skill is loaded, and held as
//! handles. What is renamed or replaced afterwards changes nothing about what
//! a skill sees.

use std::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;
use wasmtime_wasi::filesystem;
use wasmtime_wasi::{FsPerms, OpenMode};

use super::open;
use super::share::Descriptors;
use crate::error::{Error, Kind, Result};
use crate::policy::directory::{Access, DirectoryGrant};

/// Trees that hold no files of the operator's but handles into the kernel:
/// `/proc/self/environ` alone would undo most of the sandbox.
const REFUSED: [&str; 3] = ["/proc", "/sys", "/dev"];

/// What is mounted where, as this process sees it.
const MOUNTS: &str = "/proc/self/mountinfo";

/// The directories of one skill, open.
#[derive(Clone)]
pub(crate) struct Mounts {
    each: Arc<[Arc<Mount>]>,
    descriptors: Descriptors,
}

impl Mounts {
    /// Opens the directories of a grant.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a directory that does not exist, that overlaps with
    /// another, or whose guest path is taken, and for a kernel that cannot keep
    /// a guest in it; `ConfigInsecure` for `/` and for what lies in `/proc`,
    /// `/sys` and `/dev`, or is a file system of the kernel's, and for what
    /// holds a place that is `private` to the host, or lies in one.
    pub(crate) fn open(
        grants: &[DirectoryGrant],
        descriptors: &Descriptors,
        private: &[PathBuf],
    ) -> Result<Self> {
        let mounts = match grants {
            [] => String::new(),
            _ => std::fs::read_to_string(MOUNTS).unwrap_or_default(),
        };
        let mut opened: Vec<Opened> = Vec::with_capacity(grants.len());
        for grant in grants {
            let directory = Opened::open(grant, &mounts)?;
            directory.check_apart_from(private)?;
            for earlier in &opened {
                earlier.check_apart(&directory)?;
            }
            opened.push(directory);
        }
        Ok(Self {
            each: opened.into_iter().map(Mount::of).collect(),
            descriptors: descriptors.clone(),
        })
    }

    /// Refuses directories that are others than those that the skill had before:
    /// somebody has put them where it looks.
    pub(crate) fn check_unchanged(&self, earlier: &Self) -> Result<()> {
        let was = |mount: &Arc<Mount>| earlier.iter().find(|it| it.host == mount.host).cloned();
        let is_another = |mount: &&Arc<Mount>| {
            was(mount).is_some_and(|earlier| earlier.identity != mount.identity)
        };
        match self.iter().find(is_another) {
            None => Ok(()),
            Some(mount) => Err(Error::new(
                Kind::ConfigInsecure,
                format!(
                    "The directory that the skill sees as {} is another one than before.",
                    mount.guest
                ),
            )
            .with_hint("If the operator replaced it on purpose, the host has to be restarted.")
            .with_internal(mount.host.display())),
        }
    }

    /// Each directory.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Arc<Mount>> {
        self.each.iter()
    }

    pub(super) const fn descriptors(&self) -> &Descriptors {
        &self.descriptors
    }
}

impl fmt::Debug for Mounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mounts({})", self.each.len())
    }
}

/// One directory, as a guest has it.
pub(super) struct Mount {
    host: PathBuf,
    identity: (u64, u64),
    guest: String,
    access: Access,
    directory: filesystem::Dir,
}

impl Mount {
    fn of(opened: Opened) -> Arc<Self> {
        let access = opened.grant.access;
        let (perms, mode) = match access {
            Access::ReadOnly => (FsPerms::ReadOnly, OpenMode::READ),
            Access::ReadWrite => (FsPerms::ReadWrite, OpenMode::READ | OpenMode::WRITE),
        };
        Arc::new(Self {
            host: opened.grant.host,
            identity: opened.identity,
            guest: opened.grant.guest,
            access,
            directory: filesystem::Dir::new(opened.handle, perms, mode, false),
        })
    }

    /// Where the guest sees it.
    pub(super) fn guest(&self) -> &str {
        &self.guest
    }

    pub(super) const fn is_writable(&self) -> bool {
        matches!(self.access, Access::ReadWrite)
    }

    /// What wasmtime-wasi lets a guest do, which is asked as well.
    pub(super) const fn perms(&self) -> FsPerms {
        self.directory.perms
    }

    pub(super) const fn directory(&self) -> &filesystem::Dir {
        &self.directory
    }
}

/// One open directory of the host.
struct Opened {
    grant: DirectoryGrant,
    real: PathBuf,
    identity: (u64, u64),
    stored: Option<Stored>,
    handle: File,
}

impl Opened {
    fn open(grant: &DirectoryGrant, mounts: &str) -> Result<Self> {
        let missing = |cause: std::io::Error| missing(grant, &cause);
        let real = grant.host.canonicalize().map_err(missing)?;
        let stored = Stored::find(mounts, &real);
        let is_root = stored.is_some() && stored == Stored::find(mounts, Path::new("/"));
        let refused = REFUSED.iter().any(|tree| real.starts_with(tree));
        if real == Path::new("/") || is_root || refused {
            return Err(reaches_host(grant));
        }
        let handle = open_plainly(&real).map_err(|errno| match errno {
            Errno::NOSYS | Errno::PERM => unsupported(errno),
            errno => missing(errno.into()),
        })?;
        if open::is_kernels(&handle).map_err(|errno| missing(errno.into()))? {
            return Err(reaches_host(grant));
        }
        let metadata = handle.metadata().map_err(missing)?;
        Ok(Self {
            grant: grant.clone(),
            stored,
            real,
            identity: (metadata.dev(), metadata.ino()),
            handle,
        })
    }

    /// Whoever reads the host's keys, or writes its cache, is the host.
    fn check_apart_from(&self, private: &[PathBuf]) -> Result<()> {
        let mut private = private.iter().filter_map(|place| place.canonicalize().ok());
        match private.find(|place| nested(&self.real, place)) {
            None => Ok(()),
            Some(_) => Err(reaches_host(&self.grant)),
        }
    }

    /// Two ways to one file could differ in what they allow.
    fn check_apart(&self, other: &Self) -> Result<()> {
        let invalid = |message: String| Error::new(Kind::ConfigInvalid, message);
        if self.grant.guest == other.grant.guest {
            return Err(invalid(format!(
                "Two directories are granted at the guest path {}.",
                self.grant.guest
            ))
            .with_hint(
                "Give each a guest path of its own, for example `--allow-dir docs:/docs`.",
            ));
        }
        let stored = self.stored.as_ref().zip(other.stored.as_ref());
        let overlap = self.identity == other.identity
            || nested(&self.real, &other.real)
            || stored.is_some_and(|(one, other)| one.overlaps(other));
        if overlap {
            return Err(invalid(format!(
                "The directories {} and {} overlap.",
                self.grant.host.display(),
                other.grant.host.display()
            ))
            .with_hint("Grant the outer one alone, or two that lie side by side."));
        }
        Ok(())
    }
}

/// Opens a directory by a path without links: one that was put there since the
/// path was looked at is not followed.
fn open_plainly(real: &Path) -> Result<File, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
    Ok(openat2(CWD, real, flags, Mode::empty(), resolve)?.into())
}

fn reaches_host(grant: &DirectoryGrant) -> Error {
    Error::new(
        Kind::ConfigInsecure,
        format!(
            "The directory {} may not be granted: it reaches the host itself.",
            grant.host.display()
        ),
    )
    .with_hint("Grant a directory that holds only what the skill needs.")
}

fn unsupported(cause: Errno) -> Error {
    Error::new(
        Kind::ConfigInvalid,
        "This kernel cannot keep a skill in a directory: it does not offer `openat2`.",
    )
    .with_hint("Run on Linux 5.6 or newer, with `openat2` allowed by the container's filter.")
    .with_internal(cause)
}

/// Whether one path is the other or lies in it.
fn nested(one: &Path, other: &Path) -> bool {
    one.starts_with(other) || other.starts_with(one)
}

/// Where a directory lies on its file system, whatever is mounted where: a bind
/// mount gives one tree two paths.
#[derive(Debug, PartialEq, Eq)]
struct Stored {
    device: String,
    path: PathBuf,
}

impl Stored {
    /// Finds it in the text of `/proc/self/mountinfo` (proc_pid_mountinfo(5)):
    /// behind two numbers a device, the root of the mount on it, and the mount
    /// point. None if the text does not tell.
    fn find(mounts: &str, real: &Path) -> Option<Self> {
        let lines = mounts.lines().filter_map(|line| {
            let mut fields = line.split(' ').skip(2);
            let (device, root, point) = (fields.next()?, fields.next()?, fields.next()?);
            let below = real.strip_prefix(unescape(point)).ok()?.to_owned();
            Some((device, unescape(root), below))
        });
        // The shortest rest is the innermost mount; of two at one place the
        // later hides the earlier.
        let (device, root, below) = lines
            .enumerate()
            .min_by_key(|(order, (.., below))| {
                (below.components().count(), std::cmp::Reverse(*order))
            })?
            .1;
        Some(Self {
            device: device.to_owned(),
            path: Path::new(&root).join(below),
        })
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.device == other.device && nested(&self.path, &other.path)
    }
}

/// The kernel writes space, tab, newline and backslash as octal numbers.
fn unescape(field: &str) -> String {
    [
        ("\\040", " "),
        ("\\011", "\t"),
        ("\\012", "\n"),
        ("\\134", "\\"),
    ]
    .iter()
    .fold(field.to_owned(), |text, (escape, character)| {
        text.replace(escape, character)
    })
}

fn missing(grant: &DirectoryGrant, cause: &std::io::Error) -> Error {
    let host = grant.host.display();
    let message = match cause.kind() {
        std::io::ErrorKind::NotFound => format!("The directory {host} does not exist."),
        std::io::ErrorKind::NotADirectory => format!("{host} is no directory."),
        _ => format!("The directory {host} cannot be opened."),
    };
    Error::new(Kind::ConfigInvalid, message)
        .with_hint("Check the path behind `--allow-dir`, or `directories` in skillhost.toml.")
        .with_internal(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::limits::Limits;

    fn open(grants: &[&str]) -> Result<Mounts, Kind> {
        let grants: Vec<DirectoryGrant> = grants.iter().map(|it| it.parse().unwrap()).collect();
        Mounts::open(&grants, &Descriptors::of_process(&Limits::default()), &[])
            .map_err(|error| error.kind())
    }

    #[test]
    fn f09_the_host_itself_is_never_granted() {
        for path in [
            "/",
            "/proc",
            "/proc/self",
            "/sys",
            "/dev",
            "/proc/self/root/",
        ] {
            assert_eq!(open(&[path]).unwrap_err(), Kind::ConfigInsecure, "{path}");
        }
    }

    #[test]
    fn f14_directories_that_overlap_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("a/b")).unwrap();
        std::fs::create_dir(root.join("ab")).unwrap();
        std::os::unix::fs::symlink(root.join("a"), root.join("link")).unwrap();
        let at = |name: &str, guest: &str| format!("{}:{guest}", root.join(name).display());
        let both = |one: &str, other: &str| open(&[&at(one, "/1"), &at(other, "/2")]);
        assert_eq!(both("a", "a/b").unwrap_err(), Kind::ConfigInvalid);
        assert_eq!(both("a", "a").unwrap_err(), Kind::ConfigInvalid);
        assert_eq!(both("a", "link").unwrap_err(), Kind::ConfigInvalid);
        assert!(both("a", "ab").is_ok());
        assert_eq!(
            open(&[&at("a", "/x"), &at("ab", "/x")]).unwrap_err(),
            Kind::ConfigInvalid
        );
    }

    /// Lines of a container: its own file system, a volume, and a folder of it
    /// that is mounted a second time.
    const CONTAINER: &str = "\
        21 1 0:40 / / rw - overlay overlay rw\n\
        22 21 8:1 /volumes/data /data rw,relatime shared:1 - ext4 /dev/sda1 rw\n\
        23 21 8:1 /volumes/data/inner\\040one /srv/with\\040space rw - ext4 /dev/sda1 rw\n\
        24 21 8:1 /volumes/other /hidden rw - ext4 /dev/sda1 rw\n\
        25 21 8:1 /volumes/data /hidden rw - ext4 /dev/sda1 rw\n";

    #[test]
    fn f14_a_tree_that_is_mounted_twice_is_one_tree() {
        let stored = |path: &str| Stored::find(CONTAINER, Path::new(path)).unwrap();
        assert_eq!(stored("/data/a").path, Path::new("/volumes/data/a"));
        assert_eq!(stored("/etc").device, "0:40");
        for (one, other, overlap) in [
            ("/data", "/srv/with space", true),
            ("/data/inner one/deep", "/srv/with space", true),
            ("/data/inner", "/srv/with space", false),
            ("/data/a", "/data/ab", false),
            ("/data", "/volumes/data", false),
            ("/hidden/a", "/data/a", true),
        ] {
            assert_eq!(
                stored(one).overlaps(&stored(other)),
                overlap,
                "{one} {other}"
            );
        }
        assert_eq!(Stored::find("", Path::new("/data")), None);
        assert_eq!(Stored::find("1 2 3", Path::new("/data")), None);
    }

    #[test]
    fn what_is_no_directory_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        for path in [file, folder.path().join("missing")] {
            assert_eq!(
                open(&[path.to_str().unwrap()]).unwrap_err(),
                Kind::ConfigInvalid
            );
        }
    }
}
