//! `FileByteStream`: a file as a byte stream, read and written at offsets on the platform's IO queue.

use std::fmt;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::byte_stream::in_flight::InFlight;
use crate::byte_stream::open::{AccessMode, FileFlags, OpenMode, open};
use crate::byte_stream::position::{Claim, Position};
use crate::byte_stream::{
    ByteStream, ByteStreamCapabilities, Request, SeekFlags, SeekOrigin, closed, require, seek_target,
};
use crate::cancel::CancelCookie;
use crate::completion::{Call, Identity};
use crate::error::{Error, Hresult, Result};
use crate::queue::Queues;
use crate::sync::LockExt;
use crate::tracker::TrackerHandle;

/// A file as a byte stream; [`Platform::create_file`](crate::Platform::create_file) and
/// [`Platform::open_file`](crate::Platform::open_file) open one.
///
/// Clones are the same stream. Its position is independent of any file handle's, and may be past the end of the file.
/// A Begin call fixes offset and count: a read takes at most the bytes that the file has at that time, and the
/// position moves by that number. So several reads and writes may be in flight, each with its own part of the file.
/// The length is asked of the system each time, so the stream sees a file grow and shrink. A read that finds the file
/// cut off after its Begin ends short, and the position stays.
///
/// Only regular files with a length are opened. A pipe and a device are refused with `E_INVALIDARG`, and so are files that
/// hide their length, as those in `/proc` do: [`ByteStreamFromIo`](crate::byte_stream::ByteStreamFromIo) reads them.
///
/// Reads and writes are items of [`QueueId::IO`](crate::QueueId::IO) that run on the runtime's blocking
/// pool; they never wait for the STANDARD queue, and the IO queue goes on meanwhile.
///
/// A write ends when all of its bytes are with the operating system; the stream has no buffers, so that
/// [`flush`](ByteStream::flush) has nothing to do, and does not wait for the disk.
///
/// [`close`](ByteStream::close) cancels all requests, and a read is cancelled by its own operation. A request that has not run yet never runs. A request that is in a system call
/// goes on, its outcome is dropped, and the file's handle is closed after it.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use mf_async::byte_stream::{AccessMode, FileFlags, OpenMode};
/// use mf_async::{ByteStream, ByteStreamExt, Platform};
///
/// # let folder = tempfile::tempdir()?;
/// # let path = folder.path().join("header.bin");
/// let platform = Platform::startup()?;
/// let file =
///     platform.open_file(AccessMode::ReadWrite, OpenMode::DeleteIfExist, FileFlags::empty(), &path).await?;
/// file.write_all(b"ftyp".to_vec()).await?;
/// file.set_position(0)?;
/// assert_eq!(file.read(vec![0; 64]).await?, b"ftyp");
/// # drop(file);
/// platform.shutdown().await
/// # }
/// ```
#[doc(alias = "MFCreateFile")]
#[derive(Clone)]
pub struct FileByteStream(Arc<Inner>);

impl FileByteStream {
    /// Opens a file. Blocks.
    pub(crate) fn open(
        queues: &Arc<Queues>,
        access: AccessMode,
        mode: OpenMode,
        flags: FileFlags,
        path: &Path,
    ) -> Result<FileByteStream> {
        let (file, position) = open(access, mode, flags, path)?;
        let state = State {
            file: Some(Arc::new(file)),
            position: Position::new(position),
            in_flight: InFlight::default(),
        };
        Ok(FileByteStream(Arc::new(Inner {
            queues: queues.clone(),
            path: path.to_owned(),
            capabilities: access.capabilities(flags),
            state: Mutex::new(state),
        })))
    }

    /// The path that the file was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl ByteStream for FileByteStream {
    fn tracker(&self) -> Option<&TrackerHandle> {
        Some(self.0.queues.tracker.handle())
    }

    fn capabilities(&self) -> ByteStreamCapabilities {
        self.0.capabilities
    }

    fn length(&self) -> Result<Option<u64>> {
        let file = self.0.state().file(&self.0, "ask for the length of")?;
        self.0.length_of(&file).map(Some)
    }

    fn set_length(&self, length: u64) -> Result<()> {
        require(self.0.capabilities, ByteStreamCapabilities::WRITABLE, &self.0)?;
        let file = self.0.state().file(&self.0, "set the length of")?;
        in_range(length, 0)?;
        file.set_len(length)
            .map_err(|error| Error::io(format_args!("set the length of {} to {length}", self.0), error))
    }

    fn position(&self) -> Result<u64> {
        let state = self.0.state();
        state.file(&self.0, "ask for the position of").map(|_| state.position.at())
    }

    fn set_position(&self, position: u64) -> Result<()> {
        let mut state = self.0.state();
        state.file(&self.0, "set the position of")?;
        in_range(position, 0)?;
        state.position.set(position);
        Ok(())
    }

    fn is_end_of_stream(&self) -> Result<bool> {
        let (file, position) = {
            let state = self.0.state();
            (state.file(&self.0, "ask for the end of")?, state.position.at())
        };
        Ok(position >= self.0.length_of(&file)?)
    }

    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.begin_cancellable_read(buffer, callback, state).map(drop)
    }

    fn begin_cancellable_read(
        &self,
        mut buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Option<CancelCookie>> {
        require(self.0.capabilities, ByteStreamCapabilities::READABLE, &self.0)?;
        let request = Request::new(&self.0.queues, Identity::of(&self.0), READ, callback, state)?;
        let (claimed, count) =
            self.0.claim_read(buffer.len(), Some(&request)).inspect_err(|_| request.withdraw())?;
        buffer.truncate(count);
        if count == 0 {
            return request.complete_at_once(Ok(buffer)).map(|()| None);
        }
        let FileClaim { file, offset, claim } = claimed;
        let stream = self.0.clone();
        request.undo_if_cancelled(move || stream.unclaim(claim, offset));
        let stream = self.0.clone();
        let body = move || {
            let read = read_full(&file, &mut buffer, offset)
                .map_err(|error| stream.failed("read", count, offset, error))?;
            buffer.truncate(read);
            Ok(buffer)
        };
        request.run_blocking(body).inspect_err(|_| self.0.unclaim(claim, offset))?;
        Ok(Some(CancelCookie::of(&request)))
    }

    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>> {
        Call::end(&Identity::of(&self.0), READ, result)
    }

    fn begin_write(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        require(self.0.capabilities, ByteStreamCapabilities::WRITABLE, &self.0)?;
        let request = Request::new(&self.0.queues, Identity::of(&self.0), WRITE, callback, state)?;
        let count = buffer.len();
        let claimed = self.0.claim_write(count, Some(&request)).inspect_err(|_| request.withdraw())?;
        if count == 0 {
            return request.complete_at_once(Ok((0, buffer)));
        }
        let FileClaim { file, offset, claim } = claimed;
        let stream = self.0.clone();
        let body = move || {
            write_full(&file, &buffer, offset)
                .map_err(|error| stream.failed("write", count, offset, error))?;
            Ok((count, buffer))
        };
        request.run_blocking(body).inspect_err(|_| self.0.unclaim(claim, offset))
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        Call::end(&Identity::of(&self.0), WRITE, result)
    }

    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64> {
        let mut state = self.0.state();
        state.file(&self.0, "seek in")?;
        let position = seek_target(state.position.at(), origin, offset)?;
        in_range(position, 0)?;
        state.position.set(position);
        if flags.contains(SeekFlags::CANCEL_PENDING_IO) {
            let in_flight = state.in_flight.take();
            drop(state);
            in_flight.cancel_all("a seek that cancels pending I/O");
        }
        Ok(position)
    }

    fn flush(&self) -> Result<()> {
        self.0.state().file(&self.0, "flush").map(drop)
    }

    fn close(&self) -> Result<()> {
        let mut state = self.0.state();
        let file = state.file.take();
        let in_flight = state.in_flight.take();
        drop(state);
        in_flight.cancel_all("the byte stream was closed");
        drop(file);
        Ok(())
    }

    fn blocking_read(&self, buffer: &mut [u8]) -> Result<usize> {
        require(self.0.capabilities, ByteStreamCapabilities::READABLE, &self.0)?;
        let (FileClaim { file, offset, .. }, count) = self.0.claim_read(buffer.len(), None)?;
        read_full(&file, buffer.get_mut(..count).unwrap_or_default(), offset)
            .map_err(|error| self.0.failed("read", count, offset, error))
    }

    fn blocking_write(&self, buffer: &[u8]) -> Result<usize> {
        require(self.0.capabilities, ByteStreamCapabilities::WRITABLE, &self.0)?;
        let FileClaim { file, offset, .. } = self.0.claim_write(buffer.len(), None)?;
        write_full(&file, buffer, offset)
            .map_err(|error| self.0.failed("write", buffer.len(), offset, error))?;
        Ok(buffer.len())
    }
}

impl fmt::Debug for FileByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("FileByteStream")
            .field("path", &self.0.path)
            .field("position", &state.position.at())
            .field("open", &state.file.is_some())
            .finish()
    }
}

/// What the clones of a stream share.
struct Inner {
    queues: Arc<Queues>,
    path: PathBuf,
    capabilities: ByteStreamCapabilities,
    state: Mutex<State>,
}

struct State {
    /// `None` when the stream is closed. A request in flight holds the file as well, until its system call returns.
    file: Option<Arc<File>>,
    position: Position,
    in_flight: InFlight,
}

impl State {
    fn file(&self, stream: &Inner, doing: &str) -> Result<Arc<File>> {
        self.file.clone().ok_or_else(|| closed(stream, doing))
    }
}

/// What a request has taken at its Begin.
struct FileClaim {
    file: Arc<File>,
    offset: u64,
    claim: Claim,
}

/// Its value is the number of bytes written, and the buffer.
type WriteRequest = Request<(usize, Vec<u8>)>;

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }

    /// Takes up to `wanted` bytes for a read, and returns how many.
    fn claim_read(
        &self,
        wanted: usize,
        request: Option<&Arc<Request<Vec<u8>>>>,
    ) -> Result<(FileClaim, usize)> {
        let mut state = self.state();
        let file = state.file(self, "read from")?;
        let offset = state.position.at();
        let left = self.length_of(&file)?.saturating_sub(offset);
        let count = usize::try_from(left).map_or(wanted, |left| left.min(wanted));
        let claim = state.position.claim(offset.saturating_add(count as u64));
        if let Some(request) = request {
            state.in_flight.push(request);
        }
        Ok((FileClaim { file, offset, claim }, count))
    }

    /// Takes the range of a write of `count` bytes.
    fn claim_write(&self, count: usize, request: Option<&Arc<WriteRequest>>) -> Result<FileClaim> {
        let mut state = self.state();
        let file = state.file(self, "write to")?;
        let offset = state.position.at();
        let claim = state.position.claim(in_range(offset, count)?);
        if let Some(request) = request {
            state.in_flight.push(request);
        }
        Ok(FileClaim { file, offset, claim })
    }

    /// Moves the position back when a request was refused or cancelled, unless the position has moved on since.
    fn unclaim(&self, claim: Claim, offset: u64) {
        self.state().position.give_back(claim, offset);
    }

    fn length_of(&self, file: &File) -> Result<u64> {
        file.metadata()
            .map(|metadata| metadata.len())
            .map_err(|error| Error::io(format_args!("ask for the length of {self}"), error))
    }

    fn failed(&self, verb: &str, count: usize, offset: u64, error: io::Error) -> Error {
        Error::io(format_args!("{verb} {count} bytes at {offset} of {self}"), error)
    }
}

impl fmt::Display for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the file {}", self.path.display())
    }
}

/// The end of `count` bytes from `offset`, or `E_INVALIDARG` if no file can reach that far.
fn in_range(offset: u64, count: usize) -> Result<u64> {
    offset.checked_add(count as u64).filter(|end| *end <= FARTHEST).ok_or_else(|| {
        let what = format!("go to {count} bytes past {offset}, where no file can reach");
        Error::new(Hresult::E_INVALIDARG, what)
    })
}

/// Reads until the buffer is full or the file ends.
fn read_full(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match system::read_at(file, &mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

fn write_full(file: &File, buffer: &[u8], offset: u64) -> io::Result<()> {
    let mut done = 0;
    while done < buffer.len() {
        match system::write_at(file, &buffer[done..], offset + done as u64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(unix)]
mod system {
    use std::os::unix::fs::FileExt;

    pub(super) fn read_at(file: &std::fs::File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        file.read_at(buffer, offset)
    }

    pub(super) fn write_at(file: &std::fs::File, buffer: &[u8], offset: u64) -> std::io::Result<usize> {
        file.write_at(buffer, offset)
    }
}

#[cfg(windows)]
mod system {
    use std::os::windows::fs::FileExt;

    // These move the handle's position, which this file does not use.
    pub(super) fn read_at(file: &std::fs::File, buffer: &mut [u8], offset: u64) -> std::io::Result<usize> {
        file.seek_read(buffer, offset)
    }

    pub(super) fn write_at(file: &std::fs::File, buffer: &[u8], offset: u64) -> std::io::Result<usize> {
        file.seek_write(buffer, offset)
    }
}

/// The largest offset: 2^63 - 1, because every system has signed 64-bit offsets.
const FARTHEST: u64 = i64::MAX.unsigned_abs();

const READ: &str = "a read from a file";
const WRITE: &str = "a write to a file";
