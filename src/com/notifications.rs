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
/// [`dropped`](Notifications::dropped) counts it. The stream ends when Media Foundation has released the
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
        let shared = Arc::new(Mutex::new(Inner {
            waiting: VecDeque::new(),
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
        self.shared.locked().waiting.pop_front()
    }
}

impl<T> Stream for Notifications<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        let mut shared = this.shared.locked();
        if let Some(item) = shared.waiting.pop_front() {
            return Poll::Ready(Some(item));
        }
        if shared.closed {
            drop(shared);
            this.ended = true;
            return Poll::Ready(None);
        }
        // Stored under the lock that items are put under: none is missed.
        let former = shared.waker.replace(cx.waker().clone());
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
        let oldest = if shared.waiting.len() == Notifications::<T>::CAPACITY {
            shared.dropped += 1;
            shared.waiting.pop_front()
        } else {
            None
        };
        shared.waiting.push_back(item);
        let waker = shared.waker.take();
        drop(shared);
        drop(oldest);
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
    waker: Option<Waker>,
    dropped: u64,
    /// The callback object is gone.
    closed: bool,
    /// The stream is gone.
    left: bool,
}
