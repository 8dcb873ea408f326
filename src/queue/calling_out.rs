//! `CallingOut`: marks a thread while a shutdown calls the user's code on it, where waits for that shutdown are refused.

use std::cell::RefCell;

use crate::sync::thread_local;

/// Marks the thread while a platform that ends drops, wakes or calls what is the user's.
///
/// A shutdown goes on when that code returns. If that code waited for the shutdown, both would wait for ever.
pub(crate) struct CallingOut(());

impl CallingOut {
    /// Calls on behalf of the end of `platform`.
    pub(super) fn enter<T>(platform: usize, call: impl FnOnce() -> T) -> T {
        let entered = CALLING.try_with(|calling| calling.borrow_mut().push(platform)).is_ok();
        let _leaves = entered.then(|| CallingOut(()));
        call()
    }

    /// Whether the end of `platform` calls on this thread.
    pub(super) fn is_of(platform: usize) -> bool {
        CALLING.try_with(|calling| calling.borrow().contains(&platform)).unwrap_or(false)
    }

    /// Whether the end of any platform does.
    pub(crate) fn is_any() -> bool {
        CALLING.try_with(|calling| !calling.borrow().is_empty()).unwrap_or(false)
    }
}

impl Drop for CallingOut {
    fn drop(&mut self) {
        let _ = CALLING.try_with(|calling| calling.borrow_mut().pop());
    }
}

thread_local! {
    /// The platforms by their addresses, the innermost last: the end of one may drop the last handle of another.
    static CALLING: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
}
