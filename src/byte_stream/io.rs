//! `ByteStreamIo`: a byte stream as a `tokio::io` object, for code that is written for files and sockets.

use std::fmt;
use std::io::{self, SeekFrom};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncBufRead, AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

use crate::async_result::{AsyncResult, CallbackFlags, CallbackParameters, QueueId};
use crate::byte_stream::{ByteStreamCapabilities, ByteStreamExt};
use crate::error::{Error, Hresult, Result};
use crate::operation::{Begin, Operation};
use crate::queue::Queues;

/// A byte stream as [`AsyncRead`], [`AsyncBufRead`], [`AsyncWrite`] and [`AsyncSeek`].
///
/// It reads ahead, up to its capacity. A write returns at once and goes on in the background, as with
/// `tokio::fs::File`: its error comes out of the next write, flush or seek, so flush (or shut down) at the end. On a
/// stream that seeks, reads and writes share the position and take turns. On one that does not, they are two
/// directions that do not wait for each other.
///
/// A seek past the end is `InvalidInput` on most streams, and allowed on files. An error is the crate's [`Error`]
/// inside an [`io::Error`].
///
/// # Cancel safety
/// Every poll is cancel safe: when the future that polled is dropped, its request stays in flight, and the next poll
/// goes on with it. A seek whose future is dropped happens before the next read, write or seek, which says so if it
/// fails. When the `ByteStreamIo` itself is dropped, a write in flight goes on, a read in flight is cancelled, and what
/// was read ahead is lost. Neither that nor shutting down, which flushes, closes the stream.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use mf_async::byte_stream::{ByteStreamIo, MemoryByteStream};
/// use mf_async::Platform;
/// use tokio::io::AsyncBufReadExt;
///
/// let platform = Platform::startup()?;
/// let playlist = MemoryByteStream::new(&platform, b"#EXTM3U\nfirst.ts\n".to_vec());
/// let mut lines = ByteStreamIo::new(&platform, playlist).lines();
/// assert_eq!(lines.next_line().await?.as_deref(), Some("#EXTM3U"));
/// assert_eq!(lines.next_line().await?.as_deref(), Some("first.ts"));
/// assert_eq!(lines.next_line().await?, None);
/// platform.shutdown().await
/// # }
/// ```
pub struct ByteStreamIo<S> {
    stream: S,
    queues: Arc<Queues>,
    seekable: bool,
    capacity: usize,
    /// The bytes read ahead; those from `taken` on are not consumed yet.
    ahead: Vec<u8>,
    taken: usize,
    reading: Option<Operation<Vec<u8>>>,
    writing: Option<Writing>,
    flushing: Option<Operation<()>>,
    /// A seek that was started. It happens before all that comes after it, even if its own future was dropped.
    seeking: Option<SeekFrom>,
}

impl<S: ByteStreamExt> ByteStreamIo<S> {
    pub(crate) fn with_queues(queues: &Arc<Queues>, stream: S) -> ByteStreamIo<S> {
        ByteStreamIo {
            seekable: stream.capabilities().contains(ByteStreamCapabilities::SEEKABLE),
            stream,
            queues: queues.clone(),
            capacity: CAPACITY,
            ahead: Vec::new(),
            taken: 0,
            reading: None,
            writing: None,
            flushing: None,
            seeking: None,
        }
    }

    /// Sets how many bytes are read or written at a time: at least 1, by default 64 KiB.
    #[must_use]
    pub fn with_capacity(self, capacity: usize) -> ByteStreamIo<S> {
        ByteStreamIo { capacity: capacity.max(1), ..self }
    }

    /// The stream below. Bytes that were read ahead cannot be read from it any more.
    pub fn get_ref(&self) -> &S {
        &self.stream
    }

    /// The stream below. Bytes that were read ahead are lost: the stream's position is after them.
    pub fn into_inner(self) -> S {
        self.stream
    }

    fn unread(&self) -> &[u8] {
        self.ahead.get(self.taken..).unwrap_or_default()
    }

    /// Reads ahead if no bytes are there, and waits for the read. No bytes after that are the end of the stream.
    fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_seek(cx))?;
        if self.unread().is_empty() {
            if self.reading.is_none() {
                if self.seekable {
                    ready!(self.poll_written(cx))?;
                }
                let mut buffer = std::mem::take(&mut self.ahead);
                self.taken = 0;
                let missing = self.capacity.saturating_sub(buffer.len());
                buffer.try_reserve_exact(missing).map_err(|_| {
                    let what = format!("read ahead {} bytes of a byte stream", self.capacity);
                    Error::new(Hresult::E_OUTOFMEMORY, what)
                })?;
                buffer.resize(self.capacity, 0);
                self.reading = Some(self.stream.read(buffer));
            }
            ready!(self.poll_read_end(cx))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits for the read in flight, if there is one.
    fn poll_read_end(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(reading) = &mut self.reading {
            let read = ready!(Pin::new(reading).poll(cx));
            self.reading = None;
            self.ahead = read?;
            self.taken = 0;
        }
        Poll::Ready(Ok(()))
    }

    /// Waits until the stream has all that was written.
    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        while let Some(writing) = &mut self.writing {
            let ended = ready!(Pin::new(&mut writing.operation).poll(cx));
            let length = writing.length;
            self.writing = None;
            let (count, mut buffer) = ended?;
            if count == 0 && length > 0 {
                let what = format!("write {length} bytes: none was taken");
                return Poll::Ready(Err(Error::new(Hresult::E_FAIL, what)));
            }
            if count < length {
                buffer.drain(..count.min(buffer.len()));
                self.start_write(buffer);
            }
        }
        Poll::Ready(Ok(()))
    }

    fn start_write(&mut self, buffer: Vec<u8>) {
        self.writing = Some(Writing { length: buffer.len(), operation: self.stream.write(buffer) });
    }

    /// On a stream that seeks: waits for the read in flight, and moves back over what was read ahead.
    fn poll_turn(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if self.seekable {
            // A failed read has read nothing ahead.
            let _ = ready!(self.poll_read_end(cx));
            let position = self.logical_position()?;
            if !self.unread().is_empty() {
                self.stream.set_position(position)?;
            }
            self.forget_ahead();
        }
        Poll::Ready(Ok(()))
    }

    /// The reader's position: before the bytes that were read ahead.
    fn logical_position(&self) -> Result<u64> {
        let unread = if self.seekable { self.unread().len() as u64 } else { 0 };
        Ok(self.stream.position()?.saturating_sub(unread))
    }

    fn forget_ahead(&mut self) {
        self.ahead.clear();
        self.taken = 0;
    }

    fn poll_flushed(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        ready!(self.poll_written(cx))?;
        let flushing = match &mut self.flushing {
            Some(flushing) => flushing,
            none => none.insert(flush(&self.queues, &self.stream)),
        };
        let flushed = ready!(Pin::new(flushing).poll(cx));
        self.flushing = None;
        Poll::Ready(flushed)
    }

    fn poll_sought(&mut self, cx: &mut Context<'_>) -> Poll<Result<u64>> {
        ready!(self.poll_written(cx))?;
        ready!(self.poll_seek(cx))?;
        Poll::Ready(self.logical_position())
    }

    /// Performs the seek that was started, if there is one.
    fn poll_seek(&mut self, cx: &mut Context<'_>) -> Poll<Result<()>> {
        if let Some(to) = self.seeking {
            ready!(self.poll_written(cx))?;
            ready!(self.poll_turn(cx))?;
            self.seeking = None;
            self.seek_to(to)?;
        }
        Poll::Ready(Ok(()))
    }

    fn seek_to(&self, to: SeekFrom) -> Result<()> {
        let (from, offset) = match to {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(offset) => (self.stream.position()?, offset),
            SeekFrom::End(offset) => {
                let length = self.stream.length()?.ok_or_else(|| {
                    let what = "seek from the end of a byte stream whose length is not known";
                    Error::new(Hresult::MF_E_BYTESTREAM_UNKNOWN_LENGTH, what)
                })?;
                (length, offset)
            }
        };
        let position = from.checked_add_signed(offset).ok_or_else(|| {
            let what = format!("seek by {offset} from {from}: before the start, or past any end");
            Error::new(Hresult::E_INVALIDARG, what)
        })?;
        self.stream.set_position(position)
    }
}

impl<S: ByteStreamExt> AsyncRead for ByteStreamIo<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        ready!(this.poll_ahead(cx))?;
        let count = this.unread().len().min(buf.remaining());
        buf.put_slice(&this.unread()[..count]);
        this.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: ByteStreamExt> AsyncBufRead for ByteStreamIo<S> {
    fn poll_fill_buf(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        let this = self.get_mut();
        ready!(this.poll_ahead(cx))?;
        Poll::Ready(Ok(this.unread()))
    }

    fn consume(self: Pin<&mut Self>, amount: usize) {
        let this = self.get_mut();
        this.taken = this.taken.saturating_add(amount).min(this.ahead.len());
    }
}

impl<S: ByteStreamExt> AsyncWrite for ByteStreamIo<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        // Nothing of `buf` is taken while this waits.
        ready!(this.poll_written(cx))?;
        ready!(this.poll_seek(cx))?;
        ready!(this.poll_turn(cx))?;
        let count = buf.len().min(this.capacity);
        this.start_write(buf[..count].to_vec());
        // A write that failed at once is reported by this call.
        if this.writing.as_ref().is_some_and(|writing| writing.operation.is_ended()) {
            if let Poll::Ready(Err(error)) = this.poll_written(cx) {
                return Poll::Ready(Err(error.into()));
            }
        }
        Poll::Ready(Ok(count))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_flushed(cx).map_err(io::Error::from)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl<S: ByteStreamExt> AsyncSeek for ByteStreamIo<S> {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        self.get_mut().seeking = Some(position);
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        self.get_mut().poll_sought(cx).map_err(io::Error::from)
    }
}

/// No field is pinned.
impl<S> Unpin for ByteStreamIo<S> {}

impl<S: fmt::Debug> fmt::Debug for ByteStreamIo<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByteStreamIo")
            .field("stream", &self.stream)
            .field("reading", &self.reading.is_some())
            .field("writing", &self.writing.is_some())
            .finish_non_exhaustive()
    }
}

/// A write in flight.
struct Writing {
    length: usize,
    operation: Operation<(usize, Vec<u8>)>,
}

/// Flushes on the IO queue, because a flush may block.
fn flush<S: ByteStreamExt>(queues: &Arc<Queues>, stream: &S) -> Operation<()> {
    let stream = stream.clone();
    Operation::begin(
        queues.tracker.handle(),
        CallbackParameters::on(QueueId::IO).with_flags(CallbackFlags::BLOCKING),
        true,
        |callback| {
            let item = queues.create_result(callback, None)?;
            queues.put(QueueId::IO, item.into(), None).map(|()| Begin::with_code(Hresult::S_OK))
        },
        move |_: &AsyncResult| stream.flush(),
    )
}

const CAPACITY: usize = 64 * 1024;
