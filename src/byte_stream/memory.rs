//! `MemoryByteStream`: bytes in memory as a byte stream. It grows as it is written.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::byte_stream::{
    ByteStream, ByteStreamCapabilities, Request, SeekFlags, SeekOrigin, closed, seek_target, within,
};
use crate::completion::{Call, Identity};
use crate::error::{Error, Hresult, Result};
use crate::queue::Queues;
use crate::sync::LockExt;
use crate::tracker::TrackerHandle;

/// Bytes in memory as a byte stream: readable, writable, seekable, and as long as they come.
///
/// Clones are the same stream. A request ends inside its Begin call, so none is ever in flight or can be cancelled; its
/// callback is invoked on the queue that it names, as always. Zeros fill the gap between the end and a write past it,
/// which is possible after the length was cut below the position.
///
/// Made by [`MemoryByteStream::new`]; the example is at [`ByteStreamExt`](crate::ByteStreamExt).
#[derive(Clone)]
pub struct MemoryByteStream(Arc<Inner>);

impl MemoryByteStream {
    pub(crate) fn with_queues(queues: &Arc<Queues>, bytes: Vec<u8>) -> MemoryByteStream {
        let state = State { bytes: Some(bytes), position: 0 };
        MemoryByteStream(Arc::new(Inner { queues: queues.clone(), state: Mutex::new(state) }))
    }

    /// A copy of all the bytes, independent of the position; empty when the stream is closed.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.state().bytes.clone().unwrap_or_default()
    }

    /// Closes the stream and returns its bytes; empty when it was closed before.
    #[must_use]
    pub fn take(&self) -> Vec<u8> {
        self.0.state().bytes.take().unwrap_or_default()
    }

    fn request<T: Send + 'static>(
        &self,
        what: &'static str,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Arc<Request<T>>> {
        Request::new(&self.0.queues, Identity::of(&self.0), what, callback, state)
    }
}

impl ByteStream for MemoryByteStream {
    fn tracker(&self) -> Option<&TrackerHandle> {
        Some(self.0.queues.tracker.handle())
    }

    fn capabilities(&self) -> ByteStreamCapabilities {
        ByteStreamCapabilities::READABLE
            | ByteStreamCapabilities::WRITABLE
            | ByteStreamCapabilities::SEEKABLE
            | ByteStreamCapabilities::DOES_NOT_USE_NETWORK
    }

    fn length(&self) -> Result<Option<u64>> {
        self.0.state().length("ask for the length of").map(Some)
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.0.state().resize(length)
    }

    fn position(&self) -> Result<u64> {
        let state = self.0.state();
        state.length("ask for the position of").map(|_| state.position)
    }

    fn set_position(&self, position: u64) -> Result<()> {
        let mut state = self.0.state();
        within(state.length("set the position of")?, position)?;
        state.position = position;
        Ok(())
    }

    fn is_end_of_stream(&self) -> Result<bool> {
        let state = self.0.state();
        Ok(state.position >= state.length("ask for the end of")?)
    }

    fn begin_read(
        &self,
        mut buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        let request = self.request(READ, callback, state)?;
        let read = self.0.state().read(&mut buffer).inspect_err(|_| request.withdraw())?;
        buffer.truncate(read);
        request.complete_at_once(Ok(buffer))
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
        let request = self.request(WRITE, callback, state)?;
        let written = self.0.state().write(&buffer).inspect_err(|_| request.withdraw())?;
        request.complete_at_once(Ok((written, buffer)))
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        Call::end(&Identity::of(&self.0), WRITE, result)
    }

    fn seek(&self, origin: SeekOrigin, offset: i64, _: SeekFlags) -> Result<u64> {
        let mut state = self.0.state();
        let length = state.length("seek in")?;
        let position = seek_target(state.position, origin, offset)?;
        within(length, position)?;
        state.position = position;
        Ok(position)
    }

    fn flush(&self) -> Result<()> {
        self.0.state().length("flush").map(drop)
    }

    fn close(&self) -> Result<()> {
        drop(self.take());
        Ok(())
    }

    fn blocking_read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.0.state().read(buffer)
    }

    fn blocking_write(&self, buffer: &[u8]) -> Result<usize> {
        self.0.state().write(buffer)
    }
}

impl fmt::Debug for MemoryByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("MemoryByteStream")
            .field("length", &state.bytes.as_ref().map(Vec::len))
            .field("position", &state.position)
            .finish()
    }
}

/// What the clones of a stream share.
struct Inner {
    queues: Arc<Queues>,
    state: Mutex<State>,
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.locked()
    }
}

struct State {
    /// `None` when the stream is closed.
    bytes: Option<Vec<u8>>,
    position: u64,
}

impl State {
    fn bytes(&mut self, doing: &str) -> Result<&mut Vec<u8>> {
        self.bytes.as_mut().ok_or_else(|| closed(&NAME, doing))
    }

    fn length(&self, doing: &str) -> Result<u64> {
        self.bytes.as_ref().map(|bytes| bytes.len() as u64).ok_or_else(|| closed(&NAME, doing))
    }

    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let position = usize::try_from(self.position).unwrap_or(usize::MAX);
        let bytes = self.bytes("read from")?;
        let left = bytes.get(position..).unwrap_or_default();
        let count = left.len().min(buffer.len());
        buffer[..count].copy_from_slice(&left[..count]);
        self.position += count as u64;
        Ok(count)
    }

    fn write(&mut self, buffer: &[u8]) -> Result<usize> {
        let length = self.length("write to")?;
        if buffer.is_empty() {
            return Ok(0);
        }
        let end = self.position.checked_add(buffer.len() as u64).ok_or_else(|| too_long(u64::MAX))?;
        if end > length {
            self.resize(end)?;
        }
        // Both conversions are exact: `resize` has allocated that many bytes.
        let range = self.position as usize..end as usize;
        self.bytes("write to")?[range].copy_from_slice(buffer);
        self.position = end;
        Ok(buffer.len())
    }

    fn resize(&mut self, length: u64) -> Result<()> {
        let bytes = self.bytes("set the length of")?;
        let wanted = usize::try_from(length).map_err(|_| too_long(length))?;
        if wanted > bytes.len() {
            bytes.try_reserve(wanted - bytes.len()).map_err(|_| too_long(length))?;
        }
        bytes.resize(wanted, 0);
        Ok(())
    }
}

fn too_long(length: u64) -> Error {
    Error::new(Hresult::E_OUTOFMEMORY, format!("make {NAME} {length} bytes long"))
}

const NAME: &str = "a byte stream in memory";
const READ: &str = "a read from memory";
const WRITE: &str = "a write to memory";
