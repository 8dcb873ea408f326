//! `SinkWriter`: samples into a file or a sink, with the end of the file and every marker a future.

mod inbox;

use std::ffi::c_void;
use std::fmt;
use std::sync::Arc;

use windows::Win32::Foundation::E_POINTER;
use windows::Win32::Media::MediaFoundation::{
    IMFAttributes, IMFByteStream, IMFMediaSink, IMFMediaType, IMFSample, IMFSinkWriter,
    IMFSinkWriterCallback, IMFSinkWriterCallback2, MF_SINK_WRITER_ASYNC_CALLBACK,
    MF_SINK_WRITER_DISABLE_THROTTLING, MFCreateAttributes, MFCreateSinkWriterFromMediaSink,
    MFCreateSinkWriterFromURL,
};
use windows::core::{HSTRING, PCWSTR};

pub use self::inbox::SinkWriterEvent;

use self::inbox::{WriterCallback, WriterInbox};
use crate::async_result::QueueId;
use crate::com::notifications::Notifications;
use crate::com::offload::offload;
use crate::com::{Mta, Platform, StreamIndex};
use crate::error::{Error, Hresult, Result};
use crate::operation::Operation;

/// A sink writer with a callback.
///
/// It does not throttle: [`write_sample`](SinkWriter::write_sample) would block a thread of the runtime then.
/// Let [markers](SinkWriter::place_marker) hold back the producer: await one every so many samples, and
/// no more than those are queued.
///
/// Dropping it without [`finalize`](SinkWriter::finalize) leaves an incomplete file, and ends what is in flight
/// with an error of the kind [`Abandoned`](crate::ErrorKind::Abandoned). It keeps Media Foundation started.
///
/// What makes a writer, chooses an encoder or starts it may block for as long as files and encoders take: each is an
/// operation on a thread of its own.
///
/// ```no_run
/// use mf_async::com::{Mta, Platform, SinkWriter};
/// use windows::Win32::Media::MediaFoundation::{IMFMediaType, IMFSample};
///
/// # async fn write(
/// #     target: Mta<IMFMediaType>,
/// #     input: Mta<IMFMediaType>,
/// #     samples: Vec<Mta<IMFSample>>,
/// # ) -> mf_async::Result<()> {
/// let platform = Platform::startup()?;
/// let writer = SinkWriter::create(&platform, "tone.m4a").await?;
/// let stream = writer.add_stream(&target)?;
/// writer.set_input_media_type(stream, &input).await?;
/// writer.begin_writing().await?;
/// for ten in samples.chunks(10) {
///     for sample in ten {
///         writer.write_sample(stream, sample)?;
///     }
///     writer.place_marker(stream).await?;
/// }
/// writer.finalize().await
/// # }
/// ```
#[doc(alias = "IMFSinkWriter")]
pub struct SinkWriter {
    writer: Mta<IMFSinkWriter>,
    inbox: Arc<WriterInbox>,
    /// Last, so that it is given back last.
    platform: Platform,
}

impl SinkWriter {
    /// Writes to a file; its name says which container. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are `E_INVALIDARG` and `MF_E_NOT_FOUND` when no sink is known for the name, and those of
    /// the file.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches, and a writer that comes of it all the same is released.
    #[doc(alias = "MFCreateSinkWriterFromURL")]
    #[track_caller]
    pub fn create(platform: &Platform, url: impl Into<HSTRING>) -> Operation<SinkWriter> {
        let url = url.into();
        SinkWriter::open_with(platform, move |attributes| {
            // SAFETY: all pointers are valid for the call, and the writer is Media Foundation's own.
            unsafe { Ok(Mta::new(MFCreateSinkWriterFromURL(&url, None::<&IMFByteStream>, attributes)?)) }
        })
    }

    /// Writes to a byte stream. Begins at once.
    ///
    /// `name` says which container by its extension; else the attributes must, by
    /// [`open_with`](SinkWriter::open_with).
    ///
    /// # Errors
    /// As [`create`](SinkWriter::create).
    ///
    /// # Cancel safety
    /// As [`create`](SinkWriter::create).
    #[track_caller]
    pub fn to_byte_stream(
        platform: &Platform,
        stream: &Mta<IMFByteStream>,
        name: Option<&str>,
    ) -> Operation<SinkWriter> {
        let (stream, name) = (stream.clone(), name.map(HSTRING::from));
        SinkWriter::open_with(platform, move |attributes| {
            let name = name.as_ref().map_or(PCWSTR::null(), |name| PCWSTR(name.as_ptr()));
            // SAFETY: all pointers are valid for the call, and the writer is Media Foundation's own.
            unsafe { Ok(Mta::new(MFCreateSinkWriterFromURL(name, &*stream, attributes)?)) }
        })
    }

    /// Writes to a media sink. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are the sink's own.
    ///
    /// # Cancel safety
    /// As [`create`](SinkWriter::create).
    #[doc(alias = "MFCreateSinkWriterFromMediaSink")]
    #[track_caller]
    pub fn to_media_sink(platform: &Platform, sink: &Mta<IMFMediaSink>) -> Operation<SinkWriter> {
        let sink = sink.clone();
        SinkWriter::open_with(platform, move |attributes| {
            // SAFETY: both objects live for the call, and the writer is Media Foundation's own.
            unsafe { Ok(Mta::new(MFCreateSinkWriterFromMediaSink(&*sink, attributes)?)) }
        })
    }

    /// As [`create_with`](SinkWriter::create_with), on a thread of its own, for calls that block. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are those of `create`, or of the system if it has no more threads.
    ///
    /// # Cancel safety
    /// As [`create`](SinkWriter::create).
    #[track_caller]
    pub fn open_with(
        platform: &Platform,
        create: impl FnOnce(&IMFAttributes) -> windows::core::Result<Mta<IMFSinkWriter>> + Send + 'static,
    ) -> Operation<SinkWriter> {
        let kept = platform.clone();
        offload(platform, "open a sink", move || SinkWriter::create_with(&kept, create))
    }

    /// Makes the writer by a call of one's own, with attributes of one's own. The call is made here, and blocks as long as
    /// it takes.
    ///
    /// What `create` is given has room for more attributes; it must be passed on, since with it the writer
    /// calls back here.
    ///
    /// # Errors
    /// Those of `create`.
    #[doc(alias = "MF_SINK_WRITER_ASYNC_CALLBACK")]
    #[doc(alias = "MF_SINK_WRITER_DISABLE_THROTTLING")]
    pub fn create_with(
        platform: &Platform,
        create: impl FnOnce(&IMFAttributes) -> windows::core::Result<Mta<IMFSinkWriter>>,
    ) -> Result<SinkWriter> {
        let inbox = Arc::new(WriterInbox::new());
        let callback: Mta<IMFSinkWriterCallback2> = Mta::of(WriterCallback::new(inbox.clone()));
        let callback: Mta<IMFSinkWriterCallback> = callback.cast()?;
        let mut attributes = None;
        // SAFETY: takes where to store the new object.
        unsafe { MFCreateAttributes(&mut attributes, 2) }?;
        let attributes = attributes.ok_or_else(|| windows::core::Error::from(E_POINTER))?;
        // SAFETY: both objects live for the calls, and the attributes take their own reference.
        unsafe {
            attributes.SetUnknown(&MF_SINK_WRITER_ASYNC_CALLBACK, &*callback)?;
            attributes.SetUINT32(&MF_SINK_WRITER_DISABLE_THROTTLING, 1)?;
        }
        let writer = platform.keep(create(&attributes)?);
        Ok(SinkWriter { writer, inbox, platform: platform.clone() })
    }

    /// Adds a stream that is written in this type, and gives its number.
    ///
    /// # Errors
    /// `MF_E_INVALIDMEDIATYPE` when the container has no place for it.
    #[doc(alias = "AddStream")]
    pub fn add_stream(&self, target: &Mta<IMFMediaType>) -> Result<StreamIndex> {
        // SAFETY: the type lives for the call.
        Ok(StreamIndex(unsafe { self.writer.AddStream(&**target) }?))
    }

    /// Says in which type samples for a stream come; the writer finds an encoder and loads it. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are `MF_E_INVALIDMEDIATYPE`, `MF_E_INVALIDSTREAMNUMBER`, `MF_E_TOPO_CODEC_NOT_FOUND`.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches, and the type is set all the same.
    #[doc(alias = "SetInputMediaType")]
    #[track_caller]
    pub fn set_input_media_type(
        &self,
        stream: impl Into<StreamIndex>,
        input: &Mta<IMFMediaType>,
    ) -> Operation<()> {
        let (writer, stream, input) = (self.writer.clone(), stream.into(), input.clone());
        offload(&self.platform, "choose an encoder", move || {
            // SAFETY: the type lives for the call.
            Ok(unsafe { writer.SetInputMediaType(stream.0, &*input, None::<&IMFAttributes>) }?)
        })
    }

    /// Starts: when it has ended, samples are taken. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are `MF_E_INVALIDREQUEST` when it has started, or has no stream, and those of the encoders.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches, and the writer starts all the same.
    #[doc(alias = "BeginWriting")]
    #[track_caller]
    pub fn begin_writing(&self) -> Operation<()> {
        let writer = self.writer.clone();
        offload(&self.platform, "start a sink writer", move || {
            // SAFETY: needs nothing.
            Ok(unsafe { writer.BeginWriting() }?)
        })
    }

    /// Queues a sample. It is encoded and written later, except that an encoder may work on the calling thread.
    ///
    /// # Errors
    /// `MF_E_INVALIDREQUEST` before the start; those of encoder and sink for earlier samples.
    #[doc(alias = "WriteSample")]
    pub fn write_sample(&self, stream: impl Into<StreamIndex>, sample: &Mta<IMFSample>) -> Result<()> {
        // SAFETY: the sample lives for the call, and the writer takes its own reference.
        Ok(unsafe { self.writer.WriteSample(stream.into().0, &**sample) }?)
    }

    /// Says that a stream has a gap, at a time in units of 100 ns.
    ///
    /// # Errors
    /// `MF_E_INVALIDREQUEST` before the start.
    #[doc(alias = "SendStreamTick")]
    pub fn send_stream_tick(&self, stream: impl Into<StreamIndex>, timestamp: i64) -> Result<()> {
        // SAFETY: takes numbers.
        Ok(unsafe { self.writer.SendStreamTick(stream.into().0, timestamp) }?)
    }

    /// Waits until everything written to a stream before has come to the sink. Begins at once.
    ///
    /// # Errors
    /// None here; the operation's are `MF_E_INVALIDREQUEST` before the start, an encoder's for the stream, and
    /// an error of the kind [`Abandoned`](crate::ErrorKind::Abandoned) when the writer is gone.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches. The marker stays where it is and does no harm.
    #[doc(alias = "PlaceMarker")]
    #[doc(alias = "OnMarker")]
    #[track_caller]
    pub fn place_marker(&self, stream: impl Into<StreamIndex>) -> Operation<()> {
        let stream = stream.into();
        let (promise, operation) = match self.platform.promise(QueueId::MULTITHREADED) {
            Ok(promised) => promised,
            Err(error) => return Operation::failed(error),
        };
        let mut inbox = self.inbox.lock();
        let context = inbox.next_context;
        inbox.next_context += 1;
        inbox.markers.insert(context, (stream, promise));
        drop(inbox);
        // SAFETY: the context is a number; it is never read as a pointer.
        let placed = unsafe { self.writer.PlaceMarker(stream.0, context as *const c_void) };
        if let Err(error) = placed {
            self.inbox.not_placed(context, error.into());
        }
        operation
    }

    /// Says that a segment of a stream, or of every one, ends here.
    ///
    /// # Errors
    /// `MF_E_INVALIDREQUEST` before the start.
    #[doc(alias = "NotifyEndOfSegment")]
    pub fn end_segment(&self, stream: impl Into<StreamIndex>) -> Result<()> {
        // SAFETY: takes a number.
        Ok(unsafe { self.writer.NotifyEndOfSegment(stream.into().0) }?)
    }

    /// Throws away what is queued for a stream, or for every one; markers in it end cancelled.
    ///
    /// # Errors
    /// `MF_E_INVALIDREQUEST` before the start.
    #[doc(alias = "Flush")]
    pub fn flush(&self, stream: impl Into<StreamIndex>) -> Result<()> {
        let stream = stream.into();
        // SAFETY: takes a number.
        unsafe { self.writer.Flush(stream.0) }?;
        self.inbox
            .fail_markers(stream, &Error::new(Hresult::MF_E_OPERATION_CANCELLED, "await a marker: flushed"));
        Ok(())
    }

    /// Completes the file: awaits all samples and writes what belongs at the end. Begins at once.
    ///
    /// Nothing more can be written. Every file needs it. Asked again before it has ended, it waits for the same
    /// end.
    ///
    /// # Errors
    /// None here; the operation's are those of encoders, sink and file, and an error of the kind
    /// [`Abandoned`](crate::ErrorKind::Abandoned) when the writer is gone before it is done.
    ///
    /// # Cancel safety
    /// As [`Operation`]: dropping it detaches, and the file is completed as long as the writer lives.
    #[doc(alias = "Finalize")]
    #[doc(alias = "OnFinalize")]
    #[track_caller]
    pub fn finalize(&self) -> Operation<()> {
        let (promise, operation) = match self.platform.promise(QueueId::MULTITHREADED) {
            Ok(promised) => promised,
            Err(error) => return Operation::failed(error),
        };
        let mut inbox = self.inbox.lock();
        let first = inbox.finalize.is_empty();
        inbox.finalize.push(promise);
        drop(inbox);
        if !first {
            return operation;
        }
        // SAFETY: needs nothing.
        if let Err(error) = unsafe { self.writer.Finalize() } {
            self.inbox.finalized(Err(error.into()));
        }
        operation
    }

    /// Which streams fail from now on, and why; and when an encoder changes its format.
    ///
    /// A stream that was got before ends.
    #[doc(alias = "OnStreamError")]
    #[doc(alias = "OnTransformChange")]
    pub fn events(&self) -> Notifications<SinkWriterEvent> {
        let (notifier, events) = Notifications::channel();
        let former = self.inbox.lock().notifier.replace(Arc::new(notifier));
        drop(former);
        events
    }

    /// The writer itself, for what has no method here. Calls that mark or finalize belong to this type.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFSinkWriter> {
        &self.writer
    }
}

impl Drop for SinkWriter {
    fn drop(&mut self) {
        // Now, not when Media Foundation releases the callback, which others may hold for longer.
        self.inbox.close();
    }
}

impl fmt::Debug for SinkWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SinkWriter").finish_non_exhaustive()
    }
}
