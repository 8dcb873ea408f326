//! `LentStream`: a byte stream in the hands of a handler that may fail, whose close then does not count.

use std::sync::{Arc, Mutex};

use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::byte_stream::{ByteStream, ByteStreamCapabilities, SeekFlags, SeekOrigin};
use crate::cancel::CancelCookie;
use crate::error::{Error, Hresult, Result};
use crate::sync::LockExt;
use crate::tracker::TrackerHandle;

/// The stream below, as a handler has it.
///
/// | state | means | leaves it by |
/// |---|---|---|
/// | `Lent` | the handler is at work | [`settle`](LentStream::settle) → `Settled`, [`take_back`](LentStream::take_back) → `Back`, a close → `Closed` |
/// | `Closed` | the handler has closed it; the stream below is open | the same |
/// | `Settled` | the handler has succeeded: it is the stream below | |
/// | `Back` | the handler has failed: closed for good, and the stream below is the next handler's | |
pub(crate) struct LentStream {
    stream: Arc<dyn ByteStream>,
    state: Mutex<Loan>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Loan {
    Lent,
    Closed,
    Settled,
    Back,
}

impl LentStream {
    pub(crate) fn new(stream: Arc<dyn ByteStream>) -> LentStream {
        LentStream { stream, state: Mutex::new(Loan::Lent) }
    }

    /// The handler has succeeded: if it has closed the stream, that counts now.
    pub(crate) fn settle(&self) {
        if self.leave_for(Loan::Settled) == Loan::Closed {
            // For the handler its close has succeeded.
            let _ = self.stream.close();
        }
    }

    /// The handler has failed, or was dropped.
    pub(crate) fn take_back(&self) {
        self.leave_for(Loan::Back);
    }

    /// Returns the former state. The last two are final.
    fn leave_for(&self, next: Loan) -> Loan {
        let mut state = self.state.locked();
        let former = *state;
        if matches!(former, Loan::Lent | Loan::Closed) {
            *state = next;
        }
        former
    }

    fn open(&self) -> Result<&Arc<dyn ByteStream>> {
        let state = *self.state.locked();
        let what = match state {
            Loan::Lent | Loan::Settled => return Ok(&self.stream),
            Loan::Closed => "use a byte stream that its handler has closed",
            Loan::Back => "use a byte stream after its handler has failed: the next handler has it",
        };
        Err(Error::new(Hresult::MF_E_INVALIDREQUEST, what))
    }
}

impl ByteStream for LentStream {
    fn capabilities(&self) -> ByteStreamCapabilities {
        self.stream.capabilities()
    }

    fn length(&self) -> Result<Option<u64>> {
        self.open()?.length()
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.open()?.set_length(length)
    }

    fn position(&self) -> Result<u64> {
        self.open()?.position()
    }

    fn set_position(&self, position: u64) -> Result<()> {
        self.open()?.set_position(position)
    }

    fn is_end_of_stream(&self) -> Result<bool> {
        self.open()?.is_end_of_stream()
    }

    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.open()?.begin_read(buffer, callback, state)
    }

    fn begin_cancellable_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Option<CancelCookie>> {
        self.open()?.begin_cancellable_read(buffer, callback, state)
    }

    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>> {
        self.stream.end_read(result)
    }

    fn begin_write(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.open()?.begin_write(buffer, callback, state)
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        self.stream.end_write(result)
    }

    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64> {
        self.open()?.seek(origin, offset, flags)
    }

    fn flush(&self) -> Result<()> {
        self.open()?.flush()
    }

    fn close(&self) -> Result<()> {
        if self.leave_for(Loan::Closed) == Loan::Settled { self.stream.close() } else { Ok(()) }
    }

    fn blocking_read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.open()?.blocking_read(buffer)
    }

    fn blocking_write(&self, buffer: &[u8]) -> Result<usize> {
        self.open()?.blocking_write(buffer)
    }

    fn content_type(&self) -> Option<String> {
        self.stream.content_type()
    }

    fn tracker(&self) -> Option<&TrackerHandle> {
        self.stream.tracker()
    }
}
