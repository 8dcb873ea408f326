//! An object of Media Foundation's that reads and writes, as a byte stream of ours.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;

use windows::Win32::Media::MediaFoundation::{
    IMFAttributes, IMFByteStream, MF_BYTESTREAM_CONTENT_TYPE, msoBegin, msoCurrent,
};
use windows::core::Interface;

use crate::Platform;
use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId, Unknown};
use crate::byte_stream::{ByteStream, ByteStreamCapabilities, Request, SeekFlags, SeekOrigin};
use crate::com::Mta;
use crate::com::activation::text_of;
use crate::com::callback::OnceCallback;
use crate::completion::{Call, Identity};
use crate::error::{Error, Hresult, Result};
use crate::queue::Queues;

/// An `IMFByteStream` as a [`ByteStream`], and so, by [`ByteStreamIo`](crate::byte_stream::ByteStreamIo), as `tokio::io`.
///
/// Clones are the same stream. Callbacks come from the queues of the platform that it was made with; what the
/// object itself does, it does on Media Foundation's.
///
/// ```no_run
/// use mf_async::com::{ComByteStream, Mta};
/// use mf_async::{ByteStreamExt, Platform};
/// use windows::Win32::Media::MediaFoundation::*;
/// use windows::core::w;
///
/// # async fn read(platform: &Platform) -> mf_async::Result<()> {
/// let (access, mode) = (MF_ACCESSMODE_READ, MF_OPENMODE_FAIL_IF_NOT_EXIST);
/// // SAFETY: the name lives for the call, and the object is Media Foundation's own.
/// let file = unsafe { Mta::new(MFCreateFile(access, mode, MF_FILEFLAGS_NONE, w!("tone.wav"))?) };
/// let stream = ComByteStream::new(platform, file);
/// let head = stream.read(vec![0; 12]).await?;
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct ComByteStream(Arc<Inner>);

struct Inner {
    stream: Mta<IMFByteStream>,
    queues: Arc<Queues>,
}

impl ComByteStream {
    /// Takes an object of Media Foundation's, whose callbacks are to come from this platform.
    #[must_use]
    pub fn new(platform: &Platform, stream: Mta<IMFByteStream>) -> ComByteStream {
        ComByteStream(Arc::new(Inner { stream, queues: platform.queues().clone() }))
    }

    /// The object itself.
    #[must_use]
    pub fn as_com(&self) -> &Mta<IMFByteStream> {
        &self.0.stream
    }

    #[track_caller]
    fn request<T: Send + 'static>(
        &self,
        what: &'static str,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<Arc<Request<T>>> {
        let request = Request::new(&self.0.queues, Identity::of(&self.0), what, callback, state)?;
        request.register(Location::caller()).inspect_err(|_| request.withdraw())?;
        Ok(request)
    }
}

impl ByteStream for ComByteStream {
    fn capabilities(&self) -> ByteStreamCapabilities {
        // SAFETY: needs nothing.
        let bits = unsafe { self.0.stream.GetCapabilities() }.unwrap_or_default();
        ByteStreamCapabilities::from_bits_retain(bits)
    }

    fn length(&self) -> Result<Option<u64>> {
        // SAFETY: needs nothing.
        let length = unsafe { self.0.stream.GetLength() }?;
        Ok(Some(length).filter(|&length| length != u64::MAX))
    }

    fn set_length(&self, length: u64) -> Result<()> {
        // SAFETY: takes a number.
        Ok(unsafe { self.0.stream.SetLength(length) }?)
    }

    fn position(&self) -> Result<u64> {
        // SAFETY: needs nothing.
        Ok(unsafe { self.0.stream.GetCurrentPosition() }?)
    }

    fn set_position(&self, position: u64) -> Result<()> {
        // SAFETY: takes a number.
        Ok(unsafe { self.0.stream.SetCurrentPosition(position) }?)
    }

    fn is_end_of_stream(&self) -> Result<bool> {
        // SAFETY: needs nothing.
        Ok(unsafe { self.0.stream.IsEndOfStream() }?.as_bool())
    }

    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        let count = length_of(&buffer)?;
        let request = self.request::<Vec<u8>>(READ, callback, state)?;
        let begun = request.clone();
        let (stream, mut buffer) = (self.0.stream.clone(), buffer);
        let place = buffer.as_mut_ptr();
        let ended = OnceCallback::create(CallbackParameters::on(QueueId::MULTITHREADED), move |result| {
            // SAFETY: the result lives for the call.
            let read = unsafe { stream.EndRead(result) };
            request.complete(read.map_err(Error::from).map(|read| {
                let mut buffer = buffer;
                buffer.truncate(read as usize);
                buffer
            }));
            Ok(())
        });
        // Called through the table, since the wrapper takes a slice that ends with the call.
        // SAFETY: the callback object owns the buffer, which does not move, until its End was called or it is
        // released; the object keeps the callback as long as it writes there.
        let code = unsafe {
            (Interface::vtable(&*self.0.stream).BeginRead)(
                Interface::as_raw(&*self.0.stream),
                place,
                count,
                Interface::as_raw(&ended),
                std::ptr::null_mut(),
            )
        };
        Hresult::from(code).ok().map(drop).inspect_err(|_| begun.withdraw())
    }

    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>> {
        Call::end(&Identity::of(&self.0), READ, result)
    }

    fn begin_write(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        let count = length_of(&buffer)?;
        let request = self.request::<(usize, Vec<u8>)>(WRITE, callback, state)?;
        let begun = request.clone();
        let stream = self.0.stream.clone();
        let place = buffer.as_ptr();
        let ended = OnceCallback::create(CallbackParameters::on(QueueId::MULTITHREADED), move |result| {
            // SAFETY: the result lives for the call.
            let written = unsafe { stream.EndWrite(result) };
            request.complete(written.map_err(Error::from).map(|written| (written as usize, buffer)));
            Ok(())
        });
        // SAFETY: as for a read, except that the buffer is only read from.
        let code = unsafe {
            (Interface::vtable(&*self.0.stream).BeginWrite)(
                Interface::as_raw(&*self.0.stream),
                place,
                count,
                Interface::as_raw(&ended),
                std::ptr::null_mut(),
            )
        };
        Hresult::from(code).ok().map(drop).inspect_err(|_| begun.withdraw())
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        Call::end(&Identity::of(&self.0), WRITE, result)
    }

    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64> {
        let origin = match origin {
            SeekOrigin::Begin => msoBegin,
            SeekOrigin::Current => msoCurrent,
        };
        // SAFETY: takes numbers.
        Ok(unsafe { self.0.stream.Seek(origin, offset, flags.bits()) }?)
    }

    fn flush(&self) -> Result<()> {
        // SAFETY: needs nothing.
        Ok(unsafe { self.0.stream.Flush() }?)
    }

    fn close(&self) -> Result<()> {
        // SAFETY: needs nothing.
        Ok(unsafe { self.0.stream.Close() }?)
    }

    fn blocking_read(&self, buffer: &mut [u8]) -> Result<usize> {
        length_of(buffer)?;
        let mut read = 0;
        // SAFETY: both live for the call, which is over when the bytes are there.
        unsafe { self.0.stream.Read(buffer, &mut read) }?;
        Ok(read as usize)
    }

    fn blocking_write(&self, buffer: &[u8]) -> Result<usize> {
        length_of(buffer)?;
        // SAFETY: the bytes live for the call.
        Ok(unsafe { self.0.stream.Write(buffer) }? as usize)
    }

    fn content_type(&self) -> Option<String> {
        let attributes: Mta<IMFAttributes> = self.0.stream.cast().ok()?;
        text_of(&attributes, &MF_BYTESTREAM_CONTENT_TYPE).ok()
    }
}

impl fmt::Debug for ComByteStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ComByteStream").finish_non_exhaustive()
    }
}

/// Media Foundation counts in 32 bits.
fn length_of(buffer: &[u8]) -> Result<u32> {
    u32::try_from(buffer.len()).map_err(|_| {
        Error::new(Hresult::E_INVALIDARG, format!("transfer {} bytes by one request", buffer.len()))
    })
}

const READ: &str = "a read of a byte stream of Media Foundation's";
const WRITE: &str = "a write to a byte stream of Media Foundation's";
