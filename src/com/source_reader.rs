//! `SourceReader`: decoded samples of a file, a byte stream or a media source, each read a future.

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bitflags::bitflags;
use futures::future::FusedFuture;
use futures::stream::{self, Stream};
use windows::Win32::Foundation::E_POINTER;
use windows::Win32::Media::MediaFoundation::{
    IMFAttributes, IMFByteStream, IMFMediaEvent, IMFMediaSource, IMFMediaType, IMFSample, IMFSourceReader,
    IMFSourceReaderCallback, IMFSourceReaderCallback_Impl, MF_E_NOTACCEPTING, MF_E_OPERATION_CANCELLED,
    MF_PD_DURATION, MF_SOURCE_READER_ASYNC_CALLBACK, MF_SOURCE_READER_MEDIASOURCE, MFCreateAttributes,
    MFCreateSourceReaderFromByteStream, MFCreateSourceReaderFromMediaSource, MFCreateSourceReaderFromURL,
    MFMediaType_Audio, MFMediaType_Video,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HRESULT, HSTRING, Ref};
use windows_core::implement;

use self::requests::{ANY, Call, FIRST_AUDIO, FIRST_VIDEO, Requests, Taken, Ticket};
use crate::async_result::QueueId;
use crate::com::callback::contain;
use crate::com::notifications::{Notifications, Notifier};
use crate::com::{Mta, Platform};
use crate::error::{Error, Hresult, Result};
use crate::operation::{Operation, Promise};

mod requests;

/// A source reader in asynchronous mode.
///
/// Each [`read_sample`](SourceReader::read_sample) is a future; several may be in flight, and reads of one
/// stream get its samples in order. No thread waits for any of them.
///
/// Dropping it ends what is in flight with an error of the kind [`Abandoned`](crate::ErrorKind::Abandoned).
/// It keeps Media Foundation started, and so does every read; release the samples before the last of them and
/// the platform.
///
/// ```no_run
/// use futures::TryStreamExt;
/// use mf_async::com::{Platform, SourceReader, SourceStream};
///
/// # async fn count() -> mf_async::Result<u64> {
/// let platform = Platform::startup()?;
/// let reader = SourceReader::open(&platform, "tone.wav").await?;
/// let bytes = reader
///     .samples(SourceStream::FirstAudio)
///     .try_fold(0, async |sum, sample| Ok(sum + sample.to_vec()?.len() as u64));
/// # bytes.await }
/// ```
#[doc(alias = "IMFSourceReader")]
pub struct SourceReader {
    reader: Mta<IMFSourceReader>,
    inbox: Arc<Inbox>,
    /// The major types of the streams that were there at the start.
    streams: Vec<Option<GUID>>,
    /// Last, so that it is given back last.
    platform: Platform,
}

impl SourceReader {
    /// Opens what a URL or a path names, with the system's own source for it. Begins at once.
    ///
    /// Media Foundation's call blocks: it looks into the file, or waits for a server. A thread of its own makes
    /// it, so that none of the runtime's waits.
    ///
    /// # Errors
    /// None here; the operation's are `ERROR_FILE_NOT_FOUND`, `MF_E_UNSUPPORTED_SCHEME`,
    /// `MF_E_UNSUPPORTED_BYTESTREAM_TYPE` and others of the source.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches, and a reader that comes of it all the same is released.
    #[doc(alias = "MFCreateSourceReaderFromURL")]
    #[track_caller]
    pub fn open(platform: &Platform, url: impl Into<HSTRING>) -> Operation<SourceReader> {
        let url = url.into();
        // SAFETY: both arguments live for the call.
        SourceReader::open_with(platform, move |attributes| unsafe {
            MFCreateSourceReaderFromURL(&url, attributes)
        })
    }

    /// Opens what a byte stream holds; the system finds out from its bytes what that is. Begins at once, as
    /// [`open`](SourceReader::open).
    ///
    /// # Errors
    /// None here; the operation's are `MF_E_UNSUPPORTED_BYTESTREAM_TYPE` and others of the source, and those of
    /// the stream.
    ///
    /// # Cancel safety
    /// As [`open`](SourceReader::open).
    #[doc(alias = "MFCreateSourceReaderFromByteStream")]
    #[track_caller]
    pub fn from_byte_stream(
        platform: &Platform,
        stream: impl Into<Mta<IMFByteStream>>,
    ) -> Operation<SourceReader> {
        let stream = stream.into();
        // SAFETY: both arguments live for the call.
        SourceReader::open_with(platform, move |attributes| unsafe {
            MFCreateSourceReaderFromByteStream(&*stream, attributes)
        })
    }

    /// Reads from a media source, which is shut down with the reader.
    ///
    /// # Errors
    /// The source's own.
    #[doc(alias = "MFCreateSourceReaderFromMediaSource")]
    pub fn from_media_source(
        platform: &Platform,
        source: impl Into<Mta<IMFMediaSource>>,
    ) -> Result<SourceReader> {
        let source = source.into();
        SourceReader::create_with(platform, |attributes| {
            // SAFETY: both objects live for the call.
            unsafe { MFCreateSourceReaderFromMediaSource(&*source, attributes) }
        })
    }

    /// As [`create_with`](SourceReader::create_with), on a thread of its own, for calls that block.
    ///
    /// # Errors
    /// None here; the operation's are those of `create`, or of the system if it has no more threads.
    ///
    /// # Cancel safety
    /// As [`open`](SourceReader::open).
    #[track_caller]
    pub fn open_with(
        platform: &Platform,
        create: impl FnOnce(&IMFAttributes) -> windows::core::Result<IMFSourceReader> + Send + 'static,
    ) -> Operation<SourceReader> {
        let (promise, operation) = Promise::new_at(QueueId::MULTITHREADED, Location::caller());
        let platform = platform.clone();
        let thread = std::thread::Builder::new().name("mf-async opening".into());
        let spawned = thread.spawn(move || {
            let reader = catch_unwind(AssertUnwindSafe(|| SourceReader::create_with(&platform, create)))
                .unwrap_or_else(|payload| Err(Error::panicked("the call that opens a source", payload)));
            promise.complete(reader);
        });
        match spawned {
            Ok(_) => operation,
            Err(error) => Operation::failed(Error::io("start a thread to open a source on", error)),
        }
    }

    /// Makes the reader by a call of one's own, with attributes of one's own.
    ///
    /// What `create` is given has room for more attributes; it must be passed on, since with it the reader is
    /// asynchronous and calls back here.
    ///
    /// ```no_run
    /// use mf_async::com::{Platform, SourceReader};
    /// use windows::Win32::Media::MediaFoundation::*;
    /// use windows::core::w;
    ///
    /// # fn open(platform: &Platform) -> mf_async::Result<SourceReader> {
    /// SourceReader::create_with(platform, |attributes| unsafe {
    ///     attributes.SetUINT32(&MF_SOURCE_READER_ENABLE_VIDEO_PROCESSING, 1)?;
    ///     MFCreateSourceReaderFromURL(w!("clip.mp4"), attributes)
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `create`.
    #[doc(alias = "MF_SOURCE_READER_ASYNC_CALLBACK")]
    pub fn create_with(
        platform: &Platform,
        create: impl FnOnce(&IMFAttributes) -> windows::core::Result<IMFSourceReader>,
    ) -> Result<SourceReader> {
        let inbox = Arc::new(Inbox::new());
        let callback: IMFSourceReaderCallback = Told { inbox: inbox.clone() }.into();
        let mut attributes = None;
        // SAFETY: takes where to store the new object.
        unsafe { MFCreateAttributes(&mut attributes, 1) }?;
        let attributes = attributes.ok_or_else(|| windows::core::Error::from(E_POINTER))?;
        // SAFETY: both objects live for the call, and the attributes take their own reference.
        unsafe { attributes.SetUnknown(&MF_SOURCE_READER_ASYNC_CALLBACK, &callback) }?;
        let reader = Mta::new(create(&attributes)?);
        let streams = major_types(&reader);
        Ok(SourceReader { reader, inbox, streams, platform: platform.clone() })
    }

    /// Asks for the next sample of a stream, at once; awaiting what is returned only waits.
    ///
    /// At the end of the stream, and in a gap, there is an answer without a sample, whose flags say so.
    ///
    /// # Errors
    /// None here; the future's are `MF_E_INVALIDSTREAMNUMBER`, `MF_E_NOTACCEPTING` while a flush is pending,
    /// those of source and decoder, a cancellation when the stream is flushed, and an error of the kind
    /// [`Abandoned`](crate::ErrorKind::Abandoned) when the reader is gone.
    ///
    /// # Cancel safety
    /// No sample is lost when the future is dropped: it goes to the next read of the stream, which takes it
    /// without asking the reader for another.
    #[doc(alias = "ReadSample")]
    pub fn read_sample(&self, stream: impl Into<SourceStream>) -> ReadSample {
        let stream = self.number(stream.into());
        let begun = self.check(stream).and_then(|()| {
            self.inbox.read(stream, || {
                // SAFETY: takes numbers; the four places for answers are null, as asynchronous mode wants it.
                unsafe { self.reader.ReadSample(stream, 0, None, None, None, None) }
            })
        });
        let state = match begun {
            Ok(ticket) => State::Waiting(ticket),
            Err(error) => State::Refused(error),
        };
        ReadSample { inbox: self.inbox.clone(), state, _platform: self.platform.clone() }
    }

    /// The samples of a stream up to its end, as a stream that reads one after the other.
    ///
    /// Answers without a sample are passed on only if their flags say more than that the stream has ended. An
    /// error is the last item.
    ///
    /// # Cancel safety
    /// Nothing is lost when a future of `next` is dropped, and nothing when the stream is.
    pub fn samples(
        &self,
        stream: impl Into<SourceStream>,
    ) -> impl Stream<Item = Result<Sample>> + Send + Unpin + '_ {
        let stream = stream.into();
        Box::pin(stream::unfold(false, move |ended| async move {
            if ended {
                return None;
            }
            match self.read_sample(stream).await {
                Ok(sample) if sample.is_nothing() && sample.is_end_of_stream() => None,
                Ok(sample) => {
                    let ended = sample.is_end_of_stream();
                    Some((Ok(sample), ended))
                }
                Err(error) => Some((Err(error), true)),
            }
        }))
    }

    /// Throws away what is queued and cancels the reads in flight, of one stream or of all.
    ///
    /// Reads that are begun before it ends are refused with `MF_E_NOTACCEPTING`.
    ///
    /// # Errors
    /// None here; the operation's are `MF_E_INVALIDSTREAMNUMBER` and those of the source.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches, the flush goes on.
    #[doc(alias = "Flush")]
    #[track_caller]
    pub fn flush(&self, stream: impl Into<SourceStream>) -> Operation<()> {
        let stream = self.number(stream.into());
        let (promise, operation) = Promise::new_at(QueueId::MULTITHREADED, std::panic::Location::caller());
        self.inbox.flush(stream, promise, || {
            // SAFETY: takes a number.
            unsafe { self.reader.Flush(stream) }
        });
        operation
    }

    /// Continues at another time, in units of 100 ns; what dropped reads left behind is forgotten.
    ///
    /// A source may start earlier than it was told, at the sample that it can decode from.
    ///
    /// # Errors
    /// `MF_E_INVALIDREQUEST` while reads are in flight: [`flush`](SourceReader::flush) first. Those of a source
    /// that cannot seek.
    #[doc(alias = "SetCurrentPosition")]
    pub fn seek(&self, position: i64) -> Result<()> {
        // SAFETY: both are valid for the call; the null GUID says units of 100 ns.
        unsafe { self.reader.SetCurrentPosition(&GUID::zeroed(), &PROPVARIANT::from(position)) }?;
        let forgotten = self.inbox.lock().requests.forget_unclaimed();
        drop(forgotten);
        Ok(())
    }

    /// How long it plays, in units of 100 ns.
    ///
    /// # Errors
    /// `MF_E_ATTRIBUTENOTFOUND` when the source does not know.
    #[doc(alias = "GetPresentationAttribute")]
    pub fn duration(&self) -> Result<u64> {
        let source = MF_SOURCE_READER_MEDIASOURCE.0.cast_unsigned();
        // SAFETY: takes a number and a key that lives for the call.
        let duration = unsafe { self.reader.GetPresentationAttribute(source, &MF_PD_DURATION) }?;
        Ok(u64::try_from(&duration)?)
    }

    /// The type in which samples of a stream come.
    ///
    /// # Errors
    /// `MF_E_INVALIDSTREAMNUMBER`.
    #[doc(alias = "GetCurrentMediaType")]
    pub fn media_type(&self, stream: impl Into<SourceStream>) -> Result<Mta<IMFMediaType>> {
        let stream = self.number(stream.into());
        // SAFETY: takes a number.
        Ok(Mta::new(unsafe { self.reader.GetCurrentMediaType(stream) }?))
    }

    /// One of the types in which the source itself has a stream.
    ///
    /// # Errors
    /// `MF_E_INVALIDSTREAMNUMBER`; `MF_E_NO_MORE_TYPES` past the last one.
    #[doc(alias = "GetNativeMediaType")]
    pub fn native_media_type(
        &self,
        stream: impl Into<SourceStream>,
        index: u32,
    ) -> Result<Mta<IMFMediaType>> {
        let stream = self.number(stream.into());
        // SAFETY: takes numbers.
        Ok(Mta::new(unsafe { self.reader.GetNativeMediaType(stream, index) }?))
    }

    /// Says in which type samples of a stream are to come; the reader finds a decoder.
    ///
    /// # Errors
    /// `MF_E_INVALIDMEDIATYPE`, `MF_E_TOPO_CODEC_NOT_FOUND`; `MF_E_INVALIDREQUEST` while reads are in flight.
    #[doc(alias = "SetCurrentMediaType")]
    pub fn set_media_type(&self, stream: impl Into<SourceStream>, to: &IMFMediaType) -> Result<()> {
        let stream = self.number(stream.into());
        // SAFETY: the type lives for the call.
        Ok(unsafe { self.reader.SetCurrentMediaType(stream, None, to) }?)
    }

    /// Says whether a stream, or every stream, is read at all.
    ///
    /// # Errors
    /// `MF_E_INVALIDSTREAMNUMBER`.
    #[doc(alias = "SetStreamSelection")]
    pub fn select_stream(&self, stream: impl Into<SourceStream>, selected: bool) -> Result<()> {
        let stream = self.number(stream.into());
        // SAFETY: takes numbers.
        Ok(unsafe { self.reader.SetStreamSelection(stream, selected) }?)
    }

    /// What else the source tells from now on: buffering, a connection made or lost, a changed character.
    ///
    /// A stream that was got before ends.
    #[doc(alias = "OnEvent")]
    pub fn events(&self) -> Notifications<SourceReaderEvent> {
        let (notifier, events) = Notifications::channel();
        let former = self.inbox.lock().notifier.replace(Arc::new(notifier));
        drop(former);
        events
    }

    /// The reader itself, for what has no method here. Calls that read, flush or seek belong to this type.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFSourceReader> {
        &self.reader
    }

    /// The number that Media Foundation has for a stream, and says when a sample of it comes.
    fn number(&self, stream: SourceStream) -> u32 {
        match stream {
            SourceStream::FirstAudio => self.first(MFMediaType_Audio).unwrap_or(FIRST_AUDIO),
            SourceStream::FirstVideo => self.first(MFMediaType_Video).unwrap_or(FIRST_VIDEO),
            SourceStream::Any => ANY,
            SourceStream::Index(index) => index,
        }
    }

    /// The first stream of this major type.
    fn first(&self, major: GUID) -> Option<u32> {
        let index = self.streams.iter().position(|&of| of == Some(major))?;
        u32::try_from(index).ok()
    }

    /// `MF_E_INVALIDSTREAMNUMBER` unless there is such a stream: not every reader answers a read of none.
    fn check(&self, stream: u32) -> Result<()> {
        if stream != ANY && stream as usize >= self.streams.len() {
            // SAFETY: takes a number.
            let _selected = unsafe { self.reader.GetStreamSelection(stream) }?;
        }
        Ok(())
    }
}

impl fmt::Debug for SourceReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceReader").finish_non_exhaustive()
    }
}

impl Drop for SourceReader {
    fn drop(&mut self) {
        // Samples that nobody will ask for go now, not when Media Foundation lets go of the callback.
        let forgotten = self.inbox.lock().requests.forget_unclaimed();
        drop(forgotten);
    }
}

/// A stream of a source reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SourceStream {
    /// The first that holds sound.
    #[doc(alias = "MF_SOURCE_READER_FIRST_AUDIO_STREAM")]
    FirstAudio,
    /// The first that holds pictures.
    #[doc(alias = "MF_SOURCE_READER_FIRST_VIDEO_STREAM")]
    FirstVideo,
    /// Whichever has a sample next; for [`flush`](SourceReader::flush) and
    /// [`select_stream`](SourceReader::select_stream), every one.
    #[doc(alias = "MF_SOURCE_READER_ANY_STREAM")]
    #[doc(alias = "MF_SOURCE_READER_ALL_STREAMS")]
    Any,
    /// This one, counted from zero.
    Index(u32),
}

impl From<u32> for SourceStream {
    fn from(index: u32) -> SourceStream {
        SourceStream::Index(index)
    }
}

/// What a read brought.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Sample {
    /// The stream it is from, counted from zero.
    pub stream_index: u32,
    /// What happened on the stream.
    pub flags: SampleFlags,
    /// When it is to be presented, in units of 100 ns; in a gap, where that begins.
    pub timestamp: i64,
    /// The sample; none at the end of the stream and in a gap.
    pub sample: Option<Mta<IMFSample>>,
}

impl Sample {
    /// Whether the stream has ended; further reads give nothing but this.
    #[must_use]
    pub fn is_end_of_stream(&self) -> bool {
        self.flags.contains(SampleFlags::END_OF_STREAM)
    }

    /// A copy of the sample's bytes; none if there is no sample.
    ///
    /// # Errors
    /// Those of the sample's buffers.
    #[doc(alias = "ConvertToContiguousBuffer")]
    pub fn to_vec(&self) -> Result<Vec<u8>> {
        let Some(sample) = &self.sample else { return Ok(Vec::new()) };
        // SAFETY: needs nothing.
        let buffer = unsafe { sample.ConvertToContiguousBuffer() }?;
        let (mut place, mut length) = (std::ptr::null_mut(), 0);
        // SAFETY: takes places for two values that live for the call.
        unsafe { buffer.Lock(&mut place, None, Some(&mut length)) }?;
        let bytes = if place.is_null() || length == 0 {
            Vec::new()
        } else {
            // SAFETY: a locked buffer has that many initialised bytes there until it is unlocked, below.
            unsafe { std::slice::from_raw_parts(place, length as usize) }.to_vec()
        };
        // SAFETY: it is locked, and the slice is gone.
        unsafe { buffer.Unlock() }?;
        Ok(bytes)
    }

    /// Neither a sample nor anything to say but, perhaps, that the stream has ended.
    fn is_nothing(&self) -> bool {
        self.sample.is_none() && (self.flags - SampleFlags::END_OF_STREAM).is_empty()
    }
}

bitflags! {
    /// What happened on a stream, with Media Foundation's values.
    #[doc(alias = "MF_SOURCE_READER_FLAG")]
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SampleFlags: u32 {
        /// An error; read no more.
        #[doc(alias = "MF_SOURCE_READERF_ERROR")]
        const ERROR = 0x1;
        /// The stream has ended.
        #[doc(alias = "MF_SOURCE_READERF_ENDOFSTREAM")]
        const END_OF_STREAM = 0x2;
        /// There are new streams.
        #[doc(alias = "MF_SOURCE_READERF_NEWSTREAM")]
        const NEW_STREAM = 0x4;
        /// The type in which the source has the stream changed.
        #[doc(alias = "MF_SOURCE_READERF_NATIVEMEDIATYPECHANGED")]
        const NATIVE_MEDIA_TYPE_CHANGED = 0x10;
        /// The type in which samples come changed.
        #[doc(alias = "MF_SOURCE_READERF_CURRENTMEDIATYPECHANGED")]
        const CURRENT_MEDIA_TYPE_CHANGED = 0x20;
        /// A gap.
        #[doc(alias = "MF_SOURCE_READERF_STREAMTICK")]
        const STREAM_TICK = 0x100;
        /// All effects were removed.
        #[doc(alias = "MF_SOURCE_READERF_ALLEFFECTSREMOVED")]
        const ALL_EFFECTS_REMOVED = 0x200;
        // Bits that have no name are carried along unharmed.
        const _ = !0;
    }
}

/// What a source told besides its samples.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct SourceReaderEvent {
    /// The stream that it is about; `0xFFFF_FFFF` means the source.
    pub stream_index: u32,
    /// The event.
    pub event: Mta<IMFMediaEvent>,
}

/// A read of a [`SourceReader`] that was begun.
///
/// # Cancel safety
/// Dropping it loses no sample: the next read of the stream gets it.
#[must_use = "await it for its sample; dropped, it leaves the sample to the next read"]
pub struct ReadSample {
    inbox: Arc<Inbox>,
    state: State,
    _platform: Platform,
}

enum State {
    Waiting(Ticket),
    Refused(Error),
    Over,
}

impl Future for ReadSample {
    type Output = Result<Sample>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<Sample>> {
        let this = self.get_mut();
        match std::mem::replace(&mut this.state, State::Over) {
            State::Refused(error) => Poll::Ready(Err(error)),
            State::Over => Poll::Ready(Err(Error::new(
                Hresult::E_ILLEGAL_METHOD_CALL,
                "await a read of a source reader whose sample was taken",
            ))),
            State::Waiting(ticket) => {
                let mut state = this.inbox.lock();
                let (taken, former) = state.requests.take(ticket, cx.waker());
                let closed = state.closed;
                drop(state);
                drop(former);
                match taken {
                    Taken::Answer(answer) => Poll::Ready(answer),
                    Taken::NotYet => {
                        this.state = State::Waiting(ticket);
                        Poll::Pending
                    }
                    Taken::Gone if closed => Poll::Ready(Err(Error::abandoned(
                        "read a sample: the source reader is gone, and will not answer",
                    ))),
                    Taken::Gone => Poll::Ready(Err(Error::new(
                        MF_E_OPERATION_CANCELLED.into(),
                        "read a sample: the stream was flushed",
                    ))),
                }
            }
        }
    }
}

impl FusedFuture for ReadSample {
    fn is_terminated(&self) -> bool {
        matches!(self.state, State::Over)
    }
}

impl Drop for ReadSample {
    fn drop(&mut self) {
        if let State::Waiting(ticket) = self.state {
            let (next, own) = self.inbox.lock().requests.leave(ticket);
            drop(own);
            if let Some(next) = next {
                next.wake();
            }
        }
    }
}

impl fmt::Debug for ReadSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadSample").finish_non_exhaustive()
    }
}

/// What the callback object, the reader and its reads share. It knows nothing of the reader, so that there is
/// no circle.
struct Inbox(Mutex<InboxState>);

struct InboxState {
    requests: Requests<Result<Sample>>,
    flushes: Vec<(u32, Promise<()>)>,
    notifier: Option<Arc<Notifier<SourceReaderEvent>>>,
    /// Media Foundation has let go of the callback object.
    closed: bool,
}

impl Inbox {
    fn new() -> Inbox {
        Inbox(Mutex::new(InboxState {
            requests: Requests::new(),
            flushes: Vec::new(),
            notifier: None,
            closed: false,
        }))
    }

    /// A lock. A poisoned one is as good as any: no foreign code runs while it is held.
    fn lock(&self) -> MutexGuard<'_, InboxState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new read; `call` is called, without the lock, if none is out that will answer it.
    fn read(&self, stream: u32, call: impl FnOnce() -> windows::core::Result<()>) -> Result<Ticket> {
        let mut state = self.lock();
        if state.flushes.iter().any(|&(of, _)| of == ANY || of == stream || stream == ANY) {
            return Err(Error::new(
                MF_E_NOTACCEPTING.into(),
                "read a sample of a stream while it is flushed",
            ));
        }
        let (ticket, needed) = state.requests.read(stream);
        drop(state);
        if needed == Call::Needed {
            if let Err(error) = call() {
                let next = self.lock().requests.failed(ticket);
                if let Some(next) = next {
                    next.wake();
                }
                return Err(error.into());
            }
        }
        Ok(ticket)
    }

    /// Ends the stream's reads, then flushes.
    fn flush(&self, stream: u32, promise: Promise<()>, call: impl FnOnce() -> windows::core::Result<()>) {
        let mut state = self.lock();
        let cleared = state.requests.clear(stream);
        state.flushes.push((stream, promise));
        drop(state);
        cleared.wakers.into_iter().for_each(std::task::Waker::wake);
        drop(cleared.void);
        if let Err(error) = call() {
            self.flushed(stream, Err(error.into()));
        }
    }

    /// Ends the oldest flush of this stream.
    fn flushed(&self, stream: u32, outcome: Result<()>) {
        let mut state = self.lock();
        let index = state.flushes.iter().position(|&(of, _)| of == stream);
        let Some((_, promise)) = index.map(|index| state.flushes.remove(index)) else { return };
        drop(state);
        promise.complete(outcome);
    }

    /// A sample came, or the error instead of one.
    fn answer(&self, stream: u32, answer: Result<Sample>) {
        let mut state = self.lock();
        let failed = |sample: &Sample| sample.flags.contains(SampleFlags::ERROR);
        let failure = answer.as_ref().map_or(true, failed);
        let answered = state.requests.answer(stream, answer, failure);
        drop(state);
        match answered {
            Ok(Some(waker)) => waker.wake(),
            Ok(None) => {}
            Err(void) => drop(void),
        }
    }

    /// Nothing will come any more.
    fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        let wakers = state.requests.close();
        let ended = (std::mem::take(&mut state.flushes), state.notifier.take());
        drop(state);
        drop(ended);
        wakers.into_iter().for_each(std::task::Waker::wake);
    }
}

/// The callback object; its drop is the news that nothing will come any more.
#[implement(IMFSourceReaderCallback)]
struct Told {
    inbox: Arc<Inbox>,
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = contain(|| self.inbox.close());
    }
}

impl IMFSourceReaderCallback_Impl for Told_Impl {
    fn OnReadSample(
        &self,
        status: HRESULT,
        stream_index: u32,
        flags: u32,
        timestamp: i64,
        sample: Ref<'_, IMFSample>,
    ) -> windows::core::Result<()> {
        contain(|| {
            let answer = if status.is_ok() {
                let sample = sample.cloned().map(Mta::new);
                Ok(Sample { stream_index, flags: SampleFlags::from_bits_retain(flags), timestamp, sample })
            } else {
                let what = format!("read a sample of stream {stream_index}");
                Err(Error::new(status.into(), what))
            };
            self.inbox.answer(stream_index, answer);
        })
    }

    fn OnFlush(&self, stream_index: u32) -> windows::core::Result<()> {
        contain(|| self.inbox.flushed(stream_index, Ok(())))
    }

    fn OnEvent(&self, stream_index: u32, event: Ref<'_, IMFMediaEvent>) -> windows::core::Result<()> {
        contain(|| {
            let Some(event) = event.cloned().map(Mta::new) else { return };
            let notifier = self.inbox.lock().notifier.clone();
            if let Some(notifier) = notifier {
                notifier.tell(SourceReaderEvent { stream_index, event });
            }
        })
    }
}

/// The major types in which the source has its streams.
fn major_types(reader: &IMFSourceReader) -> Vec<Option<GUID>> {
    let major_type = |index| {
        // SAFETY: takes numbers.
        let native = unsafe { reader.GetNativeMediaType(index, 0) }.ok()?;
        // SAFETY: needs nothing.
        Some(unsafe { native.GetMajorType() }.ok())
    };
    (0..STREAMS).map_while(major_type).collect()
}

/// More streams than any file has: where counting stops if a reader never says that there are no more.
const STREAMS: u32 = 1024;
