//! What an operation begins and ends with: whether it may be done, room for
//! it, a thread to do it on, and what its failure is to the guest.

use std::fs::File;
use std::sync::Arc;

use wasmtime::component::Resource;
use wasmtime_wasi::OpenMode;
use wasmtime_wasi::filesystem::{self, Descriptor};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{FsError, FsResult};
use wasmtime_wasi::runtime::spawn_blocking;

use super::open::{self, Fault};
use super::refusal::Refusal;
use super::share::Slot;
use super::stream::Target;
use super::{Place, View};
use crate::sandbox::meter::{Budget, Meter};

impl View<'_> {
    /// A descriptor of a file.
    pub(super) fn file(&self, fd: &Resource<Descriptor>) -> FsResult<filesystem::File> {
        match self.table.get(fd)? {
            Descriptor::File(file) => Ok(file.clone()),
            Descriptor::Dir(_) => Err(ErrorCode::BadDescriptor.into()),
        }
    }

    /// A descriptor of a directory.
    pub(super) fn directory(&self, fd: &Resource<Descriptor>) -> FsResult<Arc<File>> {
        match self.table.get(fd)? {
            Descriptor::Dir(directory) => Ok(Arc::clone(&directory.dir)),
            Descriptor::File(_) => Err(ErrorCode::NotDirectory.into()),
        }
    }

    /// Where to write what is written to a file.
    pub(super) fn target(&self, fd: &Resource<Descriptor>) -> FsResult<Target> {
        self.check_writable(&self.itself(fd)?)?;
        let file = self.file(fd)?;
        if !file.open_mode.contains(OpenMode::WRITE) {
            return Err(ErrorCode::BadDescriptor.into());
        }
        Ok(Target {
            file: file.file,
            meter: self.meter.clone(),
        })
    }

    /// Room for one more open file.
    pub(super) fn slot(&mut self, place: &Place) -> FsResult<Arc<Slot>> {
        let held = self.meter.hold(Budget::OpenFiles);
        let held = held.map_err(|_recorded_by_the_meter| ErrorCode::Quota)?;
        match self.files.allowance.take(held) {
            Some(slot) => Ok(Arc::new(slot)),
            None => Err(self.refuse(place, Refusal::Exhausted)),
        }
    }

    pub(super) fn slot_of(&self, fd: &Resource<Descriptor>) -> FsResult<Option<Arc<Slot>>> {
        Ok(self.known(fd)?.slot.clone())
    }

    /// What a fault is to the guest; a refusal is recorded.
    pub(super) fn fault(&self, place: &Place, fault: Fault) -> FsError {
        match fault {
            Fault::Os(errno) => std::io::Error::from(errno).into(),
            Fault::Refused(refusal) => self.refuse(place, refusal),
            Fault::Exceeded => ErrorCode::InsufficientSpace.into(),
        }
    }

    /// Does work below a directory on a thread that may block.
    pub(super) async fn work<T: Send + 'static>(
        &mut self,
        fd: &Resource<Descriptor>,
        path: String,
        work: impl FnOnce(&File, &str, &Meter) -> Result<T, Fault> + Send + 'static,
    ) -> FsResult<T> {
        let place = self.below(fd, &path)?;
        let (directory, meter) = (self.directory(fd)?, self.meter.clone());
        let done = spawn_blocking(move || work(&directory, &path, &meter)).await;
        done.map_err(|fault| self.fault(&place, fault))
    }

    /// Records it if wasmtime-wasi or the operating system refused what was
    /// named by paths: the one that leads out, if one does.
    pub(super) async fn judged<T>(
        &mut self,
        done: FsResult<T>,
        named: &[(&Resource<Descriptor>, &str)],
    ) -> FsResult<T> {
        if !done.as_ref().is_err_and(is_refusal) {
            return done;
        }
        let mut refused = None;
        for (fd, path) in named {
            let place = self.below(fd, path)?;
            let (root, path) = (self.directory(fd)?, (*path).to_owned());
            if spawn_blocking(move || open::leads_out(&root, &path)).await {
                return Err(self.refuse(&place, Refusal::Outside));
            }
            refused = Some(place);
        }
        if let Some(place) = refused {
            self.record(&place, Refusal::System);
        }
        done
    }

    /// Two paths of one operation: both in directories that may be changed, and
    /// in the same one.
    pub(super) fn check_both(
        &self,
        from: (&Resource<Descriptor>, &str),
        to: (&Resource<Descriptor>, &str),
    ) -> FsResult<()> {
        self.check_same(&self.below(from.0, from.1)?, &self.below(to.0, to.1)?)
    }
}

fn is_refusal(error: &FsError) -> bool {
    matches!(
        error.downcast_ref(),
        Some(ErrorCode::NotPermitted | ErrorCode::Access | ErrorCode::ReadOnly)
    )
}
