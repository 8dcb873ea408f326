//! The platform's functions that open work queues: by kind, by number and by MMCSS class.

use crate::async_result::QueueId;
use crate::error::Result;
use crate::mmcss::Mmcss;
use crate::operation::Operation;
use crate::platform::Platform;
use crate::queue::{WorkQueue, WorkQueueType};

impl Platform {
    /// Allocates a private queue; the handle is its first lock.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down; for a window queue the system's error when it refuses a thread.
    #[doc(alias = "MFAllocateWorkQueue")]
    #[doc(alias = "MFAllocateWorkQueueEx")]
    #[doc(alias = "RtwqAllocateWorkQueue")]
    #[track_caller]
    pub fn allocate_work_queue(&self, kind: WorkQueueType) -> Result<WorkQueue> {
        self.queues().allocate(kind)
    }

    /// Allocates a serial queue over another queue. It runs its items one at a time, on the threads of that queue.
    ///
    /// It keeps the queue below open. Any queue may be below, also a serial one.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when `base` is not open; `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFAllocateSerialWorkQueue")]
    #[doc(alias = "RtwqAllocateSerialWorkQueue")]
    #[track_caller]
    pub fn allocate_serial_work_queue(&self, base: impl Into<QueueId>) -> Result<WorkQueue> {
        self.queues().allocate_serial(base.into())
    }

    /// A handle to a queue that is open, by its number: another lock on it.
    ///
    /// For the platform's own queues the handle locks nothing, as in Media Foundation.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the queue is not open; `MF_E_SHUTDOWN` when the platform is shut
    /// down.
    #[doc(alias = "MFLockWorkQueue")]
    #[doc(alias = "RtwqLockWorkQueue")]
    pub fn queue(&self, queue: impl Into<QueueId>) -> Result<WorkQueue> {
        self.queues().handle(queue.into())
    }

    /// Removes a lock that [`WorkQueue::into_id`] left on a queue.
    ///
    /// For the platform's own queues it does nothing and succeeds.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the queue is not open, or has no such lock; `MF_E_SHUTDOWN` for a private queue when
    /// the platform is shut down.
    #[doc(alias = "MFUnlockWorkQueue")]
    #[doc(alias = "RtwqUnlockWorkQueue")]
    pub fn unlock_work_queue(&self, queue: impl Into<QueueId>) -> Result<()> {
        self.queues().unlock(queue.into())
    }

    /// Locks the parallel queue that all callers with this MMCSS class share, and returns it with its task id.
    ///
    /// `task_id` is that of a task group to join, or `None` (or 0) for the class's own. The empty class is
    /// a queue without MMCSS, the same at every call while it is open. With the feature `realtime` a shared queue of a
    /// class has threads of its own, and they are raised. If the system refuses that, they run with their normal
    /// priority, and the feature `tracing` warns once.
    ///
    /// # Errors
    /// `E_INVALIDARG` for the empty class with a task id or a priority, or for a priority outside -2 to 2;
    /// `ERROR_INVALID_TASK_NAME` for a class that MMCSS does not know; `ERROR_INVALID_TASK_INDEX` for a
    /// task id of another class or of none; `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFLockSharedWorkQueue")]
    #[doc(alias = "RtwqLockSharedWorkQueue")]
    #[track_caller]
    pub fn lock_shared_work_queue(
        &self,
        class: &str,
        base_priority: i32,
        task_id: Option<u32>,
    ) -> Result<(WorkQueue, u32)> {
        self.queues().lock_shared(class, base_priority, task_id)
    }

    /// Registers a queue with an MMCSS class, by an item on the queue. The operation's value is the task id.
    ///
    /// `task_id` 0 makes a new task group. A second registration replaces the first.
    ///
    /// # Errors
    /// The operation's: `MF_E_INVALID_WORKQUEUE` when the queue is not open, and those of
    /// [`lock_shared_work_queue`](Platform::lock_shared_work_queue).
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[doc(alias = "MFBeginRegisterWorkQueueWithMMCSS")]
    #[doc(alias = "MFBeginRegisterWorkQueueWithMMCSSEx")]
    #[doc(alias = "MFEndRegisterWorkQueueWithMMCSS")]
    #[doc(alias = "RtwqBeginRegisterWorkQueueWithMMCSS")]
    #[doc(alias = "RtwqEndRegisterWorkQueueWithMMCSS")]
    #[track_caller]
    pub fn register_work_queue_with_mmcss(
        &self,
        queue: impl Into<QueueId>,
        class: &str,
        task_id: u32,
        base_priority: i32,
    ) -> Operation<u32> {
        let registered = self.queue(queue).and_then(|queue| {
            let mmcss = self.queues().groups().join(class, task_id, base_priority)?;
            Ok((queue, mmcss))
        });
        match registered {
            // By an item of the queue, because MMCSS registers the calling thread.
            Ok((queue, mmcss)) => {
                let (of, task_id) = (queue.queue().clone(), mmcss.task_id);
                queue.run(move || {
                    of.set_mmcss(mmcss);
                    task_id
                })
            }
            Err(error) => Operation::failed(error),
        }
    }

    /// Removes a queue's registration with MMCSS.
    ///
    /// # Errors
    /// The operation's: `MF_E_INVALID_WORKQUEUE` when the queue is not open; `MF_E_SHUTDOWN` when the
    /// platform is shut down.
    ///
    /// # Cancel safety
    /// As [`Operation`].
    #[doc(alias = "MFBeginUnregisterWorkQueueWithMMCSS")]
    #[doc(alias = "MFEndUnregisterWorkQueueWithMMCSS")]
    #[doc(alias = "RtwqBeginUnregisterWorkQueueWithMMCSS")]
    #[doc(alias = "RtwqEndUnregisterWorkQueueWithMMCSS")]
    #[track_caller]
    pub fn unregister_work_queue_with_mmcss(&self, queue: impl Into<QueueId>) -> Operation<()> {
        match self.queue(queue) {
            Ok(queue) => {
                let of = queue.queue().clone();
                queue.run(move || of.set_mmcss(Mmcss::none()))
            }
            Err(error) => Operation::failed(error),
        }
    }

    /// A queue's registration with MMCSS. A queue that is not registered has an empty class, task id 0 and priority 0.
    ///
    /// # Errors
    /// `MF_E_INVALID_WORKQUEUE` when the queue is not open; `MF_E_SHUTDOWN` for a private queue when the platform is shut
    /// down.
    #[doc(alias = "MFGetWorkQueueMMCSSClass")]
    #[doc(alias = "MFGetWorkQueueMMCSSTaskId")]
    #[doc(alias = "MFGetWorkQueueMMCSSPriority")]
    #[doc(alias = "RtwqGetWorkQueueMMCSSClass")]
    #[doc(alias = "RtwqGetWorkQueueMMCSSTaskId")]
    #[doc(alias = "RtwqGetWorkQueueMMCSSPriority")]
    pub fn work_queue_mmcss(&self, queue: impl Into<QueueId>) -> Result<Mmcss> {
        self.queues().mmcss(queue.into())
    }

    /// Registers all of the platform's own queues with an MMCSS class, and returns the task id.
    ///
    /// # Errors
    /// As [`lock_shared_work_queue`](Platform::lock_shared_work_queue).
    #[doc(alias = "MFRegisterPlatformWithMMCSS")]
    #[doc(alias = "RtwqRegisterPlatformWithMMCSS")]
    pub fn register_platform_with_mmcss(&self, class: &str, task_id: u32, base_priority: i32) -> Result<u32> {
        let mmcss = self.queues().groups().join(class, task_id, base_priority)?;
        self.queues().set_platform_mmcss(&mmcss)?;
        Ok(mmcss.task_id)
    }

    /// Removes the registration of the platform's own queues.
    ///
    /// # Errors
    /// `MF_E_SHUTDOWN` when the platform is shut down.
    #[doc(alias = "MFUnregisterPlatformFromMMCSS")]
    #[doc(alias = "RtwqUnregisterPlatformFromMMCSS")]
    pub fn unregister_platform_from_mmcss(&self) -> Result<()> {
        self.queues().set_platform_mmcss(&Mmcss::none())
    }
}
