//! A byte stream of ours as an object that Media Foundation reads and writes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use windows::Win32::Foundation::{E_FAIL, E_INVALIDARG, E_POINTER};
use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, IMFAsyncResult, IMFByteStream, IMFByteStream_Impl, MFBYTESTREAM_SEEK_ORIGIN,
    MFCreateAsyncResult, MFInvokeCallback, msoBegin, msoCurrent,
};
use windows::core::{BOOL, HRESULT, IUnknown, Interface, Ref};
use windows_core::implement;

use crate::async_result::{AsyncCallback, AsyncResult};
use crate::byte_stream::{ByteStream, SeekFlags, SeekOrigin};
use crate::com::Mta;
use crate::error::{Error, Hresult, Result};

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
#[doc(alias = "IMFByteStream")]
#[doc(alias = "MFCreateMFByteStreamOnStreamEx")]
#[must_use]
pub fn byte_stream_object(stream: impl ByteStream + 'static) -> Mta<IMFByteStream> {
    Mta::of(StreamObject { stream: Arc::new(stream) })
}

#[implement(IMFByteStream)]
struct StreamObject {
    stream: Arc<dyn ByteStream>,
}

impl StreamObject {
    /// Reads on the calling thread.
    fn read(&self, count: u32) -> Result<Vec<u8>> {
        let mut buffer = vec![0; count as usize];
        match self.stream.blocking_read(&mut buffer) {
            Ok(read) => {
                buffer.truncate(read);
                Ok(buffer)
            }
            Err(error) if error.hresult() == Hresult::E_NOTIMPL => {
                let stream = self.stream.clone();
                wait(|callback| self.stream.begin_read(buffer, callback, None), move |r| stream.end_read(r))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes on the calling thread.
    fn write(&self, bytes: &[u8]) -> Result<usize> {
        match self.stream.blocking_write(bytes) {
            Err(error) if error.hresult() == Hresult::E_NOTIMPL => {
                let stream = self.stream.clone();
                let begin = |callback| self.stream.begin_write(bytes.to_vec(), callback, None);
                wait(begin, move |result| Ok(stream.end_write(result)?.0))
            }
            other => other,
        }
    }

    /// Begins a request for which `callback` is to be invoked; `end` gives the count for its End.
    fn begin(
        &self,
        kind: RequestKind,
        callback: Option<&IMFAsyncCallback>,
        state: Option<&IUnknown>,
        begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<()>,
        end: impl FnOnce(&AsyncResult) -> Result<u32> + Send + 'static,
    ) -> Result<()> {
        let callback = callback.ok_or_else(|| Error::new(Hresult::E_POINTER, "begin without a callback"))?;
        let ended = Arc::new(Mutex::new(RequestOutcome::Pending));
        let object: IUnknown = RequestEnd { kind, of: identity(&self.stream), outcome: ended.clone() }.into();
        // SAFETY: all three live for the call, and the result, which is Media Foundation's own, takes its own
        // references.
        let result = unsafe { Mta::new(MFCreateAsyncResult(&object, callback, state)?) };
        let result = Arc::new(Mutex::new(Some(result)));
        let completer = ResultCompleter { result: result.clone(), ended };
        let call = SingleCall(Mutex::new(Some(move |result: &AsyncResult| completer.complete(end(result)))));
        // Held until it is known whether anything was begun: its drop is a call, too.
        let callback = Arc::new(call);
        begin(callback.clone()).inspect_err(|_| {
            // Nothing was: a callback that is still held elsewhere has no result to invoke any more.
            let withdrawn = result.lock().unwrap_or_else(PoisonError::into_inner).take();
            drop(withdrawn);
        })
    }

    /// What a request ended with, once.
    fn end(&self, kind: RequestKind, result: Option<&IMFAsyncResult>) -> windows::core::Result<u32> {
        let result = result.ok_or(E_POINTER)?;
        // SAFETY: needs nothing.
        let object = unsafe { result.GetObject() }.map_err(|_| E_INVALIDARG)?;
        let ended = object.cast_object::<RequestEnd>().map_err(|_| E_INVALIDARG)?;
        if ended.kind != kind || ended.of != identity(&self.stream) {
            return Err(E_INVALIDARG.into());
        }
        let mut outcome = ended.outcome.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(*outcome, RequestOutcome::Pending) {
            return Err(HRESULT::from(Hresult::E_PENDING).into());
        }
        let taken = std::mem::replace(&mut *outcome, RequestOutcome::Taken);
        drop(outcome);
        match taken {
            RequestOutcome::Ended(count) => count.map_err(code),
            RequestOutcome::Taken | RequestOutcome::Pending => Err(E_FAIL.into()),
        }
    }
}

impl IMFByteStream_Impl for StreamObject_Impl {
    fn GetCapabilities(&self) -> windows::core::Result<u32> {
        contained(|| Ok(self.stream.capabilities().bits()))
    }

    fn GetLength(&self) -> windows::core::Result<u64> {
        contained(|| Ok(self.stream.length()?.unwrap_or(UNKNOWN)))
    }

    fn SetLength(&self, length: u64) -> windows::core::Result<()> {
        contained(|| self.stream.set_length(length))
    }

    fn GetCurrentPosition(&self) -> windows::core::Result<u64> {
        contained(|| self.stream.position())
    }

    fn SetCurrentPosition(&self, position: u64) -> windows::core::Result<()> {
        contained(|| self.stream.set_position(position))
    }

    fn IsEndOfStream(&self) -> windows::core::Result<BOOL> {
        contained(|| self.stream.is_end_of_stream().map(BOOL::from))
    }

    fn Read(&self, place: *mut u8, count: u32, read: *mut u32) -> windows::core::Result<()> {
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
    ) -> windows::core::Result<()> {
        if place.is_null() {
            return Err(E_POINTER.into());
        }
        let (stream, place) = (self.stream.clone(), Destination(place));
        contained(|| {
            self.begin(
                RequestKind::Read,
                callback.as_ref(),
                state.as_ref(),
                |callback| self.stream.begin_read(vec![0; count as usize], callback, None),
                move |result| {
                    let bytes = stream.end_read(result)?;
                    let read = bytes.len().min(count as usize);
                    // SAFETY: the caller of BeginRead passes room for `count` bytes and leaves it there until the
                    // callback is called, which happens after this.
                    unsafe { place.get().copy_from_nonoverlapping(bytes.as_ptr(), read) };
                    Ok(read as u32)
                },
            )
        })
    }

    fn EndRead(&self, result: Ref<'_, IMFAsyncResult>) -> windows::core::Result<u32> {
        self.end(RequestKind::Read, result.as_ref())
    }

    fn Write(&self, bytes: *const u8, count: u32) -> windows::core::Result<u32> {
        let bytes = copied(bytes, count)?;
        contained(|| self.write(&bytes).map(|written| written as u32))
    }

    fn BeginWrite(
        &self,
        bytes: *const u8,
        count: u32,
        callback: Ref<'_, IMFAsyncCallback>,
        state: Ref<'_, IUnknown>,
    ) -> windows::core::Result<()> {
        let (stream, bytes) = (self.stream.clone(), copied(bytes, count)?);
        contained(|| {
            self.begin(
                RequestKind::Write,
                callback.as_ref(),
                state.as_ref(),
                |callback| self.stream.begin_write(bytes, callback, None),
                move |result| Ok(stream.end_write(result)?.0 as u32),
            )
        })
    }

    fn EndWrite(&self, result: Ref<'_, IMFAsyncResult>) -> windows::core::Result<u32> {
        self.end(RequestKind::Write, result.as_ref())
    }

    fn Seek(&self, origin: MFBYTESTREAM_SEEK_ORIGIN, offset: i64, flags: u32) -> windows::core::Result<u64> {
        let origin = match origin {
            o if o == msoBegin => SeekOrigin::Begin,
            o if o == msoCurrent => SeekOrigin::Current,
            _ => return Err(E_INVALIDARG.into()),
        };
        contained(|| self.stream.seek(origin, offset, SeekFlags::from_bits_retain(flags)))
    }

    fn Flush(&self) -> windows::core::Result<()> {
        contained(|| self.stream.flush())
    }

    fn Close(&self) -> windows::core::Result<()> {
        contained(|| self.stream.close())
    }
}

/// The private object of a request's result: where its End finds what it ended with.
#[implement()]
struct RequestEnd {
    kind: RequestKind,
    of: usize,
    outcome: Arc<Mutex<RequestOutcome>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum RequestKind {
    Read,
    Write,
}

enum RequestOutcome {
    Pending,
    Ended(Result<u32>),
    Taken,
}

/// Completes a request: its result is invoked exactly once, also when this is dropped, unless Begin itself failed.
struct ResultCompleter {
    result: Arc<Mutex<Option<Mta<IMFAsyncResult>>>>,
    ended: Arc<Mutex<RequestOutcome>>,
}

impl ResultCompleter {
    fn complete(self, outcome: Result<u32>) {
        self.invoke(outcome);
    }

    fn invoke(&self, outcome: Result<u32>) {
        let result = self.result.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(result) = result else { return };
        let status = outcome.as_ref().map_or_else(Error::hresult, |_| Hresult::S_OK);
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = RequestOutcome::Ended(outcome);
        // SAFETY: the result lives for the calls. If Media Foundation is shut down, nothing waits for it.
        unsafe {
            let _ = result.SetStatus(status.into());
            let _ = MFInvokeCallback(&*result);
        }
    }
}

impl Drop for ResultCompleter {
    /// Our own callback was dropped without a call.
    fn drop(&mut self) {
        self.invoke(Err(Error::abandoned("a request to a byte stream: its platform is gone")));
    }
}

/// A callback that is good for one call.
struct SingleCall<F>(Mutex<Option<F>>);

impl<F: FnOnce(&AsyncResult) + Send> AsyncCallback for SingleCall<F> {
    fn invoke(&self, result: &AsyncResult) {
        let call = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(call) = call {
            call(result);
        }
    }
}

/// Where to write what is read.
struct Destination(*mut u8);

impl Destination {
    /// By a method, so that closures capture the whole and not the pointer.
    fn get(&self) -> *mut u8 {
        self.0
    }
}

// SAFETY: it is memory of the process, which the caller of BeginRead leaves to the read, on any thread.
unsafe impl Send for Destination {}

/// Begins a request and waits for it on this thread.
fn wait<T: Send + 'static>(
    begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<()>,
    end: impl FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver): (SyncSender<Result<T>>, _) = sync_channel(1);
    // A send without a receiver is no error: the wait below is over then.
    let call = move |result: &AsyncResult| drop(sender.send(end(result)));
    begin(Arc::new(SingleCall(Mutex::new(Some(call)))))?;
    let abandoned = |_| Err(Error::abandoned("a request to a byte stream: its platform is gone"));
    receiver.recv().unwrap_or_else(abandoned)
}

/// A copy of the caller's bytes.
fn copied(bytes: *const u8, count: u32) -> windows::core::Result<Vec<u8>> {
    if count == 0 {
        return Ok(Vec::new());
    }
    if bytes.is_null() {
        return Err(E_POINTER.into());
    }
    // SAFETY: not null, and the caller passes that many bytes, which live for the call.
    Ok(unsafe { std::slice::from_raw_parts(bytes, count as usize) }.to_vec())
}

/// Calls without unwinding into foreign code.
fn contained<T>(call: impl FnOnce() -> Result<T>) -> windows::core::Result<T> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|payload| Err(Error::panicked("a byte stream", payload)))
        .map_err(code)
}

/// The error's code alone: the other side could not see more.
fn code(error: Error) -> windows::core::Error {
    HRESULT::from(error.hresult()).into()
}

/// What a stream is known by while it lives.
fn identity(stream: &Arc<dyn ByteStream>) -> usize {
    Arc::as_ptr(stream).cast::<()>() as usize
}

/// What `GetLength` says when the length is not known.
const UNKNOWN: u64 = u64::MAX;
