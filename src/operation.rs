//! `Operation`: a Begin call and its End call as one future.

mod cancel_on;
mod cell;
mod timeout;
mod wait;

use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};

use futures::future::FusedFuture;

pub use self::cancel_on::CancelOn;
pub(crate) use self::cell::Promise;
pub use self::timeout::Timeout;

use self::cell::{Cell, Outlet};
use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::error::{Error, Hresult, Result};
use crate::keepalive::Keepalive;

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

const ABANDONED: &str = "the callback was let go without being called; the operation will never answer";
