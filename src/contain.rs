//! Where panics of user code stop: one guard for calls, one for drops, one for wakers.

use std::any::Any;
use std::future::{Future, poll_fn};
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

/// What a panic left behind.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Calls `call`, which may be user code; a panic comes back as its payload.
#[inline]
pub(crate) fn contain<R>(call: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(call))
}

/// Drops `value`, whose `Drop` may be user code; true if that panicked.
#[inline]
pub(crate) fn drop_contained<T>(value: T) -> bool {
    match contain(|| drop(value)) {
        Ok(()) => false,
        Err(payload) => {
            drop_payload(payload);
            true
        }
    }
}

/// The output of a future of the user's, which is dropped when it has ended: a panic of that does not lose the output.
pub(crate) async fn output_of<F: Future>(future: F) -> F::Output {
    let mut slot = pin!(Some(future));
    let output =
        poll_fn(|cx| slot.as_mut().as_pin_mut().map_or(Poll::Pending, |future| future.poll(cx))).await;
    if let Err(payload) = contain(|| slot.set(None)) {
        drop_payload(payload);
    }
    output
}

/// An owner of something whose `Drop` may be user code: wherever it is dropped, a panic of that stops here.
#[derive(Debug)]
pub(crate) struct Contained<T>(Option<T>);

impl<T> Contained<T> {
    pub(crate) fn new(value: T) -> Contained<T> {
        Contained(Some(value))
    }

    /// The value, which is the caller's from now on.
    pub(crate) fn take(mut self) -> T {
        self.0.take().expect(ONLY_ONCE)
    }
}

impl<T> Deref for Contained<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect(ONLY_ONCE)
    }
}

impl<T> DerefMut for Contained<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.0.as_mut().expect(ONLY_ONCE)
    }
}

impl<T> Drop for Contained<T> {
    fn drop(&mut self) {
        drop_contained(self.0.take());
    }
}

/// Wakes a waker, which may be user code.
#[inline]
pub(crate) fn wake_contained(waker: Option<Waker>) {
    if let Some(waker) = waker {
        if let Err(payload) = contain(|| waker.wake()) {
            drop_payload(payload);
        }
    }
}

/// Drops a payload. Its own drop may panic again: a second payload that is a message is dropped, and any other is leaked, so
/// that this terminates.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(second) = contain(|| drop(payload)) {
        if !second.is::<&str>() && !second.is::<String>() {
            std::mem::forget(second);
        }
    }
}

/// Wraps the waker of a task. While the task has the same waker, it is wrapped once.
#[derive(Debug, Default)]
pub(crate) struct WakerGuard(Option<(Arc<GuardedWaker>, Waker)>);

impl WakerGuard {
    /// The waker behind a guard.
    pub(crate) fn of(&mut self, waker: &Waker) -> Waker {
        match &self.0 {
            Some((guarded, wrapped)) if guarded.waker.as_ref().is_some_and(|of| of.will_wake(waker)) => {
                wrapped.clone()
            }
            _ => {
                let guarded = Arc::new(GuardedWaker { waker: Some(waker.clone()) });
                let wrapped = Waker::from(guarded.clone());
                self.0 = Some((guarded, wrapped.clone()));
                wrapped
            }
        }
    }
}

#[derive(Debug)]
struct GuardedWaker {
    /// Taken by the drop alone.
    waker: Option<Waker>,
}

impl Wake for GuardedWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Err(payload) = contain(|| self.waker.as_ref().map(Waker::wake_by_ref)) {
            drop_payload(payload);
        }
    }
}

impl Drop for GuardedWaker {
    fn drop(&mut self) {
        drop_contained(self.waker.take());
    }
}

const ONLY_ONCE: &str = "only the take that uses it up empties it";
