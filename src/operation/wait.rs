//! `Operation::wait`: a blocking wait, for code that is not asynchronous.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use crate::error::{Error, Hresult, Result};
use crate::operation::Operation;
use crate::queue::{CallingOut, CurrentQueue};
use crate::stepping;
use crate::tokio_quirks;

impl<T> Operation<T> {
    /// Blocks the thread until the operation has ended, for code that is not asynchronous.
    ///
    /// It refuses to wait on a thread that the operation may need to end. The operation then goes on, and can be
    /// awaited. An operation that has ended is never refused. In tokio's `spawn_blocking` and `block_in_place` it waits.
    ///
    /// ```
    /// # fn main() -> mf_async::Result<()> {
    /// # use mf_async::{Platform, QueueId};
    /// let platform = Platform::builder().worker_threads(1).startup()?;
    /// let queue = platform.queue(QueueId::MULTITHREADED)?;
    /// assert_eq!(queue.run(|| 42).wait()?, 42);
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// The operation's own; `ERROR_POSSIBLE_DEADLOCK` in a future that a tokio runtime polls, in a callback of a work
    /// queue, and in what a platform's shutdown drops or calls.
    pub fn wait(&mut self) -> Result<T> {
        if !self.is_ended() {
            if let Some(place) = CurrentQueue::current() {
                let what = format!(
                    "block a callback of queue {} until an operation ends: await it in a task",
                    place.queue
                );
                return Err(Error::new(Hresult::ERROR_POSSIBLE_DEADLOCK, what));
            }
            if CallingOut::is_any() {
                let what = "block what a platform's shutdown drops or calls until an operation ends: await it in a task";
                return Err(Error::new(Hresult::ERROR_POSSIBLE_DEADLOCK, what));
            }
            if stepping::is_on() {
                let what = "block the one thread of an exploration until an operation ends, which would end on it: await it";
                return Err(Error::new(Hresult::ERROR_POSSIBLE_DEADLOCK, what));
            }
            if tokio_quirks::polls_here() {
                let what = "block a thread of a tokio runtime until an operation ends: await it, or wait in `spawn_blocking`";
                return Err(Error::new(Hresult::ERROR_POSSIBLE_DEADLOCK, what));
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut cx = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(value) = Pin::new(&mut *self).poll(&mut cx) {
                return value;
            }
            // A wake before the park makes it return at once; after a spurious wake the loop polls again.
            thread::park();
        }
    }
}

/// Wakes the waiting thread.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
