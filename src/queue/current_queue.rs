//! `CurrentQueue`: the queue whose callback the current thread runs, where waits for that queue are refused.

use std::cell::Cell;
use std::marker::PhantomData;

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

    /// Makes this the current queue, until the guard is dropped.
    #[inline]
    pub(crate) fn enter(self) -> EnteredQueue {
        EnteredQueue { former: CURRENT.with(|current| current.replace(Some(self))), not_send: PhantomData }
    }

    /// Calls as another thread would, which runs no callback.
    #[cfg(feature = "test-util")]
    pub(crate) fn as_another_thread(call: impl FnOnce()) {
        let former = CURRENT.with(Cell::take);
        call();
        CURRENT.with(|current| current.set(former));
    }
}

/// While it lives the thread runs callbacks of a queue. Dropped by an unwinding, too, it restores the former one.
pub(crate) struct EnteredQueue {
    former: Option<CurrentQueue>,
    not_send: PhantomData<*const ()>,
}

impl Drop for EnteredQueue {
    fn drop(&mut self) {
        CURRENT.with(|current| current.set(self.former));
    }
}

thread_local! {
    static CURRENT: Cell<Option<CurrentQueue>> = const { Cell::new(None) };
}
