//! Registration of work queues with the Multimedia Class Scheduler Service (MMCSS), and the queues shared by class.
//!
//! What is registered is kept and read back everywhere. Threads are really raised where the queue has threads of
//! its own, which shared queues of a class have with the feature `realtime`.

use std::sync::Arc;

use crate::async_result::QueueId;
use crate::error::{Error, Hresult, Result};
use crate::mmcss::{Mmcss, check_priority, known};
use crate::operation::Operation;
use crate::queue::{Queues, WorkQueue};

impl Queues {
    /// Registers a queue: its own item does it, as the calls concern the thread that makes them.
    #[track_caller]
    pub(crate) fn register(
        self: &Arc<Self>,
        queue: QueueId,
        class: &str,
        task_id: u32,
        base_priority: i32,
    ) -> Operation<u32> {
        let registered = self.handle(queue).and_then(|queue| {
            let mmcss = self.groups().join(class, task_id, base_priority)?;
            Ok((queue, mmcss))
        });
        match registered {
            Ok((queue, mmcss)) => {
                let task_id = mmcss.task_id;
                let of = queue.queue().clone();
                queue.run(move || {
                    of.set_mmcss(mmcss);
                    task_id
                })
            }
            Err(error) => Operation::failed(error),
        }
    }

    #[track_caller]
    pub(crate) fn unregister(self: &Arc<Self>, queue: QueueId) -> Operation<()> {
        match self.handle(queue) {
            Ok(queue) => {
                let of = queue.queue().clone();
                queue.run(move || of.set_mmcss(Mmcss::none()))
            }
            Err(error) => Operation::failed(error),
        }
    }

    /// Registers every platform queue, now.
    pub(crate) fn register_all(&self, class: &str, task_id: u32, base_priority: i32) -> Result<u32> {
        let mmcss = self.groups().join(class, task_id, base_priority)?;
        self.set_platform_mmcss(&mmcss)?;
        Ok(mmcss.task_id)
    }

    /// The queue that everybody shares who names this class.
    #[track_caller]
    pub(crate) fn lock_shared(
        self: &Arc<Self>,
        class: &str,
        base_priority: i32,
        task_id: Option<u32>,
    ) -> Result<(WorkQueue, u32)> {
        let name = if class.is_empty() { "" } else { known(class)? };
        check_priority(base_priority)?;
        if name.is_empty() && (task_id.is_some() || base_priority != 0) {
            let what = "lock the shared queue without a class, which has no task id and no priority";
            return Err(Error::new(Hresult::E_INVALIDARG, what));
        }
        let asked = task_id.unwrap_or(0);
        let former = self.groups().shared(name);
        if let Some((id, task)) = former {
            if let Ok(queue) = self.handle(id) {
                if asked != 0 && asked != task {
                    let what = format!(
                        "lock the shared queue of class {name} with task {asked}: its task is {task}"
                    );
                    return Err(Error::new(Hresult::ERROR_INVALID_TASK_INDEX, what));
                }
                return Ok((queue, task));
            }
        }
        let mmcss =
            if name.is_empty() { Mmcss::none() } else { self.groups().join(name, asked, base_priority)? };
        let task = mmcss.task_id;
        let queue = self.allocate_shared(&mmcss)?;
        queue.queue().set_mmcss(mmcss);
        // Another thread may have been faster: then its entry is the shared one, and this one is dropped.
        if self.groups().share(name, former, (queue.id(), task)) {
            return Ok((queue, task));
        }
        drop(queue);
        self.lock_shared(class, base_priority, task_id)
    }
}
