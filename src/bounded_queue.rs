//! `BoundedQueue`: a work queue with a limit of items. A producer beyond it fails, or waits for room.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::async_result::{AsyncCallback, AsyncResult, CallbackParameters, QueueId};
use crate::error::{Error, Hresult, Result};
use crate::operation::Operation;
use crate::queue::{CurrentQueue, IntoWorkItem, Invocation, Job, WorkItem, WorkQueue};
use crate::sync::LockExt;
use crate::tracker::{Begun, TrackedWait};

impl WorkQueue {
    /// A handle that puts at most `limit` items at a time, for producers that may outrun the queue.
    ///
    /// ```
    /// # #[tokio::main] async fn main() -> mf_async::Result<()> {
    /// # use mf_async::{Platform, WorkQueueType};
    /// # let platform = Platform::startup()?;
    /// let queue = platform.allocate_work_queue(WorkQueueType::Standard)?.bounded(16)?;
    /// for frame in 0..1000 {
    ///     // Waits while 16 frames are on the queue.
    ///     queue.reserve().await?.run(move || drop(frame)).detach();
    /// }
    /// # drop(queue);
    /// # platform.shutdown().await }
    /// ```
    ///
    /// # Errors
    /// `E_INVALIDARG` for a limit of 0, or above `usize::MAX / 8`.
    pub fn bounded(self, limit: usize) -> Result<BoundedQueue> {
        if limit == 0 || limit > Semaphore::MAX_PERMITS {
            let what =
                format!("limit queue {} to {limit} items: 1 to {} can be", self.id(), Semaphore::MAX_PERMITS);
            return Err(Error::new(Hresult::E_INVALIDARG, what));
        }
        Ok(BoundedQueue { queue: self, limit, places: Arc::new(Semaphore::new(limit)) })
    }
}

/// A work queue with a limit on the items that were put through this handle and wait or run.
///
/// [`WorkQueue::bounded`] makes one. Clones share the limit. Other handles to the same queue, and calls
/// that name it by number, are not limited.
///
/// An item has its place from the put until its callback has returned or is dropped without a call; a future has it
/// until it has ended. So the queue's memory is bounded by that of `limit` items. When no place is free,
/// [`try_put`](BoundedQueue::try_put) fails with `MF_E_NOTACCEPTING`, and [`put`](BoundedQueue::put) waits, in the
/// order of the calls. An item costs one allocation more than one that is put without a limit.
///
/// ```
/// # #[tokio::main] async fn main() -> mf_async::Result<()> {
/// use std::sync::Arc;
/// use mf_async::{AsyncResult, Hresult, Platform, QueueId};
///
/// let platform = Platform::startup()?;
/// let queue = platform.queue(QueueId::MULTITHREADED)?.bounded(1)?;
/// let place = queue.reserve().await?;
/// let full = queue.try_put(Arc::new(|_: &AsyncResult| ())).unwrap_err();
/// assert_eq!(full.hresult(), Hresult::MF_E_NOTACCEPTING);
/// assert_eq!(place.run(|| 6 * 7).await?, 42);
/// assert_eq!(queue.run(|| 6 * 7).await?, 42);
/// # drop(queue);
/// # platform.shutdown().await }
/// ```
#[derive(Clone)]
pub struct BoundedQueue {
    queue: WorkQueue,
    limit: usize,
    places: Arc<Semaphore>,
}

impl BoundedQueue {
    /// The largest number of items at a time.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// The number of places that are free now.
    #[must_use]
    pub fn free(&self) -> usize {
        self.places.available_permits()
    }

    /// The queue itself, without the limit.
    #[must_use]
    pub fn queue(&self) -> &WorkQueue {
        &self.queue
    }

    /// A place, if one is free.
    ///
    /// # Errors
    /// `MF_E_NOTACCEPTING` when none is; `MF_E_SHUTDOWN` when the platform is shut down.
    pub fn try_reserve(&self) -> Result<Permit> {
        self.queue.queues().admit("reserve a place on a work queue")?;
        match self.places.clone().try_acquire_owned() {
            Ok(place) => Ok(Permit { queue: self.queue.clone(), place }),
            Err(_) => {
                let what =
                    format!("put on queue {}, which has all the {} items it takes", self.id(), self.limit);
                Err(Error::new(Hresult::MF_E_NOTACCEPTING, what))
            }
        }
    }

    /// A place, as soon as one is free.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down, now or while this waits. `ERROR_POSSIBLE_DEADLOCK` when it
    /// would have to wait in a callback or a future of the same queue, because that may hold the place it waits for.
    ///
    /// # Cancel safety
    /// Cancel safe: dropping the future gives up its turn, and nothing else.
    #[track_caller]
    pub fn reserve(&self) -> impl Future<Output = Result<Permit>> + Send + use<> {
        let (this, begun) = (self.clone(), Location::caller());
        async move {
            match this.try_reserve() {
                Err(error) if error.hresult() == Hresult::MF_E_NOTACCEPTING => this.wait(begun).await,
                reserved => reserved,
            }
        }
    }

    /// Puts a work item if there is room: `callback` will be invoked once, with a result that has `state`.
    ///
    /// # Errors
    /// `MF_E_NOTACCEPTING` when there is no room; otherwise as [`WorkQueue::put`]. Nothing is queued or kept then.
    #[doc(alias = "MFPutWorkItem")]
    pub fn try_put(&self, item: impl IntoWorkItem) -> Result<()> {
        self.try_reserve()?.put(item)
    }

    /// Puts a work item as soon as there is room.
    ///
    /// # Errors
    /// Those of [`reserve`](BoundedQueue::reserve) and of [`WorkQueue::put`]. Nothing is queued or kept then.
    ///
    /// # Cancel safety
    /// Dropping the future before it has resolved puts nothing, and drops the item. To keep the item, await
    /// [`reserve`](BoundedQueue::reserve), which is cancel safe, and then put.
    #[doc(alias = "MFPutWorkItem")]
    #[track_caller]
    pub fn put<I: IntoWorkItem>(&self, item: I) -> impl Future<Output = Result<()>> + Send + use<I> {
        let (reserved, item) = (self.reserve(), item.into_work_item());
        async move { reserved.await?.put(item) }
    }

    /// Runs a closure as soon as there is room, and returns its value.
    ///
    /// # Errors
    /// Those of [`reserve`](BoundedQueue::reserve) and of [`WorkQueue::run`].
    ///
    /// # Cancel safety
    /// Dropping the future while it waits for room drops the closure without a call. Later it does not stop the
    /// closure, as with [`Operation`].
    #[track_caller]
    pub fn run<T, F>(&self, closure: F) -> impl Future<Output = Result<T>> + Send + use<T, F>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let reserved = self.reserve();
        async move { reserved.await?.run(closure).await }
    }

    /// Runs a future as soon as there is room, and returns its output. It has its place until it has ended.
    ///
    /// # Errors
    /// Those of [`reserve`](BoundedQueue::reserve) and of [`WorkQueue::spawn`].
    ///
    /// # Cancel safety
    /// As [`run`](BoundedQueue::run).
    #[track_caller]
    pub fn spawn<F>(&self, future: F) -> impl Future<Output = Result<F::Output>> + Send + use<F>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let reserved = self.reserve();
        async move { reserved.await?.spawn(future).await }
    }

    fn id(&self) -> QueueId {
        self.queue.id()
    }

    /// Waits for a place. The wait is registered, so a shutdown ends it.
    async fn wait(&self, begun: Begun) -> Result<Permit> {
        if CurrentQueue::current() == Some(self.queue.queues().place(self.id())) {
            let what = format!("wait for room on queue {} in one of its own callbacks", self.id());
            return Err(Error::new(Hresult::ERROR_POSSIBLE_DEADLOCK, what));
        }
        if self.queue.queues().is_calling_out() {
            self.queue.queues().check_may_wait("wait for room on a work queue")?;
        }
        let what = format!("a put that waits for room on queue {}", self.id());
        let (tracker, place) = (self.queue.queues().tracker.handle(), self.places.clone().acquire_owned());
        match TrackedWait::until(what, tracker, begun, place).await? {
            Ok(place) => Ok(Permit { queue: self.queue.clone(), place }),
            // Not reached: the semaphore is never closed.
            Err(_) => Err(Error::shutdown("wait for room on a work queue")),
        }
    }
}

impl fmt::Debug for BoundedQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BoundedQueue")
            .field("id", &self.id())
            .field("limit", &self.limit)
            .field("free", &self.free())
            .finish()
    }
}

/// A place on a [`BoundedQueue`], for one item; dropped unused, it is free again.
#[must_use = "it keeps a place that others may wait for"]
pub struct Permit {
    queue: WorkQueue,
    place: OwnedSemaphorePermit,
}

impl Permit {
    /// Puts a work item here.
    ///
    /// # Errors
    /// As [`WorkQueue::put`].
    #[doc(alias = "MFPutWorkItem")]
    #[track_caller]
    pub fn put(self, item: impl IntoWorkItem) -> Result<()> {
        let (job, priority) = item.into_work_item().into_job();
        let place = Mutex::new(Some(self.place));
        let item = match job {
            Job::Ready(result) => {
                let Some(callback) = result.callback().cloned() else { return self.queue.put(result) };
                WorkItem::new(Arc::new(PermitCallback { callback, ready: Some(result), place }))
            }
            Job::Invocation(Invocation { callback, state, .. }) => {
                WorkItem::new(Arc::new(PermitCallback { callback, ready: None, place })).state(state.take())
            }
        };
        self.queue.put(item.priority(priority))
    }

    /// Runs a closure here.
    ///
    /// # Errors
    /// As [`WorkQueue::run`].
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[track_caller]
    pub fn run<T, F>(self, closure: F) -> Operation<T>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let place = self.place;
        self.queue.run(move || {
            let _place = place;
            closure()
        })
    }

    /// Runs a future here, which has the place until it has ended.
    ///
    /// # Errors
    /// As [`WorkQueue::spawn`].
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[track_caller]
    pub fn spawn<F>(self, future: F) -> Operation<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let place = self.place;
        self.queue.spawn(async move {
            let _place = place;
            future.await
        })
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.queue.id()).finish()
    }
}

/// A callback that frees its place when it has been called or is dropped.
struct PermitCallback {
    callback: Arc<dyn AsyncCallback>,
    /// The result that was put. Without one, the callback is called with the item's result.
    ready: Option<AsyncResult>,
    place: Mutex<Option<OwnedSemaphorePermit>>,
}

impl AsyncCallback for PermitCallback {
    fn parameters(&self) -> CallbackParameters {
        self.callback.parameters()
    }

    fn invoke(&self, result: &AsyncResult) {
        let _place = self.place.locked().take();
        self.callback.invoke(self.ready.as_ref().unwrap_or(result));
    }

    fn name(&self) -> &'static str {
        self.callback.name()
    }
}
