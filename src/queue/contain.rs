//! Panics of user code stop here.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Calls user code; `None` if it panicked.
#[inline]
pub(crate) fn contain<T>(call: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(call)) {
        Ok(value) => Some(value),
        Err(payload) => {
            drop_payload(payload);
            None
        }
    }
}

/// Drops a value of the user's; true if that panicked.
#[inline]
pub(crate) fn drop_contained<T>(value: T) -> bool {
    contain(|| drop(value)).is_none()
}

/// Drops a panic's payload. That may panic again; the second payload is leaked, so that this ends.
pub(crate) fn drop_payload(payload: Box<dyn Any + Send>) {
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        std::mem::forget(second);
    }
}
