//! Begin and End of a COM object as one operation.

use std::panic::{AssertUnwindSafe, Location, catch_unwind};

use windows::Win32::Foundation::E_UNEXPECTED;
use windows::Win32::Media::MediaFoundation::{IMFAsyncCallback, IMFAsyncResult};
use windows::core::{HRESULT, Interface};

use crate::async_result::{CallbackParameters, QueueId};
use crate::com::callback::Once;
use crate::error::{Error, ErrorKind, Hresult, Result};
use crate::operation::{Operation, Promise};

/// Begins an asynchronous operation of a COM object at once; awaiting what it returns gives what End
/// returns.
///
/// The callback asks for [`QueueId::MULTITHREADED`], not for the default STANDARD, of which Microsoft says
/// that it may deadlock; [`begin_end_on`] takes others. It survives being called twice, late, on the stack of
/// Begin, or never: when Media Foundation lets go of it un-called, the operation ends with an error of the
/// kind [`Abandoned`](crate::ErrorKind::Abandoned). A panic in `end` is the operation's error, and
/// `E_UNEXPECTED` for Media Foundation.
///
/// `end` runs on a thread of Media Foundation's, so what it captures and returns must be `Send`: wrap
/// interfaces in [`Mta`](crate::com::Mta).
///
/// ```no_run
/// use mf_async::com::{self, Mta};
/// use windows::Win32::Media::MediaFoundation::IMFByteStream;
///
/// # async fn read(stream: Mta<IMFByteStream>) -> mf_async::Result<()> {
/// let mut buffer = vec![0; 4096].into_boxed_slice();
/// let (begun, place) = (stream.clone(), buffer.as_mut_ptr());
/// let read = com::begin_end(
///     // SAFETY: `end` owns the buffer, so it stays where it is until the callback is released.
///     |callback| unsafe { begun.BeginRead(std::slice::from_raw_parts_mut(place, 4096), callback, None) },
///     move |result| unsafe { stream.EndRead(result) }.map(|count| (buffer, count)),
/// );
/// let (buffer, count) = read.await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// None here: an error of `begin` is the operation's.
///
/// # Cancel safety
/// As [`Operation`]: dropping it detaches; End is called all the same, so that the object can be used again.
#[track_caller]
pub fn begin_end<T, B, E>(begin: impl FnOnce(&IMFAsyncCallback) -> B, end: E) -> Operation<T>
where
    T: Send + 'static,
    B: Begun,
    E: FnOnce(&IMFAsyncResult) -> windows::core::Result<T> + Send + 'static,
{
    begin_end_on(CallbackParameters::on(QueueId::MULTITHREADED), begin, end)
}

/// As [`begin_end`], with a callback that names this queue and has these flags.
#[track_caller]
pub fn begin_end_on<T, B, E>(
    parameters: CallbackParameters,
    begin: impl FnOnce(&IMFAsyncCallback) -> B,
    end: E,
) -> Operation<T>
where
    T: Send + 'static,
    B: Begun,
    E: FnOnce(&IMFAsyncResult) -> windows::core::Result<T> + Send + 'static,
{
    let (promise, operation) = Promise::new_at(parameters.queue, Location::caller());
    let callback = Once::callback(parameters, move |result: &IMFAsyncResult| {
        let status = status_of(result);
        let value = catch_unwind(AssertUnwindSafe(|| end(result)))
            .map_err(|payload| Error::panicked("the End call", payload))
            .and_then(|ended| ended.map_err(Error::from));
        // Whoever called back is told of a panic only: it is no concern of theirs how End went.
        let told = match &value {
            Err(error) if error.kind() == ErrorKind::Panicked => Err(E_UNEXPECTED.into()),
            _ => Ok(()),
        };
        promise.complete_with_status(value, status);
        told
    });
    let begun = catch_unwind(AssertUnwindSafe(|| begin(&callback)))
        .map_err(|payload| Error::panicked("the Begin call", payload))
        .and_then(Begun::code);
    drop(callback);
    match begun {
        Ok(Hresult::S_OK) => operation,
        Ok(code) => {
            operation.set_begin_status(code);
            operation
        }
        Err(error) => Operation::failed(error),
    }
}

/// What a Begin call of the `windows` crate returns.
pub trait Begun {
    /// The success code, or the error because of which nothing was begun.
    ///
    /// # Errors
    /// Begin's own.
    fn code(self) -> Result<Hresult>;
}

impl Begun for windows::core::Result<()> {
    fn code(self) -> Result<Hresult> {
        Ok(self.map(|()| Hresult::S_OK)?)
    }
}

impl Begun for HRESULT {
    /// For calls through the interface's table, which keep success codes.
    fn code(self) -> Result<Hresult> {
        Hresult::from(self).ok()
    }
}

/// The status of a result, success codes included, which the `windows` crate's own method loses.
pub(crate) fn status_of(result: &IMFAsyncResult) -> Hresult {
    // SAFETY: the table is that of the object's own interface, and the pointer is the object's.
    unsafe { (Interface::vtable(result).GetStatus)(Interface::as_raw(result)) }.into()
}
