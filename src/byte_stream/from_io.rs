//! `ByteStreamFromIo`: anything that reads, writes or seeks by `tokio::io` as a byte stream.

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::panic::Location;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncRead, AsyncSeek, AsyncWrite};

use crate::async_result::{AsyncCallback, AsyncResult, QueueId, Unknown};
use crate::byte_stream::device::{Device, Place};
use crate::byte_stream::in_flight::{InFlight, Interrupt};
use crate::byte_stream::{
    ByteStream, ByteStreamCapabilities as Can, Request, SeekFlags, SeekOrigin, closed, require, seek_target,
    within,
};
use crate::completion::{Call, Identity};
use crate::error::{Error, Hresult, Result};
use crate::queue::Queues;
use crate::sync::LockExt;
use crate::tracker::TrackerHandle;

/// A [`tokio::io`] object as a byte stream.
///
/// Which of the constructors made it says what it can do: read, write, or both, and seek. Clones are the
/// same stream.
///
/// Requests are performed one after the other, in the order of their Begin calls, by polls that are
/// items of [`QueueId::IO`]. A write ends when the object has taken all of it and was flushed. If the
/// object seeks, offset and count of a request are fixed at Begin, and the object is sought to there if it
/// is elsewhere. If not, the length is unknown, a read takes what one read of the object gives, and the
/// position counts what was transferred.
///
/// A request that is cancelled while it is performed stops there: a write may have been done in part. A
/// shutdown of the platform cancels with `MF_E_SHUTDOWN`. Closing drops the object, and so does dropping
/// the last handle, when what is in flight has ended. If the object panics, what is in flight is
/// abandoned and the stream is closed.
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
            position: 0,
            length,
            met_end: false,
            closed: false,
        };
        ByteStreamFromIo(Arc::new(Inner { queues: queues.clone(), capabilities, state: Mutex::new(state) }))
    }

    /// Begins what `work` makes of the request and its place, which is fixed if the length is known:
    /// `advance` says how far the position moves.
    #[track_caller]
    fn begin<V: Send + 'static>(
        &self,
        what: &'static str,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
        advance: impl FnOnce(u64) -> u64,
        work: impl FnOnce(Arc<Request<V>>, Option<Place>) -> Work,
    ) -> Result<()> {
        let queue = self.0.queues.handle(QueueId::IO)?;
        let request = Request::new(&self.0.queues, Identity::of(&self.0), what, callback, state)?;
        let begun = request.register(Location::caller()).and_then(|()| self.enqueue(&request, advance, work));
        let device = begun.inspect_err(|_| request.withdraw())?;
        if let Some(device) = device {
            let driver = Driver { stream: self.0.clone(), device: Some(device), has_panicked: false };
            queue.spawn(driver.run()).detach();
        }
        Ok(())
    }

    /// Queues a request at the current position; gives the device if it rests, and must be driven.
    fn enqueue<V: Send + 'static>(
        &self,
        request: &Arc<Request<V>>,
        advance: impl FnOnce(u64) -> u64,
        work: impl FnOnce(Arc<Request<V>>, Option<Place>) -> Work,
    ) -> Result<Option<Device<T>>> {
        let mut state = self.0.state();
        state.check_open("begin a request to")?;
        let offset = state.position;
        let place = match state.length {
            Some(length) => {
                let count = advance(length.saturating_sub(offset));
                state.position = offset.checked_add(count).ok_or_else(too_far)?;
                Some(Place { offset, count })
            }
            None => None,
        };
        state.in_flight.push(request);
        state.queue.push_back(work(request.clone(), place));
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
        state.check_open("ask for the length of").map(|()| state.length)
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.0.state().check_open("set the length of")?;
        let what = format!("set the length of {NAME} to {length}: nothing in tokio::io does that");
        Err(Error::new(Hresult::E_NOTIMPL, what))
    }

    fn position(&self) -> Result<u64> {
        let state = self.0.state();
        state.check_open("ask for the position of").map(|()| state.position)
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
        Ok(state.length.map_or(state.met_end, |length| state.position >= length))
    }

    #[track_caller]
    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        require(self.0.capabilities, Can::READABLE, &NAME)?;
        let wanted = buffer.len() as u64;
        let work = |request, place| Work::Read { request, place, buffer };
        self.begin(READ, callback, state, |left| left.min(wanted), work)
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
        let work = |request, place| Work::Write { request, place, buffer };
        self.begin(WRITE, callback, state, |_| count, work)
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        Call::end(&Identity::of(&self.0), WRITE, result)
    }

    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64> {
        let mut state = self.0.state();
        state.check_open("seek in")?;
        let position = seek_target(state.position, origin, offset)?;
        state.go_to(position)?;
        if flags.contains(SeekFlags::CANCEL_PENDING_IO) {
            let in_flight = state.in_flight.take();
            drop(state);
            in_flight.cancel_all("a seek that cancels pending I/O");
        }
        Ok(position)
    }

    /// Nothing to do: a write that has ended was flushed.
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
            .field("position", &state.position)
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

struct State<T> {
    /// Here while nobody drives it.
    device: Option<Device<T>>,
    queue: VecDeque<Work>,
    in_flight: InFlight,
    position: u64,
    /// Known if the device seeks, and only then.
    length: Option<u64>,
    met_end: bool,
    closed: bool,
}

impl<T> State<T> {
    fn check_open(&self, doing: &str) -> Result<()> {
        if self.closed { Err(closed(&NAME, doing)) } else { Ok(()) }
    }

    fn go_to(&mut self, position: u64) -> Result<()> {
        match self.length {
            Some(length) => within(length, position)?,
            None if position == self.position => {}
            None => {
                let what = format!("set the position of {NAME} to {position}: it cannot seek");
                return Err(Error::new(Hresult::MF_E_BYTESTREAM_NOT_SEEKABLE, what));
            }
        }
        self.position = position;
        Ok(())
    }

    fn has_read(&mut self, place: Option<Place>, count: usize, wanted: usize) {
        if place.is_none() {
            self.position = self.position.saturating_add(count as u64);
            self.met_end |= count == 0 && wanted > 0;
        }
    }

    fn has_written(&mut self, place: Option<Place>, count: usize) {
        match (place, &mut self.length) {
            (Some(place), Some(length)) => *length = (*length).max(place.offset.saturating_add(place.count)),
            _ => self.position = self.position.saturating_add(count as u64),
        }
    }
}

/// One request, in its turn.
enum Work {
    Read { request: Arc<Request<Vec<u8>>>, place: Option<Place>, buffer: Vec<u8> },
    Write { request: Arc<Request<(usize, Vec<u8>)>>, place: Option<Place>, buffer: Vec<u8> },
}

impl Work {
    fn fail(self, error: Error) {
        match self {
            Work::Read { request, .. } => request.interrupt(error),
            Work::Write { request, .. } => request.interrupt(error),
        }
    }
}

/// Performs what is queued, and puts the device back when there is no more.
struct Driver<T> {
    stream: Arc<Inner<T>>,
    device: Option<Device<T>>,
    /// Whether the device has panicked; then nothing more is asked of it.
    has_panicked: bool,
}

impl<T: Send + 'static> Driver<T> {
    async fn run(mut self) {
        while !self.has_panicked {
            let Some(work) = self.next() else { return };
            let Some(device) = &mut self.device else { return };
            match work {
                Work::Read { request, place, mut buffer } => {
                    let wanted = buffer.len();
                    let stream = &self.stream;
                    let read = async { (device.read(&mut buffer, place).await, buffer) };
                    let value = |(read, mut buffer): (io::Result<usize>, Vec<u8>)| {
                        let count = read.map_err(|error| failed("read", wanted, error))?;
                        stream.state().has_read(place, count, wanted);
                        buffer.truncate(count);
                        Ok(buffer)
                    };
                    self.has_panicked = !request.perform(read, value).await;
                }
                Work::Write { request, place, buffer } => {
                    let count = buffer.len();
                    let stream = &self.stream;
                    let write = async { (device.write_all(&buffer, place).await, buffer) };
                    let value = |(written, buffer): (io::Result<()>, Vec<u8>)| {
                        written.map_err(|error| failed("write", count, error))?;
                        stream.state().has_written(place, count);
                        Ok((count, buffer))
                    };
                    self.has_panicked = !request.perform(write, value).await;
                }
            }
        }
    }

    /// The next request, or the device goes back, under the same lock.
    fn next(&mut self) -> Option<Work> {
        let mut state = self.stream.state();
        let next = state.queue.pop_front();
        if next.is_none() && !state.closed {
            state.device = self.device.take();
        }
        next
    }
}

impl<T> Drop for Driver<T> {
    fn drop(&mut self) {
        // Dropped with the device before its time, by a panic, a shutdown, or a runtime that ends: nobody
        // will perform what is queued, so it fails, and calls back as it was promised.
        if let Some(device) = self.device.take() {
            let mut state = self.stream.state();
            state.closed = true;
            let queued = std::mem::take(&mut state.queue);
            drop(state);
            for work in queued {
                work.fail(if self.has_panicked {
                    Error::new(Hresult::E_UNEXPECTED, format!("{NAME}: it panicked over a former request"))
                } else {
                    self.stream.queues.tracker.handle().lost(NAME)
                });
            }
            drop(device);
        }
    }
}

fn too_far() -> Error {
    Error::new(Hresult::E_INVALIDARG, format!("write to {NAME} past any end"))
}

fn failed(verb: &str, count: usize, error: io::Error) -> Error {
    Error::io(format_args!("{verb} {count} bytes of {NAME}"), error)
}

const NAME: &str = "a byte stream over tokio::io";
const READ: &str = "a read from a byte stream over tokio::io";
const WRITE: &str = "a write to a byte stream over tokio::io";
