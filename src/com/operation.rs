//! Begin and End of a COM object as one operation.

use std::sync::{Arc, Mutex, Weak};

use windows::Win32::Media::MediaFoundation::{IMFAsyncCallback, IMFAsyncResult, MFCancelWorkItem};
use windows::core::HRESULT;

use crate::async_result::{CallbackParameters, QueueId};
use crate::cancel::WorkItemKey;
use crate::com::callback::OnceCallback;
use crate::com::error::status_of;
use crate::contain::contain;
use crate::error::{Error, ErrorKind, Hresult, Result};
use crate::operation::{Begin, BeginStatus, Operation, Promise};
use crate::sync::LockExt;

/// Begins an asynchronous operation of a COM object at once; awaiting what it returns gives what End returns.
///
/// `begin` is handed `object` and the callback that the object is to invoke; `end` is handed a clone of `object` and
/// the result that the callback was invoked with. Where there is no object, `&()` will do. It is
/// [`Platform::begin_end`](crate::Platform::begin_end) for the system's own objects. What Begin may return is listed
/// at [`ComBeginStatus`].
///
/// The callback names [`QueueId::MULTITHREADED`], not the default STANDARD, of which Microsoft says that it may
/// deadlock; [`begin_end_with`] takes others. It may be invoked twice, late, on the stack of Begin, or never: when
/// Media Foundation releases it without a call, the operation ends with an error of the kind
/// [`Abandoned`](crate::ErrorKind::Abandoned). A panic in `end` is the operation's error, and `E_UNEXPECTED` for Media
/// Foundation.
///
/// `end` runs on a thread of Media Foundation's, so `object`, what `end` captures and what it returns must be `Send`:
/// wrap interfaces in [`Mta`](crate::com::Mta).
///
/// ```no_run
/// use mf_async::com::{self, Mta};
/// use windows::Win32::Media::MediaFoundation::{IMFMediaEvent, IMFMediaSession};
///
/// # async fn next(session: Mta<IMFMediaSession>) -> mf_async::Result<()> {
/// let event: Mta<IMFMediaEvent> = com::begin_end(
///     &session,
///     // SAFETY: the session is a live object, and so is the callback.
///     |session, callback| unsafe { session.BeginGetEvent(callback, None) },
///     // SAFETY: the result is the callback's; the event is Media Foundation's own, so it may cross threads.
///     |session, result| unsafe { Ok(Mta::new(session.EndGetEvent(result)?)) },
/// )
/// .await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// None here: an error of `begin` is the operation's.
///
/// # Cancel safety
/// As [`Operation`]: dropping it detaches, and End is called all the same, so that the object can be used again. If
/// `begin` returned a key, dropping it cancels the work item.
#[track_caller]
pub fn begin_end<O, T, B, E>(
    object: &O,
    begin: impl FnOnce(&O, &IMFAsyncCallback) -> B,
    end: E,
) -> Operation<T>
where
    O: Clone + Send + 'static,
    T: Send + 'static,
    B: ComBeginStatus,
    E: FnOnce(&O, &IMFAsyncResult) -> windows::core::Result<T> + Send + 'static,
{
    begin_end_with(CallbackParameters::on(QueueId::MULTITHREADED), object, begin, end)
}

/// As [`begin_end`], with a callback that names this queue and has these flags.
///
/// # Errors
/// As [`begin_end`].
///
/// # Cancel safety
/// As [`begin_end`].
#[track_caller]
pub fn begin_end_with<O, T, B, E>(
    parameters: CallbackParameters,
    object: &O,
    begin: impl FnOnce(&O, &IMFAsyncCallback) -> B,
    end: E,
) -> Operation<T>
where
    O: Clone + Send + 'static,
    T: Send + 'static,
    B: ComBeginStatus,
    E: FnOnce(&O, &IMFAsyncResult) -> windows::core::Result<T> + Send + 'static,
{
    let ends = object.clone();
    let promised = Promise::new(parameters.queue, None);
    start(promised, (), parameters, |callback| begin(object, callback), move |result| Ok(end(&ends, result)?))
}

/// Begins what `promised` is to end; `hold` is held until it has ended.
pub(crate) fn start<T, H, B, E>(
    (promise, operation): (Promise<T>, Operation<T>),
    hold: H,
    parameters: CallbackParameters,
    begin: impl FnOnce(&IMFAsyncCallback) -> B,
    end: E,
) -> Operation<T>
where
    T: Send + 'static,
    H: Send + 'static,
    B: ComBeginStatus,
    E: FnOnce(&IMFAsyncResult) -> Result<T> + Send + 'static,
{
    let (ending, cancelled) = Ending::new(promise, hold, B::HAS_KEY);
    let callback = OnceCallback::create(parameters, move |result: &IMFAsyncResult| {
        let status = status_of(result);
        let value =
            contain(|| end(result)).unwrap_or_else(|payload| Err(Error::panicked("the End call", payload)));
        // The caller learns of a panic only: how End went is no concern of Media Foundation's.
        let answer = match &value {
            Err(error) if error.kind() == ErrorKind::Panicked => Err(error.clone().into()),
            _ => Ok(()),
        };
        ending.end(value, status);
        answer
    });
    let begun = contain(|| begin(&callback).begin_status(move |key| cancel(key, &cancelled)))
        .unwrap_or_else(|payload| Err(Error::panicked("the Begin call", payload)));
    drop(callback);
    match begun {
        Ok(begin) => operation.with_begin(begin),
        Err(error) => Operation::failed(error),
    }
}

/// What the callback ends: alone, or shared with what cancels by a key. Only the latter costs an allocation.
enum Ending<T: Send + 'static, H> {
    Own(Promise<T>, H),
    Shared(Arc<Unended<T, H>>),
}

impl<T: Send + 'static, H> Ending<T, H> {
    /// What cancels does not own the promise: when Media Foundation releases the callback without a call, the promise
    /// is dropped with it, and the operation ends as abandoned.
    fn new(promise: Promise<T>, hold: H, has_key: bool) -> (Ending<T, H>, Weak<Unended<T, H>>) {
        if !has_key {
            return (Ending::Own(promise, hold), Weak::new());
        }
        let unended = Arc::new(Unended(Mutex::new(Some((promise, hold)))));
        let cancelled = Arc::downgrade(&unended);
        (Ending::Shared(unended), cancelled)
    }

    fn end(self, value: Result<T>, status: Hresult) {
        match self {
            Ending::Own(promise, _hold) => promise.complete_with_status(value, status),
            Ending::Shared(unended) => unended.end(value, status),
        }
    }
}

/// An operation that has not ended, and what is held until it has.
struct Unended<T: Send + 'static, H>(Mutex<Option<(Promise<T>, H)>>);

impl<T: Send + 'static, H> Unended<T, H> {
    fn end(&self, value: Result<T>, status: Hresult) {
        let taken = self.0.locked().take();
        if let Some((promise, _hold)) = taken {
            promise.complete_with_status(value, status);
        }
    }
}

/// Cancels a work item. A scheduled one is not called any more; a waiting one is, and finds that it has ended.
fn cancel<T: Send + 'static, H>(key: WorkItemKey, unended: &Weak<Unended<T, H>>) {
    // SAFETY: takes a number; one that is not known any more is an error and no harm.
    cancel_by(|| unsafe { MFCancelWorkItem(key.0) }, unended);
}

/// Cancels by this call.
fn cancel_by<T: Send + 'static, H>(
    call: impl FnOnce() -> windows::core::Result<()>,
    unended: &Weak<Unended<T, H>>,
) {
    // Upgraded first: Media Foundation may release the callback within the call, and the promise with it.
    let unended = unended.upgrade();
    if let (Ok(()), Some(unended)) = (call(), unended) {
        let status = Hresult::MF_E_OPERATION_CANCELLED;
        unended.end(Err(Error::new(status, "wait for a work item that was cancelled")), status);
    }
}

/// What a Begin call of the system may return, as [`BeginStatus`](crate::BeginStatus) lists it for portable ones.
///
/// | Begin returns | the operation |
/// |---|---|
/// | `windows::core::Result<()>` | began with `S_OK` |
/// | `windows::core::HRESULT`, of a call through the interface's table | began with that success code, which [`Outcome::begin`](crate::Outcome) keeps |
/// | `windows::core::Result<WorkItemKey>` | is cancelled by `MFCancelWorkItem`: when it is dropped, by `cancel`, `timeout` and `cancel_on` |
#[diagnostic::on_unimplemented(
    message = "a Begin call of the system cannot return `{Self}`",
    label = "Begin returns this",
    note = "it may return an `HRESULT`, or a `windows::core::Result` of `()` or a `WorkItemKey`"
)]
pub trait ComBeginStatus {
    /// Whether it may be a key, which cancels.
    #[doc(hidden)]
    const HAS_KEY: bool = false;

    /// The code, or the error because of which nothing was begun; and what cancels the operation. `by_key` cancels
    /// by a work item's key.
    ///
    /// # Errors
    /// Begin's own.
    #[doc(hidden)]
    fn begin_status(self, by_key: impl Fn(WorkItemKey) + Send + 'static) -> Result<Begin>;
}

impl ComBeginStatus for windows::core::Result<()> {
    fn begin_status(self, _: impl Fn(WorkItemKey) + Send + 'static) -> Result<Begin> {
        self?;
        Ok(Begin::with_code(Hresult::S_OK))
    }
}

impl ComBeginStatus for windows::core::Result<WorkItemKey> {
    const HAS_KEY: bool = true;

    fn begin_status(self, by_key: impl Fn(WorkItemKey) + Send + 'static) -> Result<Begin> {
        BeginStatus::begin_status(self.map_err(Error::from), || by_key)
    }
}

impl ComBeginStatus for HRESULT {
    fn begin_status(self, _: impl Fn(WorkItemKey) + Send + 'static) -> Result<Begin> {
        Hresult::from(self).ok().map(Begin::with_code)
    }
}

#[cfg(test)]
mod tests {
    //! What cancels ends the operation itself, also where the system releases the callback meanwhile.

    use super::*;

    #[tokio::test]
    async fn an_item_whose_callback_is_released_by_its_cancellation_is_cancelled() {
        let (promise, operation) = Promise::<()>::new(QueueId::MULTITHREADED, None);
        let (ending, cancelled) = Ending::new(promise, (), true);
        let release = || {
            drop(ending);
            Ok(())
        };
        cancel_by(release, &cancelled);
        let error = operation.await.unwrap_err();
        assert_eq!(
            (error.kind(), error.hresult()),
            (ErrorKind::Cancelled, Hresult::MF_E_OPERATION_CANCELLED)
        );
    }
}
