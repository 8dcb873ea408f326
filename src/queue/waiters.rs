//! `Waiters`: the tasks that wait for a condition of a queue. While there are none, a change costs one load.

use std::future::{Future, poll_fn};
use std::task::{Poll, Waker};

use slab::Slab;

use crate::contain::{drop_contained, wake_contained};
use crate::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use crate::sync::{LockExt, Mutex};

/// Tasks that wait for a condition, and are woken when something has changed.
#[derive(Default)]
pub(crate) struct Waiters {
    count: AtomicUsize,
    /// Whether a task has registered since [`notify_fresh`](Waiters::notify_fresh).
    fresh: AtomicBool,
    wakers: Mutex<Slab<Option<Waker>>>,
}

impl Waiters {
    /// Whether a task waits. It may be missed if it has only just registered; see the callers.
    #[inline]
    pub(crate) fn any(&self) -> bool {
        // ORDERING: SeqCst pairs with the increment and the fence in `WaiterEntry::new`, for callers whose change is made
        // under a lock that the condition takes as well, or is followed by a SeqCst fence: either the condition sees the
        // change, or this load sees the waiter.
        self.count.load(Ordering::SeqCst) > 0
    }

    /// Something has changed that a task may wait for.
    #[inline]
    pub(crate) fn notify(&self) {
        if self.any() {
            self.wake_all();
        }
    }

    /// Wakes those that a change may have missed because they had only just registered. False if there were none.
    pub(crate) fn notify_fresh(&self) -> bool {
        // ORDERING: Relaxed: a later call sees what this one misses.
        let fresh = self.fresh.swap(false, Ordering::Relaxed);
        if fresh {
            self.wake_all();
        }
        fresh
    }

    #[cold]
    fn wake_all(&self) {
        let wakers: Vec<Waker> =
            self.wakers.locked().iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        for waker in wakers {
            // One that panics must not keep the others from being woken.
            wake_contained(Some(waker));
        }
    }

    /// Waits until `condition` holds.
    pub(crate) fn until(&self, condition: impl Fn() -> bool) -> impl Future<Output = ()> {
        let mut entry = None;
        poll_fn(move |cx| {
            // Register, then look.
            let entry = entry.get_or_insert_with(|| WaiterEntry::new(self));
            entry.set(cx.waker());
            if condition() { Poll::Ready(()) } else { Poll::Pending }
        })
    }
}

/// A task among the waiters.
struct WaiterEntry<'a>(&'a Waiters, usize);

impl<'a> WaiterEntry<'a> {
    fn new(waiters: &'a Waiters) -> WaiterEntry<'a> {
        let key = waiters.wakers.locked().insert(None);
        // ORDERING: SeqCst, with the fence: see `any`.
        waiters.count.fetch_add(1, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed, see `notify_fresh`.
        waiters.fresh.store(true, Ordering::Relaxed);
        WaiterEntry(waiters, key)
    }

    fn set(&self, waker: &Waker) {
        let waker = waker.clone();
        let former = self.0.wakers.locked()[self.1].replace(waker);
        drop(former);
    }
}

impl Drop for WaiterEntry<'_> {
    fn drop(&mut self) {
        // ORDERING: SeqCst as its counterpart; a late decrement only costs a look at an empty table.
        self.0.count.fetch_sub(1, Ordering::SeqCst);
        let waker = self.0.wakers.locked().remove(self.1);
        drop_contained(waker);
    }
}
