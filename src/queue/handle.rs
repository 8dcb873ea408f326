//! `WorkQueue`, the handle that keeps a queue open.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::sync::Arc;
use std::task::Poll;

use crate::async_result::QueueId;
use crate::error::{Error, Hresult, Result};
use crate::observe::QueueStats;
use crate::queue::current_queue::CurrentQueue;
use crate::queue::kind::{Held, Queue, QueueLock};
use crate::queue::table::Queues;
use crate::queue::work_item::IntoWorkItem;
use crate::tracker::closed;

/// What kind of private queue to allocate: `MFASYNC_WORKQUEUE_TYPE`.
#[doc(alias = "MFASYNC_WORKQUEUE_TYPE")]
#[doc(alias = "RTWQ_WORKQUEUE_TYPE")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum WorkQueueType {
    /// One item at a time, on the runtime's threads.
    #[doc(alias = "MF_STANDARD_WORKQUEUE")]
    #[default]
    Standard,
    /// One item at a time, all on one thread that the queue has to itself; it is also home to futures
    /// that are not `Send`, by [`WorkQueue::spawn_local`].
    #[doc(alias = "MF_WINDOW_WORKQUEUE")]
    Window,
    /// Items at the same time, taken out first in, first out.
    #[doc(alias = "MF_MULTITHREADED_WORKQUEUE")]
    Multithreaded,
}

/// A work queue, and a lock on it: while any handle to a private queue lives, the queue is open.
///
/// A clone is another lock (`MFLockWorkQueue`), a drop an unlock (`MFUnlockWorkQueue`). When the last
/// handle is dropped the id is no longer valid, and what is queued still runs. For the platform's
/// own queues a handle locks nothing, as in Media Foundation.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use mf_async::{Platform, WorkQueueType};
///
/// let platform = Platform::startup()?;
/// let queue = platform.allocate_work_queue(WorkQueueType::Standard)?;
/// let answer = queue.run(|| 6 * 7).await?;
/// assert_eq!(answer, 42);
/// drop(queue);
/// platform.shutdown().await?;
/// # Ok(()) }
/// ```
#[doc(alias = "MFLockWorkQueue")]
#[doc(alias = "RtwqLockWorkQueue")]
#[doc(alias = "MFUnlockWorkQueue")]
#[doc(alias = "RtwqUnlockWorkQueue")]
#[derive(Clone)]
pub struct WorkQueue {
    lock: QueueLock,
    queues: Arc<Queues>,
    _held: Option<Held>,
}

impl WorkQueue {
    pub(super) fn new(lock: QueueLock, queues: Arc<Queues>, held: Option<Held>) -> WorkQueue {
        WorkQueue { lock, queues, _held: held }
    }

    /// The number of this queue, for calls that take one.
    #[must_use]
    pub fn id(&self) -> QueueId {
        self.queue().id
    }

    /// Puts a work item: a callback, a callback with a state and a priority ([`WorkItem`](crate::WorkItem)), or a ready result.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the queue does not allow the callback's flags; `E_ILLEGAL_METHOD_CALL` when the item
    /// is a result whose reply a serial queue awaits; `MF_E_SHUTDOWN` when the platform is shut down. Nothing is queued
    /// then, and nothing kept.
    #[doc(alias = "MFPutWorkItem")]
    #[doc(alias = "MFPutWorkItem2")]
    #[doc(alias = "MFPutWorkItemEx")]
    #[doc(alias = "MFPutWorkItemEx2")]
    #[doc(alias = "RtwqPutWorkItem")]
    #[inline]
    #[track_caller]
    pub fn put(&self, item: impl IntoWorkItem) -> Result<()> {
        self.queues.put_on(self.queue(), item, Some(Location::caller()))
    }

    /// Waits until everything that was put before this call has run.
    ///
    /// On a queue that runs items at the same time, that is until all of them have come back.
    ///
    /// # Errors
    /// `ERROR_POSSIBLE_DEADLOCK` in a callback, or a future, of this very queue, which is one of those it would wait for,
    /// and in what the platform's shutdown drops or calls;
    /// `MF_E_SHUTDOWN` when the platform or its runtime ended, and an item was dropped un-called.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future changes nothing.
    pub fn barrier(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let (queue, mark) = (self.queue().clone(), self.queue().mark());
        self.unless_abandoned("wait for a barrier of", async move { queue.until_passed(mark).await })
    }

    /// Waits until nothing is queued and nothing runs.
    ///
    /// While items are put again and again, that may never be.
    ///
    /// # Errors
    /// As [`barrier`](WorkQueue::barrier).
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future changes nothing.
    pub fn quiesce(&self) -> impl Future<Output = Result<()>> + Send + use<> {
        let queue = self.queue().clone();
        self.unless_abandoned("wait for quiet on", async move { queue.until_quiet().await })
    }

    /// Waits from outside of this queue; fails if what it waited for was dropped un-called.
    fn unless_abandoned<F>(
        &self,
        doing: &'static str,
        wait: F,
    ) -> impl Future<Output = Result<()>> + Send + use<F>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (queue, queues, before) = (self.queue().clone(), self.queues.clone(), self.stats().abandoned);
        let wait = outside(self.place(), queues.clone(), doing, wait);
        async move {
            wait.await?;
            if !queues.is_running() && queue.stats().abandoned > before {
                return Err(closed(doing));
            }
            Ok(())
        }
    }

    /// The queue's counters.
    #[must_use]
    pub fn stats(&self) -> QueueStats {
        self.queue().stats()
    }

    /// Says that items of this queue take long: from now on they run on the runtime's blocking pool.
    ///
    /// A queue that runs one item at a time still does. The items of a window queue stay on its thread.
    #[doc(alias = "RtwqSetLongRunning")]
    pub fn set_long_running(&self, enable: bool) {
        self.queue().set_long_running(enable);
    }

    /// Turns the handle into its number and leaves the lock on the queue, for
    /// [`Platform::unlock_work_queue`](crate::Platform::unlock_work_queue) to release, as C++ code does it.
    #[must_use = "the queue stays locked until its number is unlocked"]
    pub fn into_id(self) -> QueueId {
        let id = self.id();
        // A platform queue counts no locks; one left on it would never be released.
        if id.is_private() {
            self.lock.leave();
        }
        id
    }

    /// A handle that keeps the queue open, and that shutdown does not wait for.
    pub(crate) fn unheld(&self) -> WorkQueue {
        WorkQueue { lock: self.lock.clone(), queues: self.queues.clone(), _held: None }
    }

    pub(crate) fn queue(&self) -> &Arc<Queue> {
        self.lock.queue()
    }

    pub(crate) fn queues(&self) -> &Arc<Queues> {
        &self.queues
    }

    /// What identifies its platform while that lives.
    #[cfg(feature = "timeline")]
    pub(crate) fn platform_address(&self) -> usize {
        self.place().platform
    }

    fn place(&self) -> CurrentQueue {
        self.queues.place(self.id())
    }
}

impl fmt::Debug for WorkQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WorkQueue").field(&self.id()).finish()
    }
}

impl From<&WorkQueue> for QueueId {
    fn from(queue: &WorkQueue) -> QueueId {
        queue.id()
    }
}

/// Waits as `wait` does, except in callbacks of the queue itself and in what the platform's shutdown calls, now or at a
/// later poll.
fn outside<F>(
    queue: CurrentQueue,
    queues: Arc<Queues>,
    doing: &'static str,
    wait: F,
) -> impl Future<Output = Result<()>> + Send + use<F>
where
    F: Future<Output = ()> + Send + 'static,
{
    let is_inside = move || CurrentQueue::current() == Some(queue);
    let made_inside = is_inside();
    let mut wait = Box::pin(wait);
    poll_fn(move |cx| {
        if made_inside || is_inside() {
            let what = format!(
                "{doing} queue {} from one of its own callbacks, for which it would wait",
                queue.queue
            );
            return Poll::Ready(Err(Error::new(Hresult::ERROR_POSSIBLE_DEADLOCK, what)));
        }
        let polled = wait.as_mut().poll(cx).map(Ok);
        if polled.is_pending() && queues.is_calling_out() {
            return Poll::Ready(queues.check_may_wait(doing));
        }
        polled
    })
}
