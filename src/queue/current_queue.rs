//! The queue whose callback the current thread runs: waiting for one's own queue is refused by it.

use std::cell::Cell;

use crate::async_result::QueueId;
use crate::sync::thread_local;

/// A queue of a platform, as the thread that runs its callbacks knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CurrentQueue {
    /// The address of the platform's queues, which identifies the platform while it lives.
    pub(crate) platform: usize,
    pub(crate) queue: QueueId,
}

impl CurrentQueue {
    /// The queue whose callback the current thread runs, if it runs one.
    #[inline]
    pub(crate) fn current() -> Option<CurrentQueue> {
        CURRENT.with(Cell::get)
    }

    /// Whether the current thread runs a callback of any platform.
    #[inline]
    pub(crate) fn is_any() -> bool {
        CurrentQueue::current().is_some()
    }

    /// Calls with this as the current queue.
    #[inline]
    pub(crate) fn enter<T>(self, call: impl FnOnce() -> T) -> T {
        /// Restores the former one even when `call` unwinds.
        struct Restore(Option<CurrentQueue>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CURRENT.with(|current| current.set(self.0));
            }
        }
        let _restore = Restore(CURRENT.with(|current| current.replace(Some(self))));
        call()
    }

    /// Calls as another thread would, which runs no callback.
    #[cfg(feature = "test-util")]
    pub(crate) fn as_another_thread(call: impl FnOnce()) {
        let former = CURRENT.with(Cell::take);
        call();
        CURRENT.with(|current| current.set(former));
    }
}

thread_local! {
    static CURRENT: Cell<Option<CurrentQueue>> = const { Cell::new(None) };
}
