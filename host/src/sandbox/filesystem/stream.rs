//! Streams on files: what is written counts against the call's quota, and a
//! file is held open as long as a stream on it is.

use std::fs::File;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use rustix::io::Errno;
use wasmtime_wasi::async_trait;
use wasmtime_wasi::p2::bindings::filesystem::types::Filesize;
use wasmtime_wasi::p2::{
    DynInputStream, InputStream, OutputStream, Pollable, StreamError, StreamResult,
};
use wasmtime_wasi::runtime::{AbortOnDropJoinHandle, spawn_blocking};

use super::share::Slot;
use crate::sandbox::meter::{Budget, Meter};

/// Bytes that a guest may write at once.
const WINDOW: usize = 64 * 1024;

/// A file that bytes are written to, and who counts them.
#[derive(Clone)]
pub(super) struct Target {
    pub(super) file: Arc<File>,
    pub(super) meter: Meter,
}

impl Target {
    /// Writes bytes at an offset, or at the end, and returns how many.
    pub(super) fn write(&self, bytes: &[u8], offset: Option<u64>) -> io::Result<u64> {
        let length = bytes.len() as u64;
        self.spend(match offset {
            // What lies between the end and the offset becomes part of the file.
            Some(offset) => self.growth(offset.saturating_add(length))?.max(length),
            None => length,
        })?;
        match offset {
            Some(offset) => std::os::unix::fs::FileExt::write_all_at(&*self.file, bytes, offset)?,
            None => append(&self.file, bytes)?,
        }
        Ok(length)
    }

    /// Makes the file as long as `size`.
    pub(super) fn set_size(&self, size: u64) -> io::Result<()> {
        self.spend(self.growth(size)?)?;
        self.file.set_len(size)
    }

    fn growth(&self, end: u64) -> io::Result<u64> {
        Ok(end.saturating_sub(self.file.metadata()?.len()))
    }

    fn spend(&self, bytes: u64) -> io::Result<()> {
        let spent = self.meter.spend(Budget::DiskBytes, bytes);
        spent.map_err(|_recorded_by_the_meter| Errno::NOSPC.into())
    }
}

/// Several streams on one file must not overwrite each other, so that the
/// kernel finds the end.
fn append(file: &File, mut bytes: &[u8]) -> io::Result<()> {
    use rustix::io::{ReadWriteFlags, pwritev2};
    while !bytes.is_empty() {
        let slices = [io::IoSlice::new(bytes)];
        match pwritev2(file, &slices, 0, ReadWriteFlags::APPEND) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = bytes.get(written..).unwrap_or_default(),
            Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// A stream that writes to a file, one piece at a time.
pub(super) struct Writer {
    target: Target,
    offset: Option<Filesize>,
    work: Work,
    _slot: Option<Arc<Slot>>,
}

enum Work {
    Idle,
    Writing(AbortOnDropJoinHandle<io::Result<u64>>),
    Failed(io::Error),
    Closed,
}

impl Writer {
    /// Writes from `offset` on, or at the end of the file.
    pub(super) const fn new(
        target: Target,
        offset: Option<Filesize>,
        slot: Option<Arc<Slot>>,
    ) -> Self {
        Self {
            target,
            offset,
            work: Work::Idle,
            _slot: slot,
        }
    }

    /// An error is told once; after it the stream is closed.
    fn check(&mut self) -> StreamResult<bool> {
        match std::mem::replace(&mut self.work, Work::Closed) {
            Work::Failed(error) => return Err(StreamError::LastOperationFailed(error.into())),
            Work::Closed => return Err(StreamError::Closed),
            other => self.work = other,
        }
        Ok(matches!(self.work, Work::Idle))
    }
}

#[async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if !self.check()? {
            return Err(StreamError::trap("a write began before the last one ended"));
        }
        let (target, offset) = (self.target.clone(), self.offset);
        self.work = Work::Writing(spawn_blocking(move || target.write(&bytes, offset)));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        self.check().map(drop)
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(if self.check()? { WINDOW } else { 0 })
    }

    async fn cancel(&mut self) {
        if let Work::Writing(task) = std::mem::replace(&mut self.work, Work::Closed) {
            // Waits for the write that has begun: what is closed writes no more.
            let _written = task.cancel().await;
        }
    }
}

#[async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        let Work::Writing(task) = &mut self.work else {
            return;
        };
        self.work = match task.await {
            Ok(written) => {
                self.offset = self.offset.map(|offset| offset.saturating_add(written));
                Work::Idle
            }
            Err(error) => Work::Failed(error),
        };
    }
}

/// A stream that reads from a file.
pub(super) struct Reader {
    stream: DynInputStream,
    _slot: Option<Arc<Slot>>,
}

impl Reader {
    pub(super) const fn new(stream: DynInputStream, slot: Option<Arc<Slot>>) -> Self {
        Self {
            stream,
            _slot: slot,
        }
    }
}

#[async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.stream.read(size)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.stream.blocking_read(size).await
    }

    async fn cancel(&mut self) {
        self.stream.cancel().await;
    }
}

#[async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        self.stream.ready().await;
    }
}
