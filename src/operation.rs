//! `Operation`: a Begin call and its End call as one future.

mod cancel_on;
#[cfg(all(test, mf_async_loom))]
mod loom;
mod timeout;
mod wait;

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use futures::future::FusedFuture;

pub use self::cancel_on::CancelOn;
pub use self::timeout::Timeout;

use crate::async_result::{AsyncCallback, AsyncResult, Begun, CallbackParameters, QueueId};
use crate::error::{Error, Hresult, Result};
use crate::keepalive::{Armed, Keepalive};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// Begins an asynchronous operation at once; awaiting what it returns gives what End returns.
///
/// `begin` is handed the callback that the component is to invoke, and `end` the result that the
/// callback was invoked with. Whatever happens, the operation ends exactly once: with the value or
/// error of `end`, with the error of `begin`, or, when the callback is let go without being called,
/// when something panics, or when the platform shuts down, with an error that says so.
///
/// The callback asks to be invoked on [`QueueId::MULTITHREADED`]; [`begin_end_with`] takes other
/// parameters. The platform learns of the operation when the component makes a result for it;
/// [`Platform::begin_end`](crate::Platform::begin_end) tells it at once.
///
/// ```
/// use mf_async::{AsyncResult, Platform, Result, begin_end};
///
/// # #[tokio::main] async fn main() -> Result<()> {
/// let platform = Platform::startup()?;
/// let answer = begin_end(
///     |callback| platform.invoke_callback(&platform.create_async_result(None, Some(callback), None)?),
///     |result: &AsyncResult| result.status().ok().map(|_| 42),
/// );
/// assert_eq!(answer.await?, 42);
/// # platform.shutdown().await?;
/// # Ok(()) }
/// ```
///
/// # Errors
/// None here: an error of `begin` is the operation's.
#[track_caller]
pub fn begin_end<T, B, E>(begin: impl FnOnce(Arc<dyn AsyncCallback>) -> B, end: E) -> Operation<T>
where
    T: Send + 'static,
    B: BeginStatus,
    E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
{
    begin_end_with(CallbackParameters::on(QueueId::MULTITHREADED), begin, end)
}

/// As [`begin_end`], with a callback that names this queue and has these flags.
#[track_caller]
pub fn begin_end_with<T, B, E>(
    parameters: CallbackParameters,
    begin: impl FnOnce(Arc<dyn AsyncCallback>) -> B,
    end: E,
) -> Operation<T>
where
    T: Send + 'static,
    B: BeginStatus,
    E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
{
    start(None, parameters, begin, end)
}

/// An asynchronous operation that was begun, as a future of its value.
///
/// It is already on its way: awaiting it only waits. It resolves exactly once; polled again it says
/// `E_ILLEGAL_METHOD_CALL`, it never hangs.
///
/// # Cancel safety
/// Dropping the future does not lose the operation's *effect*, only its value. Without a canceller the
/// operation is detached: it goes on, and End is still called, so that the object can be used again.
/// With one ([`cancel_with`](Operation::cancel_with)) it is cancelled. To wait for the real end of a
/// cancelled operation use [`cancel`](Operation::cancel).
#[must_use = "await it for its value, or `detach` it"]
pub struct Operation<T> {
    /// Not owned: whoever holds the callback owns the cell, and when they all have let go of it
    /// un-called, this says so. A cell that has ended keeps itself until the outcome is taken.
    cell: Source<T>,
    canceller: Option<Box<dyn FnOnce() + Send>>,
}

enum Source<T> {
    Cell(Weak<dyn Outlet<T>>),
    Ready(Outcome<T>),
    Taken,
}

/// How an operation ended, with all three codes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// What End returned, or why it was not called.
    pub value: Result<T>,
    /// The result's status when its callback was invoked; the error's code if it never was.
    pub status: Hresult,
    /// What Begin returned: `S_OK`, or another success code such as `MF_S_MULTIPLE_BEGIN`, or its error.
    pub begin: Hresult,
}

/// What a Begin call may return: nothing, or a success code that is worth keeping.
pub trait BeginStatus {
    /// The code, or the error because of which nothing was begun.
    ///
    /// # Errors
    /// Begin's own.
    fn begin_status(self) -> Result<Hresult>;
}

impl BeginStatus for Result<()> {
    fn begin_status(self) -> Result<Hresult> {
        self.map(|()| Hresult::S_OK)
    }
}

impl BeginStatus for Result<Hresult> {
    fn begin_status(self) -> Result<Hresult> {
        self.and_then(Hresult::ok)
    }
}

impl<T> Operation<T> {
    /// An operation that has ended with this value.
    pub fn ready(value: T) -> Operation<T> {
        Operation::ended(Outcome { value: Ok(value), status: Hresult::S_OK, begin: Hresult::S_OK })
    }

    /// An operation that has ended with this error.
    pub fn failed(error: Error) -> Operation<T> {
        let code = error.hresult();
        Operation::ended(Outcome { value: Err(error), status: code, begin: code })
    }

    fn ended(outcome: Outcome<T>) -> Operation<T> {
        Operation { cell: Source::Ready(outcome), canceller: None }
    }

    /// Gives the operation a way to be cancelled: from now on dropping it calls `canceller`.
    ///
    /// `canceller` asks the component to stop, by a cookie or a key; it is called at most once, never
    /// after the operation has ended, and with no lock held. What it returns is of no interest.
    pub fn cancel_with<R>(mut self, canceller: impl FnOnce() -> R + Send + 'static) -> Operation<T> {
        self.canceller = Some(Box::new(move || drop(canceller())));
        self
    }

    /// Lets the operation go on without anybody waiting.
    pub fn detach(mut self) {
        self.canceller = None;
    }

    /// Asks the component to stop, and waits for the operation's own verdict: it may have been faster.
    ///
    /// Without a canceller this only waits.
    ///
    /// # Errors
    /// The operation's own; usually `E_ABORT` or `MF_E_OPERATION_CANCELLED`.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the operation, which was told to stop when this was called.
    pub fn cancel(mut self) -> Operation<T> {
        if !self.is_ended() {
            self.call_canceller();
        }
        self.canceller = None;
        self
    }

    /// Waits for the end and gives all the codes: End's value or error, the result's status, and what
    /// Begin returned.
    ///
    /// # Cancel safety
    /// As the operation's.
    pub async fn outcome(mut self) -> Outcome<T> {
        std::future::poll_fn(|cx| self.poll_outcome(cx)).await
    }

    /// The status of the result that the callback was invoked with; `None` while it was not.
    #[must_use]
    pub fn status(&self) -> Option<Hresult> {
        match &self.cell {
            Source::Cell(cell) => cell.upgrade()?.status(),
            Source::Ready(outcome) => Some(outcome.status),
            Source::Taken => None,
        }
    }

    /// Whether the operation has ended, so that awaiting it would not wait.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        match &self.cell {
            Source::Cell(cell) => cell.upgrade().is_none_or(|cell| cell.is_ended()),
            Source::Ready(_) | Source::Taken => true,
        }
    }

    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        let outcome = match std::mem::replace(&mut self.cell, Source::Taken) {
            Source::Ready(outcome) => outcome,
            Source::Taken => Outcome::error(Error::new(
                Hresult::E_ILLEGAL_METHOD_CALL,
                "await an operation whose value was taken",
            )),
            Source::Cell(cell) => match cell.upgrade() {
                None => Outcome::error(Error::abandoned(ABANDONED)),
                Some(strong) => match strong.poll_take(cx) {
                    Poll::Ready(outcome) => outcome,
                    Poll::Pending => {
                        self.cell = Source::Cell(cell);
                        return Poll::Pending;
                    }
                },
            },
        };
        self.canceller = None;
        Poll::Ready(outcome)
    }

    /// Begin succeeded with a code that is worth keeping.
    pub(crate) fn set_begin_status(&self, code: Hresult) {
        if let Source::Cell(cell) = &self.cell {
            if let Some(cell) = cell.upgrade() {
                cell.set_begin_status(code);
            }
        }
    }

    fn call_canceller(&mut self) {
        if let Some(canceller) = self.canceller.take() {
            canceller();
        }
    }
}

impl<T> Future for Operation<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        // Not pinned structurally: nothing in here is ever pinned.
        self.get_mut().poll_outcome(cx).map(|outcome| outcome.value)
    }
}

impl<T> FusedFuture for Operation<T> {
    fn is_terminated(&self) -> bool {
        matches!(self.cell, Source::Taken)
    }
}

impl<T> Unpin for Operation<T> {}

impl<T> Drop for Operation<T> {
    fn drop(&mut self) {
        // A cell that is gone has ended, too.
        let on_its_way = match &self.cell {
            Source::Cell(cell) => cell.upgrade().is_some_and(|cell| cell.detach()),
            Source::Ready(_) | Source::Taken => false,
        };
        if on_its_way {
            self.call_canceller();
        }
    }
}

impl<T> fmt::Debug for Operation<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Operation").field("ended", &self.is_ended()).finish_non_exhaustive()
    }
}

impl<T> Outcome<T> {
    fn error(error: Error) -> Outcome<T> {
        let code = error.hresult();
        Outcome { value: Err(error), status: code, begin: Hresult::S_OK }
    }
}

/// Begins; with a keepalive the platform knows of the operation from the start.
#[track_caller]
pub(crate) fn start<T, B, E>(
    keepalive: Option<&Keepalive>,
    parameters: CallbackParameters,
    begin: impl FnOnce(Arc<dyn AsyncCallback>) -> B,
    end: E,
) -> Operation<T>
where
    T: Send + 'static,
    B: BeginStatus,
    E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
{
    let begun = Location::caller();
    let cell = Cell::new(end, parameters, begun);
    if let Some(keepalive) = keepalive {
        cell.enter(keepalive);
    }
    let operation = Operation { cell: Source::Cell(cell.this.clone()), canceller: None };
    // A begin that panics is a begin that failed, by the same door.
    let status = catch_unwind(AssertUnwindSafe(|| begin(cell).begin_status()))
        .unwrap_or_else(|payload| Err(Error::panicked("the Begin call", payload)));
    match status {
        Ok(Hresult::S_OK) => operation,
        Ok(code) => {
            operation.set_begin_status(code);
            operation
        }
        // Whoever still holds the callback was told by the failure not to use it; the drop of the operation
        // detaches it.
        Err(error) => Operation::failed(error),
    }
}

/// What an operation sees of its cell.
trait Outlet<T>: Send + Sync {
    fn set_begin_status(&self, code: Hresult);
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Outcome<T>>;
    fn status(&self) -> Option<Hresult>;
    fn is_ended(&self) -> bool;
    /// Nobody waits any more; true if the operation had not ended.
    fn detach(&self) -> bool;
}

/// The completion cell: the callback, the one value, and who waits for it, in one allocation.
///
/// Three sources race to end it: the callback is invoked; the callback is let go; the platform shuts
/// down. The first sets the outcome, the others find it set. The callback's owners own the cell, so its
/// drop *is* the second source. Once it has an outcome it owns itself until the outcome is taken or
/// nobody wants it any more.
struct Cell<T, E> {
    this: Weak<Cell<T, E>>,
    parameters: CallbackParameters,
    begun: Begun,
    /// Whether it need not be listed in the platform's register: it is, or has ended, or nobody wants it.
    listed: AtomicBool,
    slot: Mutex<Slot<T, E>>,
}

struct Slot<T, E> {
    /// Not called yet. It stays here when the operation ends otherwise: a late callback still calls it.
    end: Option<E>,
    outcome: Option<Outcome<T>>,
    begin: Hresult,
    kept: Option<Arc<Cell<T, E>>>,
    waker: Option<Waker>,
    ended: bool,
    /// Nobody waits any more.
    detached: bool,
}

impl<T, E> Cell<T, E> {
    fn new(end: E, parameters: CallbackParameters, begun: Begun) -> Arc<Cell<T, E>> {
        Arc::new_cyclic(|this| Cell {
            this: this.clone(),
            parameters,
            begun,
            listed: AtomicBool::new(false),
            slot: Mutex::new(Slot {
                end: Some(end),
                outcome: None,
                begin: Hresult::S_OK,
                kept: None,
                waker: None,
                ended: false,
                detached: false,
            }),
        })
    }

    fn slot(&self) -> MutexGuard<'_, Slot<T, E>> {
        self.slot.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the operation, if it has not ended; true if it did by this.
    fn end(&self, value: Result<T>, status: Hresult) -> bool {
        let mut slot = self.slot();
        if std::mem::replace(&mut slot.ended, true) || slot.detached {
            drop(slot);
            drop(value);
            return false;
        }
        // ORDERING: Relaxed, see `enter`.
        self.listed.store(true, Ordering::Relaxed);
        let begin = slot.begin;
        slot.outcome = Some(Outcome { value, status, begin });
        slot.kept = self.this.upgrade();
        let waker = slot.waker.take();
        drop(slot);
        // Waking may run anything: no lock is held here.
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

impl<T: Send + 'static, E: Send + 'static> Cell<T, E> {
    /// Puts it on a list of the platform's register, once, so that a shutdown ends the operation.
    fn enter(&self, keepalive: &Keepalive) {
        // ORDERING: Relaxed, as everywhere. If two results are made at the same time both list it, and it is told
        // twice; an operation that is listed when it has just ended says so when it is asked.
        if self.listed.load(Ordering::Relaxed) {
            return;
        }
        self.listed.store(true, Ordering::Relaxed);
        if let Err(error) = keepalive.list(self.this.clone(), self.begun) {
            let status = error.hresult();
            self.end(Err(error), status);
        }
    }
}

impl<T, E> AsyncCallback for Cell<T, E>
where
    T: Send + 'static,
    E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
{
    fn parameters(&self) -> CallbackParameters {
        self.parameters
    }

    fn invoke(&self, result: &AsyncResult) {
        let end = self.slot().end.take();
        let Some(end) = end else {
            result.keepalive().count_extra_call();
            return;
        };
        let value = catch_unwind(AssertUnwindSafe(|| end(result)))
            .unwrap_or_else(|payload| Err(Error::panicked("the End call", payload)));
        if !self.end(value, result.status()) {
            result.keepalive().count_extra_call();
        }
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<Operation<T>>()
    }

    fn lent(&self, keepalive: &Keepalive) {
        self.enter(keepalive);
    }

    fn fail(&self, error: &Error) {
        self.end(Err(error.clone()), error.hresult());
    }
}

/// The right to end an operation directly, for what this crate itself runs. Dropped, it lets go.
pub(crate) struct Promise<T>(Arc<Cell<T, ()>>);

impl<T: Send + 'static> Promise<T> {
    /// An operation, and the right to end it. It is not entered in the platform's register: whoever
    /// holds the promise ends it at a shutdown.
    #[track_caller]
    pub(crate) fn new(queue: QueueId) -> (Promise<T>, Operation<T>) {
        Promise::new_at(queue, Location::caller())
    }

    /// The same, begun at `begun`.
    pub(crate) fn new_at(queue: QueueId, begun: Begun) -> (Promise<T>, Operation<T>) {
        let cell = Cell::new((), CallbackParameters::on(queue), begun);
        let operation = Operation { cell: Source::Cell(cell.this.clone()), canceller: None };
        (Promise(cell), operation)
    }

    /// Enters the operation in the platform's register, so that a shutdown ends it.
    #[cfg(windows)]
    pub(crate) fn enter(&self, keepalive: &Keepalive) {
        self.0.enter(keepalive);
    }

    /// Ends the operation with a value or an error, and the status that came with it.
    #[cfg(windows)]
    pub(crate) fn complete_with_status(self, value: Result<T>, status: Hresult) {
        self.0.end(value, status);
    }

    pub(crate) fn complete(self, value: Result<T>) {
        let status = value.as_ref().map_or_else(Error::hresult, |_| Hresult::S_OK);
        self.0.end(value, status);
    }
}

impl<T, E> Outlet<T> for Cell<T, E>
where
    T: Send,
    E: Send,
{
    fn poll_take(&self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        let mut slot = self.slot();
        if let Some(outcome) = slot.outcome.take() {
            slot.detached = true;
            let kept = slot.kept.take();
            drop(slot);
            drop(kept);
            return Poll::Ready(outcome);
        }
        // The waker is stored under the lock that the outcome is set under: none is missed.
        let former = match &slot.waker {
            Some(waker) if waker.will_wake(cx.waker()) => None,
            _ => slot.waker.replace(cx.waker().clone()),
        };
        drop(slot);
        drop(former);
        Poll::Pending
    }

    fn set_begin_status(&self, code: Hresult) {
        let mut slot = self.slot();
        slot.begin = code;
        if let Some(outcome) = &mut slot.outcome {
            outcome.begin = code;
        }
    }

    fn status(&self) -> Option<Hresult> {
        self.slot().outcome.as_ref().map(|outcome| outcome.status)
    }

    fn is_ended(&self) -> bool {
        self.slot().outcome.is_some()
    }

    fn detach(&self) -> bool {
        // ORDERING: Relaxed, see `enter`.
        self.listed.store(true, Ordering::Relaxed);
        let mut slot = self.slot();
        let on_its_way = slot.outcome.is_none();
        slot.detached = true;
        let unwanted = (slot.outcome.take(), slot.kept.take(), slot.waker.take());
        drop(slot);
        drop(unwanted);
        on_its_way
    }
}

impl<T, E> Armed for Cell<T, E>
where
    T: Send,
    E: Send,
{
    fn shut_down(&self, error: &Error) {
        self.end(Err(error.clone()), error.hresult());
    }

    fn describe(&self) -> String {
        format!(
            "an operation of {}, to be called back on {}",
            std::any::type_name::<T>(),
            self.parameters.queue
        )
    }

    fn has_ended(&self) -> bool {
        self.slot().ended
    }
}

impl<T, E> Drop for Cell<T, E> {
    fn drop(&mut self) {
        // Let go un-called: whoever waits looks again, and finds nobody here.
        let slot = self.slot.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = slot.waker.take() {
            waker.wake();
        }
    }
}

const ABANDONED: &str = "the callback was let go without being called; the operation will never answer";
