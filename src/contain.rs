//! Where panics of user code stop: one guard for calls, one for drops, one for wakers.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

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

/// Wakes a waker, which may be user code.
#[inline]
pub(crate) fn wake_contained(waker: Option<Waker>) {
    if let Some(waker) = waker {
        if let Err(payload) = contain(|| waker.wake()) {
            drop_payload(payload);
        }
    }
}

/// Drops a payload. Its own drop may panic again; that second payload is leaked, so that this terminates.
pub(crate) fn drop_payload(payload: Payload) {
    if let Err(second) = contain(|| drop(payload)) {
        std::mem::forget(second);
    }
}
