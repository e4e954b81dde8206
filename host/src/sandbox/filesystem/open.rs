//! The system calls in which the kind or the mode of a file matters. The
//! kernel resolves each path below the directory that was granted, so that no
//! link and no race leads out (`openat2`, Linux 5.6).

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    Dir, FileType, FsWord, Mode, OFlags, ResolveFlags, Stat, fstat, fstatfs, mkdirat, openat2,
    readlinkat,
};
use rustix::io::Errno;
use wasmtime_wasi::OpenMode;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, ErrorCode, OpenFlags, PathFlags,
};

use super::refusal::Refusal;
use crate::sandbox::meter::{Budget, Meter};

/// A file of a guest's is its owner's alone, and nothing that could be run.
const FILE: Mode = Mode::RUSR.union(Mode::WUSR);

/// A directory of a guest's is its owner's alone.
const DIRECTORY: Mode = Mode::RWXU;

/// How often a path is resolved anew that was renamed meanwhile.
const ATTEMPTS: usize = 16;

/// The most entries of a directory that is listed: the host holds all of them
/// in memory.
const MAX_ENTRIES: usize = 100_000;

/// File systems that hold no files of the operator's but handles into the
/// kernel, by their magic numbers (statfs(2)): proc, sysfs, devpts, cgroup,
/// cgroup2, debugfs, tracefs, securityfs, selinuxfs, bpf, pstore, efivarfs,
/// configfs, binfmt_misc, nsfs, and message queues. One may be mounted
/// anywhere in a directory that is granted.
const KERNEL: [FsWord; 16] = [
    0x9fa0,
    0x6265_6572,
    0x1cd1,
    0x0027_e0eb,
    0x6367_7270,
    0x6462_6720,
    0x7472_6163,
    0x7363_6673,
    0xf97c_ff8c,
    0xcafe_4a11,
    0x6165_676c,
    0xde5e_81e4,
    0x6265_6570,
    0x4249_4e4d,
    0x6e73_6673,
    0x1980_0202,
];

/// Why an operation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The kernel's word for it.
    Os(Errno),
    /// A rule of ours.
    Refused(Refusal),
    /// A quota of the call.
    Exceeded,
}

impl From<Errno> for Fault {
    fn from(errno: Errno) -> Self {
        match errno {
            // What `RESOLVE_BENEATH` says of a path that leads out.
            Errno::XDEV => Self::Refused(Refusal::Outside),
            Errno::ACCESS | Errno::PERM => Self::Refused(Refusal::System),
            // A pipe without a reader, and a socket.
            Errno::NXIO => Self::Refused(Refusal::Special),
            errno => Self::Os(errno),
        }
    }
}

/// How a guest wants to open something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wish {
    flags: OFlags,
    create: bool,
    exclusive: bool,
    truncate: bool,
    /// Reading, writing, or both.
    pub(super) mode: OpenMode,
}

impl Wish {
    /// Reads the arguments of `open-at`.
    ///
    /// # Errors
    ///
    /// `unsupported` for synchronised writes, `invalid` for a directory that is
    /// to be created or truncated.
    pub(super) fn new(
        path: PathFlags,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> Result<Self, ErrorCode> {
        let synchronised = DescriptorFlags::FILE_INTEGRITY_SYNC
            | DescriptorFlags::DATA_INTEGRITY_SYNC
            | DescriptorFlags::REQUESTED_WRITE_SYNC;
        if flags.intersects(synchronised) {
            return Err(ErrorCode::Unsupported);
        }
        let changed = OpenFlags::CREATE | OpenFlags::EXCLUSIVE | OpenFlags::TRUNCATE;
        let directory = open.contains(OpenFlags::DIRECTORY);
        if directory && open.intersects(changed) {
            return Err(ErrorCode::Invalid);
        }
        let create = open.contains(OpenFlags::CREATE);
        let truncate = open.contains(OpenFlags::TRUNCATE);
        let write = flags.contains(DescriptorFlags::WRITE);
        let mut mode = OpenMode::empty();
        mode.set(
            OpenMode::READ,
            flags.contains(DescriptorFlags::READ) || !write,
        );
        mode.set(OpenMode::WRITE, write || create || truncate);
        let mut resolved = OFlags::empty();
        resolved.set(OFlags::NOFOLLOW, !path.contains(PathFlags::SYMLINK_FOLLOW));
        resolved.set(OFlags::DIRECTORY, directory);
        Ok(Self {
            flags: resolved,
            create,
            exclusive: open.contains(OpenFlags::EXCLUSIVE),
            truncate,
            mode,
        })
    }

    /// Whether it changes a file or may.
    pub(super) const fn writes(&self) -> bool {
        self.mode.contains(OpenMode::WRITE)
    }

    /// A pipe, and a file on which another program holds a lease, block whoever
    /// opens them without `NONBLOCK`.
    fn to_open(self) -> OFlags {
        let access = if !self.writes() {
            OFlags::RDONLY
        } else if self.mode.contains(OpenMode::READ) {
            OFlags::RDWR
        } else {
            OFlags::WRONLY
        };
        self.flags | access | OFlags::NONBLOCK | OFlags::NOCTTY
    }
}

/// Something that was opened.
pub(super) enum Opened {
    File(File),
    Directory(File),
}

/// Opens a regular file or a directory below `root`. A file that is made
/// counts as one of `DiskFiles`.
pub(super) fn open(root: &File, path: &str, wish: Wish, meter: &Meter) -> Result<Opened, Fault> {
    let opened = if wish.create {
        open_or_create(root, path, wish, meter)
    } else {
        existing(root, path, wish)
    }?;
    // Only now, when it is known what it is.
    if let (Opened::File(file), true) = (&opened, wish.truncate) {
        rustix::fs::ftruncate(file, 0)?;
    }
    Ok(opened)
}

fn open_or_create(root: &File, path: &str, wish: Wish, meter: &Meter) -> Result<Opened, Fault> {
    if !wish.exclusive {
        match existing(root, path, wish) {
            Err(Fault::Os(Errno::NOENT)) => {}
            found => return found,
        }
    }
    let flags = wish.to_open() | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW;
    match counted(meter, || Ok(beneath(root, path, flags, FILE)?)) {
        // Somebody else has just made it, or it is a link to nothing.
        Err(Fault::Os(Errno::EXIST)) if !wish.exclusive => existing(root, path, wish),
        made => Ok(Opened::File(made?.into())),
    }
}

fn existing(root: &File, path: &str, wish: Wish) -> Result<Opened, Fault> {
    // Opening a device can do something by itself, so it is looked at first;
    // and again, because it may be another one then.
    let seen = beneath(root, path, wish.flags | OFlags::PATH, Mode::empty())?;
    check(&seen, wish)?;
    let file = beneath(root, path, wish.to_open(), Mode::empty())?;
    let stat = check(&file, wish)?;
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => Opened::Directory(file.into()),
        _ => Opened::File(file.into()),
    })
}

fn check(file: &OwnedFd, wish: Wish) -> Result<Stat, Fault> {
    let stat = fstat(file)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => {}
        FileType::RegularFile if wish.writes() && is_privileged(&stat) => {
            return Err(Fault::Refused(Refusal::Privileged));
        }
        FileType::RegularFile => {}
        FileType::Symlink => return Err(Fault::Os(Errno::LOOP)),
        _ => return Err(Fault::Refused(Refusal::Special)),
    }
    if is_kernels(file)? {
        return Err(Fault::Refused(Refusal::Special));
    }
    Ok(stat)
}

/// A host that runs as root could write to such a file without the kernel
/// taking its rights away.
const fn is_privileged(stat: &Stat) -> bool {
    Mode::from_raw_mode(stat.st_mode).intersects(Mode::SUID.union(Mode::SGID))
}

/// Whether a file is one of the kernel's own, such as `/proc/self/environ`.
pub(super) fn is_kernels(file: impl AsFd) -> Result<bool, Errno> {
    Ok(KERNEL.contains(&fstatfs(file)?.f_type))
}

/// Makes a directory, which counts as one of `DiskFiles`.
pub(super) fn make_directory(root: &File, path: &str, meter: &Meter) -> Result<(), Fault> {
    if path.starts_with('/') {
        return Err(Fault::Refused(Refusal::Outside));
    }
    let (parent, name) = split(path);
    if name == ".." {
        beneath(root, path, OFlags::PATH, Mode::empty())?;
    }
    let parent = beneath(
        root,
        parent,
        OFlags::PATH | OFlags::DIRECTORY,
        Mode::empty(),
    )?;
    if is_kernels(&parent)? {
        return Err(Fault::Refused(Refusal::Special));
    }
    counted(meter, || Ok(mkdirat(&parent, name, DIRECTORY)?))
}

/// The text of a symbolic link that leads to something below `root`. Any other
/// would tell of the host's own paths.
pub(super) fn read_link(root: &File, path: &str) -> Result<String, Fault> {
    let link = beneath(root, path, OFlags::PATH | OFlags::NOFOLLOW, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&link)?.st_mode) != FileType::Symlink {
        return Err(Fault::Os(Errno::INVAL));
    }
    let target = readlinkat(&link, "", Vec::new())?;
    let target = target.into_string().map_err(|_not_text| Errno::ILSEQ)?;
    if target.starts_with('/') {
        return Err(Fault::Refused(Refusal::Outside));
    }
    let (parent, _) = split(path);
    let reached = format!("{parent}/{target}");
    beneath(root, &reached, OFlags::PATH, Mode::empty())?;
    Ok(target)
}

/// Refuses to list a directory that holds more than there is room for, or more
/// than the call may still list.
pub(super) fn spend_entries(meter: &Meter, directory: &File) -> Result<(), Fault> {
    let entries = count_at_most(directory, MAX_ENTRIES)?;
    let spent = meter.spend(Budget::Listed, entries as u64);
    spent.map_err(|_recorded_by_the_meter| Fault::Exceeded)
}

fn count_at_most(directory: &File, most: usize) -> Result<usize, Fault> {
    let entries = Dir::read_from(directory)?;
    match entries.take(most.saturating_add(1)).count() {
        count if count > most => Err(Fault::Os(Errno::OVERFLOW)),
        count => Ok(count),
    }
}

/// Whether a path leads out of the directory that it begins in.
pub(super) fn leads_out(root: &File, path: &str) -> bool {
    let found = beneath(root, path, OFlags::PATH, Mode::empty());
    matches!(found, Err(Errno::XDEV))
}

/// Makes something that counts as one of `DiskFiles`, if it can be made.
fn counted<T>(meter: &Meter, make: impl FnOnce() -> Result<T, Fault>) -> Result<T, Fault> {
    spend_file(meter)?;
    make().inspect_err(|_not_made| meter.refund(Budget::DiskFiles, 1))
}

/// Refuses one file more than the call may make.
pub(super) fn spend_file(meter: &Meter) -> Result<(), Fault> {
    let spent = meter.spend(Budget::DiskFiles, 1);
    spent.map_err(|_recorded_by_the_meter| Fault::Exceeded)
}

/// The directory of a relative path, and the name in it.
fn split(path: &str) -> (&str, &str) {
    let path = path.trim_end_matches('/');
    path.rsplit_once('/').unwrap_or((".", path))
}

fn beneath(root: impl AsFd, path: &str, flags: OFlags, mode: Mode) -> Result<OwnedFd, Errno> {
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let flags = flags | OFlags::CLOEXEC;
    for _ in 0..ATTEMPTS {
        match openat2(&root, path, flags, mode, resolve) {
            Err(Errno::AGAIN | Errno::INTR) => {}
            done => return done,
        }
    }
    Err(Errno::BUSY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_too_many_entries_is_not_listed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let directory = File::open(folder.path()).unwrap();
        // Two of them are `.` and `..`.
        assert_eq!(count_at_most(&directory, 5), Ok(5));
        let over = count_at_most(&directory, 4);
        assert_eq!(over, Err(Fault::Os(Errno::OVERFLOW)));
    }

    #[test]
    fn the_directory_of_a_path_is_told_from_its_name() {
        for (path, parts) in [
            ("a", (".", "a")),
            ("a/b", ("a", "b")),
            ("a/b//", ("a", "b")),
            ("a/..", ("a", "..")),
            ("", (".", "")),
        ] {
            assert_eq!(split(path), parts, "{path}");
        }
    }
}
