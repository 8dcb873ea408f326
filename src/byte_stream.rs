//! `ByteStream`: bytes that are read and written by Begin and End calls at one shared position.

mod capabilities;
mod device;
mod ext;
mod file;
mod from_io;
mod in_flight;
mod io;
mod memory;
mod open;
mod position;
mod request;
mod request_body;
mod seek;

use std::fmt;
use std::sync::Arc;

pub use self::capabilities::ByteStreamCapabilities;
pub use self::ext::ByteStreamExt;
pub use self::file::FileByteStream;
pub use self::from_io::ByteStreamFromIo;
pub use self::io::ByteStreamIo;
pub use self::memory::MemoryByteStream;
pub use self::open::{AccessMode, FileFlags, OpenMode};
pub(crate) use self::request::Request;
pub use self::seek::{SeekFlags, SeekOrigin};

use self::capabilities::require;
use self::seek::{seek_target, within};
use crate::async_result::{AsyncCallback, AsyncResult, Unknown};
use crate::cancel::CancelCookie;
use crate::error::{Error, Hresult, Result};
use crate::tracker::TrackerHandle;

/// A stream of bytes with one position: Media Foundation's `IMFByteStream`.
///
/// Buffers are owned: Begin takes a `Vec<u8>` and End returns it, so no other code can touch it in between.
/// [`ByteStreamExt`] has the calls as futures; [`ByteStreamIo`] makes the stream a `tokio::io` object.
///
/// After [`close`](ByteStream::close) every method fails with `MF_E_INVALIDREQUEST`, except the End methods, which
/// still answer. A request that `close` or a seek cancelled calls back as well, and its End fails with `E_ABORT`.
///
/// This is the Rust side of the page *IMFByteStream interface*. An [`Arc`] of a byte stream is one, too.
#[doc(alias = "IMFByteStream")]
pub trait ByteStream: Send + Sync {
    /// What the stream can do.
    #[doc(alias = "GetCapabilities")]
    fn capabilities(&self) -> ByteStreamCapabilities;

    /// The length in bytes; `None` if it is not known.
    ///
    /// # Errors
    /// The stream's own.
    #[doc(alias = "GetLength")]
    fn length(&self) -> Result<Option<u64>>;

    /// Sets the length in bytes. The position stays where it is.
    ///
    /// # Errors
    /// `E_ACCESSDENIED` when the stream cannot be written; `E_INVALIDARG` when no such stream could be so
    /// long; `E_NOTIMPL` when its length cannot be set.
    #[doc(alias = "SetLength")]
    fn set_length(&self, length: u64) -> Result<()>;

    /// Where the next read or write begins, in bytes from the start.
    ///
    /// # Errors
    /// The stream's own.
    #[doc(alias = "GetCurrentPosition")]
    fn position(&self) -> Result<u64>;

    /// Sets the position, in bytes from the start.
    ///
    /// # Errors
    /// `E_INVALIDARG` past the end, except on a file, whose position may be there;
    /// `MF_E_BYTESTREAM_NOT_SEEKABLE` when the stream cannot seek.
    #[doc(alias = "SetCurrentPosition")]
    fn set_position(&self, position: u64) -> Result<()>;

    /// Whether the position has reached the end.
    ///
    /// # Errors
    /// The stream's own.
    #[doc(alias = "IsEndOfStream")]
    fn is_end_of_stream(&self) -> Result<bool>;

    /// Begins to read up to `buffer.len()` bytes at the position.
    ///
    /// The offset is fixed now. If the length is known, the position also moves now, so several reads may be in flight,
    /// each with its own part of the stream.
    ///
    /// # Errors
    /// `E_ACCESSDENIED` when the stream cannot be read; those of the platform when it refuses the request. Nothing
    /// was begun then.
    #[doc(alias = "BeginRead")]
    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()>;

    /// Begins a read as [`begin_read`](ByteStream::begin_read) does, and returns what cancels it, and no other.
    /// [`ByteStreamExt::read`] begins its reads so.
    ///
    /// `None` if the read cannot be cancelled by itself, as by default, or has ended already. A stream that passes its
    /// reads on to another forwards this as well.
    ///
    /// A read that was cancelled calls back, and its End fails with `E_ABORT`. It takes no bytes from the next: where the
    /// position has moved at its Begin, and nothing has moved it since, it is back where it was.
    ///
    /// # Errors
    /// As [`begin_read`](ByteStream::begin_read).
    fn begin_cancellable_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Option<CancelCookie>> {
        self.begin_read(buffer, callback, state).map(|()| None)
    }

    /// Ends a read: returns the same buffer, cut to what was read. An empty buffer is the end of the stream.
    ///
    /// # Errors
    /// The read's own, with which the buffer is lost; `E_ABORT` when it was cancelled; `E_INVALIDARG`
    /// when the result is not from a read of this stream; `E_FAIL` when it was ended before.
    #[doc(alias = "EndRead")]
    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>>;

    /// Begins to write all of `buffer` at the position, which moves by its length now.
    ///
    /// # Errors
    /// `E_ACCESSDENIED` when the stream cannot be written; `E_INVALIDARG` when no stream could be so long;
    /// those of the platform when it refuses the request. Nothing was begun then.
    #[doc(alias = "BeginWrite")]
    fn begin_write(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()>;

    /// Ends a write: returns the number of bytes written, and the buffer as it was given.
    ///
    /// # Errors
    /// As [`end_read`](ByteStream::end_read).
    #[doc(alias = "EndWrite")]
    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)>;

    /// Moves the position, and returns the new one.
    ///
    /// With [`SeekFlags::CANCEL_PENDING_IO`] every request in flight, reads and writes, is cancelled when the seek has
    /// succeeded. A seek that stays where it is succeeds on a stream that cannot seek, too: by 0 from
    /// [`SeekOrigin::Current`] it cancels all, and moves nothing.
    ///
    /// # Errors
    /// `E_INVALIDARG` before the start; past the end as [`set_position`](ByteStream::set_position).
    #[doc(alias = "Seek")]
    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64>;

    /// Empties the stream's own buffers: what was written and ended is then with the operating system, or with the
    /// object below.
    ///
    /// # Errors
    /// The stream's own.
    #[doc(alias = "Flush")]
    fn flush(&self) -> Result<()>;

    /// Closes the stream and cancels what is in flight. Closing again succeeds.
    ///
    /// Dropping the last handle closes the stream as well.
    ///
    /// # Errors
    /// The stream's own; the stream is closed then as well.
    #[doc(alias = "Close")]
    fn close(&self) -> Result<()>;

    /// Reads at the position, on the calling thread, and moves it: `IMFByteStream::Read`.
    ///
    /// It may block: do not call it from asynchronous code. It returns 0 at the end of the stream.
    ///
    /// # Errors
    /// `E_NOTIMPL` when the stream cannot block, which is the default.
    #[doc(alias = "Read")]
    fn blocking_read(&self, buffer: &mut [u8]) -> Result<usize> {
        let what = format!("read {} bytes of a stream that does not block: begin a read", buffer.len());
        Err(Error::new(Hresult::E_NOTIMPL, what))
    }

    /// Writes at the position, on the calling thread, and moves it: `IMFByteStream::Write`.
    ///
    /// # Errors
    /// As [`blocking_read`](ByteStream::blocking_read).
    #[doc(alias = "Write")]
    fn blocking_write(&self, buffer: &[u8]) -> Result<usize> {
        let what = format!("write {} bytes to a stream that does not block: begin a write", buffer.len());
        Err(Error::new(Hresult::E_NOTIMPL, what))
    }

    /// The MIME type of the stream's content; `None` when it is not known, which is the default.
    #[doc(alias = "MF_BYTESTREAM_CONTENT_TYPE")]
    fn content_type(&self) -> Option<String> {
        None
    }

    /// The platform's tracker, for this crate's own streams: their operations then need no queue. A stream without it
    /// behaves the same.
    #[doc(hidden)]
    fn tracker(&self) -> Option<&TrackerHandle> {
        None
    }
}

impl<S: ByteStream + ?Sized> ByteStream for Arc<S> {
    fn capabilities(&self) -> ByteStreamCapabilities {
        (**self).capabilities()
    }

    fn length(&self) -> Result<Option<u64>> {
        (**self).length()
    }

    fn set_length(&self, length: u64) -> Result<()> {
        (**self).set_length(length)
    }

    fn position(&self) -> Result<u64> {
        (**self).position()
    }

    fn set_position(&self, position: u64) -> Result<()> {
        (**self).set_position(position)
    }

    fn is_end_of_stream(&self) -> Result<bool> {
        (**self).is_end_of_stream()
    }

    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        (**self).begin_read(buffer, callback, state)
    }

    fn begin_cancellable_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Option<CancelCookie>> {
        (**self).begin_cancellable_read(buffer, callback, state)
    }

    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>> {
        (**self).end_read(result)
    }

    fn begin_write(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        (**self).begin_write(buffer, callback, state)
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        (**self).end_write(result)
    }

    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64> {
        (**self).seek(origin, offset, flags)
    }

    fn flush(&self) -> Result<()> {
        (**self).flush()
    }

    fn close(&self) -> Result<()> {
        (**self).close()
    }

    fn blocking_read(&self, buffer: &mut [u8]) -> Result<usize> {
        (**self).blocking_read(buffer)
    }

    fn blocking_write(&self, buffer: &[u8]) -> Result<usize> {
        (**self).blocking_write(buffer)
    }

    fn content_type(&self) -> Option<String> {
        (**self).content_type()
    }

    fn tracker(&self) -> Option<&TrackerHandle> {
        (**self).tracker()
    }
}

/// The error of a call on a closed stream.
fn closed(what: &dyn fmt::Display, doing: &str) -> Error {
    Error::new(Hresult::MF_E_INVALIDREQUEST, format!("{doing} {what}, which is closed"))
}
