//! Directories of the host: opened once, when a skill is loaded, and held as
//! handles. What is renamed or replaced afterwards changes nothing about what
//! a skill sees.

use std::fmt;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

use cap_std::ambient_authority;
use cap_std::fs::{Dir, MetadataExt};
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{
    Descriptor, WasiFilesystem, WasiFilesystemCtx, WasiFilesystemView,
};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    DescriptorFlags, DescriptorType, ErrorCode, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};
use wasmtime_wasi::{FsPerms, WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use super::State;
use crate::error::{Error, Kind, Result};
use crate::policy::directory::{Access, DirectoryGrant};

/// Trees that hold no files of the operator's but handles into the kernel:
/// `/proc/self/environ` alone would undo most of the sandbox.
const REFUSED: [&str; 3] = ["/proc", "/sys", "/dev"];

/// The interface whose `open-at` is ours; the version is wasmtime-wasi's.
const TYPES: &str = "wasi:filesystem/types@0.2.12";

/// Offers `wasi:filesystem`, with an `open-at` of our own: a pipe or a device
/// would hold a thread of the host for as long as it likes.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, WasiFilesystem>(linker, State::filesystem)?;
    preopens::add_to_linker::<State, WasiFilesystem>(linker, State::filesystem)?;
    linker.allow_shadowing(true);
    linker.instance(TYPES)?.func_wrap_async(
        "[method]descriptor.open-at",
        |mut store: StoreContextMut<'_, State>, (directory, follow, path, open, flags): OpenAt| {
            Box::new(async move {
                let state = store.data_mut();
                let opened = state.open_at(directory, follow, path, open, flags).await;
                match opened.map_err(|error| error.downcast()) {
                    Ok(descriptor) => Ok((Ok(descriptor),)),
                    Err(code) => Ok((Err(code?),)),
                }
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Directory, path flags, path, open flags, descriptor flags.
type OpenAt = (
    Resource<Descriptor>,
    PathFlags,
    String,
    OpenFlags,
    DescriptorFlags,
);

impl State {
    /// Opens regular files and directories. What may not be opened is an event.
    async fn open_at(
        &mut self,
        directory: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
        open: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let borrowed = Resource::new_borrow(directory.rep());
        let mut files = self.filesystem();
        let found = files.stat_at(borrowed, follow, path.clone()).await;
        let opened = match found.map(|found| found.type_) {
            Ok(kind) if !is_plain(kind) => {
                self.observer.special_file(&path);
                return Err(ErrorCode::NotPermitted.into());
            }
            _ => {
                files
                    .open_at(directory, follow, path.clone(), open, flags)
                    .await
            }
        };
        opened.inspect_err(|error| {
            if matches!(
                error.downcast_ref(),
                Some(ErrorCode::NotPermitted | ErrorCode::ReadOnly)
            ) {
                let suffix = if flags.contains(DescriptorFlags::WRITE) {
                    ":rw"
                } else {
                    ""
                };
                self.observer.filesystem(&path, suffix);
            }
        })
    }
}

/// A link is judged by what it leads to, unless the guest opens the link itself.
const fn is_plain(kind: DescriptorType) -> bool {
    matches!(
        kind,
        DescriptorType::RegularFile | DescriptorType::Directory | DescriptorType::SymbolicLink
    )
}

/// The directories of one skill, open.
#[derive(Clone, Default)]
pub(crate) struct Mounts {
    preopens: WasiFilesystemCtx,
    count: usize,
}

impl Mounts {
    /// Opens the directories of a grant.
    ///
    /// # Errors
    ///
    /// `ConfigInvalid` for a directory that does not exist, that overlaps with
    /// another, or whose guest path is taken; `ConfigInsecure` for `/` and for
    /// what lies in `/proc`, `/sys` and `/dev`.
    pub(crate) fn open(grants: &[DirectoryGrant]) -> Result<Self> {
        let mut opened: Vec<Opened> = Vec::with_capacity(grants.len());
        for grant in grants {
            let directory = Opened::open(grant)?;
            for earlier in &opened {
                earlier.check_apart(&directory)?;
            }
            opened.push(directory);
        }
        Ok(Self {
            preopens: preopens(&opened)?,
            count: opened.len(),
        })
    }

    /// Gives a call these directories.
    pub(super) fn install(&self, wasi: &mut WasiCtx, table: &mut ResourceTable) {
        if self.count > 0 {
            *Only { wasi, table }.filesystem().ctx = self.preopens.clone();
        }
    }
}

impl fmt::Debug for Mounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mounts({})", self.count)
    }
}

/// A view of a context that is not yet in a store.
struct Only<'a> {
    wasi: &'a mut WasiCtx,
    table: &'a mut ResourceTable,
}

impl WasiView for Only<'_> {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView {
            ctx: self.wasi,
            table: self.table,
        }
    }
}

/// One open directory.
struct Opened {
    grant: DirectoryGrant,
    real: PathBuf,
    identity: (u64, u64),
    handle: Dir,
}

impl Opened {
    fn open(grant: &DirectoryGrant) -> Result<Self> {
        let real = grant
            .host
            .canonicalize()
            .map_err(|cause| missing(grant, &cause))?;
        check_allowed(grant, &real)?;
        let handle = Dir::open_ambient_dir(&real, ambient_authority())
            .map_err(|cause| missing(grant, &cause))?;
        let metadata = handle
            .dir_metadata()
            .map_err(|cause| missing(grant, &cause))?;
        Ok(Self {
            grant: grant.clone(),
            real,
            identity: (metadata.dev(), metadata.ino()),
            handle,
        })
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
        let overlap = self.identity == other.identity
            || self.real.starts_with(&other.real)
            || other.real.starts_with(&self.real);
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

fn check_allowed(grant: &DirectoryGrant, real: &Path) -> Result<()> {
    let refused = real == Path::new("/") || REFUSED.iter().any(|tree| real.starts_with(tree));
    if !refused {
        return Ok(());
    }
    Err(Error::new(
        Kind::ConfigInsecure,
        format!(
            "The directory {} may not be granted: it reaches the host itself.",
            grant.host.display()
        ),
    )
    .with_hint("Grant a directory that holds only what the skill needs."))
}

/// Builds the guest's view once. wasmtime-wasi opens preopens by path; the
/// path of our handle is the handle.
fn preopens(opened: &[Opened]) -> Result<WasiFilesystemCtx> {
    let mut builder = WasiCtxBuilder::new();
    for directory in opened {
        let perms = match directory.grant.access {
            Access::ReadOnly => FsPerms::ReadOnly,
            Access::ReadWrite => FsPerms::ReadWrite,
        };
        let path = format!("/proc/self/fd/{}", directory.handle.as_raw_fd());
        builder
            .preopened_dir(path, &directory.grant.guest, perms)
            .map_err(|cause| {
                missing(&directory.grant, &std::io::Error::other(cause.to_string()))
            })?;
    }
    let mut wasi = builder.build();
    let mut table = ResourceTable::new();
    let mut view = Only {
        wasi: &mut wasi,
        table: &mut table,
    };
    Ok(view.filesystem().ctx.clone())
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

    fn open(grants: &[&str]) -> Result<Mounts, Kind> {
        let grants: Vec<DirectoryGrant> = grants.iter().map(|it| it.parse().unwrap()).collect();
        Mounts::open(&grants).map_err(|error| error.kind())
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
