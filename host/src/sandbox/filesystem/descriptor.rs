//! Every operation on files and directories: what may be refused is judged
//! here, what costs disk is counted, and the rest is passed on.

use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{self, Descriptor};
use wasmtime_wasi::p2::bindings::filesystem::types::{
    self, Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry,
    DirectoryEntryStream, ErrorCode, Filesize, HostDescriptor, HostDirectoryEntryStream,
    MetadataHashValue, NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};
use wasmtime_wasi::runtime::spawn_blocking;

use super::View;
use super::open::{self, Opened, Wish};
use super::refusal::Refusal;
use super::stream::{Reader, Writer};
use crate::sandbox::meter::Budget;

/// Descriptors of the guest's own, as wasmtime-wasi takes them.
fn again(fd: &Resource<Descriptor>) -> Resource<Descriptor> {
    Resource::new_borrow(fd.rep())
}

impl types::Host for View<'_> {
    fn convert_error_code(&mut self, error: FsError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> wasmtime::Result<Option<ErrorCode>> {
        types::Host::filesystem_error_code(&mut self.wasi(), error)
    }
}

impl HostDescriptor for View<'_> {
    async fn open_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
        how: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let place = self.below(&fd, &path)?;
        let wish = Wish::new(follow, how, flags)?;
        if wish.writes() {
            self.check_writable(&place)?;
        }
        let slot = self.slot(&place)?;
        let opened = self.work(&fd, path, move |root, path, meter| {
            open::open(root, path, wish, meter)
        });
        let opened = match opened.await? {
            Opened::File(file) => {
                let perms = place.mount.perms();
                Descriptor::File(filesystem::File::new(file, perms, wish.mode, false))
            }
            Opened::Directory(directory) => {
                let perms = place.mount.perms();
                Descriptor::Dir(filesystem::Dir::new(directory, perms, wish.mode, false))
            }
        };
        self.add(opened, place, Some(slot)).map_err(FsError::trap)
    }

    fn drop(&mut self, fd: Resource<Descriptor>) -> wasmtime::Result<()> {
        self.files.open.remove(&fd.rep());
        HostDescriptor::drop(&mut self.wasi(), fd)
    }

    async fn create_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.check_writable(&self.below(&fd, &path)?)?;
        self.work(&fd, path, open::make_directory).await
    }

    async fn remove_directory_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
    ) -> FsResult<()> {
        self.check_writable(&self.below(&fd, &path)?)?;
        let (named, again) = (path.clone(), again(&fd));
        let done = self.wasi().remove_directory_at(again, named).await;
        self.judged(done, &[(&fd, &path)]).await
    }

    async fn unlink_file_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<()> {
        self.check_writable(&self.below(&fd, &path)?)?;
        let (named, again) = (path.clone(), again(&fd));
        let done = self.wasi().unlink_file_at(again, named).await;
        self.judged(done, &[(&fd, &path)]).await
    }

    async fn rename_at(
        &mut self,
        fd: Resource<Descriptor>,
        path: String,
        new: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        self.check_both((&fd, &path), (&new, &new_path))?;
        let (from, to) = (again(&fd), again(&new));
        let paths = (path.clone(), new_path.clone());
        let done = self.wasi().rename_at(from, paths.0, to, paths.1).await;
        let named = [(&fd, &*path), (&new, &*new_path)];
        self.judged(done, &named).await
    }

    async fn link_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
        new: Resource<Descriptor>,
        new_path: String,
    ) -> FsResult<()> {
        self.check_both((&fd, &path), (&new, &new_path))?;
        let place = self.below(&new, &new_path)?;
        open::spend_file(self.meter).map_err(|fault| self.fault(&place, fault))?;
        let (from, to) = (again(&fd), again(&new));
        let paths = (path.clone(), new_path.clone());
        let mut wasi = self.wasi();
        let linked = wasi.link_at(from, follow, paths.0, to, paths.1);
        let done = linked.await;
        if done.is_err() {
            self.meter.refund(Budget::DiskFiles, 1);
        }
        let named = [(&fd, &*path), (&new, &*new_path)];
        self.judged(done, &named).await
    }

    /// Refused everywhere: a link is an instruction to whoever opens it later,
    /// and programs of the host follow links out of the directory.
    async fn symlink_at(
        &mut self,
        fd: Resource<Descriptor>,
        _target: String,
        path: String,
    ) -> FsResult<()> {
        let place = self.below(&fd, &path)?;
        self.check_writable(&place)?;
        Err(self.refuse(&place, Refusal::Link))
    }

    async fn readlink_at(&mut self, fd: Resource<Descriptor>, path: String) -> FsResult<String> {
        self.work(&fd, path, |root, path, _| open::read_link(root, path))
            .await
    }

    async fn write(
        &mut self,
        fd: Resource<Descriptor>,
        bytes: Vec<u8>,
        offset: Filesize,
    ) -> FsResult<Filesize> {
        let target = self.target(&fd)?;
        Ok(spawn_blocking(move || target.write(&bytes, Some(offset))).await?)
    }

    fn write_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynOutputStream>> {
        let (target, slot) = (self.target(&fd)?, self.slot_of(&fd)?);
        let writer: DynOutputStream = Box::new(Writer::new(target, Some(offset), slot));
        Ok(self.table.push(writer)?)
    }

    fn append_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DynOutputStream>> {
        let (target, slot) = (self.target(&fd)?, self.slot_of(&fd)?);
        let writer: DynOutputStream = Box::new(Writer::new(target, None, slot));
        Ok(self.table.push(writer)?)
    }

    fn read_via_stream(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
    ) -> FsResult<Resource<DynInputStream>> {
        let slot = self.slot_of(&fd)?;
        let stream = self.wasi().read_via_stream(fd, offset)?;
        let stream = self.table.delete(stream)?;
        let reader: DynInputStream = Box::new(Reader::new(stream, slot));
        Ok(self.table.push(reader)?)
    }

    async fn set_size(&mut self, fd: Resource<Descriptor>, size: Filesize) -> FsResult<()> {
        let target = self.target(&fd)?;
        Ok(spawn_blocking(move || target.set_size(size)).await?)
    }

    async fn set_times(
        &mut self,
        fd: Resource<Descriptor>,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.check_writable(&self.itself(&fd)?)?;
        self.wasi().set_times(fd, accessed, modified).await
    }

    async fn set_times_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
        accessed: NewTimestamp,
        modified: NewTimestamp,
    ) -> FsResult<()> {
        self.check_writable(&self.below(&fd, &path)?)?;
        let (named, again) = (path.clone(), again(&fd));
        let mut wasi = self.wasi();
        let set = wasi.set_times_at(again, follow, named, accessed, modified);
        let done = set.await;
        self.judged(done, &[(&fd, &path)]).await
    }

    async fn read_directory(
        &mut self,
        fd: Resource<Descriptor>,
    ) -> FsResult<Resource<DirectoryEntryStream>> {
        let directory = self.directory(&fd)?;
        let meter = self.meter.clone();
        let checked = spawn_blocking(move || open::spend_entries(&meter, &directory)).await;
        let place = self.itself(&fd)?;
        checked.map_err(|fault| self.fault(&place, fault))?;
        self.wasi().read_directory(fd).await
    }

    async fn stat_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
    ) -> FsResult<DescriptorStat> {
        let (named, again) = (path.clone(), again(&fd));
        let done = self.wasi().stat_at(again, follow, named).await;
        self.judged(done, &[(&fd, &path)]).await
    }

    async fn metadata_hash_at(
        &mut self,
        fd: Resource<Descriptor>,
        follow: PathFlags,
        path: String,
    ) -> FsResult<MetadataHashValue> {
        let (named, again) = (path.clone(), again(&fd));
        let done = self.wasi().metadata_hash_at(again, follow, named).await;
        self.judged(done, &[(&fd, &path)]).await
    }

    // What follows touches only what is open already, and costs no disk.

    async fn read(
        &mut self,
        fd: Resource<Descriptor>,
        length: Filesize,
        offset: Filesize,
    ) -> FsResult<(Vec<u8>, bool)> {
        self.wasi().read(fd, length, offset).await
    }

    async fn advise(
        &mut self,
        fd: Resource<Descriptor>,
        offset: Filesize,
        length: Filesize,
        advice: Advice,
    ) -> FsResult<()> {
        self.wasi().advise(fd, offset, length, advice).await
    }

    async fn sync(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.wasi().sync(fd).await
    }

    async fn sync_data(&mut self, fd: Resource<Descriptor>) -> FsResult<()> {
        self.wasi().sync_data(fd).await
    }

    async fn get_flags(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorFlags> {
        self.wasi().get_flags(fd).await
    }

    async fn get_type(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorType> {
        self.wasi().get_type(fd).await
    }

    async fn stat(&mut self, fd: Resource<Descriptor>) -> FsResult<DescriptorStat> {
        self.wasi().stat(fd).await
    }

    async fn metadata_hash(&mut self, fd: Resource<Descriptor>) -> FsResult<MetadataHashValue> {
        self.wasi().metadata_hash(fd).await
    }

    async fn is_same_object(
        &mut self,
        one: Resource<Descriptor>,
        other: Resource<Descriptor>,
    ) -> wasmtime::Result<bool> {
        self.wasi().is_same_object(one, other).await
    }
}

impl HostDirectoryEntryStream for View<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        self.wasi().read_directory_entry(stream).await
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> wasmtime::Result<()> {
        HostDirectoryEntryStream::drop(&mut self.wasi(), stream)
    }
}
