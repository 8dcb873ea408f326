//! `SourceReader`: decoded samples of a file, a byte stream or a media source, each read a future.

mod inbox;
mod read_sample;
mod requests;
mod sample;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex};

use futures::stream::{self, Stream, StreamExt};
use windows::Win32::Foundation::E_POINTER;
use windows::Win32::Media::MediaFoundation::{
    IMFAttributes, IMFByteStream, IMFMediaSource, IMFMediaType, IMFSourceReader, IMFSourceReaderCallback,
    MF_PD_DURATION, MF_SOURCE_READER_ASYNC_CALLBACK, MFCreateAttributes, MFCreateSourceReaderFromByteStream,
    MFCreateSourceReaderFromMediaSource, MFCreateSourceReaderFromURL, MFMediaType_Audio, MFMediaType_Video,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::core::{GUID, HSTRING};

pub use self::read_sample::ReadSample;
pub use self::sample::{Sample, SampleFlags, SourceReaderEvent};

use self::inbox::{ReaderCallback, ReaderInbox};
use crate::async_result::QueueId;
use crate::com::notifications::Notifications;
use crate::com::offload::offload;
use crate::com::{Mta, Platform, StreamIndex};
use crate::error::Result;
use crate::operation::Operation;
use crate::sync::LockExt;

/// A source reader in asynchronous mode.
///
/// Each [`read_sample`](SourceReader::read_sample) is a future; several may be in flight, and reads of one
/// stream get its samples in order. No thread waits for any of them.
///
/// After an error that the flag [`SampleFlags::ERROR`] came with, Media Foundation allows no call of the reader: every read
/// ends with that error, and so does every flush and seek from then on.
///
/// Dropping it ends what is in flight with an error of the kind [`Abandoned`](crate::ErrorKind::Abandoned).
/// It keeps Media Foundation started, and so does every read and every sample.
///
/// ```no_run
/// use futures::TryStreamExt;
/// use mf_async::com::{Platform, SourceReader, StreamIndex};
///
/// # async fn count() -> mf_async::Result<u64> {
/// let platform = Platform::startup()?;
/// let reader = SourceReader::open(&platform, "tone.wav").await?;
/// let bytes = reader
///     .samples(StreamIndex::FIRST_AUDIO)
///     .try_fold(0, async |sum, sample| Ok(sum + sample.to_vec()?.len() as u64));
/// # bytes.await }
/// ```
#[doc(alias = "IMFSourceReader")]
pub struct SourceReader {
    reader: Mta<IMFSourceReader>,
    inbox: Arc<ReaderInbox>,
    /// The major types of the streams, as far as they are known.
    streams: Mutex<Vec<Option<GUID>>>,
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
        // SAFETY: both arguments live for the call, and the reader is Media Foundation's own.
        SourceReader::open_with(platform, move |attributes| unsafe {
            Ok(Mta::new(MFCreateSourceReaderFromURL(&url, attributes)?))
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
    pub fn from_byte_stream(platform: &Platform, stream: Mta<IMFByteStream>) -> Operation<SourceReader> {
        // SAFETY: both arguments live for the call, and the reader is Media Foundation's own.
        SourceReader::open_with(platform, move |attributes| unsafe {
            Ok(Mta::new(MFCreateSourceReaderFromByteStream(&*stream, attributes)?))
        })
    }

    /// Reads from a media source, which is shut down with the reader. Begins at once, as [`open`](SourceReader::open):
    /// decoders are loaded, and a device may be started.
    ///
    /// # Errors
    /// None here; the operation's are the source's own.
    ///
    /// # Cancel safety
    /// As [`open`](SourceReader::open).
    #[doc(alias = "MFCreateSourceReaderFromMediaSource")]
    #[track_caller]
    pub fn from_media_source(platform: &Platform, source: &Mta<IMFMediaSource>) -> Operation<SourceReader> {
        let source = source.clone();
        // SAFETY: both objects live for the call, and the reader is Media Foundation's own.
        SourceReader::open_with(platform, move |attributes| unsafe {
            Ok(Mta::new(MFCreateSourceReaderFromMediaSource(&*source, attributes)?))
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
        create: impl FnOnce(&IMFAttributes) -> windows::core::Result<Mta<IMFSourceReader>> + Send + 'static,
    ) -> Operation<SourceReader> {
        let kept = platform.clone();
        offload(platform, "open a source", move || SourceReader::create_with(&kept, create))
    }

    /// Makes the reader by a call of one's own, with attributes of one's own. The call is made here, and blocks as long as
    /// it takes: for one that looks into a file or starts a device use [`open_with`](SourceReader::open_with).
    ///
    /// What `create` is given has room for more attributes; it must be passed on, since with it the reader is
    /// asynchronous and calls back here.
    ///
    /// ```no_run
    /// use mf_async::com::{Mta, Platform, SourceReader};
    /// use windows::Win32::Media::MediaFoundation::*;
    /// use windows::core::w;
    ///
    /// # fn open(platform: &Platform) -> mf_async::Result<SourceReader> {
    /// SourceReader::create_with(platform, |attributes| unsafe {
    ///     attributes.SetUINT32(&MF_SOURCE_READER_ENABLE_VIDEO_PROCESSING, 1)?;
    ///     Ok(Mta::new(MFCreateSourceReaderFromURL(w!("clip.mp4"), attributes)?))
    /// })
    /// # }
    /// ```
    ///
    /// # Errors
    /// Those of `create`.
    #[doc(alias = "MF_SOURCE_READER_ASYNC_CALLBACK")]
    pub fn create_with(
        platform: &Platform,
        create: impl FnOnce(&IMFAttributes) -> windows::core::Result<Mta<IMFSourceReader>>,
    ) -> Result<SourceReader> {
        let inbox = Arc::new(ReaderInbox::new(Arc::downgrade(platform.started())));
        let callback: Mta<IMFSourceReaderCallback> = Mta::of(ReaderCallback::new(inbox.clone()));
        let mut attributes = None;
        // SAFETY: takes where to store the new object.
        unsafe { MFCreateAttributes(&mut attributes, 1) }?;
        let attributes = attributes.ok_or_else(|| windows::core::Error::from(E_POINTER))?;
        // SAFETY: both objects live for the call, and the attributes take their own reference.
        unsafe { attributes.SetUnknown(&MF_SOURCE_READER_ASYNC_CALLBACK, &*callback) }?;
        let reader = platform.keep(create(&attributes)?);
        let streams = Mutex::new(major_types(&reader));
        Ok(SourceReader { reader, inbox, streams, platform: platform.clone() })
    }

    /// Asks for the next sample of a stream, at once; awaiting what is returned only waits.
    ///
    /// At the end of the stream, and in a gap, there is an answer without a sample, whose flags say so.
    ///
    /// # Errors
    /// None here; the future's are `MF_E_INVALIDSTREAMNUMBER`, `MF_E_NOTACCEPTING` while a flush is pending,
    /// `E_FAIL` for an error that the reader has no code for, those of source and decoder, a cancellation when the stream is flushed, and an error of the kind
    /// [`Abandoned`](crate::ErrorKind::Abandoned) when the reader is gone.
    ///
    /// # Cancel safety
    /// No sample is lost when the future is dropped: it goes to the next read of the stream, which takes it
    /// without asking the reader for another.
    #[doc(alias = "ReadSample")]
    pub fn read_sample(&self, stream: impl Into<StreamIndex>) -> ReadSample {
        let stream = self.number(stream.into());
        let begun = self.check(stream).and_then(|()| {
            self.inbox.read(stream, || {
                // SAFETY: takes numbers; the four places for answers are null, as asynchronous mode wants it.
                unsafe { self.reader.ReadSample(stream.0, 0, None, None, None, None) }
            })
        });
        ReadSample::new(&self.inbox, begun, &self.platform)
    }

    /// The samples of a stream up to its end, as a stream that reads one after the other. Those of
    /// [`ANY`](StreamIndex::ANY) end when every selected stream has.
    ///
    /// Answers without a sample are passed on only if their flags say more than that the stream has ended. An
    /// error is the last item.
    ///
    /// # Cancel safety
    /// Nothing is lost when a future of `next` is dropped, and nothing when the stream is.
    pub fn samples(
        &self,
        stream: impl Into<StreamIndex>,
    ) -> impl Stream<Item = Result<Sample>> + Send + Unpin + '_ {
        let progress = Some((stream.into(), BTreeSet::new()));
        let samples = stream::unfold(progress, move |progress| async move {
            let (wanted, mut ended) = progress?;
            let mut from = wanted;
            loop {
                let sample = match self.read_sample(from).await {
                    Ok(sample) => sample,
                    Err(error) => return Some((Err(error), None)),
                };
                let mut left = None;
                if sample.is_end_of_stream() && wanted == StreamIndex::ANY {
                    left =
                        self.selected().find(|index| *index != sample.stream_index && !ended.contains(index));
                    // One that says it twice would hold up the others for ever.
                    let again = !ended.insert(sample.stream_index);
                    from = left.filter(|_| again).unwrap_or(wanted);
                }
                let over = sample.is_end_of_stream() && left.is_none();
                match (sample.is_nothing(), over) {
                    (true, true) => return None,
                    (true, false) => {}
                    (false, true) => return Some((Ok(sample), None)),
                    (false, false) => return Some((Ok(sample), Some((wanted, ended)))),
                }
            }
        });
        // Polled after its end it still says that it has ended.
        Box::pin(samples.fuse())
    }

    /// The streams that are read.
    fn selected(&self) -> impl Iterator<Item = StreamIndex> + '_ {
        (0..self.known_streams()).map(StreamIndex).filter(|&index| {
            // SAFETY: takes a number.
            unsafe { self.reader.GetStreamSelection(index.0) }.is_ok_and(|selected| selected.as_bool())
        })
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
    pub fn flush(&self, stream: impl Into<StreamIndex>) -> Operation<()> {
        let stream = self.number(stream.into());
        let (promise, operation) = match self.platform.promise(QueueId::MULTITHREADED) {
            Ok(promised) => promised,
            Err(error) => return Operation::failed(error),
        };
        self.inbox.flush(stream, promise, || {
            // SAFETY: takes a number.
            unsafe { self.reader.Flush(stream.0) }
        });
        operation
    }

    /// Continues at another time, in units of 100 ns; what dropped reads left behind is forgotten.
    ///
    /// A source may start earlier than that, at the sample that it can decode from.
    ///
    /// # Errors
    /// `MF_E_INVALIDREQUEST` while reads are in flight: [`flush`](SourceReader::flush) first. Those of a source
    /// that cannot seek; the error that has ended the reader.
    #[doc(alias = "SetCurrentPosition")]
    pub fn seek(&self, position: i64) -> Result<()> {
        self.inbox.check()?;
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
        let source = StreamIndex::MEDIA_SOURCE.0;
        // SAFETY: takes a number and a key that lives for the call.
        let duration = unsafe { self.reader.GetPresentationAttribute(source, &MF_PD_DURATION) }?;
        Ok(u64::try_from(&duration)?)
    }

    /// The type in which samples of a stream come.
    ///
    /// # Errors
    /// `MF_E_INVALIDSTREAMNUMBER`.
    #[doc(alias = "GetCurrentMediaType")]
    pub fn media_type(&self, stream: impl Into<StreamIndex>) -> Result<Mta<IMFMediaType>> {
        let stream = self.number(stream.into());
        // SAFETY: takes a number; media types are Media Foundation's own.
        Ok(unsafe { self.reader.beside(self.reader.GetCurrentMediaType(stream.0)?) })
    }

    /// One of the types in which the source itself has a stream.
    ///
    /// # Errors
    /// `MF_E_INVALIDSTREAMNUMBER`; `MF_E_NO_MORE_TYPES` past the last one.
    #[doc(alias = "GetNativeMediaType")]
    pub fn native_media_type(&self, stream: impl Into<StreamIndex>, index: u32) -> Result<Mta<IMFMediaType>> {
        let stream = self.number(stream.into());
        // SAFETY: takes numbers; media types are Media Foundation's own.
        Ok(unsafe { self.reader.beside(self.reader.GetNativeMediaType(stream.0, index)?) })
    }

    /// Says in which type samples of a stream are to come; the reader finds a decoder.
    ///
    /// # Errors
    /// `MF_E_INVALIDMEDIATYPE`, `MF_E_TOPO_CODEC_NOT_FOUND`; `MF_E_INVALIDREQUEST` while reads are in flight.
    #[doc(alias = "SetCurrentMediaType")]
    pub fn set_media_type(&self, stream: impl Into<StreamIndex>, to: &Mta<IMFMediaType>) -> Result<()> {
        let stream = self.number(stream.into());
        // SAFETY: the type lives for the call.
        Ok(unsafe { self.reader.SetCurrentMediaType(stream.0, None, &**to) }?)
    }

    /// Says whether a stream, or every stream, is read at all.
    ///
    /// # Errors
    /// `MF_E_INVALIDSTREAMNUMBER`.
    #[doc(alias = "SetStreamSelection")]
    pub fn select_stream(&self, stream: impl Into<StreamIndex>, selected: bool) -> Result<()> {
        let stream = self.number(stream.into());
        // SAFETY: takes numbers.
        Ok(unsafe { self.reader.SetStreamSelection(stream.0, selected) }?)
    }

    /// Other events of the source from now on: buffering, a connection made or lost, a changed character.
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
    fn number(&self, stream: StreamIndex) -> StreamIndex {
        match stream {
            StreamIndex::FIRST_AUDIO => self.first(MFMediaType_Audio).unwrap_or(stream),
            StreamIndex::FIRST_VIDEO => self.first(MFMediaType_Video).unwrap_or(stream),
            stream => stream,
        }
    }

    /// The first stream of this major type.
    fn first(&self, major: GUID) -> Option<StreamIndex> {
        self.known_streams();
        let index = self.streams.locked().iter().position(|&of| of == Some(major))?;
        u32::try_from(index).ok().map(StreamIndex)
    }

    /// How many streams there are. They are looked at again when the reader has said that there are new ones.
    fn known_streams(&self) -> u32 {
        let new = std::mem::take(&mut self.inbox.lock().new_streams);
        if new {
            let streams = major_types(&self.reader);
            *self.streams.locked() = streams;
        }
        self.streams.locked().len() as u32
    }

    /// `MF_E_INVALIDSTREAMNUMBER` unless there is such a stream: not every reader answers a read of none.
    fn check(&self, stream: StreamIndex) -> Result<()> {
        if stream != StreamIndex::ANY && stream.0 >= self.known_streams() && self.inbox.check().is_ok() {
            // SAFETY: takes a number.
            let _selected = unsafe { self.reader.GetStreamSelection(stream.0) }?;
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
        // Now, not when Media Foundation releases the callback, which others may hold for longer.
        self.inbox.close();
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
