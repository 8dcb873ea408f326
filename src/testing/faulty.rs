//! `Faulty`: an adapter around a callback, a byte stream or an event generator that goes wrong with a probability.

use std::fmt;
use std::sync::{Arc, Mutex};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, Unknown};
use crate::byte_stream::{ByteStream, ByteStreamCapabilities, SeekFlags, SeekOrigin};
use crate::error::{Hresult, Result};
use crate::event::{GetEventFlags, MediaEvent, MediaEventGenerator};
use crate::platform::Platform;
use crate::queue::WorkItem;
use crate::stepping;
use crate::sync::LockExt;
use crate::testing::chances::FaultChances;
use crate::testing::fault::{Fault, planned};

/// A callback, a byte stream or an event generator whose calls go wrong with a probability, in an exploration.
///
/// It is what it wraps:
/// * around an [`AsyncCallback`], each call of it may come late, twice, never, or with a failure as status;
/// * around a [`ByteStream`], each read and write may have such a callback, or fail at its Begin;
/// * around a [`MediaEventGenerator`], so may each request for an event.
///
/// Of the [`Fault`]s `Inline`, `WrongThread` and `PanickingEnd` do nothing here.
///
/// ```
/// use mf_async::byte_stream::MemoryByteStream;
/// use mf_async::testing::{Explore, Fault, FaultChances, Faulty};
/// use mf_async::{ByteStreamExt, Hresult, Platform, Result};
/// use std::sync::Arc;
///
/// /// Code that takes for granted that a read succeeds.
/// async fn read(platform: Platform) -> Result<()> {
///     let stream = MemoryByteStream::new(&platform, b"moov".to_vec());
///     let chances = FaultChances::new().with(0.1, Fault::Failing(Hresult::E_ABORT));
///     let stream = Arc::new(Faulty::new(&platform, stream, chances));
///     assert_eq!(stream.read(vec![0; 4]).await?, b"moov");
///     Ok(())
/// }
///
/// let failure = Explore::new().check(read).unwrap_err();
/// assert!(failure.message().contains("E_ABORT"));
/// ```
pub struct Faulty<T> {
    platform: Platform,
    inner: T,
    chances: FaultChances,
    /// The results that never come.
    kept: Arc<Mutex<Vec<AsyncResult>>>,
}

impl<T> Faulty<T> {
    /// Wraps `inner`.
    #[must_use]
    pub fn new(platform: &Platform, inner: T, chances: FaultChances) -> Faulty<T> {
        Faulty { platform: platform.clone(), inner, chances, kept: Arc::default() }
    }

    /// What it wraps.
    #[must_use]
    pub fn inner(&self) -> &T {
        &self.inner
    }

    /// Drops the results of the calls with [`Fault::Never`], and returns how many there were.
    pub fn drop_results(&self) -> usize {
        let kept = std::mem::take(&mut *self.kept.locked());
        kept.len()
    }

    /// Begins what `begin` begins, with a callback that has the next fault.
    fn begin<R>(
        &self,
        callback: Arc<dyn AsyncCallback>,
        begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<R>,
    ) -> Result<R> {
        let fault = self.chances.draw();
        if let Fault::FailingBegin(code) = fault {
            return Err(planned(code));
        }
        let (platform, kept) = (self.platform.clone(), self.kept.clone());
        let begun = begin(Arc::new(FaultyCall { platform, callback, fault, kept }))?;
        match fault {
            Fault::FailingBeginThatCallsBack(code) => Err(planned(code)),
            _ => Ok(begun),
        }
    }
}

impl<T> fmt::Debug for Faulty<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faulty").field("chances", &self.chances).finish_non_exhaustive()
    }
}

/// What End returns: the planned failure, if the result has one that the component does not know of.
fn ended<T>(result: &AsyncResult, ended: Result<T>) -> Result<T> {
    let value = ended?;
    result.status().ok().map_err(|error| planned(error.hresult()))?;
    Ok(value)
}

/// The callback of one call, and what goes wrong with it.
struct FaultyCall {
    platform: Platform,
    callback: Arc<dyn AsyncCallback>,
    fault: Fault,
    kept: Arc<Mutex<Vec<AsyncResult>>>,
}

impl AsyncCallback for FaultyCall {
    fn parameters(&self) -> CallbackParameters {
        self.callback.parameters()
    }

    fn invoke(&self, result: &AsyncResult) {
        match self.fault {
            Fault::Late(delay) => {
                let call = LateCall { callback: self.callback.clone(), result: result.clone() };
                // Refused when the platform is shut down: the callback is dropped then, as it is without a fault.
                let _ = self.platform.schedule(WorkItem::new(Arc::new(call)), delay);
            }
            Fault::Twice => {
                self.callback.invoke(result);
                self.callback.invoke(result);
            }
            Fault::Never => self.kept.locked().push(result.clone()),
            Fault::Dropped => {}
            Fault::Failing(code) => {
                result.set_status(code);
                self.callback.invoke(result);
            }
            Fault::ShutdownNow => {
                // A callback may not shut its platform down; a task may.
                let platform = self.platform.clone();
                let shutdown = async move { drop(platform.shutdown()) };
                let _ = stepping::spawn(format_args!("a shutdown, as planned"), shutdown);
                self.callback.invoke(result);
            }
            _ => self.callback.invoke(result),
        }
    }

    fn name(&self) -> &'static str {
        self.callback.name()
    }
}

/// A call that comes late.
struct LateCall {
    callback: Arc<dyn AsyncCallback>,
    result: AsyncResult,
}

impl AsyncCallback for LateCall {
    fn parameters(&self) -> CallbackParameters {
        self.callback.parameters()
    }

    fn invoke(&self, _: &AsyncResult) {
        self.callback.invoke(&self.result);
    }

    fn name(&self) -> &'static str {
        self.callback.name()
    }
}

impl<C: AsyncCallback + 'static> AsyncCallback for Faulty<Arc<C>> {
    fn parameters(&self) -> CallbackParameters {
        self.inner.parameters()
    }

    fn invoke(&self, result: &AsyncResult) {
        let (platform, kept) = (self.platform.clone(), self.kept.clone());
        let call = FaultyCall { platform, callback: self.inner.clone(), fault: self.chances.draw(), kept };
        call.invoke(result);
    }

    fn name(&self) -> &'static str {
        self.inner.name()
    }
}

impl<G: MediaEventGenerator> MediaEventGenerator for Faulty<G> {
    fn get_event(&self, flags: GetEventFlags) -> Result<MediaEvent> {
        self.inner.get_event(flags)
    }

    fn begin_get_event(&self, callback: Arc<dyn AsyncCallback>, state: Option<Unknown>) -> Result<Hresult> {
        self.begin(callback, |callback| self.inner.begin_get_event(callback, state))
    }

    fn end_get_event(&self, result: &AsyncResult) -> Result<MediaEvent> {
        ended(result, self.inner.end_get_event(result))
    }

    fn queue_event(&self, event: MediaEvent) -> Result<()> {
        self.inner.queue_event(event)
    }
}

impl<S: ByteStream> ByteStream for Faulty<S> {
    fn capabilities(&self) -> ByteStreamCapabilities {
        self.inner.capabilities()
    }

    fn length(&self) -> Result<Option<u64>> {
        self.inner.length()
    }

    fn set_length(&self, length: u64) -> Result<()> {
        self.inner.set_length(length)
    }

    fn position(&self) -> Result<u64> {
        self.inner.position()
    }

    fn set_position(&self, position: u64) -> Result<()> {
        self.inner.set_position(position)
    }

    fn is_end_of_stream(&self) -> Result<bool> {
        self.inner.is_end_of_stream()
    }

    fn begin_read(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.begin(callback, |callback| self.inner.begin_read(buffer, callback, state))
    }

    fn end_read(&self, result: &AsyncResult) -> Result<Vec<u8>> {
        ended(result, self.inner.end_read(result))
    }

    fn begin_write(
        &self,
        buffer: Vec<u8>,
        callback: Arc<dyn AsyncCallback>,
        state: Option<Unknown>,
    ) -> Result<()> {
        self.begin(callback, |callback| self.inner.begin_write(buffer, callback, state))
    }

    fn end_write(&self, result: &AsyncResult) -> Result<(usize, Vec<u8>)> {
        ended(result, self.inner.end_write(result))
    }

    fn seek(&self, origin: SeekOrigin, offset: i64, flags: SeekFlags) -> Result<u64> {
        self.inner.seek(origin, offset, flags)
    }

    fn flush(&self) -> Result<()> {
        self.inner.flush()
    }

    fn close(&self) -> Result<()> {
        self.inner.close()
    }

    fn blocking_read(&self, buffer: &mut [u8]) -> Result<usize> {
        self.inner.blocking_read(buffer)
    }

    fn blocking_write(&self, buffer: &[u8]) -> Result<usize> {
        self.inner.blocking_write(buffer)
    }

    fn content_type(&self) -> Option<String> {
        self.inner.content_type()
    }
}
