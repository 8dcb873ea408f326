//! A component's failure: it completes the result in place of an invoke, and only one of the two counts.

use std::sync::atomic::Ordering;

use crate::async_result::AsyncResult;
use crate::error::Error;
use crate::sync::LockExt;

impl AsyncResult {
    /// Completes the result in place of its component, which has failed: invokes the callback with the error's code,
    /// unless it was invoked before. An operation that awaits the result ends with `error` itself.
    pub(crate) fn fail(&self, error: Error) {
        // ORDERING: AcqRel, so that exactly one of this and of `claim_invoke` invokes it.
        let claimed =
            self.0.invoked.compare_exchange(NOT_INVOKED, FAILED, Ordering::AcqRel, Ordering::Acquire);
        if claimed.is_err() {
            return;
        }
        self.set_status(error.hresult());
        self.0.rare.locked().get_or_insert_default().failure = Some(error);
        // ORDERING: Release pairs with the Acquire in `take_failure`.
        self.0.has_rare.store(true, Ordering::Release);
        if let Ok(dispatcher) = self.dispatcher() {
            // If the callback's queue is gone, the callback is dropped with the result, and its operation ends.
            let _ = dispatcher.invoke_failed(self);
        }
    }

    /// The error that [`fail`](AsyncResult::fail) has set, once.
    #[inline]
    pub(crate) fn take_failure(&self) -> Option<Error> {
        // ORDERING: Acquire pairs with the Release in `fail`.
        if !self.0.has_rare.load(Ordering::Acquire) {
            return None;
        }
        self.0.rare.locked().as_mut()?.failure.take()
    }

    /// The callback is about to be invoked: from now on [`fail`](AsyncResult::fail) does not invoke it.
    #[inline]
    pub(crate) fn set_invoked(&self) {
        // ORDERING: Relaxed to look: what has failed stays so, until `claim_invoke`. Release, see `fail`.
        if self.0.invoked.load(Ordering::Relaxed) == NOT_INVOKED {
            self.0.invoked.store(INVOKED, Ordering::Release);
        }
    }

    /// Whether [`fail`](AsyncResult::fail) has invoked the callback.
    #[inline]
    pub(crate) fn has_failed(&self) -> bool {
        // ORDERING: Relaxed, before `claim_invoke`.
        self.0.invoked.load(Ordering::Relaxed) == FAILED
    }

    /// The callback is about to be invoked; false if [`fail`](AsyncResult::fail) has invoked it in place of this.
    #[inline]
    pub(crate) fn claim_invoke(&self) -> bool {
        // ORDERING: AcqRel, see `fail`.
        self.0.invoked.swap(INVOKED, Ordering::AcqRel) != FAILED
    }
}

/// Nothing has invoked the callback yet.
pub(super) const NOT_INVOKED: u8 = 0;
/// Its component, or a queue that the result was put on, has.
const INVOKED: u8 = 1;
/// It was invoked in place of its component, which has failed.
const FAILED: u8 = 2;
