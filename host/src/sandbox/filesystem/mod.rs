//! Files: only in directories that were opened once, and every operation of
//! `wasi:filesystem` asks here first.
//!
//! wasmtime-wasi does the work where it can. Ours is who may do what and how
//! much of it ([`descriptor`], [`judge`], [`stream`]), what is said about a refusal
//! ([`refusal`]), and the few system calls in which the kind or the mode of a
//! file matters ([`open`]).

mod descriptor;
mod judge;
mod mounts;
mod open;
mod refusal;
mod share;
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use wasmtime::component::{HasData, Linker, Resource, ResourceTable};
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtx, WasiFilesystemCtxView};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::bindings::filesystem::{preopens, types};

use self::mounts::Mount;
pub(crate) use self::mounts::Mounts;
use self::refusal::Refusal;
pub(crate) use self::share::Descriptors;
use self::share::{Allowance, Slot};
use super::State;
use super::meter::Meter;
use super::observer::Observer;

/// The longest guest path that is remembered of an open file, in bytes.
const MAX_PATH: usize = 1024;

/// Offers `wasi:filesystem`.
pub(super) fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    types::add_to_linker::<State, Filesystem>(linker, State::files)?;
    preopens::add_to_linker::<State, Filesystem>(linker, State::files)
}

struct Filesystem;

impl HasData for Filesystem {
    type Data<'a> = View<'a>;
}

impl State {
    fn files(&mut self) -> View<'_> {
        View {
            files: &mut self.files,
            table: &mut self.table,
            meter: &self.meter,
            observer: &self.observer,
        }
    }
}

/// The files of one call.
pub(super) struct Files {
    /// What wasmtime-wasi keeps; it knows of no directory.
    wasi: WasiFilesystemCtx,
    mounts: Mounts,
    allowance: Allowance,
    open: BTreeMap<u32, Known>,
}

impl Files {
    /// Nothing is open yet.
    pub(super) fn new(mounts: &Mounts) -> Self {
        Self {
            wasi: WasiFilesystemCtx::default(),
            mounts: mounts.clone(),
            allowance: Allowance::of(mounts.descriptors()),
            open: BTreeMap::new(),
        }
    }
}

/// What is known of an open descriptor beside what wasmtime-wasi knows.
struct Known {
    mount: Arc<Mount>,
    /// As the guest sees it.
    path: String,
    /// None for a granted directory itself, which is open anyway.
    slot: Option<Arc<Slot>>,
}

/// What an operation names.
#[derive(Clone)]
struct Place {
    mount: Arc<Mount>,
    /// As the guest sees it.
    path: String,
}

/// The files of one call, with all that an operation needs.
struct View<'a> {
    files: &'a mut Files,
    table: &'a mut ResourceTable,
    meter: &'a Meter,
    observer: &'a Observer,
}

impl View<'_> {
    /// The same operations, without asking.
    fn wasi(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView {
            ctx: &mut self.files.wasi,
            table: self.table,
        }
    }

    fn known(&self, descriptor: &Resource<Descriptor>) -> Result<&Known, ErrorCode> {
        let known = self.files.open.get(&descriptor.rep());
        known.ok_or(ErrorCode::BadDescriptor)
    }

    /// What `path` means below a descriptor, in the guest's words. It is for
    /// people, and decides nothing.
    fn below(&self, directory: &Resource<Descriptor>, path: &str) -> Result<Place, ErrorCode> {
        let known = self.known(directory)?;
        let path = path.get(..path.floor_char_boundary(MAX_PATH));
        let (directory, path) = (known.path.trim_end_matches('/'), path.unwrap_or_default());
        let mut place = format!("{directory}/{path}");
        place.truncate(place.floor_char_boundary(MAX_PATH));
        Ok(Place {
            mount: Arc::clone(&known.mount),
            path: place,
        })
    }

    fn itself(&self, descriptor: &Resource<Descriptor>) -> Result<Place, ErrorCode> {
        let known = self.known(descriptor)?;
        Ok(Place {
            mount: Arc::clone(&known.mount),
            path: known.path.clone(),
        })
    }

    /// Adds a descriptor that was opened for the guest.
    fn add(
        &mut self,
        descriptor: Descriptor,
        place: Place,
        slot: Option<Arc<Slot>>,
    ) -> wasmtime::Result<Resource<Descriptor>> {
        let resource = self.table.push(descriptor)?;
        let Place { mount, path } = place;
        let known = Known { mount, path, slot };
        self.files.open.insert(resource.rep(), known);
        Ok(resource)
    }

    /// Refuses what would change a directory that is read-only.
    fn check_writable(&self, place: &Place) -> FsResult<()> {
        if place.mount.is_writable() {
            return Ok(());
        }
        Err(self.refuse(place, Refusal::ReadOnly))
    }

    /// Refuses to let a file of one directory appear in another: what may be
    /// done with it would depend on the way to it.
    fn check_same(&self, from: &Place, to: &Place) -> FsResult<()> {
        self.check_writable(from)?;
        self.check_writable(to)?;
        if Arc::ptr_eq(&from.mount, &to.mount) {
            return Ok(());
        }
        Err(self.refuse(to, Refusal::Across))
    }
}

impl preopens::Host for View<'_> {
    fn get_directories(&mut self) -> wasmtime::Result<Vec<(Resource<Descriptor>, String)>> {
        let mounts = self.files.mounts.clone();
        let each = mounts.iter().map(|mount| {
            let path = mount.guest().to_owned();
            let place = Place {
                mount: Arc::clone(mount),
                path: path.clone(),
            };
            let directory = Descriptor::Dir(mount.directory().clone());
            Ok((self.add(directory, place, None)?, path))
        });
        each.collect()
    }
}
