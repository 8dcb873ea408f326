//! `OwnCallback`: an operation's own callback, in one allocation with the cell that receives its outcome.
//!
//! The states of the cell are in `completion.rs`. Four things race to end an operation:
//!
//! * the result is handed over, because no queue was named: the awaiting task is woken, and End runs in its poll;
//! * the callback is invoked on a queue: End runs there, and its value is stored in the cell;
//! * every owner of the callback drops it: the cell is dropped with it, and the operation finds it gone;
//! * the platform ends: the cell ends with the error.
//!
//! A result in hand that will not be polled is released to the queue MULTITHREADED, where End runs. That happens when
//! the operation is dropped or detached, and when a shutdown begins.

#[cfg(all(test, mf_async_loom))]
mod loom;

use std::sync::{Arc, OnceLock, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, HandOver, Shortcut};
use crate::completion::{self, Found};
use crate::contain::{contain, drop_contained, wake_contained};
use crate::error::{Error, Hresult, Result};
use crate::operation::{Operation, Outcome};
use crate::register::{self, Outstanding};
use crate::sync::atomic::{AtomicBool, Ordering};
use crate::sync::{LockExt, Mutex, ThreadMark, thread_mark};
use crate::tracker::TrackerHandle;

/// The operation's view of its cell.
pub(super) trait Awaited<T>: Outstanding {
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome<T>>;
    fn set_begin_status(&self, code: Hresult);
    fn status(&self) -> Option<Hresult>;
    fn is_ready(&self) -> bool;
    /// Detaches the cell; true if it was pending.
    fn detach(&self) -> bool;
}

/// The callback of an operation, and its completion.
pub(super) struct OwnCallback<T, E> {
    /// Itself, set when it may end without the thread that began it.
    this: OnceLock<Weak<OwnCallback<T, E>>>,
    parameters: CallbackParameters,
    /// Whether a queue was named; End then runs on it.
    is_queue_named: bool,
    /// Whether the result was handed over. A hint, except on the thread of Begin, where it is exact.
    was_handed_over: AtomicBool,
    state: Mutex<State<T, E>>,
}

struct State<T, E> {
    cell: completion::Cell<Outcome<T>>,
    /// `None` when it was called. It stays when the operation ends otherwise, and a late callback still calls it.
    end: Option<E>,
    /// The thread on which it was called. If that ends the platform from within End, the value comes all the same.
    ends_on: Option<ThreadMark>,
    begin: Hresult,
    /// The cell itself, when it has ended: it owns itself until its value is taken.
    kept: Option<Arc<OwnCallback<T, E>>>,
}

impl<T, E> OwnCallback<T, E> {
    #[inline]
    pub(super) fn new(
        end: E,
        parameters: CallbackParameters,
        is_queue_named: bool,
    ) -> Arc<OwnCallback<T, E>> {
        Arc::new(OwnCallback {
            this: OnceLock::new(),
            parameters,
            is_queue_named,
            was_handed_over: AtomicBool::new(false),
            state: Mutex::new(State {
                cell: completion::Cell::default(),
                end: Some(end),
                ends_on: None,
                begin: Hresult::S_OK,
                kept: None,
            }),
        })
    }

    /// Whether Begin itself has handed the result over.
    #[inline]
    pub(super) fn is_handed_over(&self) -> bool {
        // ORDERING: Relaxed. A store by Begin on this thread is seen; one by another thread is a hint.
        self.was_handed_over.load(Ordering::Relaxed)
    }

    /// Takes the result in hand; `None` if the operation has ended. The caller wakes the waker.
    #[inline]
    fn take_in_hand(&self, result: &AsyncResult) -> Option<Option<Waker>> {
        let mut state = self.state.locked();
        // `None` when End was called.
        state.end.as_ref()?;
        state.cell.hand_over(result)
    }

    /// Makes the cell own itself when it has ended, because the thread that began it drops its reference.
    pub(super) fn keep_itself(self: &Arc<Self>) -> Weak<OwnCallback<T, E>> {
        let weak = Arc::downgrade(self);
        let _ = self.this.set(weak.clone());
        let mut state = self.state.locked();
        if state.cell.value().is_some() {
            // It has ended before `this` was set.
            state.kept = Some(self.clone());
        }
        weak
    }

    /// Ends the operation; false if it had ended before, or is not awaited.
    pub(super) fn finish(&self, value: Result<T>, status: Hresult) -> bool {
        let mut state = self.state.locked();
        let begin = state.begin;
        match state.cell.end(Outcome { value, status, begin }) {
            Ok(waker) => {
                state.kept = self.this.get().and_then(Weak::upgrade);
                drop(state);
                wake_contained(waker);
                true
            }
            Err(outcome) => {
                drop(state);
                drop_contained(outcome);
                false
            }
        }
    }
}

impl<T, E> AsyncCallback for OwnCallback<T, E>
where
    T: Send + 'static,
    E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
{
    fn parameters(&self) -> CallbackParameters {
        self.parameters
    }

    fn invoke(&self, result: &AsyncResult) {
        let (end, was_awaited) = {
            let mut state = self.state.locked();
            // The poll ends a result in hand, so this is a second call.
            let end = if state.cell.in_hand().is_some() { None } else { state.end.take() };
            if end.is_some() {
                state.ends_on = Some(thread_mark());
            }
            (end, state.cell.is_pending() || state.cell.is_detached())
        };
        match end {
            Some(end) => {
                let value = run_end(end, result);
                self.finish(value, result.status());
                if !was_awaited {
                    count(result, TrackerHandle::count_late_call);
                }
            }
            None => count(result, TrackerHandle::count_double_call),
        }
    }

    fn name(&self) -> &'static str {
        std::any::type_name::<Operation<T>>()
    }

    fn shortcut(&self) -> Shortcut<'_> {
        Shortcut::HandOver(self)
    }
}

impl<T, E> HandOver for OwnCallback<T, E>
where
    T: Send + 'static,
    E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
{
    #[inline]
    fn hand_over(&self, result: &AsyncResult) -> bool {
        if self.is_queue_named {
            return false;
        }
        // A shutdown that has begun has already released the results in hand.
        let Some(tracker) = result.tracker().filter(|tracker| tracker.is_running()) else { return false };
        let Some(waker) = self.take_in_hand(result) else { return false };
        // ORDERING: Relaxed, see `is_handed_over`.
        self.was_handed_over.store(true, Ordering::Relaxed);
        if !tracker.is_running() {
            self.release();
        }
        wake_contained(waker);
        true
    }

    fn hand_over_last(&self, result: &AsyncResult) -> bool {
        let taken = self.take_in_hand(result);
        let was_taken = taken.is_some();
        wake_contained(taken.flatten());
        was_taken
    }
}

impl<T, E> Awaited<T> for OwnCallback<T, E>
where
    T: Send + 'static,
    E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
{
    #[inline]
    fn poll(&self, cx: &mut Context<'_>) -> Poll<Outcome<T>> {
        let mut state = self.state.locked();
        match state.cell.poll(cx) {
            Found::Value(outcome) => {
                // The caller owns the cell as well, so this is not the last owner.
                state.kept = None;
                Poll::Ready(outcome)
            }
            Found::Result(result) => {
                let (end, begin) = (state.end.take(), state.begin);
                drop(state);
                let value = match end {
                    Some(end) => run_end(end, &result),
                    None => Err(Error::abandoned("end an operation whose End has run")),
                };
                let status = result.status();
                drop_contained(result);
                Poll::Ready(Outcome { value, status, begin })
            }
            Found::Nothing(former) => {
                drop(state);
                drop_contained(former);
                Poll::Pending
            }
        }
    }

    fn set_begin_status(&self, code: Hresult) {
        let mut state = self.state.locked();
        state.begin = code;
        if let Some(outcome) = state.cell.value() {
            outcome.begin = code;
        }
    }

    fn status(&self) -> Option<Hresult> {
        let mut state = self.state.locked();
        let in_hand = state.cell.in_hand().map(AsyncResult::status);
        in_hand.or_else(|| state.cell.value().map(|outcome| outcome.status))
    }

    fn is_ready(&self) -> bool {
        self.state.locked().cell.is_ready()
    }

    fn detach(&self) -> bool {
        let mut state = self.state.locked();
        let (was_pending, held, result) = state.cell.detach();
        // The caller owns the cell as well, so this is not the last owner.
        state.kept = None;
        drop(state);
        drop_contained(held);
        if let Some(result) = result {
            put_on_queue(result);
        }
        was_pending
    }
}

impl<T, E> Outstanding for OwnCallback<T, E>
where
    T: Send + 'static,
    E: FnOnce(&AsyncResult) -> Result<T> + Send + 'static,
{
    fn release(&self) {
        let result = self.state.locked().cell.release();
        if let Some(result) = result {
            put_on_queue(result);
        }
    }

    fn shut_down(&self, error: &Error) {
        // A component may own the last handle of its platform, and be dropped with its End.
        if self.state.locked().ends_on == Some(thread_mark()) {
            return;
        }
        self.finish(Err(error.clone()), error.hresult());
    }

    fn describe(&self) -> String {
        let what = std::any::type_name::<T>();
        if self.state.locked().cell.in_hand().is_some() {
            return format!("an operation of {what}, whose result waits to be awaited");
        }
        format!("an operation of {what}, to be called back on {}", self.parameters.queue)
    }

    fn has_ended(&self) -> bool {
        let state = self.state.locked();
        !state.cell.is_pending() && state.cell.in_hand().is_none()
    }
}

impl<T, E> Drop for OwnCallback<T, E> {
    fn drop(&mut self) {
        // Dropped without a call: the operation polls again, and finds the cell gone.
        let this = std::ptr::from_ref(self).cast::<()>();
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if state.cell.is_pending() {
            register::lost_here(this);
        }
        wake_contained(state.cell.take_waker());
    }
}

/// Runs End. If the component has failed, returns that failure instead.
fn run_end<T, E>(end: E, result: &AsyncResult) -> Result<T>
where
    E: FnOnce(&AsyncResult) -> Result<T>,
{
    if let Some(error) = result.take_failure() {
        drop_contained(end);
        return Err(error);
    }
    contain(|| end(result)).unwrap_or_else(|payload| Err(Error::panicked("the End call", payload)))
}

/// Puts the result on the queue MULTITHREADED, which invokes its callback. If the platform is gone, the result is
/// dropped.
fn put_on_queue(result: AsyncResult) {
    if let Ok(dispatcher) = result.dispatcher() {
        let _ = dispatcher.put_accepted(&result);
    }
    drop_contained(result);
}

fn count(result: &AsyncResult, count: fn(&TrackerHandle)) {
    if let Some(tracker) = result.tracker() {
        count(tracker);
    }
}

pub(super) const UNANSWERED: &str =
    "the callback was dropped without being invoked; the operation will never be answered";
