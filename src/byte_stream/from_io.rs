//! `ByteStreamFromIo`: a `tokio::io` object as a byte stream.

mod driver;
mod state;

use std::collections::VecDeque;
use std::fmt;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite};

use self::driver::DeviceDriver;
use self::state::{Claimed, QueuedRequest, State};
use crate::async_result::{AsyncCallback, AsyncResult, QueueId, Unknown};
use crate::byte_stream::device::{ByteRange, Device};
use crate::byte_stream::in_flight::InFlight;
use crate::byte_stream::position::Position;
use crate::byte_stream::{
    ByteStream, ByteStreamCapabilities as Can, Request, SeekFlags, SeekOrigin, require, seek_target,
};
use crate::cancel::CancelCookie;
use crate::completion::{Call, Identity};
use crate::contain::drop_contained;
use crate::error::{Error, Hresult, Result};
use crate::queue::Queues;
use crate::sync::LockExt;
use crate::tracker::TrackerHandle;

/// A [`tokio::io`] object as a byte stream.
///
/// Its constructor decides what it can do: read, write or both, and seek. Clones are the same stream.
///
/// Requests are performed one after the other, in the order of their Begin calls, by polls that are items of
/// [`QueueId::IO`]. A write ends when the object has taken all of it and was flushed. If the object seeks, offset and
/// count of a request are fixed at Begin, and the object is moved there if it is elsewhere. If it does not seek, the
/// length is unknown, a read takes what one read of the object returns, and the position counts what was transferred.
///
/// The length of an object that seeks is measured when the stream is made, and again by each read that meets the end it
/// knows or finds less than it was to read. Such a read gets what was added, and the position goes back over what is not
/// there, unless another request was begun or the position set meanwhile. In between, [`length`](ByteStream::length) and
/// the seeks go by the last measurement.
///
/// A request that is cancelled while it is performed stops: a write may have been done in part. A read is cancelled by
/// its own operation as well; the object has then given it nothing that the next one misses. A shutdown of the platform
/// cancels with `MF_E_SHUTDOWN`. Closing drops the object. So does dropping the last handle, after the
/// requests in flight have ended. If the object panics, its requests fail with `E_UNEXPECTED` and the stream is closed; a
/// panic of its drop is caught.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use mf_async::byte_stream::ByteStreamFromIo;
/// use mf_async::{ByteStream, ByteStreamExt, Platform};
///
/// let platform = Platform::startup()?;
/// let stream = ByteStreamFromIo::reader(&platform, &b"live"[..]);
/// assert_eq!(stream.length()?, None);
/// assert_eq!(stream.read(vec![0; 100]).await?, b"live");
/// assert_eq!(stream.position()?, 4);
/// platform.shutdown().await
/// # }
/// ```
pub struct ByteStreamFromIo<T>(Arc<Inner<T>>);

impl<T: AsyncRead + Send + 'static> ByteStreamFromIo<T> {
    pub(crate) fn reader_on(queues: &Arc<Queues>, io: T) -> ByteStreamFromIo<T> {
        ByteStreamFromIo::over(Device::new(io).reading(), queues, Can::READABLE, None)
    }
}

impl<T: AsyncWrite + Send + 'static> ByteStreamFromIo<T> {
    pub(crate) fn writer_on(queues: &Arc<Queues>, io: T) -> ByteStreamFromIo<T> {
        ByteStreamFromIo::over(Device::new(io).writing(), queues, Can::WRITABLE, None)
    }
}

impl<T: AsyncRead + AsyncWrite + Send + 'static> ByteStreamFromIo<T> {
    pub(crate) fn duplex_on(queues: &Arc<Queues>, io: T) -> ByteStreamFromIo<T> {
        ByteStreamFromIo::over(
            Device::new(io).reading().writing(),
            queues,
            Can::READABLE | Can::WRITABLE,
            None,
        )
    }
}

impl<T: AsyncRead + AsyncSeek + Send + 'static> ByteStreamFromIo<T> {
    pub(crate) async fn seekable_reader_on(queues: &Arc<Queues>, io: T) -> Result<ByteStreamFromIo<T>> {
        let mut device = Device::new(io).reading().seeking();
        let length = device.measure().await?;
        Ok(ByteStreamFromIo::over(device, queues, Can::READABLE | Can::SEEKABLE, Some(length)))
    }
}

impl<T: AsyncRead + AsyncWrite + AsyncSeek + Send + 'static> ByteStreamFromIo<T> {
    pub(crate) async fn seekable_on(queues: &Arc<Queues>, io: T) -> Result<ByteStreamFromIo<T>> {
        let mut device = Device::new(io).reading().writing().seeking();
        let length = device.measure().await?;
        Ok(ByteStreamFromIo::over(
            device,
            queues,
            Can::READABLE | Can::WRITABLE | Can::SEEKABLE,
            Some(length),
        ))
    }
}

impl<T: Send + 'static> ByteStreamFromIo<T> {
    /// Says how long the content is, in bytes, for an object that cannot seek: an HTTP response has its length in a header.
    ///
    /// [`length`](ByteStream::length) answers with it. Reads do not depend on it: the content ends where the object ends. The
    /// length of an object that seeks is measured, and stays so.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// use mf_async::byte_stream::ByteStreamFromIo;
    /// use mf_async::{ByteStream, Platform};
    ///
    /// let platform = Platform::startup()?;
    /// let body = &b"RIFF...."[..];
    /// let stream = ByteStreamFromIo::reader(&platform, body).with_length(8).with_content_type("audio/wav");
    /// assert_eq!(stream.length()?, Some(8));
    /// assert_eq!(stream.content_type().as_deref(), Some("audio/wav"));
    /// # drop(stream);
    /// # platform.shutdown().await }
    /// ```
    #[doc(alias = "GetLength")]
    #[must_use]
    pub fn with_length(self, bytes: u64) -> ByteStreamFromIo<T> {
        self.0.state().said_length = Some(bytes);
        self
    }

    /// Says the content's MIME type, which [`content_type`](ByteStream::content_type) answers with, and by which a
    /// resolver and a `com` source reader choose a handler.
    #[doc(alias = "MF_BYTESTREAM_CONTENT_TYPE")]
    #[must_use]
    pub fn with_content_type(self, mime: impl Into<String>) -> ByteStreamFromIo<T> {
        self.0.state().content_type = Some(mime.into());
        self
    }

    fn over(
        device: Device<T>,
        queues: &Arc<Queues>,
        capabilities: Can,
        length: Option<u64>,
    ) -> ByteStreamFromIo<T> {
        let state = State {
            device: Some(device),
            queue: VecDeque::new(),
            in_flight: InFlight::default(),
            position: Position::default(),
            length,
            said_length: None,
            content_type: None,
            met_end: false,
            closed: false,
        };
        ByteStreamFromIo(Arc::new(Inner { queues: queues.clone(), capabilities, state: Mutex::new(state) }))
    }

    /// Begins the request that `queued` makes. If the length is known, its range is fixed: `advance` returns how far
    /// the position moves, given the number of bytes up to the end.
    #[track_caller]
    fn begin<V: Send + 'static>(
        &self,
        what: &'static str,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
        advance: impl FnOnce(u64) -> u64,
        queued: impl FnOnce(Arc<Request<V>>, Option<Claimed>) -> QueuedRequest,
    ) -> Result<Arc<Request<V>>> {
        let queue = self.0.queues.handle(QueueId::IO)?;
        let request = Request::new(&self.0.queues, Identity::of(&self.0), what, callback, state)?;
        let begun =
            request.register(Location::caller()).and_then(|()| self.enqueue(&request, advance, queued));
        let device = begun.inspect_err(|_| request.withdraw())?;
        if let Some(device) = device {
            let driver = DeviceDriver { stream: self.0.clone(), device: Some(device), has_panicked: false };
            queue.spawn(driver.run()).detach();
        }
        Ok(request)
    }

    /// Queues a request at the current position. Returns the device if it is idle; the caller then starts its driver.
    fn enqueue<V: Send + 'static>(
        &self,
        request: &Arc<Request<V>>,
        advance: impl FnOnce(u64) -> u64,
        queued: impl FnOnce(Arc<Request<V>>, Option<Claimed>) -> QueuedRequest,
    ) -> Result<Option<Device<T>>> {
        let mut state = self.0.state();
        state.check_open("begin a request to")?;
        let offset = state.position.at();
        let claimed = match state.length {
            Some(length) => {
                let count = advance(length.saturating_sub(offset));
                let claim = state.position.claim(offset.checked_add(count).ok_or_else(too_far)?);
                Some(Claimed { range: ByteRange { offset, count }, claim })
            }
            None => None,
        };
        if let Some(Claimed { claim, .. }) = claimed {
            // Weak, because the stream owns the request while it is queued.
            let stream: Weak<Inner<T>> = Arc::downgrade(&self.0);
            request.undo_if_cancelled(move || {
                if let Some(stream) = stream.upgrade() {
                    stream.state().position.give_back(claim, offset);
                    drop_contained(stream);
                }
            });
        }
        state.in_flight.push(request);
        state.queue.push_back(queued(request.clone(), claimed));
        Ok(state.device.take())
    }
}

impl<T: Send + 'static> ByteStream for ByteStreamFromIo<T> {
    fn tracker(&self) -> Option<&TrackerHandle> {
        Some(self.0.queues.tracker.handle())
    }

    fn capabilities(&self) -> Can {
        self.0.capabilities
    }

    fn length(&self) -> Result<Option<u64>> {
        let state = self.0.state();
        state.check_open("ask for the length of").map(|()| state.length.or(state.said_length))
    }

    fn content_type(&self) -> Option<String> {
        self.0.state().content_type.clone()
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.0.state().check_open("set the length of")?;
        let what = format!("set the length of {NAME} to {length}: nothing in tokio::io does that");
        Err(Error::new(Hresult::E_NOTIMPL, what))
    }

    fn position(&self) -> Result<u64> {
        let state = self.0.state();
        state.check_open("ask for the position of").map(|()| state.position.at())
    }

    fn set_position(&self, position: u64) -> Result<()> {
        let mut state = self.0.state();
        state.check_open("set the position of")?;
        state.go_to(position)
    }

    /// Without a known length, whether a read has met the end.
    fn is_end_of_stream(&self) -> Result<bool> {
        let state = self.0.state();
        state.check_open("ask for the end of")?;
        Ok(state.length.map_or(state.met_end, |length| state.position.at() >= length))
    }

    #[track_caller]
    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.begin_cancellable_read(buffer, callback, state).map(drop)
    }

    #[track_caller]
    fn begin_cancellable_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Option<CancelCookie>> {
        require(self.0.capabilities, Can::READABLE, &NAME)?;
        let wanted = buffer.len() as u64;
        let queued = |request, claimed| QueuedRequest::Read { request, claimed, buffer };
        let request = self.begin(READ, callback, state, |left| left.min(wanted), queued)?;
        Ok(Some(CancelCookie::of(&request)))
    }

    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>> {
        Call::end(&Identity::of(&self.0), READ, result)
    }

    #[track_caller]
    fn begin_write(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        require(self.0.capabilities, Can::WRITABLE, &NAME)?;
        let count = buffer.len() as u64;
        let queued = |request, claimed| QueuedRequest::Write { request, claimed, buffer };
        self.begin(WRITE, callback, state, |_| count, queued).map(drop)
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        Call::end(&Identity::of(&self.0), WRITE, result)
    }

    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64> {
        let mut state = self.0.state();
        state.check_open("seek in")?;
        let position = seek_target(state.position.at(), origin, offset)?;
        state.go_to(position)?;
        if flags.contains(SeekFlags::CANCEL_PENDING_IO) {
            let in_flight = state.in_flight.take();
            drop(state);
            in_flight.cancel_all("a seek that cancels pending I/O");
        }
        Ok(position)
    }

    /// Nothing to do: every write that has ended was flushed.
    fn flush(&self) -> Result<()> {
        self.0.state().check_open("flush")
    }

    fn close(&self) -> Result<()> {
        let mut state = self.0.state();
        state.closed = true;
        let in_flight = state.in_flight.take();
        let device = state.device.take();
        drop(state);
        in_flight.cancel_all("the byte stream was closed");
        drop(device);
        Ok(())
    }
}

impl<T> Clone for ByteStreamFromIo<T> {
    fn clone(&self) -> ByteStreamFromIo<T> {
        ByteStreamFromIo(self.0.clone())
    }
}

impl<T> fmt::Debug for ByteStreamFromIo<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state();
        f.debug_struct("ByteStreamFromIo")
            .field("capabilities", &self.0.capabilities)
            .field("position", &state.position.at())
            .field("open", &!state.closed)
            .finish()
    }
}

/// What the clones of a stream share.
struct Inner<T> {
    queues: Arc<Queues>,
    capabilities: Can,
    state: Mutex<State<T>>,
}

impl<T> Inner<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.locked()
    }
}

fn too_far() -> Error {
    Error::new(Hresult::E_INVALIDARG, format!("write to {NAME} past any end"))
}

const NAME: &str = "a byte stream over tokio::io";
const READ: &str = "a read from a byte stream over tokio::io";
const WRITE: &str = "a write to a byte stream over tokio::io";
