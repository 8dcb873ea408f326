//! `ByteStream`: bytes that are read and written by Begin and End calls at one shared position.

mod device;
mod file;
mod from_io;
mod in_flight;
mod io;
mod memory;
mod open;
mod position;
mod request;
mod request_body;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use bitflags::bitflags;

pub use self::file::FileByteStream;
pub use self::from_io::ByteStreamFromIo;
pub use self::io::ByteStreamIo;
pub use self::memory::MemoryByteStream;
pub use self::open::{AccessMode, FileFlags, OpenMode};
pub(crate) use self::request::Request;

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId, Unknown};
use crate::cancel::CancelCookie;
use crate::error::{Error, Hresult, Result};
use crate::operation::{Begin, BeginStatus, Operation};
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

/// The Begin/End pairs of a byte stream as futures. Every byte stream that can be cloned has them, and an [`Arc`] of
/// any byte stream can be cloned.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use mf_async::byte_stream::MemoryByteStream;
/// use mf_async::{ByteStream, ByteStreamExt, Platform};
///
/// let platform = Platform::startup()?;
/// let stream = MemoryByteStream::new(&platform, b"moov".to_vec());
/// assert_eq!(stream.read(vec![0; 100]).await?, b"moov");
/// assert!(stream.read(vec![0; 100]).await?.is_empty());
///
/// stream.write_all(b"mdat".to_vec()).await?;
/// assert_eq!(stream.length()?, Some(8));
/// platform.shutdown().await
/// # }
/// ```
pub trait ByteStreamExt: ByteStream + Clone + 'static {
    /// Reads up to `buffer.len()` bytes at the position. The buffer comes back cut to what was read; it is empty at the
    /// end of the stream.
    ///
    /// # Errors
    /// Those of [`begin_read`](ByteStream::begin_read) and [`end_read`](ByteStream::end_read).
    ///
    /// # Cancel safety
    /// Dropping the operation cancels the read, and so do [`cancel`](Operation::cancel), [`timeout`](Operation::timeout)
    /// and [`cancel_on`](Operation::cancel_on): it takes no bytes from the next one, as
    /// [`begin_cancellable_read`](ByteStream::begin_cancellable_read) says. A read that has ended has taken its bytes, and
    /// those are lost with the operation. On a stream that does not implement that method, the read goes on: the position
    /// has moved, and the bytes are lost.
    #[track_caller]
    fn read(&self, buffer: Vec<u8>) -> Operation<Vec<u8>> {
        let stream = self.clone();
        begin_end(
            self.tracker(),
            |callback| match self.begin_cancellable_read(buffer, callback, None)? {
                Some(cookie) => Ok(cookie).begin_status(|| |_| ()),
                None => Ok(Begin::with_code(Hresult::S_OK)),
            },
            move |result| stream.end_read(result),
        )
    }

    /// Reads until the buffer is full.
    ///
    /// # Errors
    /// `ERROR_HANDLE_EOF` when the stream ends before; otherwise as [`read`](ByteStreamExt::read).
    ///
    /// # Cancel safety
    /// Not cancel safe: what was read before is lost with the future.
    fn read_exact(&self, buffer: Vec<u8>) -> impl Future<Output = Result<Vec<u8>>> + Send {
        let stream = self.clone();
        async move {
            let wanted = buffer.len();
            let mut read = stream.read(buffer).await?;
            while read.len() < wanted {
                let more = stream.read(vec![0; wanted - read.len()]).await?;
                if more.is_empty() {
                    let what = format!("read {wanted} bytes: the stream ended after {}", read.len());
                    return Err(Error::new(Hresult::ERROR_HANDLE_EOF, what));
                }
                read.extend_from_slice(&more);
            }
            Ok(read)
        }
    }

    /// Writes at the position. The value is the number of bytes written, and the buffer as it was given.
    ///
    /// # Errors
    /// Those of [`begin_write`](ByteStream::begin_write) and [`end_write`](ByteStream::end_write).
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropped, the write goes on, and its outcome is lost.
    #[track_caller]
    fn write(&self, buffer: Vec<u8>) -> Operation<(usize, Vec<u8>)> {
        let stream = self.clone();
        begin_end(
            self.tracker(),
            |callback| self.begin_write(buffer, callback, None).map(|()| Begin::with_code(Hresult::S_OK)),
            move |result| stream.end_write(result),
        )
    }

    /// Writes until all of the buffer is written, and returns the buffer.
    ///
    /// # Errors
    /// `E_FAIL` when the stream takes nothing more; otherwise as [`write`](ByteStreamExt::write).
    ///
    /// # Cancel safety
    /// Not cancel safe: how much was written is lost with the future.
    fn write_all(&self, buffer: Vec<u8>) -> impl Future<Output = Result<Vec<u8>>> + Send {
        let stream = self.clone();
        async move {
            let (mut written, buffer) = stream.write(buffer).await?;
            while let Some(rest) = buffer.get(written..).filter(|rest| !rest.is_empty()) {
                let (count, _) = stream.write(rest.to_vec()).await?;
                if count == 0 {
                    let what = format!("write {} bytes: only {written} were taken", buffer.len());
                    return Err(Error::new(Hresult::E_FAIL, what));
                }
                written += count;
            }
            Ok(buffer)
        }
    }
}

impl<S: ByteStream + Clone + 'static> ByteStreamExt for S {}

/// An operation on a stream. For a user's own stream, whose platform is not known here, a queue is named, because no
/// shutdown could release a result in hand.
#[track_caller]
fn begin_end<T: Send + 'static>(
    tracker: Option<&TrackerHandle>,
    begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<Begin>,
    end: impl FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
) -> Operation<T> {
    let parameters = CallbackParameters::on(QueueId::MULTITHREADED);
    match tracker {
        Some(tracker) => Operation::begin(tracker, parameters, false, begin, end),
        None => Operation::begin_unregistered(parameters, begin, end),
    }
}

bitflags! {
    /// What a byte stream can do, with Media Foundation's values.
    #[doc(alias = "MFBYTESTREAM_CAPABILITIES")]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct ByteStreamCapabilities: u32 {
        /// It can be read.
        #[doc(alias = "MFBYTESTREAM_IS_READABLE")]
        const READABLE = 0x001;
        /// It can be written.
        #[doc(alias = "MFBYTESTREAM_IS_WRITABLE")]
        const WRITABLE = 0x002;
        /// Its position can be set.
        #[doc(alias = "MFBYTESTREAM_IS_SEEKABLE")]
        const SEEKABLE = 0x004;
        /// It comes from another machine.
        #[doc(alias = "MFBYTESTREAM_IS_REMOTE")]
        const REMOTE = 0x008;
        /// It stands for a folder.
        #[doc(alias = "MFBYTESTREAM_IS_DIRECTORY")]
        const DIRECTORY = 0x080;
        /// Seeking may take long.
        #[doc(alias = "MFBYTESTREAM_HAS_SLOW_SEEK")]
        const HAS_SLOW_SEEK = 0x100;
        /// It is being downloaded to a local cache.
        #[doc(alias = "MFBYTESTREAM_IS_PARTIALLY_DOWNLOADED")]
        const PARTIALLY_DOWNLOADED = 0x200;
        /// Others may write to it, so that its length may change.
        #[doc(alias = "MFBYTESTREAM_SHARE_WRITE")]
        const SHARE_WRITE = 0x400;
        /// It needs no network.
        #[doc(alias = "MFBYTESTREAM_DOES_NOT_USE_NETWORK")]
        const DOES_NOT_USE_NETWORK = 0x800;
        // Bits without a name are kept.
        const _ = !0;
    }
}

bitflags! {
    /// How to seek, with Media Foundation's values.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SeekFlags: u32 {
        /// Cancels what is in flight, all of it, when the seek has succeeded. One read alone is cancelled by what
        /// [`ByteStream::begin_cancellable_read`] returns.
        #[doc(alias = "MFBYTESTREAM_SEEK_FLAG_CANCEL_PENDING_IO")]
        const CANCEL_PENDING_IO = 0x1;
        // Bits without a name have no effect.
        const _ = !0;
    }
}

/// Where the offset of a seek counts from; Media Foundation has no *end*.
#[doc(alias = "MFBYTESTREAM_SEEK_ORIGIN")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SeekOrigin {
    /// From the start of the stream.
    #[doc(alias = "msoBegin")]
    Begin,
    /// From the current position.
    #[doc(alias = "msoCurrent")]
    Current,
}

/// The target of a seek from `position`; `E_INVALIDARG` if it is before the start or past any end.
fn seek_target(position: u64, origin: SeekOrigin, offset: i64) -> Result<u64> {
    let from = match origin {
        SeekOrigin::Begin => 0,
        SeekOrigin::Current => position,
    };
    from.checked_add_signed(offset).ok_or_else(|| {
        let what = format!("seek by {offset} from {from}: before the start of the stream, or past any end");
        Error::new(Hresult::E_INVALIDARG, what)
    })
}

/// `E_INVALIDARG` unless a stream of this length may have its position there.
fn within(length: u64, position: u64) -> Result<()> {
    if position <= length {
        return Ok(());
    }
    let what = format!("set the position to {position}, past the end of a stream of {length} bytes");
    Err(Error::new(Hresult::E_INVALIDARG, what))
}

/// `E_ACCESSDENIED` unless the stream can do what is asked.
fn require(
    has: ByteStreamCapabilities,
    wanted: ByteStreamCapabilities,
    what: &dyn fmt::Display,
) -> Result<()> {
    if has.contains(wanted) {
        return Ok(());
    }
    let verb = if wanted == ByteStreamCapabilities::READABLE { "read" } else { "written" };
    Err(Error::new(Hresult::E_ACCESSDENIED, format!("{what} cannot be {verb}")))
}

/// The error of a call on a closed stream.
fn closed(what: &dyn fmt::Display, doing: &str) -> Error {
    Error::new(Hresult::MF_E_INVALIDREQUEST, format!("{doing} {what}, which is closed"))
}
