//! `Notifications`: what a callback object is told, as a stream that never holds up who tells it.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use futures::stream::{FusedStream, Stream};

use crate::com::callback::contain;

/// What Media Foundation tells a callback object, in the order of the calls.
///
/// Media Foundation calls such objects without waiting for an answer, so nothing can hold it back: when
/// [`CAPACITY`](Notifications::CAPACITY) are waiting to be taken, the oldest makes room for the newest, and
/// [`dropped`](Notifications::dropped) counts it. The stream ends when Media Foundation has let go of the
/// object and everything is taken.
///
/// # Cancel safety
/// Nothing is lost when a future of `next` is dropped: what has come stays until it is taken.
pub struct Notifications<T> {
    shared: Arc<Mutex<Shared<T>>>,
    ended: bool,
}

impl<T> Notifications<T> {
    /// How many may wait to be taken before the oldest is dropped.
    pub const CAPACITY: usize = 1024;

    /// The stream, and the end that the callback object holds.
    pub(crate) fn channel() -> (Notifier<T>, Notifications<T>) {
        let shared = Arc::new(Mutex::new(Shared {
            waiting: VecDeque::new(),
            waker: None,
            dropped: 0,
            told_all: false,
            left: false,
        }));
        (Notifier { shared: shared.clone() }, Notifications { shared, ended: false })
    }

    /// How many were dropped because nobody took them in time.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        lock(&self.shared).dropped
    }

    /// The oldest that waits, without waiting for one.
    pub fn try_next(&mut self) -> Option<T> {
        lock(&self.shared).waiting.pop_front()
    }
}

impl<T> Stream for Notifications<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        let this = self.get_mut();
        let mut shared = lock(&this.shared);
        if let Some(item) = shared.waiting.pop_front() {
            return Poll::Ready(Some(item));
        }
        if shared.told_all {
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
        let mut shared = lock(&self.shared);
        shared.left = true;
        let unwanted = (std::mem::take(&mut shared.waiting), shared.waker.take());
        drop(shared);
        drop(unwanted);
    }
}

impl<T> fmt::Debug for Notifications<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shared = lock(&self.shared);
        f.debug_struct("Notifications")
            .field("waiting", &shared.waiting.len())
            .field("dropped", &shared.dropped)
            .finish_non_exhaustive()
    }
}

/// The end that the callback object holds; its drop ends the stream.
pub(crate) struct Notifier<T> {
    shared: Arc<Mutex<Shared<T>>>,
}

impl<T> Notifier<T> {
    pub(crate) fn tell(&self, item: T) {
        let mut shared = lock(&self.shared);
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
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Drop for Notifier<T> {
    fn drop(&mut self) {
        let mut shared = lock(&self.shared);
        shared.told_all = true;
        let waker = shared.waker.take();
        drop(shared);
        if let Some(waker) = waker {
            // It is Media Foundation that lets go of the object, and nothing may unwind into that.
            let _ = contain(|| waker.wake());
        }
    }
}

struct Shared<T> {
    waiting: VecDeque<T>,
    waker: Option<Waker>,
    dropped: u64,
    /// The callback object is gone.
    told_all: bool,
    /// The stream is gone.
    left: bool,
}

/// A lock. A poisoned one is as good as any: no foreign code runs while it is held.
fn lock<T>(shared: &Mutex<Shared<T>>) -> MutexGuard<'_, Shared<T>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
