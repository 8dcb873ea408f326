//! The completion cell: where the end of an operation meets whoever waits for it.

#[cfg(all(test, mf_async_loom))]
mod loom;

use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::sync::{Arc, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::async_result::{AsyncCallback, AsyncResult, Begun, CallbackParameters, QueueId};
use crate::error::{Error, Hresult, Result};
use crate::keepalive::{Armed, Keepalive};
use crate::operation::{Operation, Outcome, Source};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{Mutex, MutexGuard};

/// What an operation sees of its cell.
pub(super) trait Outlet<T>: Send + Sync {
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
pub(super) struct Cell<T, E> {
    pub(super) this: Weak<Cell<T, E>>,
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
    pub(super) fn new(end: E, parameters: CallbackParameters, begun: Begun) -> Arc<Cell<T, E>> {
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
    pub(super) fn enter(&self, keepalive: &Keepalive) {
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
