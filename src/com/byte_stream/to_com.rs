//! A byte stream of ours as an object that Media Foundation reads and writes.

use std::ffi::c_void;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex};

use windows::Win32::Foundation::{E_FAIL, E_INVALIDARG, E_NOINTERFACE, E_OUTOFMEMORY, E_POINTER};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFAttributes, IMFAttributes_Impl, IMFByteStream, IMFByteStream_Impl,
    MF_ATTRIBUTE_TYPE, MF_ATTRIBUTES_MATCH_TYPE, MF_BYTESTREAM_CONTENT_TYPE, MF_BYTESTREAM_ORIGIN_NAME,
    MFBYTESTREAM_SEEK_ORIGIN, MFCreateAsyncResult, MFCreateAttributes, MFInvokeCallback, msoBegin,
    msoCurrent,
};
use windows::Win32::System::Com::StructuredStorage::PROPVARIANT;
use windows::Win32::System::Com::{IAgileObject, IAgileObject_Impl};
use windows::core::{BOOL, GUID, HRESULT, HSTRING, IUnknown, Interface, PCWSTR, PWSTR, Ref, Result};
use windows_core::implement;

use crate::async_result::{AsyncCallback, AsyncResult};
use crate::byte_stream::{ByteStream, SeekFlags, SeekOrigin};
use crate::com::Mta;
use crate::com::attributes::has_attributes;
use crate::com::guarded::Guarded;
use crate::com::startup::Started;
use crate::contain::contain;
use crate::error::{Error, Hresult};
use crate::sync::LockExt;

/// Makes a byte stream an object that Media Foundation accepts: the source resolver, the source reader, the sink
/// writer.
///
/// Requests are performed by the stream's own platform, so that must run as long as the object is used. The
/// methods that block, `Read` and `Write`, use [`blocking_read`](ByteStream::blocking_read) and
/// [`blocking_write`](ByteStream::blocking_write), or else wait for a request: they must not be called on a thread
/// that the platform's runtime cannot do without. Media Foundation calls them on threads of its own, and
/// [`SourceReader::from_byte_stream`](crate::com::SourceReader::from_byte_stream) sees to it.
///
/// Feeding Media Foundation from memory:
///
/// ```no_run
/// use mf_async::com::{self, SourceReader, byte_stream_object};
/// use mf_async::byte_stream::MemoryByteStream;
/// use mf_async::Platform;
///
/// # async fn play(bytes: Vec<u8>) -> mf_async::Result<()> {
/// let (ours, theirs) = (Platform::startup()?, com::Platform::startup()?);
/// let stream = MemoryByteStream::new(&ours, bytes);
/// let reader = SourceReader::from_byte_stream(&theirs, byte_stream_object(stream)).await?;
/// # Ok(()) }
/// ```
///
/// From anything that reads and seeks by `tokio::io`, it is
/// [`ByteStreamFromIo`](crate::byte_stream::ByteStreamFromIo) in place of the stream in memory.
///
/// The object has attributes. Its MIME type is the stream's own
/// [`content_type`](ByteStream::content_type). Media Foundation finds who can read a stream by its MIME type or its
/// name, and by its first bytes only for some formats: give one of them by
/// [`byte_stream_object_with`] if the stream does not know. MP3, AAC and raw formats need it.
#[doc(alias = "IMFByteStream")]
#[doc(alias = "MFCreateMFByteStreamOnStreamEx")]
#[must_use]
pub fn byte_stream_object(stream: impl ByteStream + 'static) -> Mta<IMFByteStream> {
    let content_type = stream.content_type();
    byte_stream_object_with(stream, content_type.as_deref(), None)
}

/// As [`byte_stream_object`], with what Media Foundation shall know of the stream: its MIME type, such as
/// `audio/mpeg`, and the URL or file name that it came from, of which the extension counts.
///
/// ```no_run
/// # use mf_async::com::{self, SourceReader};
/// # use mf_async::byte_stream::MemoryByteStream;
/// # async fn play(ours: &mf_async::Platform, theirs: &com::Platform, bytes: Vec<u8>) -> mf_async::Result<()> {
/// let stream = MemoryByteStream::new(ours, bytes);
/// let stream = com::byte_stream_object_with(stream, Some("audio/mpeg"), Some("tone.mp3"));
/// let reader = SourceReader::from_byte_stream(theirs, stream).await?;
/// # Ok(()) }
/// ```
#[doc(alias = "MF_BYTESTREAM_CONTENT_TYPE")]
#[doc(alias = "MF_BYTESTREAM_ORIGIN_NAME")]
#[must_use]
pub fn byte_stream_object_with(
    stream: impl ByteStream + 'static,
    content_type: Option<&str>,
    origin_name: Option<&str>,
) -> Mta<IMFByteStream> {
    let about = [(MF_BYTESTREAM_CONTENT_TYPE, content_type), (MF_BYTESTREAM_ORIGIN_NAME, origin_name)];
    // Without memory for them it has none, and says so when it is asked.
    let attributes = attributes_of(about).ok();
    Mta::of(StreamObject { stream: Guarded::new(Arc::new(stream)), attributes })
}

fn attributes_of(texts: [(GUID, Option<&str>); 2]) -> Result<Mta<IMFAttributes>> {
    let mut attributes = None;
    // SAFETY: takes where to store the new object.
    unsafe { MFCreateAttributes(&mut attributes, texts.len() as u32) }?;
    // SAFETY: a store of Media Foundation's own.
    let attributes = unsafe { Mta::new(attributes.ok_or(E_POINTER)?) }.keeping(Started::current());
    for (key, text) in texts {
        if let Some(text) = text {
            // SAFETY: both live for the call, and are copied.
            unsafe { attributes.SetString(&raw const key, &HSTRING::from(text)) }?;
        }
    }
    Ok(attributes)
}

#[implement(IMFByteStream, IMFAttributes)]
struct StreamObject {
    stream: Guarded<Arc<dyn ByteStream>>,
    attributes: Option<Mta<IMFAttributes>>,
}

impl StreamObject {
    /// Reads on the calling thread.
    fn read(&self, count: u32) -> crate::Result<Vec<u8>> {
        let mut buffer = room(count)?;
        match self.stream.blocking_read(&mut buffer) {
            Ok(read) => {
                buffer.truncate(read);
                Ok(buffer)
            }
            Err(error) if error.hresult() == Hresult::E_NOTIMPL => {
                let stream = Arc::clone(&self.stream);
                wait(|callback| self.stream.begin_read(buffer, callback, None), move |r| stream.end_read(r))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes on the calling thread.
    fn write(&self, bytes: &[u8]) -> crate::Result<usize> {
        match self.stream.blocking_write(bytes) {
            Err(error) if error.hresult() == Hresult::E_NOTIMPL => {
                let stream = Arc::clone(&self.stream);
                let begin = |callback| self.stream.begin_write(bytes.to_vec(), callback, None);
                wait(begin, move |result| Ok(stream.end_write(result)?.0))
            }
            other => other,
        }
    }

    /// Begins a request for which `callback` is to be invoked; `end` gives what its End has, to be written to `place`.
    fn begin<T: Ended>(
        &self,
        kind: RequestKind,
        (callback, state): (Option<&IMFAsyncCallback>, Option<&IUnknown>),
        place: T::Place,
        begin: impl FnOnce(Arc<dyn AsyncCallback>) -> crate::Result<()>,
        end: impl FnOnce(&AsyncResult) -> crate::Result<T> + Send + 'static,
    ) -> crate::Result<()> {
        let callback = callback.ok_or_else(|| Error::new(Hresult::E_POINTER, "begin without a callback"))?;
        let ended = Arc::new(Mutex::new(RequestOutcome::Pending));
        let object = RequestEnd { kind, of: identity(&self.stream), outcome: Guarded::new(ended.clone()) };
        let object: Mta<IUnknown> = Mta::<IAgileObject>::of(object).cast()?;
        // SAFETY: all three live for the call, and the result, which is Media Foundation's own, takes its own
        // references.
        let result = unsafe { Mta::new(MFCreateAsyncResult(&*object, callback, state)?) };
        // The stream has the callback that owns it, for as long as it likes.
        let result = result.keeping(Started::current());
        let right = Arc::new(Mutex::new(Some(RequestRight { result, place })));
        let completer = ResultCompleter::<T> { right: right.clone(), ended };
        let call = SingleCall(Mutex::new(Some(move |result: &AsyncResult| completer.complete(end(result)))));
        // Guarded until it is known whether anything was begun: its drop is a call, too.
        let callback = Arc::new(call);
        let begun = contain(|| begin(callback.clone()))
            .unwrap_or_else(|payload| Err(Error::panicked("a byte stream", payload)));
        let Err(error) = begun else { return Ok(()) };
        // Nothing was begun: a callback that is still held elsewhere has no result to invoke any more, and no right to
        // write. If it is writing at this moment, this waits.
        let withdrawn = right.locked().take();
        // One that was answered has begun, even if the stream says that it failed.
        withdrawn.map_or(Ok(()), |_| Err(error))
    }

    /// What a request ended with, once.
    fn end(&self, kind: RequestKind, result: Option<&IMFAsyncResult>) -> Result<u32> {
        let result = result.ok_or(E_POINTER)?;
        // SAFETY: needs nothing.
        let object = unsafe { result.GetObject() }.map_err(|_| E_INVALIDARG)?;
        let ended = object.cast_object::<RequestEnd>().map_err(|_| E_INVALIDARG)?;
        if ended.kind != kind || ended.of != identity(&self.stream) {
            return Err(E_INVALIDARG.into());
        }
        let mut outcome = ended.outcome.locked();
        if matches!(*outcome, RequestOutcome::Pending) {
            return Err(HRESULT::from(Hresult::E_PENDING).into());
        }
        let taken = std::mem::replace(&mut *outcome, RequestOutcome::Taken);
        drop(outcome);
        match taken {
            RequestOutcome::Ended(count) => count.map_err(windows::core::Error::from),
            RequestOutcome::Taken | RequestOutcome::Pending => Err(E_FAIL.into()),
        }
    }
}

impl StreamObject {
    fn attributes(&self) -> Result<&IMFAttributes> {
        self.attributes.as_deref().ok_or_else(|| E_NOINTERFACE.into())
    }
}

has_attributes!(StreamObject_Impl);

impl IMFByteStream_Impl for StreamObject_Impl {
    fn GetCapabilities(&self) -> Result<u32> {
        contained(|| Ok(self.stream.capabilities().bits()))
    }

    fn GetLength(&self) -> Result<u64> {
        contained(|| Ok(self.stream.length()?.unwrap_or(UNKNOWN)))
    }

    fn SetLength(&self, length: u64) -> Result<()> {
        contained(|| self.stream.set_length(length))
    }

    fn GetCurrentPosition(&self) -> Result<u64> {
        contained(|| self.stream.position())
    }

    fn SetCurrentPosition(&self, position: u64) -> Result<()> {
        contained(|| self.stream.set_position(position))
    }

    fn IsEndOfStream(&self) -> Result<BOOL> {
        contained(|| self.stream.is_end_of_stream().map(BOOL::from))
    }

    fn Read(&self, place: *mut u8, count: u32, read: *mut u32) -> Result<()> {
        if place.is_null() || read.is_null() {
            return Err(E_POINTER.into());
        }
        let bytes = contained(|| self.read(count))?;
        // A stream may give more than it was asked for; there is no room for that.
        let given = bytes.len().min(count as usize);
        // SAFETY: neither is null. The caller passes room for `count` bytes, and no more than that are copied, and
        // a place for the number of them.
        unsafe {
            place.copy_from_nonoverlapping(bytes.as_ptr(), given);
            *read = given as u32;
        }
        Ok(())
    }

    fn BeginRead(
        &self,
        place: *mut u8,
        count: u32,
        callback: Ref<'_, IMFAsyncCallback>,
        state: Ref<'_, IUnknown>,
    ) -> Result<()> {
        if place.is_null() {
            return Err(E_POINTER.into());
        }
        let stream = Arc::clone(&self.stream);
        contained(|| {
            let buffer = room(count)?;
            self.begin(
                RequestKind::Read,
                (callback.as_ref(), state.as_ref()),
                Destination { place, room: count as usize },
                |callback| self.stream.begin_read(buffer, callback, None),
                move |result| stream.end_read(result),
            )
        })
    }

    fn EndRead(&self, result: Ref<'_, IMFAsyncResult>) -> Result<u32> {
        self.end(RequestKind::Read, result.as_ref())
    }

    fn Write(&self, bytes: *const u8, count: u32) -> Result<u32> {
        let bytes = copied(bytes, count)?;
        contained(|| self.write(&bytes).map(|written| written as u32))
    }

    fn BeginWrite(
        &self,
        bytes: *const u8,
        count: u32,
        callback: Ref<'_, IMFAsyncCallback>,
        state: Ref<'_, IUnknown>,
    ) -> Result<()> {
        let (stream, bytes) = (Arc::clone(&self.stream), copied(bytes, count)?);
        contained(|| {
            self.begin(
                RequestKind::Write,
                (callback.as_ref(), state.as_ref()),
                (),
                |callback| self.stream.begin_write(bytes, callback, None),
                move |result| Ok(stream.end_write(result)?.0 as u32),
            )
        })
    }

    fn EndWrite(&self, result: Ref<'_, IMFAsyncResult>) -> Result<u32> {
        self.end(RequestKind::Write, result.as_ref())
    }

    fn Seek(&self, origin: MFBYTESTREAM_SEEK_ORIGIN, offset: i64, flags: u32) -> Result<u64> {
        let origin = match origin {
            o if o == msoBegin => SeekOrigin::Begin,
            o if o == msoCurrent => SeekOrigin::Current,
            _ => return Err(E_INVALIDARG.into()),
        };
        contained(|| self.stream.seek(origin, offset, SeekFlags::from_bits_retain(flags)))
    }

    fn Flush(&self) -> Result<()> {
        contained(|| self.stream.flush())
    }

    fn Close(&self) -> Result<()> {
        contained(|| self.stream.close())
    }
}

/// The private object of a request's result: where its End finds what it ended with.
#[implement(IAgileObject)]
struct RequestEnd {
    kind: RequestKind,
    of: usize,
    outcome: Guarded<Arc<Mutex<RequestOutcome>>>,
}

impl IAgileObject_Impl for RequestEnd_Impl {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestKind {
    Read,
    Write,
}

enum RequestOutcome {
    Pending,
    Ended(crate::Result<u32>),
    Taken,
}

/// What a request may still do, once: write to the caller's buffer and invoke the result. It is one value under one lock,
/// so that both are taken back together.
struct RequestRight<P> {
    result: Mta<IMFAsyncResult>,
    place: P,
}

/// What a request ends with.
trait Ended: Send + 'static {
    /// Where it is to be written.
    type Place: Send + 'static;

    /// Writes it there, and gives the count for End.
    ///
    /// # Safety
    /// The place is one that a Begin was given, which has not failed and whose callback has not been invoked yet.
    unsafe fn write_to(&self, place: &Self::Place) -> u32;
}

/// What was read.
impl Ended for Vec<u8> {
    type Place = Destination;

    unsafe fn write_to(&self, place: &Destination) -> u32 {
        // A stream may give more than it was asked for; there is no room for that.
        let count = self.len().min(place.room);
        // SAFETY: the caller of BeginRead passes that much room and leaves it there until BeginRead fails or the callback
        // is invoked, and the caller of this says that neither has happened.
        unsafe { place.place.copy_from_nonoverlapping(self.as_ptr(), count) };
        count as u32
    }
}

/// How much was written.
impl Ended for u32 {
    type Place = ();

    unsafe fn write_to(&self, (): &()) -> u32 {
        *self
    }
}

/// Completes a request: its result is invoked exactly once, also when this is dropped, unless Begin itself failed.
struct ResultCompleter<T: Ended> {
    right: Arc<Mutex<Option<RequestRight<T::Place>>>>,
    ended: Arc<Mutex<RequestOutcome>>,
}

impl<T: Ended> ResultCompleter<T> {
    fn complete(self, outcome: crate::Result<T>) {
        self.invoke(outcome);
    }

    fn invoke(&self, outcome: crate::Result<T>) {
        let mut held = self.right.locked();
        let Some(right) = &*held else { return };
        // Under the lock: a withdrawal waits for it. It copies bytes, no more.
        // SAFETY: the right is held, under its lock. A Begin that fails takes it back under the same lock before it returns,
        // and the callback is invoked after this.
        let outcome = outcome.map(|ended| unsafe { ended.write_to(&right.place) });
        let right = held.take();
        drop(held);
        let Some(RequestRight { result, .. }) = right else { return };
        let status = outcome.as_ref().map_or_else(Error::hresult, |_| Hresult::S_OK);
        *self.ended.locked() = RequestOutcome::Ended(outcome);
        // SAFETY: the result lives for the calls. If Media Foundation is shut down, nothing waits for it.
        unsafe {
            let _ = result.SetStatus(status.into());
            let _ = MFInvokeCallback(&*result);
        }
    }
}

impl<T: Ended> Drop for ResultCompleter<T> {
    /// Our own callback was dropped without a call.
    fn drop(&mut self) {
        self.invoke(Err(Error::abandoned("a request to a byte stream: its platform is gone")));
    }
}

/// A callback that is good for one call.
struct SingleCall<F>(Mutex<Option<F>>);

impl<F: FnOnce(&AsyncResult) + Send> AsyncCallback for SingleCall<F> {
    fn invoke(&self, result: &AsyncResult) {
        let call = self.0.locked().take();
        if let Some(call) = call {
            call(result);
        }
    }
}

/// Where to write what is read.
struct Destination {
    place: *mut u8,
    room: usize,
}

// SAFETY: it is memory of the process, which the caller of BeginRead leaves to the read, on any thread.
unsafe impl Send for Destination {}

/// Begins a request and waits for it on this thread.
fn wait<T: Send + 'static>(
    begin: impl FnOnce(Arc<dyn AsyncCallback>) -> crate::Result<()>,
    end: impl FnOnce(&AsyncResult) -> crate::Result<T> + Send + 'static,
) -> crate::Result<T> {
    let (sender, receiver): (SyncSender<crate::Result<T>>, _) = sync_channel(1);
    // A send without a receiver is no error: the wait below is over then.
    let call = move |result: &AsyncResult| drop(sender.send(end(result)));
    begin(Arc::new(SingleCall(Mutex::new(Some(call)))))?;
    let abandoned = |_| Err(Error::abandoned("a request to a byte stream: its platform is gone"));
    receiver.recv().unwrap_or_else(abandoned)
}

/// A buffer of that many bytes, which the other side asks for, up to 4 GiB.
fn room(count: u32) -> crate::Result<Vec<u8>> {
    let mut buffer = Vec::new();
    let reserved = buffer.try_reserve_exact(count as usize);
    reserved.map_err(|_| Error::new(Hresult::E_OUTOFMEMORY, format!("make room for {count} bytes")))?;
    buffer.resize(count as usize, 0);
    Ok(buffer)
}

/// A copy of the caller's bytes.
fn copied(bytes: *const u8, count: u32) -> Result<Vec<u8>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if bytes.is_null() {
        return Err(E_POINTER.into());
    }
    let mut copy = Vec::new();
    copy.try_reserve_exact(count as usize).map_err(|_| E_OUTOFMEMORY)?;
    // SAFETY: not null, and the caller passes that many bytes, which live for the call.
    copy.extend_from_slice(unsafe { std::slice::from_raw_parts(bytes, count as usize) });
    Ok(copy)
}

/// Calls without unwinding into foreign code.
fn contained<T>(call: impl FnOnce() -> crate::Result<T>) -> Result<T> {
    contain(call)
        .unwrap_or_else(|payload| Err(Error::panicked("a byte stream", payload)))
        .map_err(windows::core::Error::from)
}

/// What a stream is known by while it lives.
fn identity(stream: &Arc<dyn ByteStream>) -> usize {
    Arc::as_ptr(stream).cast::<()>() as usize
}

/// What `GetLength` says when the length is not known.
const UNKNOWN: u64 = u64::MAX;
