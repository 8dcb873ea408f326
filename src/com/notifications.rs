//! `Notifications`: the calls of a callback object as a stream, which never holds up the caller.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::stream::{FusedStream, Stream};

use crate::contain::wake_contained;
use crate::sync::LockExt;

/// What Media Foundation calls a callback object with, in the order of the calls.
///
/// Media Foundation calls such objects without waiting for an answer, so nothing can hold it back: when
/// [`CAPACITY`](Notifications::CAPACITY) are waiting to be taken, the oldest makes room for the newest, and
/// [`dropped`](Notifications::dropped) counts it. Where items are large, as samples are, there is also a limit to their
/// bytes or their number; only such items make room for others of their kind then. The stream ends when Media Foundation has released the
/// object and everything is taken.
///
/// # Cancel safety
/// Nothing is lost when a future of `next` is dropped: what has come stays until it is taken.
pub struct Notifications<T> {
    shared: Arc<Mutex<Inner<T>>>,
    ended: bool,
}

impl<T> Notifications<T> {
    /// How many may wait to be taken before the oldest is dropped.
    pub const CAPACITY: usize = 1024;

    /// The stream, and the end that the callback object holds.
    pub(crate) fn channel() -> (Notifier<T>, Notifications<T>) {
        Notifications::weighed(usize::MAX, |_| 0, false)
    }

    /// The same, with a limit to the sum of what the items weigh. What goes beyond is dropped: the newest, or else the oldest
    /// that have a weight; then the newest is kept, however heavy.
    pub(crate) fn weighed(
        limit: usize,
        weight: fn(&T) -> usize,
        drop_newest: bool,
    ) -> (Notifier<T>, Notifications<T>) {
        let shared = Arc::new(Mutex::new(Inner {
            waiting: VecDeque::new(),
            weight,
            limit,
            drop_newest,
            total: 0,
            waker: None,
            dropped: 0,
            closed: false,
            left: false,
        }));
        (Notifier { shared: shared.clone() }, Notifications { shared, ended: false })
    }

    /// How many were dropped because they were not taken in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.shared.locked().dropped
    }

    /// The oldest that waits, without waiting for one.
    pub fn try_next(&mut self) -> Option<T> {
        self.shared.locked().pop()
    }
}

impl<T> Stream for Notifications<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        // Cloned before the lock is taken: it may be user code.
        let waker = cx.waker().clone();
        let mut shared = this.shared.locked();
        if let Some(item) = shared.pop() {
            drop(shared);
            drop(waker);
            return Poll::Ready(Some(item));
        }
        if shared.closed {
            drop(shared);
            drop(waker);
            this.ended = true;
            return Poll::Ready(None);
        }
        // Stored under the lock that items are put under: none is missed.
        let former = shared.waker.replace(waker);
        drop(shared);
        drop(former);
        Poll::Pending
    }
}

impl<T> FusedStream for Notifications<T> {
    fn is_terminated(&self) -> bool {
        self.ended
    }
}

impl<T> Unpin for Notifications<T> {}

impl<T> Drop for Notifications<T> {
    fn drop(&mut self) {
        let mut shared = self.shared.locked();
        shared.left = true;
        let unwanted = (std::mem::take(&mut shared.waiting), shared.waker.take());
        drop(shared);
        drop(unwanted);
    }
}

impl<T> fmt::Debug for Notifications<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = self.shared.locked();
        f.debug_struct("Notifications")
            .field("waiting", &shared.waiting.len())
            .field("dropped", &shared.dropped)
            .finish_non_exhaustive()
    }
}

/// The end that the callback object holds; its drop ends the stream.
pub(crate) struct Notifier<T> {
    shared: Arc<Mutex<Inner<T>>>,
}

impl<T> Notifier<T> {
    pub(crate) fn notify(&self, item: T) {
        let mut shared = self.shared.locked();
        if shared.left {
            drop(shared);
            drop(item);
            return;
        }
        let unwanted = shared.push(item);
        let waker = shared.waker.take();
        drop(shared);
        drop(unwanted);
        wake_contained(waker);
    }
}

impl<T> Drop for Notifier<T> {
    fn drop(&mut self) {
        let mut shared = self.shared.locked();
        shared.closed = true;
        let waker = shared.waker.take();
        drop(shared);
        // Media Foundation releases the object: a panic must not unwind into that.
        wake_contained(waker);
    }
}

struct Inner<T> {
    waiting: VecDeque<T>,
    weight: fn(&T) -> usize,
    limit: usize,
    drop_newest: bool,
    /// What those that wait weigh.
    total: usize,
    waker: Option<Waker>,
    dropped: u64,
    /// The callback object is gone.
    closed: bool,
    /// The stream is gone.
    left: bool,
}

impl<T> Inner<T> {
    fn pop(&mut self) -> Option<T> {
        let item = self.waiting.pop_front()?;
        self.total -= (self.weight)(&item);
        Some(item)
    }

    /// Takes an item in; gives those that had to make room for it.
    fn push(&mut self, item: T) -> Vec<T> {
        let weight = (self.weight)(&item);
        if self.drop_newest && weight > 0 && self.total.saturating_add(weight) > self.limit {
            self.dropped += 1;
            return vec![item];
        }
        let mut unwanted = Vec::new();
        if self.waiting.len() == Notifications::<T>::CAPACITY {
            unwanted.extend(self.pop());
        }
        while weight > 0 && self.total.saturating_add(weight) > self.limit {
            let heavy = self.waiting.iter().position(|item| (self.weight)(item) > 0);
            let Some(oldest) = heavy.and_then(|index| self.waiting.remove(index)) else { break };
            self.total -= (self.weight)(&oldest);
            unwanted.push(oldest);
        }
        self.total += weight;
        self.dropped += unwanted.len() as u64;
        self.waiting.push_back(item);
        unwanted
    }
}
