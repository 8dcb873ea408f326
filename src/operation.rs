//! `Operation`: a Begin call and its End call as one future.

mod begun;
mod cancel_on;
mod cell;
mod promise;
mod timeout;
mod wait;

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use futures::future::FusedFuture;

pub use self::begun::BeginStatus;
pub(crate) use self::begun::{Begin, Canceller};
pub use self::cancel_on::CancelOn;
pub(crate) use self::promise::Promise;
pub use self::timeout::Timeout;

use self::cell::{Awaited, OwnCallback, UNANSWERED};
use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters};
use crate::cancel::CancelCookie;
use crate::contain::{contain, drop_contained};
use crate::error::{Error, Hresult, Result};
use crate::register::{Outstanding, Registration};
use crate::tokio_quirks::CoopBudget;
use crate::tracker::TrackerHandle;

/// An asynchronous operation that was begun, as a future of its value.
///
/// It runs already: awaiting it only waits. It resolves exactly once; a further poll fails with
/// `E_ILLEGAL_METHOD_CALL`. It never hangs.
///
/// # Cancel safety
/// Dropping the future loses the operation's value, not its *effect*. Without a canceller the operation is detached: it
/// goes on, and End is still called, so that the object can be used again. With a canceller
/// ([`cancel_with`](Operation::cancel_with)) it is cancelled. To wait for the real end of a cancelled operation, use
/// [`cancel`](Operation::cancel).
#[must_use = "await it for its value, or `detach` it"]
pub struct Operation<T> {
    source: Source<T>,
    canceller: Option<Canceller>,
    registration: Option<Registration>,
    budget: CoopBudget,
}

enum Source<T> {
    /// Begin has handed the result over. End runs in the poll.
    Own(Arc<dyn Awaited<T>>),
    /// The holders of the callback own the cell. When all of them have dropped it without a call, the cell is gone. A
    /// cell that has ended owns itself until its value is taken.
    Cell(Weak<dyn Awaited<T>>),
    Ready(Outcome<T>),
    Taken,
}

/// How an operation ended, with all three codes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// What End returned, or the error why it was not called.
    pub value: Result<T>,
    /// The result's status when its callback was invoked; the error's code if the callback was not invoked.
    pub status: Hresult,
    /// What Begin returned: `S_OK`, another success code such as `MF_S_MULTIPLE_BEGIN`, or its error's code.
    pub begin: Hresult,
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
        Operation::new(Source::Ready(outcome))
    }

    fn new(source: Source<T>) -> Operation<T> {
        Operation { source, canceller: None, registration: None, budget: CoopBudget::default() }
    }

    /// Adds what Begin has returned to an operation with a promise.
    #[cfg(windows)]
    pub(crate) fn with_begin(mut self, begin: Begin) -> Operation<T> {
        if let (Source::Cell(cell), false) = (&self.source, begin.code == Hresult::S_OK) {
            let cell = cell.upgrade();
            if let Some(cell) = &cell {
                cell.set_begin_status(begin.code);
            }
            drop_contained(cell);
        }
        self.canceller = begin.canceller;
        self
    }

    /// Adds the registration to an operation with a promise.
    #[cfg(windows)]
    pub(crate) fn with_registration(mut self, registration: Registration) -> Operation<T> {
        self.registration = Some(registration);
        self
    }

    /// Adds a canceller: from now on dropping the operation calls `canceller`.
    ///
    /// `canceller` asks the component to stop, by a cookie or a key. It is called at most once, never after the operation
    /// has ended, and with no lock held. Its return value is dropped.
    pub fn cancel_with<R>(mut self, canceller: impl FnOnce() -> R + Send + 'static) -> Operation<T> {
        self.canceller = Some(Canceller::new(move || drop(canceller())));
        self
    }

    /// As [`cancel_with`](Operation::cancel_with), by the right that its Begin handed out.
    pub(crate) fn cancelled_by(mut self, cookie: CancelCookie) -> Operation<T> {
        self.canceller = Some(Canceller::Cookie(cookie));
        self
    }

    /// Detaches the operation: it goes on, and End is still called.
    pub fn detach(mut self) {
        self.canceller = None;
    }

    /// Asks the component to stop, and waits for the operation's own outcome, which may be a value if it was faster.
    ///
    /// Without a canceller this only waits.
    ///
    /// # Errors
    /// The operation's own; usually `E_ABORT` or `MF_E_OPERATION_CANCELLED`.
    ///
    /// # Cancel safety
    /// Dropping the future detaches the operation. The component was asked to stop by the call of this method.
    pub fn cancel(mut self) -> Operation<T> {
        if !self.is_ended() {
            self.call_canceller();
        }
        self
    }

    /// Waits for the end, and returns all the codes: End's value or error, the result's status, and Begin's code.
    ///
    /// # Cancel safety
    /// As the operation's.
    pub async fn outcome(mut self) -> Outcome<T> {
        std::future::poll_fn(|cx| self.poll_outcome(cx)).await
    }

    /// The status of the result that the callback was invoked with; `None` before that.
    #[must_use]
    pub fn status(&self) -> Option<Hresult> {
        match &self.source {
            Source::Own(cell) => cell.status(),
            Source::Cell(cell) => cell.upgrade()?.status(),
            Source::Ready(outcome) => Some(outcome.status),
            Source::Taken => None,
        }
    }

    /// Whether the operation has ended, so that an await would return at once.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        match &self.source {
            Source::Own(cell) => cell.is_ready(),
            Source::Cell(cell) => cell.upgrade().is_none_or(|cell| cell.is_ready()),
            Source::Ready(_) | Source::Taken => true,
        }
    }

    pub(crate) fn poll_outcome(&mut self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        let outcome = match &self.source {
            Source::Own(cell) => {
                let share = ready!(self.budget.ask(cx));
                let outcome = ready!(cell.poll(cx));
                self.budget.spend(&share);
                outcome
            }
            Source::Cell(cell) => {
                let share = ready!(self.budget.ask(cx));
                let outcome = match cell.upgrade() {
                    Some(cell) => {
                        let polled = cell.poll(cx);
                        // This may be the last owner, whose drop is user code.
                        drop_contained(cell);
                        ready!(polled)
                    }
                    None => Outcome::error(match &self.registration {
                        Some(registration) => registration.lost(UNANSWERED),
                        None => Error::abandoned(UNANSWERED),
                    }),
                };
                self.budget.spend(&share);
                outcome
            }
            Source::Ready(_) | Source::Taken => {
                return Poll::Ready(match std::mem::replace(&mut self.source, Source::Taken) {
                    Source::Ready(outcome) => outcome,
                    _ => Outcome::error(taken()),
                });
            }
        };
        drop_contained(std::mem::replace(&mut self.source, Source::Taken));
        self.canceller = None;
        Poll::Ready(outcome)
    }

    pub(crate) fn call_canceller(&mut self) {
        if let Some(canceller) = self.canceller.take() {
            canceller.call();
        }
    }
}

impl<T: Send + 'static> Operation<T> {
    /// Begins at once. The operation is registered after Begin has returned, before it can be awaited. An operation
    /// that Begin itself has completed is registered without a clock reading. Without a tracker it is not registered; then
    /// a queue is to be named, because no shutdown could release a result in hand.
    #[inline]
    #[track_caller]
    pub(crate) fn begin<'t, E>(
        tracker: impl Into<Option<&'t TrackerHandle>>,
        parameters: CallbackParameters,
        is_queue_named: bool,
        begin: impl FnOnce(Arc<dyn AsyncCallback>) -> Result<Begin>,
        end: E,
    ) -> Operation<T>
    where
        E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
    {
        let callback = OwnCallback::new(end, parameters, is_queue_named);
        let own = callback.clone();
        // A panic of Begin is a failure of Begin.
        let begun = contain(|| begin(callback))
            .unwrap_or_else(|payload| Err(Error::panicked("the Begin call", payload)));
        let Begin { code, canceller } = match begun {
            Ok(begun) => begun,
            Err(error) => {
                // Begin has failed, so other owners of the callback must not invoke it.
                own.detach();
                drop_contained(own);
                return Operation::failed(error);
            }
        };
        if code != Hresult::S_OK {
            own.set_begin_status(code);
        }
        let (tracker, begun) = (tracker.into(), Location::caller());
        let budget = CoopBudget::default();
        if own.is_handed_over() {
            let weak: Weak<OwnCallback<T, E>> = Arc::downgrade(&own);
            tracker.inspect(|tracker| tracker.list_in_hand(weak, begun));
            return Operation { source: Source::Own(own), canceller, registration: None, budget };
        }
        let cell = own.keep_itself();
        let registration = tracker.and_then(|tracker| {
            let registered = tracker.register(cell.clone(), begun, Some(tokio::time::Instant::now()));
            registered.inspect_err(|error| own.shut_down(error)).ok()
        });
        drop_contained(own);
        Operation { source: Source::Cell(cell), canceller, registration, budget }
    }
}

impl<T> Future for Operation<T> {
    type Output = Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<T>> {
        // No field is pinned structurally.
        self.get_mut().poll_outcome(cx).map(|outcome| outcome.value)
    }
}

impl<T> FusedFuture for Operation<T> {
    fn is_terminated(&self) -> bool {
        matches!(self.source, Source::Taken)
    }
}

impl<T> Unpin for Operation<T> {}

impl<T> Drop for Operation<T> {
    #[inline]
    fn drop(&mut self) {
        if matches!(self.source, Source::Taken) {
            return;
        }
        let cell = match std::mem::replace(&mut self.source, Source::Taken) {
            Source::Own(cell) => cell,
            Source::Cell(cell) => match cell.upgrade() {
                Some(cell) => cell,
                // A cell that is gone has ended as well.
                None => return,
            },
            Source::Ready(outcome) => {
                drop_contained(outcome);
                return;
            }
            Source::Taken => return,
        };
        let was_pending = cell.detach();
        drop_contained(cell);
        if was_pending {
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

/// Why a future that was ready is not polled again.
#[cold]
fn taken() -> Error {
    Error::new(Hresult::E_ILLEGAL_METHOD_CALL, "await an operation whose value was taken: it has one")
}
