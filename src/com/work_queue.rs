//! The system's own work queues, each locked while it has a handle or an item.

use std::fmt;
use std::sync::Arc;

use windows::Win32::Media::MediaFoundation::{
    IMFAsyncCallback, MF_MULTITHREADED_WORKQUEUE, MF_STANDARD_WORKQUEUE, MF_WINDOW_WORKQUEUE,
    MFAllocateSerialWorkQueue, MFAllocateWorkQueueEx, MFLockSharedWorkQueue, MFLockWorkQueue, MFPutWorkItem,
    MFPutWorkItem2, MFUnlockWorkQueue,
};
use windows::core::{HSTRING, IUnknown};

use crate::async_result::{CallbackParameters, QueueId, Unknown};
use crate::com::callback::OnceCallback;
use crate::com::{Mta, Platform};
use crate::error::Result;
use crate::queue::{Priority, WorkQueueType};

/// A work queue of the operating system's Media Foundation, and a lock on it.
///
/// Clones share the lock. The queue is unlocked when the last handle is dropped and everything that was put by one
/// has run: at the last unlock of a private queue Media Foundation may drop what is queued, or wait for what runs, and
/// the drop of a handle does neither. For the platform's own queues a handle locks nothing.
///
/// ```no_run
/// # async fn square() -> mf_async::Result<()> {
/// use mf_async::{QueueId, com};
///
/// let platform = com::Platform::startup()?;
/// let queue = platform.queue(QueueId::MULTITHREADED)?;
/// assert_eq!(queue.run(|| 6 * 7).await?, 42);
/// # Ok(()) }
/// ```
#[doc(alias = "MFLockWorkQueue")]
#[doc(alias = "MFUnlockWorkQueue")]
#[derive(Clone)]
pub struct WorkQueue {
    lock: Arc<SystemQueueLock>,
    platform: Platform,
}

impl Platform {
    /// Allocates a private queue.
    ///
    /// # Errors
    /// Media Foundation's own, `MF_E_SHUTDOWN` and `E_FAIL` for example: the system has a limit, which some
    /// thousand queues reach.
    #[doc(alias = "MFAllocateWorkQueue")]
    #[doc(alias = "MFAllocateWorkQueueEx")]
    pub fn allocate_work_queue(&self, kind: WorkQueueType) -> Result<WorkQueue> {
        let kind = match kind {
            WorkQueueType::Standard => MF_STANDARD_WORKQUEUE,
            WorkQueueType::Window => MF_WINDOW_WORKQUEUE,
            WorkQueueType::Multithreaded => MF_MULTITHREADED_WORKQUEUE,
        };
        // SAFETY: takes a number and gives one.
        Ok(self.locked(unsafe { MFAllocateWorkQueueEx(kind) }?))
    }

    /// Allocates a queue that runs one item at a time on another queue, which it keeps open.
    ///
    /// # Errors
    /// Media Foundation's own; an error about `base` may come only at the first put.
    #[doc(alias = "MFAllocateSerialWorkQueue")]
    pub fn allocate_serial_work_queue(&self, base: impl Into<QueueId>) -> Result<WorkQueue> {
        // SAFETY: takes a number and gives one.
        Ok(self.locked(unsafe { MFAllocateSerialWorkQueue(base.into().0) }?))
    }

    /// A handle to a queue that is open, by its number, which may be one of the platform's own: another lock on it.
    ///
    /// The threads of [`LONG_FUNCTION`](QueueId::LONG_FUNCTION) are each a single-threaded apartment. Closures and futures
    /// that use an [`Mta`] belong on another queue: there an object that is a proxy answers `RPC_E_WRONG_THREAD`, and what
    /// an item makes may be bound to its thread. `MULTITHREADED` is the one to take.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when no private queue has this number.
    #[doc(alias = "MFLockWorkQueue")]
    pub fn queue(&self, queue: impl Into<QueueId>) -> Result<WorkQueue> {
        let id = queue.into();
        // SAFETY: takes a number, which may be any.
        unsafe { MFLockWorkQueue(id.0) }?;
        Ok(self.locked(id.0))
    }

    /// Locks the queue that all users of this MMCSS class share, and returns its task id.
    ///
    /// `task_id` is that of a task group to join, or `None` for the class's own. The empty class is a queue
    /// without MMCSS.
    ///
    /// # Errors
    /// `E_INVALIDARG` for the empty class with a task id, and what MMCSS says of a class it does not know.
    #[doc(alias = "MFLockSharedWorkQueue")]
    pub fn lock_shared_work_queue(
        &self,
        class: impl Into<HSTRING>,
        base_priority: i32,
        task_id: Option<u32>,
    ) -> Result<(WorkQueue, u32)> {
        let name = class.into();
        let mut task = task_id.unwrap_or(0);
        // The empty class takes no task id, not even one of zero.
        let wanted: *mut u32 =
            if name.is_empty() && task_id.is_none() { std::ptr::null_mut() } else { &raw mut task };
        let mut id = 0;
        // SAFETY: the name ends with a zero; the numbers live here, and are written before the call returns.
        unsafe { MFLockSharedWorkQueue(&name, base_priority, wanted, &raw mut id) }?;
        Ok((self.locked(id), task))
    }

    fn locked(&self, id: u32) -> WorkQueue {
        WorkQueue { lock: Arc::new(SystemQueueLock(QueueId(id))), platform: self.clone() }
    }
}

impl WorkQueue {
    /// The number of this queue, for calls that take one.
    #[must_use]
    pub fn id(&self) -> QueueId {
        self.lock.0
    }

    /// Puts a callback: it is invoked once, on this queue, also if it names another queue itself.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN`; `MF_E_INVALID_WORKQUEUE` when the queue does not allow the callback's flags.
    #[doc(alias = "MFPutWorkItem")]
    pub fn put(&self, callback: impl Into<Mta<IMFAsyncCallback>>, state: Option<Unknown>) -> Result<()> {
        self.put_with_priority(Priority::Normal, callback, state)
    }

    /// Puts a callback that goes before or after others that wait.
    ///
    /// # Errors
    /// As [`put`](WorkQueue::put).
    #[doc(alias = "MFPutWorkItem2")]
    pub fn put_with_priority(
        &self,
        priority: impl Into<Priority>,
        callback: impl Into<Mta<IMFAsyncCallback>>,
        state: Option<Unknown>,
    ) -> Result<()> {
        let priority = match priority.into() {
            Priority::Low => -1,
            Priority::Normal => 0,
            Priority::High => 1,
        };
        let callback = callback.into();
        let state = state.map(Mta::<IUnknown>::from);
        // SAFETY: both are objects that may be called and released from any thread, as `Mta` says.
        Ok(unsafe { MFPutWorkItem2(self.id().0, priority, &*callback, state.as_deref()) }?)
    }

    pub(crate) fn lock(&self) -> &Arc<SystemQueueLock> {
        &self.lock
    }

    pub(crate) fn platform(&self) -> &Platform {
        &self.platform
    }
}

impl fmt::Debug for WorkQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("com::WorkQueue").field(&self.id()).finish()
    }
}

impl From<&WorkQueue> for QueueId {
    fn from(queue: &WorkQueue) -> QueueId {
        queue.id()
    }
}

/// One lock on a queue, held by its handles and by the items that they put. It does not hold the platform: the last
/// item may end on a thread of Media Foundation's, where the platform would end operations.
pub(crate) struct SystemQueueLock(QueueId);

impl Drop for SystemQueueLock {
    #[doc(alias = "MFUnlockWorkQueue")]
    fn drop(&mut self) {
        let id = self.0;
        if !id.is_private() {
            return;
        }
        // The last unlock may wait until what runs on the queue has returned, and this may be what runs. So
        // it happens elsewhere, on a queue that has threads already. If it cannot, Media Foundation is shut down, and the
        // queue gone.
        let _ = put_once(QueueId::MULTITHREADED, move || {
            // SAFETY: takes a number; the lock was taken once for this value, and is given back once.
            let _ = unsafe { MFUnlockWorkQueue(id.0) };
        });
    }
}

/// Puts a closure that is called once on a queue; if the item is dropped without a call, so is the closure.
pub(crate) fn put_once(queue: QueueId, call: impl FnOnce() + Send + 'static) -> Result<()> {
    let item = OnceCallback::create(CallbackParameters::on(queue), move |_| {
        call();
        Ok(())
    });
    // SAFETY: the callback is one of this module's own, which may be called from any thread.
    Ok(unsafe { MFPutWorkItem(queue.0, &item, None) }?)
}
